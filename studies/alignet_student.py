"""A small AligNet student on real photos: is it more human-like about concepts it never saw, and at what cost.

The photos of 511 concepts of THINGS. Half of the concepts are held out of everything. On the other half a teacher is
fitted (ridge regression of SPoSE-66 on frozen features of a DINOv2-style ViT-S/14, class token after block 10);
triplets of the photos of these concepts, drawn by clusters of the teacher's features, carry its similarities. The
student is the same network with LoRA in block 10 and a head, decayed to its initial weights. Three arms: the aligned
teacher, the teacher before its map (untransformed; brought to the same spread of similarities), and images exchanged
(shuffled).

Scored are people's answers about held-out concepts alone, and (as these are few) answers drawn from SPoSE-66 about the
same concepts. SPoSE-66 was probably fitted to these very answers, so all that learns from it may be optimistic there.
What is kept is seen on CIFAR-10H's images: linear probes of classes, and agreement with people's soft labels.

python -m studies.alignet_student --data FOLDER   (an hour on two cores; ``--small``: minutes, nothing is kept)
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._io import load_npz, save_npz
from alignkit.align import cluster, fit_embedding_map, write_triplets
from alignkit.data import Things, load_cifar10h, load_things
from alignkit.models import AdapterConfig, Features, extract, load
from alignkit.rsa import Triplets, choice_probabilities
from alignkit.score import score
from alignkit.train import AligNetScores, LoopConfig, OptimConfig, evaluate_run, run
from alignkit.train._images import find_images
from alignkit.train._splits import fold_objects
from alignkit.train.alignet.config import AligNetConfig
from benchmarks._harness import machine

WEIGHTS = Path("weights", "vit_small_patch14_dinov2.imgfocus_fp16.safetensors")
BLOCK = 10
ARMS = ("aligned", "untransformed", "shuffled")
#: Answers drawn from SPoSE-66 about held-out concepts.
N_DRAWN = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("ALIGNKIT_DATA"), help="holds things/ and weights/")
    parser.add_argument("--work", type=Path, help="where features and finished runs lie; reused by later calls")
    parser.add_argument("--img-size", type=int, default=224, help="pixels; a multiple of 14")
    parser.add_argument("--steps", type=int, default=150, help="optimiser steps of each arm")
    parser.add_argument("--probe", type=int, default=1000, help="images of CIFAR-10H")
    parser.add_argument("--small", action="store_true", help="few steps and images; nothing is kept")
    options = parser.parse_args()
    if options.data is None or not (options.data / WEIGHTS).is_file():
        print(f"the data are not at hand (--data FOLDER with {WEIGHTS}): nothing is trained")
        return
    if options.small:
        options.img_size, options.steps, options.probe = 56, 4, 60
    study = Study(options.data.resolve(), options.work, options.img_size, options.steps, options.probe)
    content = study.run()
    print(json.dumps(content, indent=1))
    if not options.small:
        path = Path(__file__).with_suffix(".json")
        path.write_text(json.dumps({"study": "alignet_student", "machine": machine(), **content}, indent=1) + "\n")


class Study:
    """The data, and what is kept of parts that are done."""

    def __init__(self, root: Path, work: Path | None, img_size: int, steps: int, probe: int) -> None:
        self.root, self.img_size, self.steps, self.n_probe = root, img_size, steps, probe
        self.work = Path(tempfile.mkdtemp()) if work is None else work.resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.things = load_things(root)
        self.photos = root / "things" / "photos"
        self.images = find_images(self.photos, self.things)
        labels = tuple(self.images)
        fold = fold_objects(labels, n_folds=2, seed=1, sources=[self.images[label] for label in labels])
        self.train = [label for label, own in zip(labels, fold, strict=True) if own == 0]
        self.held_out = [label for label, own in zip(labels, fold, strict=True) if own == 1]

    def run(self) -> dict[str, Any]:
        """Return what every arm reached."""
        features = self.features()
        paths = self.write_triplets(features)
        held_out = self.write_lines("held_out.txt", self.held_out)
        probe = self.write_probe()
        for arm in ARMS:
            result = run(self.settings(arm, paths[arm], held_out, probe))
            print(arm, result.metrics, flush=True)
        people = evaluate_run(self.work / "runs" / "aligned", device="cpu", progress=False)
        assert isinstance(people, AligNetScores)
        drawn = self.on_drawn_answers(held_out, probe, paths["aligned"])
        rows = {
            "people": described(people),
            "drawn from SPoSE-66": described(drawn),
            "retention": {"linear probe": people.retention, "kept": people.retained},
            "drift": {name: people.metrics[name] for name in ("drift_relative", "knn_overlap", "knn_overlap_head")},
            "CIFAR-10H": self.soft_labels(probe),
        }
        return {
            "img_size": self.img_size,
            "seeds": 1,
            "epochs": {"steps of a student": self.steps},
            "concepts": {"train": len(self.train), "held_out": len(self.held_out)},
            "rows": rows,
        }

    def settings(self, arm: str, triplets: Path, held_out: Path, probe: Path, **more: Any) -> AligNetConfig:
        """Return the settings of one arm."""
        return AligNetConfig(
            images=self.photos,
            triplets=triplets,
            held_out=held_out,
            probe=probe,
            n_probe=self.n_probe,
            root=self.root,
            out=self.work / "runs" / arm,
            cache_folder=self.work / "cache",
            cache_dtype="float16",
            backbone=str(self.root / WEIGHTS),
            layer=str(BLOCK),
            img_size=self.img_size,
            head=256,
            centre=True,
            student_temperature=0.0,
            val_share=0.2,
            adapter=AdapterConfig(
                kind="lora", rank=8, alpha=8.0, dropout=0.0, image_blocks=1, projections=("q", "k", "v", "out")
            ),
            optim=OptimConfig(
                lr=5e-4, weight_decay=0.0, decay_to_init=1.0, schedule="cosine", warmup=min(5, self.steps)
            ),
            loop=LoopConfig(
                epochs=1000,
                max_steps=self.steps,
                batch_size=64,
                validate_every=max(self.steps // 5, 1),
                keep_last=1,
                monitor="val_loss",
                device="cpu",
                progress=False,
            ),
            **more,
        )

    def features(self) -> Features:
        """Return the frozen features of every photo, computed once."""
        path = self.work / "features.npz"
        if not path.is_file():
            model = load(str(self.root / WEIGHTS), device="cpu", img_size=self.img_size)
            files = sorted({file for own in self.images.values() for file in own})
            labels = [file.relative_to(self.photos).as_posix() for file in files]
            found = extract(model, files, layers=f"blocks.{BLOCK}", pool="cls", labels=labels, progress=False)
            save_npz(path, {"x": found.array(), "labels": np.array(labels)}, {})
        arrays, _ = load_npz(path)
        return Features.from_array(arrays["x"].astype(np.float64), arrays["labels"].tolist(), name="frozen")

    def write_triplets(self, features: Features) -> dict[str, Path]:
        """Fit the teacher on the concepts that are not held out, and write the triplets of every arm."""
        labels = features.labels or ()
        row = {label: i for i, label in enumerate(labels)}
        x = features.array()
        means = np.stack([x[self.rows(label, row)].mean(axis=0) for label in self.train])
        concept = {label: i for i, label in enumerate(self.things.labels)}
        spose = self.things.spose66[[concept[label] for label in self.train]]
        teacher = fit_embedding_map(means, spose, method="ridge")
        own = sorted({number for label in self.train for number in self.rows(label, row)})
        names = [labels[number] for number in own]
        aligned = teacher.apply(x[own])
        plain = (x[own] - x[own].mean(axis=0)) / x[own].std()
        plain *= np.sqrt(spread(aligned) / spread(plain))
        taught = {"aligned": aligned, "untransformed": plain, "shuffled": aligned}
        groups = cluster(aligned, n_clusters=30, seed=0).cluster_of
        paths = {}
        for arm in ARMS:
            paths[arm] = self.work / f"{arm}.npz"
            teaching = Features.from_array(taught[arm], names, name=arm)
            write_triplets(teaching, groups, out=paths[arm], n=40_000, arm=arm, overwrite=True)  # type: ignore[arg-type]
        return paths

    def rows(self, label: str, row: dict[str, int]) -> list[int]:
        """Return where the photos of a concept stand."""
        return [row[path.relative_to(self.photos).as_posix()] for path in self.images[label]]

    def write_lines(self, name: str, lines: Sequence[str]) -> Path:
        """Write names, one a line."""
        path = self.work / name
        path.write_text("\n".join(lines) + "\n")
        return path

    def write_probe(self) -> Path:
        """Write images of CIFAR-10H in a folder per class."""
        folder, data = self.work / "probe", load_cifar10h(self.root)
        each = self.n_probe // len(data.classes)
        for number, name in enumerate(data.classes):
            (folder / name).mkdir(parents=True, exist_ok=True)
            for i in np.flatnonzero(data.target == number)[:each]:
                (folder / name / f"{data.labels[i]}.jpg").write_bytes(data.jpeg(int(i)))
        return folder

    def on_drawn_answers(self, held_out: Path, probe: Path, triplets: Path) -> AligNetScores:
        """Score the aligned run on answers drawn from SPoSE-66 about held-out concepts."""
        from alignkit.train.alignet._evaluate_run import evaluate_student

        path = self.work / "drawn.npz"
        draw_answers(self.things, self.held_out).save(path)
        config = self.settings("aligned", triplets, held_out, probe, answers=path)
        return evaluate_student(self.work / "runs" / "aligned", config, progress=False)

    def soft_labels(self, probe: Path) -> dict[str, Any]:
        """Return the agreement of embeddings with people's soft labels, before training and after."""
        files = sorted(probe.rglob("*.jpg"))
        labels = [file.stem for file in files]
        student = load(f"run:{self.work / 'runs' / 'aligned'}", device="cpu")
        plain = load(str(self.root / WEIGHTS), device="cpu", img_size=self.img_size)
        after = extract(student, files, layers="embedding", labels=labels, progress=False)
        before = extract(plain, files, layers=f"blocks.{BLOCK}", pool="cls", labels=labels, progress=False)
        models = [
            Features.from_array(found.array().astype(np.float64), labels, name=name)
            for name, found in (("after", after), ("before", before))
        ]
        table = score(models, "cifar10h", root=self.root)
        return {
            f"{row.model}: {row.measure}": numbers(row.value, row.low, row.high)
            for row in table.rows
            if row.role == "model"
        }


def spread(x: Any) -> float:
    """Return the standard deviation of the dot products of different rows."""
    products = x @ x.T
    return float(products[np.triu_indices(len(x), k=1)].std())


def draw_answers(things: Things, labels: Sequence[str]) -> Triplets:
    """Return answers drawn from SPoSE-66's choice probabilities about some concepts."""
    rng = np.random.default_rng(0)
    concept = {label: i for i, label in enumerate(things.labels)}
    embedding = things.spose66[[concept[label] for label in labels]]
    three = np.stack([rng.permutation(len(labels))[:3] for _ in range(N_DRAWN)])
    p = np.asarray(choice_probabilities(embedding, three))
    odd = (rng.random((N_DRAWN, 1)) > np.cumsum(p, axis=1)[:, :2]).sum(axis=1)
    order = np.array([[1, 2, 0], [0, 2, 1], [0, 1, 2]])[odd]
    return Triplets(np.take_along_axis(three, order, axis=1), labels=tuple(labels))


def described(scores: AligNetScores) -> dict[str, Any]:
    """Return primary lines and paired differences in JSON's own types."""
    rows = [row for row in scores.table.rows if row.primary or row.measure.startswith("cross-entropy")]
    return {
        "rows": {
            f"{row.part}; {row.model}; {row.measure}": [*numbers(row.value, row.low, row.high), row.n] for row in rows
        },
        "differences": {
            f"{one.part}; {one.better} - {one.other}; {one.measure}": numbers(one.difference, one.low, one.high)
            for one in scores.table.differences
        },
    }


def numbers(*values: float) -> list[float | None]:
    """Return rounded numbers, what is undefined as None."""
    return [None if math.isnan(value) else round(value, 4) for value in values]


if __name__ == "__main__":
    main()
