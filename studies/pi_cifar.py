"""Does a small CLIP that starts at people's judgements learn better from captions? CIFAR-10, in minutes.

*Stage 2* is the same for all arms: a CLIP of about 1.5 million parameters (a small ResNet for 32 pixels; half of it is
the vocabulary) on 20,000 training images of CIFAR-10 with captions from templates, the arms of a seed with the same
text tower, the same pairs in the same order, the same changes of images. *Arms* differ in where the vision tower
starts:

``web-only``
    Random weights.
``people``
    Stage 1 on judgements made of CIFAR-10H: of two images, which shares more of its labels with a reference. Their
    images are test images of CIFAR-10, half of them; the other half is what is scored. These judgements carry class
    labels, which the next arm tells apart from what else people say.
``labels``
    Stage 1 on judgements that class labels alone give, with the same references.
``materials``
    Stage 1 on people's votes about 100 renders of materials, of which CIFAR-10 shows nothing.
``shuffled``
    Stage 1 on the judgements of ``people`` with left and right exchanged at random.
``post-hoc``
    ``web-only``, fine-tuned on the judgements of ``people`` afterwards (queries, keys and values of its attention).

*Scores*, after every epoch, on the 5,000 test images that no judgement shows: zero-shot top-1 accuracy, and agreement
with people, the accuracy in 2AFC trials that CIFAR-10H gives about these images. Means over seeds; intervals are t
intervals over seeds, of differences to ``web-only`` those of the paired differences.

Settings of both stages were chosen by zero-shot accuracy of ``web-only`` and by the judgements that are followed in
stage 1, in a search with plain code before this study, on the division of images of seed 0.

    python -m studies.pi_cifar --data DATA --work FOLDER
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._io import read_json, write_json
from alignkit.data import load_cifar10h, open_zero_shot_set
from alignkit.models import load_joint
from alignkit.rsa import TwoAFC, two_afc_accuracy
from alignkit.score import fill_templates, zero_shot_accuracy, zero_shot_classifier
from alignkit.train import LoopConfig, OptimConfig, run
from alignkit.train.pi._seed_mean import seed_mean
from alignkit.train.pi.config import ContrastiveConfig, PerceptualConfig
from benchmarks._harness import machine
from studies._pi_data import PAIRS, TEMPLATES, PIData, human_trials, split_test, votes_of, write_pi_data

ARCHITECTURE = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 12, "head_width": 24},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
#: What stage 1 of an arm learns from.
STAGE_1 = {
    "people": {"table": "cifar10h"},
    "labels": {"table": "labels"},
    "materials": {"table": "material2afc"},
    "shuffled": {"table": "cifar10h", "choices": "shuffled"},
}
ARMS = ("web-only", *STAGE_1, "post-hoc")
EPOCHS, FIRST_EPOCHS, TUNED_EPOCHS, TRIALS = 6, 2, 1, 6000


@dataclasses.dataclass(frozen=True)
class Size:
    """How much of everything; the small one keeps nothing and takes seconds."""

    epochs: int = EPOCHS
    max_steps: int | None = None
    n_pairs: int = 20_000
    n_trials: int = 20_000
    n_asked: int = 5000


def main() -> None:
    """Run the study and keep what it found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--work", type=Path, default=Path("pi_cifar"), help="folder for images, runs and scores")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--small", action="store_true", help="a few steps of every arm; nothing is kept")
    options = parser.parse_args()
    if options.data is None or not (options.data / PAIRS).is_file():
        print(f"the data are not at hand (--data FOLDER with {PAIRS}): nothing is trained")
        return
    size = Size(epochs=1, max_steps=4, n_pairs=600, n_trials=1200, n_asked=250) if options.small else Size()
    seeds = options.seeds[:1] if options.small else options.seeds
    data = write_pi_data(options.work / "data", options.data, n_pairs=size.n_pairs, n_trials=size.n_trials)
    (data.zero_shot / "templates.txt").write_text("\n".join(TEMPLATES) + "\n")
    write_json(options.work / "architecture.json", ARCHITECTURE)
    asked = Questions(options.data, data, size.n_asked)
    found: dict[str, dict[int, Any]] = {arm: {} for arm in ARMS}
    for seed in seeds:
        for arm in ARMS:
            found[arm][seed] = run_arm(arm, seed, options.work, data, asked, size)
            print(arm, seed, json.dumps(found[arm][seed]), flush=True)
    rows = summary(found)
    print(json.dumps(rows, indent=1))
    if not options.small:
        content = {
            "study": "pi_cifar",
            "machine": machine(),
            "seeds": seeds,
            "epochs": {"stage 1": FIRST_EPOCHS, "stage 2": EPOCHS, "post-hoc": TUNED_EPOCHS},
            "parameters": found["web-only"][seeds[0]]["parameters"],
            "rows": rows,
        }
        Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


class Questions:
    """What every model is asked about the images that no judgement shows.

    Parameters
    ----------
    root : Path
        Folder of the data sets.
    data : PIData
    n : int
        Images.
    """

    def __init__(self, root: Path, data: PIData, n: int) -> None:
        people = load_cifar10h(root)
        every = open_zero_shot_set(data.zero_shot)
        self.prompts = fill_templates(every.class_names, every.templates)
        _, images = split_test(people.target, 0)
        images = images[:: len(images) // n]
        trials = human_trials(people, images, TRIALS, np.random.default_rng(1))
        row = {Path(every.image_name(i)).stem: i for i in range(len(every))}
        chosen = sorted(row[Path(people.labels[image]).stem] for image in images)
        self.set = every.subset(chosen)
        at = {int(image): chosen.index(row[Path(people.labels[image]).stem]) for image in images}
        items = np.vectorize(at.__getitem__)(trials)
        self.trials = TwoAFC(items, votes_of(people.probs, trials))

    def ask(self, folder: Path) -> dict[str, float]:
        """Return a model's zero-shot accuracy and its agreement with people."""
        model = load_joint(f"run:{folder}", device="cpu")
        images = model.image_features([self.set.image(i) for i in range(len(self.set))], batch_size=500)
        texts = model.text_features(list(self.prompts.texts))
        classifier = zero_shot_classifier(texts, self.prompts.classes_of_rows)
        accuracy = zero_shot_accuracy(images, classifier, self.set.targets, n_bootstrap=0)
        people = two_afc_accuracy(images, self.trials, n_bootstrap=0)
        return {"top1": accuracy.top1, "people": people.accuracy}


def run_arm(arm: str, seed: int, work: Path, data: PIData, asked: Questions, size: Size) -> dict[str, Any]:
    """Return what one arm of one seed comes to; runs that are finished, and scores, are not made again."""
    folder = work / f"seed-{seed}"
    scores = folder / arm / "study.json"
    if scores.is_file():
        found: dict[str, Any] = read_json(scores)
        return found
    started = time.monotonic()
    first: Any = None
    if arm == "post-hoc":
        second = run(tuned(work, data, seed, size)).path
        curve = {str(EPOCHS): asked.ask(second)}
    else:
        if arm in STAGE_1:
            first = run(perceptual(arm, work, data, seed, size))
        result = run(contrastive(arm, work, data, seed, size))
        second = result.path
        points = sorted((second / "epochs").iterdir()) if (second / "epochs").is_dir() else [second]
        curve = {str(int(point.name)) if point != second else "0": asked.ask(point) for point in points}
    content = {
        "curve": curve,
        "stage 1": None if first is None else _of_history(first.history.validations),
        "parameters": _n_parameters(second),
        "text_sha256": read_json(second / "model.json").get("first_sha256", {}).get("text"),
        "seconds": time.monotonic() - started,
    }
    write_json(scores, content)
    return content


def perceptual(arm: str, work: Path, data: PIData, seed: int, size: Size) -> PerceptualConfig:
    """Return the settings of an arm's stage 1."""
    of_arm = STAGE_1[arm]
    return PerceptualConfig(
        judgements=data.judgements[of_arm["table"]],
        images=data.images[of_arm["table"]],
        choices=of_arm.get("choices", "people"),  # type: ignore[arg-type]
        architecture=str(work / "architecture.json"),
        out=work / f"seed-{seed}" / "stage-1" / arm,
        optim=OptimConfig(lr=1e-3, weight_decay=0.1, beta2=0.98, schedule="cosine", warmup=_few(28, size)),
        loop=_loop(seed, size, epochs=FIRST_EPOCHS, monitor="val_accuracy"),
    )


def contrastive(arm: str, work: Path, data: PIData, seed: int, size: Size) -> ContrastiveConfig:
    """Return the settings of an arm's stage 2."""
    first = None if arm == "web-only" else work / f"seed-{seed}" / "stage-1" / arm
    loop = _loop(seed, size, epochs=size.epochs, monitor="zero_shot")
    return ContrastiveConfig(
        pairs=data.pairs,
        zero_shot=(data.zero_shot,) if size.max_steps is None else (),
        start=first,
        index=work / "index",
        architecture=str(work / "architecture.json"),
        augmentation="crop",
        out=work / f"seed-{seed}" / arm,
        optim=OptimConfig(lr=4e-3, weight_decay=0.1, beta2=0.98, schedule="cosine", warmup=_few(90, size)),
        loop=dataclasses.replace(loop, drop_last=True, keep_epochs=1),
    )


def tuned(work: Path, data: PIData, seed: int, size: Size) -> PerceptualConfig:
    """Return the settings of the fine-tuning of what was trained on captions alone."""
    config = perceptual("people", work, data, seed, size)
    return dataclasses.replace(
        config,
        start=work / f"seed-{seed}" / "web-only",
        trained="attention",
        out=work / f"seed-{seed}" / "post-hoc",
        optim=dataclasses.replace(config.optim, lr=1e-4, weight_decay=0.0, beta2=0.999),
        loop=dataclasses.replace(config.loop, epochs=TUNED_EPOCHS),
    )


def _few(warmup: int, size: Size) -> int:
    return warmup if size.max_steps is None else 1


def _loop(seed: int, size: Size, *, epochs: int, monitor: str) -> LoopConfig:
    return LoopConfig(
        epochs=epochs,
        max_steps=size.max_steps,
        batch_size=128 if size.max_steps is None else 32,
        monitor=monitor,
        mode="last",
        keep_last=1,
        log_every=10,
        seed=seed,
        device="cpu",
    )


def _of_history(validations: Any) -> dict[str, Any]:
    """Return accuracies of stage 1 on what it was not trained on, before and after."""
    before, after = validations[0].metrics, validations[-1].metrics
    names = [name for name in after if name.endswith("_accuracy")]
    return {name: {"before": before[name], "after": after[name]} for name in names}


def _n_parameters(folder: Path) -> int:
    model = load_joint(f"run:{folder}", device="cpu")
    return sum(p.numel() for part in (model.image, model.text) for p in part.module.parameters())


def summary(found: dict[str, dict[int, Any]]) -> dict[str, Any]:
    """Return means over seeds at every epoch, and differences to ``web-only``."""
    rows: dict[str, Any] = {}
    for arm, runs in found.items():
        points = list(next(iter(runs.values()))["curve"])
        last = points[-1]
        row: dict[str, Any] = {"curve": {}, "last": {}, "difference": {}}
        for measure in ("top1", "people"):
            own = np.array([[one["curve"][point][measure] for point in points] for one in runs.values()])
            row["curve"][measure] = {point: interval(own[:, k]) for k, point in enumerate(points)}
            row["last"][measure] = row["curve"][measure][last]
            if arm != "web-only":
                row["difference"][measure] = differences(runs, found["web-only"], measure)
            if arm == "people":
                row.setdefault("difference to labels", {})[measure] = differences(runs, found["labels"], measure)
        if next(iter(runs.values()))["stage 1"] is not None:
            names = next(iter(runs.values()))["stage 1"]
            row["stage 1"] = {
                name: {
                    when: interval(np.array([one["stage 1"][name][when] for one in runs.values()]))
                    for when in ("before", "after")
                }
                for name in names
            }
        row["seconds"] = float(np.mean([one["seconds"] for one in runs.values()]))
        rows[arm] = row
    check_same_text(found)
    return rows


def differences(runs: dict[int, Any], base: dict[int, Any], measure: str) -> dict[str, Any]:
    """Return the differences of two arms at the epochs that both have, paired by seed."""
    points = [point for point in next(iter(runs.values()))["curve"] if point in next(iter(base.values()))["curve"]]
    return {
        point: interval(np.array([runs[s]["curve"][point][measure] - base[s]["curve"][point][measure] for s in runs]))
        for point in points
    }


def check_same_text(found: dict[str, dict[int, Any]]) -> None:
    """Raise unless all arms of a seed began with the same text tower."""
    for seed in found["web-only"]:
        hashes = {runs[seed]["text_sha256"] for arm, runs in found.items() if arm != "post-hoc"}
        if len(hashes) != 1:
            msg = f"the arms of seed {seed} began with {len(hashes)} different text towers."
            raise AssertionError(msg)


def interval(values: Any) -> dict[str, Any]:
    """Return the mean over seeds with its 95 % t interval (none for fewer than three), and the single values."""
    found = seed_mean(values)
    bounds = None if math.isnan(found.low) else [found.low, found.high]
    return {"mean": found.mean, "interval": bounds, "seeds": [float(value) for value in values]}


if __name__ == "__main__":
    main()
