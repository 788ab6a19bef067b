"""CLIP-HBA on real photos and real people: five folds of 511 concepts, scored on answers about held-out concepts.

A frozen image network and MiniLM's embeddings of the 66 prompts are joined by a projection; what is trained on four
fifths of the concepts predicts the others. Predictions are pooled and scored on the 3,020 human answers whose three
concepts all have photos, and by the rank correlation of their dot products with SPoSE's. Folds share no concept and no
photo; epochs and penalties are chosen on a fifth of the training concepts, never on human answers.

Input 224 x 224; ViT-S/14 (DINOv2) block 10, counted from 0: its class token, without the final norm.
SPoSE-66, which is learned from, was probably fitted to these very answers: all rows that learn from it may be
optimistic.

python -m studies.hba_photos --data FOLDER   (about two hours on two cores; ``--small``: a minute on 60 concepts)
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from alignkit.models import AdapterConfig
from alignkit.rsa import similarity_matrix, triplet_accuracy
from alignkit.train import LoopConfig, OptimConfig
from alignkit.train._splits import fold_objects
from alignkit.train.hba._data import HBAData, read_data, restrict_answers
from alignkit.train.hba._item_bootstrap import draw_items
from alignkit.train.hba._ridge import fit_ridge
from alignkit.train.hba.config import HBAConfig
from benchmarks._harness import machine

#: Chosen on inner concepts: the rate, and the share of standardised features that the head does not see in training.
RATE, DROPOUT = 3e-5, 0.5
LITE = "efficientnet-lite0"
WEIGHTS = Path("weights", "vit_small_patch14_dinov2.imgfocus_fp16.safetensors")
N_FOLDS = 5
HEAD = AdapterConfig(kind="none")
LORA = AdapterConfig(kind="lora", rank=8, alpha=16.0, dropout=0.1, projections=("q", "k", "v", "out"), image_blocks=1,
                     text_blocks=0)  # fmt: skip
#: Names of the rows: the loss, what is trained, and whether EfficientNet-Lite0 stands beside the ViT.
ROWS: dict[str, dict[str, Any]] = {
    "mse, head": {"loss": "mse", "adapter": HEAD},
    "triplets, head": {"loss": "triplets", "adapter": HEAD},
    "triplets, head and LoRA": {"loss": "triplets", "adapter": LORA},
    "triplets, head, two encoders": {"loss": "triplets", "adapter": HEAD, "two": True},
}
SHUFFLED = "shuffled targets, triplets, head"


def settings(
    root: Path, *, loss: str, adapter: AdapterConfig, two: bool = False, seed: int, epochs: int, batch_size: int = 64
) -> HBAConfig:
    """Return the settings of one row."""
    own = {"backbone": str(root / WEIGHTS), "layer": "10", "img_size": 224}
    return HBAConfig(
        images=root / "things" / "photos",
        root=root,
        **({"backbone": "studies.hba_photos:two_encoders"} if two else own),  # type: ignore[arg-type]
        text="minilm",
        loss=loss,  # type: ignore[arg-type]
        head="ridge",
        dropout=DROPOUT,
        adapter=adapter,
        optim=OptimConfig(lr=RATE),
        loop=LoopConfig(
            epochs=epochs,
            batch_size=batch_size,
            drop_last=True,
            ema=0.98,
            patience=20,
            monitor="val_loss",
            keep_last=1,
            seed=seed,
            device="cpu",
            progress=False,
        ),
    )


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
    parser.add_argument("--epochs", type=int, default=100, help="at most")
    parser.add_argument("--rows", nargs="*", default=[*ROWS, SHUFFLED], help="which rows are trained")
    parser.add_argument("--work", type=Path, help="where runs and the frozen layers' output lie; reused by later calls")
    parser.add_argument("--small", action="store_true", help="one fold of 60 concepts, two epochs; nothing is kept")
    options = parser.parse_args()
    if options.data is None or not (options.data / WEIGHTS).is_file():
        print(f"the data are not at hand (--data FOLDER with {WEIGHTS}): nothing is trained")
        return
    os.environ["ALIGNKIT_DATA"] = str(options.data.resolve())
    epochs = 2 if options.small else options.epochs
    study = Study(options.data.resolve(), epochs=epochs, small=options.small, work=options.work)
    seeds = range(1 if options.small else options.seeds)
    runs = [study.run(seed, options.rows[:2] if options.small else options.rows) for seed in seeds]
    table = summary(runs, study)
    for name, row in table["rows"].items():
        print(f"{name:42s} accuracy {row['accuracy']:.4f}   rho {row['rho']:.4f}   {row['seconds']:.0f} s a seed")
    print(json.dumps({key: value for key, value in table.items() if key != "rows"}, indent=1))
    if not options.small:
        where = machine()
        content = {"study": "hba_photos", "machine": where, "epochs": options.epochs, "seeds": options.seeds, **table}
        Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


class Study:
    """The photos, the answers, and what is trained on them."""

    def __init__(self, root: Path, *, epochs: int, small: bool, work: Path | None) -> None:
        self.root, self.epochs, self.small = root, epochs, small
        data = read_data(settings(root, **ROWS["triplets, head"], seed=0, epochs=1))
        # the 48 are held out in a run of its own; here every concept is held out once
        self.data = dataclasses.replace(first(data, 60) if small else data, always=())
        assert data.triplets is not None
        low, high = data.scale
        self.spose = low + self.data.targets / 100 * (high - low)
        self.work = Path(tempfile.mkdtemp() if work is None else work).resolve()

    def run(self, seed: int, rows: list[str]) -> dict[str, dict[str, Any]]:
        """Return the pooled predictions of every row for one division into folds."""
        fold = fold_objects(self.data.labels, n_folds=N_FOLDS, seed=seed, sources=self.data.images)
        pooled: dict[str, dict[str, Any]] = {}
        for k in range(1 if self.small else N_FOLDS):
            out = [label for label, own in zip(self.data.labels, fold, strict=True) if own == k]
            data = self.data.split(held_out=out, val_share=0.2, seed=1000 + seed)
            for name in rows:
                started = time.perf_counter()
                found = self._one(name, data, 10 * seed + k)
                seconds = time.perf_counter() - started
                for part, values in found.items():
                    kept = pooled.setdefault(
                        part, {"values": np.full((len(fold), values.shape[1]), np.nan), "seconds": 0}
                    )
                    kept["values"][fold == k] = values[fold == k]
                    kept["seconds"] += seconds if part == name else 0
            print(f"seed {seed}, fold {k + 1} of {N_FOLDS} done", flush=True)
        return pooled

    def _one(self, name: str, data: HBAData, seed: int) -> dict[str, Any]:
        from alignkit.train._loop import fit
        from alignkit.train._processes import Processes
        from alignkit.train._run_folder import RunFolder
        from alignkit.train.hba.task import build_task

        how = ROWS["triplets, head" if name == SHUFFLED else name]
        config = settings(self.root, **how, seed=seed, epochs=self.epochs, batch_size=16 if self.small else 64)
        if name == SHUFFLED:
            data = shuffled(data, seed)
        folder = self.work / f"{name}-{seed}-{self.epochs}".replace(" ", "-")
        with Processes.start(config.loop) as processes, RunFolder.open(folder, config) as run:
            task = build_task(data, config, run, cache=self.work / "cache")
            found = self._frozen(task, data) if name == "triplets, head" else {}
            if name == "triplets, head, two encoders":
                found = {f"{part}, two encoders": x for part, x in self._frozen(task, data).items()}
            fit(task, config.loop, config.optim, folder=run, processes=processes)
        low, high = data.scale
        return {**found, name: low + task.predictions() / 100 * (high - low)}

    def _frozen(self, task: Any, data: HBAData) -> dict[str, Any]:
        """Return the features themselves, and ridge regression of SPoSE-66 on them."""
        x = task.features()
        chosen = fit_ridge(x[data.train], self.spose[data.train], val=(x[data.val], self.spose[data.val]))
        known = np.concatenate([data.train, data.val])
        return {"frozen": x, "ridge": fit_ridge(x[known], self.spose[known], penalty=chosen.penalty).predict(x)}

    def score(self, name: str, values: Any) -> tuple[float, float]:
        """Return the accuracy on people's answers, and the rank correlation with SPoSE's similarities."""
        kernel = "cosine" if name.startswith("frozen") else "dot"
        keep = ~np.isnan(values).any(axis=1)
        answers = restrict_answers(self.data.triplets, np.array(self.data.labels)[keep].tolist())
        # few of the answers are about concepts of one fold alone
        accuracy = float("nan") if answers is None else triplet_accuracy(values[keep], answers, kernel=kernel).accuracy
        pairs = np.triu_indices(int(keep.sum()), 1)
        mine = similarity_matrix(values[keep], kernel=kernel)[pairs]
        theirs = (self.spose[keep] @ self.spose[keep].T)[pairs]
        return accuracy, float(np.corrcoef(rankdata(mine), rankdata(theirs))[0, 1])


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


def summary(runs: list[dict[str, dict[str, Any]]], study: Study) -> dict[str, Any]:
    """Return every row's mean over fold seeds, and what the adapter adds to the head, over resampled concepts."""
    rows = {}
    for name in runs[0]:
        scores = np.array([study.score(name, run[name]["values"]) for run in runs])
        rows[name] = {
            "accuracy": scores[:, 0].mean(),
            "rho": scores[:, 1].mean(),
            "by_seed": scores.tolist(),
            "seconds": float(np.mean([run[name]["seconds"] for run in runs])),
            "learned_from_spose": not name.startswith("frozen"),
        }
    spose = study.score("SPoSE-66 itself", study.spose)
    table: dict[str, Any] = {"rows": rows, "n_concepts": len(study.data.labels), "spose66_itself": spose[0]}
    table["n_answers"] = len(study.data.triplets)
    for better, worse in (("triplets, head and LoRA", "triplets, head"), ("triplets, head", "ridge")):
        if better in runs[0] and worse in runs[0] and not study.small:
            table[f"{better} minus {worse}"] = difference(runs, study, better, worse)
    return table


def difference(runs: list[Mapping[str, Any]], study: Study, better: str, worse: str) -> dict[str, Any]:
    """Return the difference in accuracy and its interval: an answer counts as often as its concepts are drawn."""
    gains = np.mean([hits(run[better]["values"], study) - hits(run[worse]["values"], study) for run in runs], axis=0)
    draws = draw_items(len(study.data.labels), 2000, 0)
    weights = draws[:, study.data.triplets.items].prod(axis=2)
    resampled = (weights @ gains) / weights.sum(axis=1)
    return {"accuracy": float(gains.mean()), "interval_95": np.quantile(resampled, [0.025, 0.975]).tolist()}


def hits(values: Any, study: Study) -> Any:
    """Return whether each answer is predicted, by dot products."""
    i, j, odd = (values[column] for column in study.data.triplets.items.T)
    pairs = np.stack([(i * j).sum(axis=1), (i * odd).sum(axis=1), (j * odd).sum(axis=1)])
    return (pairs[0] > pairs[1:].max(axis=0)).astype(float)


if __name__ == "__main__":
    main()
