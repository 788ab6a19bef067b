"""CLIP-HBA on real photos and real people: five folds of 511 concepts, scored on answers about held-out concepts.

A frozen image network and MiniLM's embeddings of the 66 prompts are joined by a projection; what is trained on four
fifths of the concepts predicts the others. Predictions are pooled and scored on the 3,020 human answers whose three
concepts all have photos, and by the rank correlation of their dot products with SPoSE's. Folds share no concept and no
photo; epochs and penalties are chosen on a fifth of the training concepts, never on human answers, and the same number
of epochs then trains on all of them: folds that stop at different times would disagree on the scale of what is pooled.

Input 224 x 224; ViT-S/14 (DINOv2) block 10, counted from 0: its class token, without the final norm.
SPoSE-66, which is learned from, was probably fitted to these very answers: all rows that learn from it may be
optimistic. So may they because rate, dropout and the shape of the start were settled with earlier scores in sight.

python -m studies.hba_photos --data FOLDER   (an hour on two cores; ``--small``: one fold of 60 concepts)
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._io import load_npz, save_npz
from alignkit.align._ridge import fit_ridge
from alignkit.data import load_things
from alignkit.models import AdapterConfig
from alignkit.rsa import triplet_ceiling
from alignkit.train import LoopConfig, OptimConfig
from alignkit.train._splits import fold_objects
from alignkit.train.hba._data import HBAData, read_data, restrict_answers
from alignkit.train.hba.config import HBAConfig
from benchmarks._harness import machine
from studies._pooled_scores import PooledScores

if TYPE_CHECKING:
    from alignkit.train._run_folder import RunFolder
    from alignkit.train.hba.task import HBATask

#: Share of the standardised features that the head does not see in training.
DROPOUT = 0.5
#: Learning rate, where a row does not say otherwise.
RATE = 1e-4
#: Epochs between validations, and so between the numbers of epochs to choose among.
EVERY = 5
LITE = "efficientnet-lite0"
WEIGHTS = Path("weights", "vit_small_patch14_dinov2.imgfocus_fp16.safetensors")
N_FOLDS = 5
HEAD = AdapterConfig(kind="none")
#: In the attention's output projection, as CLIP-HBA has it.
LORA = AdapterConfig(kind="lora", rank=8, alpha=16.0, dropout=0.1, image_blocks=1, text_blocks=0)
#: Names of the rows: the loss, what is trained, and whether EfficientNet-Lite0 stands beside the ViT.
ROWS: dict[str, dict[str, Any]] = {
    "mse, head": {"loss": "mse"},
    "triplets, head": {"loss": "triplets"},
    "triplets, head and LoRA": {"loss": "triplets", "adapter": LORA},
    # a step of AdamW moves every weight alike, so that a prediction from four times as many features moves faster
    "triplets, head, two encoders": {"loss": "triplets", "two": True, "rate": 3e-5},
    "shuffled targets, triplets, head": {"loss": "triplets", "shuffle": True},
}
#: Rows whose task also gives the frozen features, and ridge regression on these.
FROZEN = {"triplets, head": "", "triplets, head, two encoders": ", two encoders"}
PAIRS = (
    ("triplets, head and LoRA", "triplets, head"),
    ("triplets, head", "ridge"),
    ("triplets, head, two encoders", "ridge, two encoders"),
)


def settings(
    root: Path,
    *,
    loss: str,
    adapter: AdapterConfig = HEAD,
    two: bool = False,
    rate: float = RATE,
    epochs: int = 1,
    every: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
    penalty: float | None = None,
    img_size: int = 224,
) -> HBAConfig:
    """Return the settings of one row."""
    own = {"backbone": str(root / WEIGHTS), "layer": "10", "img_size": img_size}
    return HBAConfig(
        images=root / "things" / "photos",
        root=root,
        **({"backbone": "studies.hba_photos:two_encoders"} if two else own),  # type: ignore[arg-type]
        text="minilm",
        loss=loss,  # type: ignore[arg-type]
        head="ridge",
        penalty=penalty,
        ridge_constant=1.0,
        dropout=DROPOUT,
        adapter=adapter,
        optim=OptimConfig(lr=rate),
        loop=LoopConfig(
            epochs=epochs,
            batch_size=batch_size,
            drop_last=True,
            ema=0.98,
            monitor="val_loss",
            validate_every=every,
            keep_last=1,
            seed=seed,
            device="cpu",
            progress=False,
        ),
    )


@functools.cache  # nothing in them is trained
def two_encoders() -> Any:
    """Return ViT-S's class token beside EfficientNet-Lite0's features, as one network of 224 pixels."""
    import torch
    from torch import nn

    from alignkit.models import load
    from alignkit.models._split_tower import SplitTower

    models = [load(Path(os.environ["ALIGNKIT_DATA"], WEIGHTS), device="cpu", img_size=224), load(LITE, device="cpu")]
    towers = [SplitTower.from_model(model, layer) for model, layer in zip(models, (10, None), strict=True)]
    seen, own = (model.preprocess for model in models)

    class Two(nn.Module):
        """Both see the same pixels, each normalised as it knows them."""

        def __init__(self) -> None:
            super().__init__()
            self.towers = nn.ModuleList(towers)
            ratio = torch.tensor(seen.std) / torch.tensor(own.std)
            shift = (torch.tensor(seen.mean) - torch.tensor(own.mean)) / torch.tensor(own.std)
            self.register_buffer("ratio", ratio[:, None, None])
            self.register_buffer("shift", shift[:, None, None])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.towers[0](x), self.towers[1](x * self.ratio + self.shift)], dim=1)

    return Two(), seen


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("ALIGNKIT_DATA"), help="holds things/ and weights/")
    parser.add_argument("--seeds", type=int, default=3, help="fold seeds")
    parser.add_argument("--epochs", type=int, default=40, help="at most")
    parser.add_argument("--rows", nargs="*", default=list(ROWS), help="which rows are trained")
    parser.add_argument("--work", type=Path, help="where runs and the frozen layers' output lie; reused by later calls")
    parser.add_argument("--small", action="store_true", help="one fold of 60 concepts, five epochs; nothing is kept")
    options = parser.parse_args()
    if options.data is None or not (options.data / WEIGHTS).is_file():
        print(f"the data are not at hand (--data FOLDER with {WEIGHTS}): nothing is trained")
        return
    os.environ["ALIGNKIT_DATA"] = str(options.data.resolve())
    if options.small:
        options.seeds, options.epochs, options.rows = 1, EVERY, options.rows[:2]
    study = Study(options.data.resolve(), options)
    runs = [study.run(seed, options.rows) for seed in range(options.seeds)]
    table = summary(runs, study)
    for name, row in table["rows"].items():
        print(f"{name:36s} accuracy {row['accuracy']:.4f}   rho {row['rho']:.4f}   {row['seconds']:.0f} s a seed")
    print(json.dumps({key: value for key, value in table.items() if key != "rows"}, indent=1))
    if not options.small:
        how = {"epochs": options.epochs, "dropout": DROPOUT, "seeds": options.seeds}
        content = {"study": "hba_photos", "machine": machine(), **how, **table}
        Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


@dataclasses.dataclass(frozen=True)
class Pooled:
    """Predictions of all concepts, each by the model that never saw it, and how long these were trained."""

    values: Any
    epochs: int = 0
    seconds: float = 0.0


class Study:
    """The photos, the answers, and what is trained on them."""

    def __init__(self, root: Path, options: argparse.Namespace) -> None:
        self.root, self.epochs, self.small = root, options.epochs, options.small
        self.batch_size = 16 if options.small else 64
        self.img_size = 56 if options.small else 224  # a sixteenth of the tokens
        data = read_data(settings(root, loss="triplets"))
        # the 48 are held out in a run of its own; here every concept is held out once
        self.data = dataclasses.replace(first(data, 60) if self.small else data, always=())
        self.spose = self.data.in_units(self.data.targets)
        self.work = Path(tempfile.mkdtemp() if options.work is None else options.work).resolve()

    def run(self, seed: int, rows: list[str]) -> dict[str, Pooled]:
        """Return the pooled predictions of every row for one division into folds."""
        fold = fold_objects(self.data.labels, n_folds=N_FOLDS, seed=seed, sources=self.data.images)
        pooled: dict[str, Pooled] = {}
        for name in rows:
            kept = self.work / f"{self._slug(name, seed)}.npz"  # a study that was killed goes on with the next row
            if not kept.is_file():
                parts, meta = self._row(name, fold, seed)
                save_npz(kept, parts, meta)
            parts, meta = load_npz(kept)
            print(f"seed {seed}: {name}, {meta['seconds']:.0f} s, {meta['epochs']} epochs", flush=True)
            for part, values in parts.items():
                pooled[part] = Pooled(values, **(meta if part == name else {}))
        return pooled

    def _row(self, name: str, fold: Any, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the predictions of a row for each concept by the model that never saw it, and how it was trained."""
        how = dict(ROWS[name])
        data = shuffled(self.data, seed) if how.pop("shuffle", False) else self.data
        outs = [
            [label for label, own in zip(data.labels, fold, strict=True) if own == k]
            for k in range(1 if self.small else N_FOLDS)
        ]
        n = len(data.labels)
        inner = [data.split(held_out=out, val_share=0.2, seed=1000 + seed) for out in outs]
        # a run has some concepts to look at; four are too few to miss in the final training
        whole = [data.split(held_out=out, val_share=4 / (n - len(out)), seed=1000 + seed) for out in outs]
        parts: dict[str, Any] = {}
        penalties = []

        def keep(part: str, k: int, values: Any) -> None:
            parts.setdefault(part, np.full((n, values.shape[1]), np.nan))[fold == k] = values[fold == k]

        for k, (own, final) in enumerate(zip(inner, whole, strict=True)):
            task = self._task(own, None, epochs=1, penalty=1.0, **how)
            penalties.append(choose_penalty(task, own))
            if name in FROZEN:
                for part, values in baselines(task, self.spose, final, penalties[k]).items():
                    keep(part + FROZEN[name], k, values)
        started = time.perf_counter()
        made = [{"seed": 10 * seed + k, "penalty": penalties[k], **how} for k in range(len(outs))]
        slug = self._slug(name, seed)
        losses = [self._fit(f"{slug}-{k}-inner", inner[k], epochs=self.epochs, **made[k])[0] for k in range(len(outs))]
        epochs = EVERY * int(np.sum(losses, axis=0).argmin())
        for k, final in enumerate(whole):
            values = self._fit(f"{slug}-{k}-{epochs}", final, epochs=epochs, **made[k])[1]
            keep(name, k, data.in_units(values))
        return parts, {"epochs": epochs, "seconds": time.perf_counter() - started}

    def _slug(self, name: str, seed: int) -> str:
        rate = ROWS[name].get("rate", RATE)
        return f"{name}-{seed}-{self.epochs}-{rate}".replace(",", "").replace(" ", "-")

    def _task(self, data: HBAData, run: RunFolder | None, **how: Any) -> HBATask:
        from alignkit.train.hba.task import build_task

        config = settings(self.root, batch_size=self.batch_size, img_size=self.img_size, **how)
        return build_task(data, config, run, cache=self.work / "cache")

    def _fit(self, folder: str, data: HBAData, *, epochs: int, **how: Any) -> tuple[list[float], Any]:
        """Train, and return the validation losses and what the last weights predict."""
        from alignkit.train._loop import fit
        from alignkit.train._processes import Processes
        from alignkit.train._run_folder import RunFolder

        if not epochs:
            return [], self._task(data, None, **how).predictions()
        how |= {"epochs": epochs, "every": EVERY * (len(data.train) // self.batch_size)}
        config = settings(self.root, batch_size=self.batch_size, img_size=self.img_size, **how)
        with Processes.start(config.loop) as processes, RunFolder.open(self.work / folder, config) as run:
            task = self._task(data, run, **how)
            history = fit(task, config.loop, config.optim, folder=run, processes=processes)
            newest = run.checkpoints.newest()
        assert newest is not None
        assert newest.step == history.n_steps
        averages = {name[4:]: value for name, value in newest.tensors.items() if name.startswith("ema.")}
        task.model.load_trained(averages)  # type: ignore[union-attr, operator]
        return [record.metrics["val_loss"] for record in history.validations], task.predictions()


def choose_penalty(task: Any, data: HBAData) -> float:
    """Return the ridge penalty that predicts the validation concepts best; photos are rows, as in training."""
    x, objects = task.photo_features(data.train)
    return fit_ridge(x, data.targets[objects], val=(task.features(data.val), data.targets[data.val])).penalty


def baselines(task: Any, spose: Any, data: HBAData, penalty: float) -> dict[str, Any]:
    """Return the features themselves, less the training concepts' mean too, and ridge regression on them."""
    features = task.features()
    known = np.concatenate([data.train, data.val])
    x, objects = task.photo_features(known)
    ridge = fit_ridge(x, spose[objects], penalty=penalty)
    return {
        "frozen": features,
        "frozen, centred": features - features[known].mean(axis=0),
        "ridge": ridge.predict(features),
    }


def first(data: HBAData, n: int) -> HBAData:
    """Return the first concepts alone."""
    labels = data.labels[:n]
    return dataclasses.replace(
        data,
        labels=labels,
        images=data.images[:n],
        targets=data.targets[:n],
        triplets=restrict_answers(data.triplets, labels),
        repeats=None,
        answers=None,
        rdm48=None,
    )


def shuffled(data: HBAData, seed: int) -> HBAData:
    """Return the data with every concept learning another one's targets."""
    order = np.random.default_rng(seed).permutation(len(data.labels))
    return dataclasses.replace(data, targets=data.targets[order])


def summary(runs: list[dict[str, Pooled]], study: Study) -> dict[str, Any]:
    """Return every row's mean over fold seeds with its interval, and what one row has over another."""
    scores = PooledScores(study.data, study.spose)
    found = {name: [scores.of(run[name].values, name) for run in runs] for name in runs[0]}
    rows = {
        name: {
            **scores.mean(found[name]),
            "epochs": [run[name].epochs for run in runs],
            "rate": ROWS[name].get("rate", RATE) if name in ROWS else None,
            "seconds": float(np.mean([run[name].seconds for run in runs])),
            "learned_from_spose": not name.startswith("frozen"),
        }
        for name in runs[0]
    }
    table: dict[str, Any] = {"rows": rows, "n_concepts": len(study.data.labels)}
    table["spose66_itself"] = float(scores.of(study.spose, "SPoSE-66").hits.mean())
    if not study.small:
        table["n_answers"] = len(study.data.triplets or ())
        ceiling = triplet_ceiling(load_things(study.root).repeats)
        table["leave_one_out_ceiling_of_all_repeats"] = ceiling.leave_one_out
        for better, worse in PAIRS:
            if better in found and worse in found:
                table[f"{better} minus {worse}"] = scores.difference(found[better], found[worse])
    return table


if __name__ == "__main__":
    main()
