"""Is starting at people's judgements worth more where captions are few? Labs of drawn objects, whose truth is known.

*A lab* is a world of its own (`studies._pi_lab_data`): other objects, other people, other captions, and another first
model; seeds 1 to 5. Objects of the captioned pairs, of the judgements and of the tests are different ones.

*Stage 2* is the same for all arms of a lab: the CLIP of `studies.pi_cifar`, 1.5 million parameters, on 250, 1,000 or
4,000 objects with captions, the larger sets holding the smaller. The text tower, the pairs, their order and the changes
of their images are the same in all arms. The number of optimiser steps is the same at all sizes: were it larger where
there are more pairs, how long and of how much a model learned could not be told apart.

*Arms* differ in where the vision tower starts: ``web-only`` at random weights; ``people`` after stage 1 on the votes of
the lab's people (Perceptual Initialization); ``labels`` on judgements that categories alone give, with the same
references; ``shuffled`` on those of ``people`` with left and right exchanged at random. The last two, controls, are
trained at the smallest and the largest size alone.

*Scores*, before stage 2 and at its end, on 1,600 objects that nothing showed: zero-shot accuracy of the category
(eight) and of the strongest latent (twelve; mean over these, as they are not equally frequent), and agreement with the
majority of the same people in 6,000 trials about these objects; ``ideal`` is that of an observer who knows everybody's
probabilities.

Means over labs, with t intervals over labs; differences are those of the same lab. ``shrinking`` is how much larger a
difference to ``web-only`` is at a small size than at the largest, which is the claim. Settings were chosen in the lab
of seed 0, which is not reported.

    python -m studies.pi_lab --work FOLDER
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._io import read_json, write_json
from alignkit.data import open_zero_shot_set, read_labelled_images
from alignkit.data._simulate_streams import Stream, stream
from alignkit.models import load_joint
from alignkit.rsa import TwoAFC, two_afc_accuracy
from alignkit.score import fill_templates, zero_shot_accuracy, zero_shot_classifier
from alignkit.train import LoopConfig, OptimConfig, run
from alignkit.train.pi.config import ContrastiveConfig, PerceptualConfig
from benchmarks._harness import machine
from studies._pi_data import drawer
from studies._pi_lab_data import CATEGORY_TEMPLATES, TRAIT_TEMPLATES, Lab, PILabData, write_pi_lab_data
from studies.pi_cifar import ARCHITECTURE, interval

#: What stage 1 of an arm learns from.
STAGE_1 = {
    "people": {"table": "people"},
    "labels": {"table": "labels"},
    "shuffled": {"table": "people", "choices": "shuffled"},
}
ARMS, CONTROLS = ("web-only", *STAGE_1), ("labels", "shuffled")
MEASURES = ("category", "trait", "people")
FIRST_EPOCHS, STEPS, TRIALS = 4, 300, 6000
#: The draws of the trials that are scored; those of `studies._pi_lab_data` are below.
_TRIALS, _VOTES = 20, 20
#: So rarely that only the untrained model is kept.
_NEVER = 1_000_000


@dataclasses.dataclass(frozen=True)
class Size:
    """How much of everything; the small one keeps nothing and takes seconds."""

    pairs: tuple[int, ...] = (250, 1000, 4000)
    steps: int = STEPS
    first_steps: int | None = None
    n_people: int = 4000
    n_zero_shot: int = 1600
    n_trials: int = 20_000
    batch: int = 128


SMALL = Size(pairs=(128, 144, 160), steps=3, first_steps=3, n_people=240, n_zero_shot=64, n_trials=600, batch=32)


def main() -> None:
    """Run the study and keep what it found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for pictures, runs and scores")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5], help="labs")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="web-only is always among them")
    parser.add_argument("--small", action="store_true", help="a few steps of every arm; nothing is kept")
    options = parser.parse_args()
    size = SMALL if options.small else Size()
    seeds = options.seeds[:1] if options.small else options.seeds
    arms = [arm for arm in ARMS if arm == "web-only" or arm in options.arms]
    labs = run_labs(options.work, seeds, arms, size)
    rows = summary(labs)
    print(json.dumps(rows, indent=1))
    if not options.small:
        content = {
            "study": "pi_lab",
            "machine": machine(),
            "seeds": seeds,
            "epochs": {"stage 1": FIRST_EPOCHS, "stage 2, optimiser steps": STEPS},
            "parameters": _n_parameters(options.work / f"lab-{seeds[0]}" / "web-only" / str(size.pairs[0])),
            "processor_seconds": sum(arm["processor_seconds"] for lab in labs.values() for arm in lab["arms"].values()),
            "rows": rows,
        }
        Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


def run_labs(work: Path, seeds: list[int], arms: list[str], size: Size) -> dict[int, Any]:
    """Return what the arms of all labs come to, each arm in every lab before the next."""
    data = {seed: write_lab(work / f"lab-{seed}", seed, size) for seed in seeds}
    asked = {seed: Questions(data[seed], seed, size.n_zero_shot) for seed in seeds}
    labs: dict[int, Any] = {seed: {"arms": {}, "ideal": asked[seed].ideal} for seed in seeds}
    for arm in arms:
        for seed in seeds:
            found = run_arm(arm, work / f"lab-{seed}", data[seed], asked[seed], seed, size)
            labs[seed]["arms"][arm] = found
            print(arm, seed, json.dumps(found), flush=True)
    for seed, lab in labs.items():
        check_same_text(seed, lab["arms"])
    return labs


def write_lab(work: Path, seed: int, size: Size) -> PILabData:
    """Write what a lab's runs read, unless it is there."""
    data = write_pi_lab_data(
        work / "data",
        seed=seed,
        sizes=size.pairs,
        n_people=size.n_people,
        n_zero_shot=size.n_zero_shot,
        n_trials=size.n_trials,
    )
    write_json(work / "architecture.json", ARCHITECTURE)
    return data


class Questions:
    """What every model of a lab is asked about objects that nothing showed.

    Parameters
    ----------
    data : PILabData
    seed : int
        Of the lab.
    n : int
        Objects of the zero-shot test, which are the lab's first.
    """

    def __init__(self, data: PILabData, seed: int, n: int) -> None:
        self.set = open_zero_shot_set(data.zero_shot, templates=CATEGORY_TEMPLATES, check="header")
        table = read_labelled_images(data.traits)
        traits = dict(zip((Path(file).stem for file in table.files), table.classes, strict=True))
        labels = [Path(self.set.image_name(i)).stem for i in range(len(self.set))]
        self.traits = tuple(sorted(set(traits.values())))
        self.trait_of = np.array([self.traits.index(traits[label]) for label in labels])
        self.prompts = {
            "category": fill_templates(self.set.class_names, self.set.templates),
            "trait": fill_templates(self.traits, TRAIT_TEMPLATES),
        }
        lab = Lab(seed, n)
        trials = lab.trials(np.arange(n), TRIALS, drawer(seed, _TRIALS))
        votes = lab.votes(trials, stream(seed, Stream.VOTES, _VOTES))
        self.ideal = lab.ideal(trials, votes)
        row = {label: i for i, label in enumerate(labels)}
        self.trials = TwoAFC(np.array([row[label] for label in lab.labels])[trials], votes)

    def ask(self, folder: Path) -> dict[str, float]:
        """Return a model's zero-shot accuracies and its agreement with people."""
        model = load_joint(f"run:{folder}", device="cpu")
        images = model.image_features([self.set.image(i) for i in range(len(self.set))], batch_size=400)
        found: dict[str, float] = {}
        for name, targets in (("category", self.set.targets), ("trait", self.trait_of)):
            prompts = self.prompts[name]
            classifier = zero_shot_classifier(model.text_features(list(prompts.texts)), prompts.classes_of_rows)
            found[name] = zero_shot_accuracy(images, classifier, targets, n_bootstrap=0).mean_per_class_recall
        return {**found, "people": two_afc_accuracy(images, self.trials, n_bootstrap=0).accuracy}


def run_arm(arm: str, work: Path, data: PILabData, asked: Questions, seed: int, size: Size) -> dict[str, Any]:
    """Return what an arm comes to before stage 2 and at its end, by size; runs and scores are not made again."""
    scores = work / arm / "study.json"
    if scores.is_file():
        found: dict[str, Any] = read_json(scores)
        return found
    started = time.process_time()
    content: dict[str, Any] = {"after": {}, "text_sha256": [], "stage 1": None}
    if arm in STAGE_1:
        validations = run(perceptual(arm, work, data, seed, size)).history.validations
        content["stage 1"] = {
            "before": validations[0].metrics["val_accuracy"],
            "after": validations[-1].metrics["val_accuracy"],
            "ideal": data.ideal["val"] if arm != "labels" else 1.0,
        }
    last = len(size.pairs) - 1
    for k in (0, last) if arm in CONTROLS else range(last + 1):
        second = run(contrastive(arm, work, seed, size, k)).path
        if k == 0:
            content["before"] = asked.ask(second / "epochs" / "0000")
        content["after"][str(size.pairs[k])] = asked.ask(second)
        content["text_sha256"].append(read_json(second / "model.json")["first_sha256"]["text"])
    content["processor_seconds"] = time.process_time() - started
    write_json(scores, content)
    return content


def perceptual(arm: str, work: Path, data: PILabData, seed: int, size: Size) -> PerceptualConfig:
    """Return the settings of an arm's stage 1."""
    of_arm = STAGE_1[arm]
    loop = _loop(seed, size.batch, epochs=FIRST_EPOCHS, max_steps=size.first_steps, monitor="val_accuracy")
    return PerceptualConfig(
        judgements=data.judgements[of_arm["table"]],
        images=data.images,
        choices=of_arm.get("choices", "people"),  # type: ignore[arg-type]
        architecture=str(work / "architecture.json"),
        out=work / "stage-1" / arm,
        optim=_optim(56 if size.first_steps is None else 1),
        loop=loop,
        n_bootstrap=0,
    )


def contrastive(arm: str, work: Path, seed: int, size: Size, k: int) -> ContrastiveConfig:
    """Return the settings of an arm's stage 2 on the ``k``-th smallest set of pairs: the shards up to the ``k``-th."""
    loop = _loop(seed, size.batch, epochs=size.steps, max_steps=size.steps, monitor="zero_shot")
    return ContrastiveConfig(
        pairs=work / "data" / "pairs" / f"{{00000..{k:05d}}}.tar",
        start=None if arm == "web-only" else work / "stage-1" / arm,
        index=work / "index",
        architecture=str(work / "architecture.json"),
        augmentation="crop",
        out=work / arm / str(size.pairs[k]),
        optim=_optim(max(1, size.steps // 10)),
        loop=dataclasses.replace(loop, drop_last=True, validate_every=size.steps, keep_epochs=_NEVER),
        n_bootstrap=0,
    )


def _optim(warmup: int) -> OptimConfig:
    return OptimConfig(lr=2e-3, weight_decay=0.1, beta2=0.98, schedule="cosine", warmup=warmup)


def _loop(seed: int, batch: int, *, epochs: int, max_steps: int | None, monitor: str) -> LoopConfig:
    return LoopConfig(
        epochs=epochs,
        max_steps=max_steps,
        batch_size=batch,
        monitor=monitor,
        mode="last",
        keep_last=1,
        log_every=10,
        seed=seed,
        device="cpu",
        progress=False,
    )


def _n_parameters(folder: Path) -> int:
    model = load_joint(f"run:{folder}", device="cpu")
    return sum(p.numel() for part in (model.image, model.text) for p in part.module.parameters())


def check_same_text(seed: int, arms: dict[str, Any]) -> None:
    """Raise unless all models of a lab began with the same text tower."""
    hashes = {one for arm in arms.values() for one in arm["text_sha256"]}
    if len(hashes) != 1:
        msg = f"the models of lab {seed} began with {len(hashes)} different text towers."
        raise AssertionError(msg)


def summary(labs: dict[int, Any]) -> dict[str, Any]:
    """Return means over labs by arm and size, and differences to ``web-only`` of the same labs."""
    arms = list(next(iter(labs.values()))["arms"])
    runs = {arm: [lab["arms"][arm] for lab in labs.values()] for arm in arms}
    rows: dict[str, Any] = {"ideal": {"people": interval(np.array([lab["ideal"] for lab in labs.values()]))}}
    for arm, own in runs.items():
        sizes = list(own[0]["after"])
        after = _table(own, sizes)
        row: dict[str, Any] = {
            "before": {name: interval(np.array([one["before"][name] for one in own])) for name in MEASURES},
            "after": _intervals(after, sizes),
        }
        if arm != "web-only":
            more = after - _table(runs["web-only"], sizes)
            row["difference"] = _intervals(more, sizes)
            row["shrinking"] = _intervals(more[:, :-1] - more[:, -1:], sizes[:-1])
            when = ("before", "after", "ideal")
            row["stage 1"] = {name: interval(np.array([one["stage 1"][name] for one in own])) for name in when}
        rows[arm] = row
    return rows


def _table(labs: list[dict[str, Any]], sizes: list[str]) -> Any:
    """Return scores, shape (labs, sizes, measures)."""
    return np.array([[[one["after"][size][name] for name in MEASURES] for size in sizes] for one in labs])


def _intervals(values: Any, sizes: list[str]) -> dict[str, Any]:
    return {name: {size: interval(values[:, k, m]) for k, size in enumerate(sizes)} for m, name in enumerate(MEASURES)}


if __name__ == "__main__":
    main()
