"""CLIP-HBA in the simulated lab: a larger lab of the same people, one run, and models of single people."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alignkit._demo._config import DemoConfig, say
from alignkit._demo._draw import draw
from alignkit._demo._training_result import Ceilings, Trained
from alignkit._io import atomic_write

if TYPE_CHECKING:
    from alignkit.data import SimulatedLab
    from alignkit.train import HBAScores, PersonalModels, RunResult
    from alignkit.train.hba.config import HBAConfig

N_VIEWS = 6
_N_HELD_OUT, _N_REPEATS = 12_000, 400
#: Answers of each person, for models of their own.
_N_OWN = 2_000
#: Small, and trained as a whole: it reads these drawings better after two minutes than a large frozen network does.
_BACKBONE = "random:small_cnn"


def train_in_lab(config: DemoConfig) -> Trained:
    """Draw the lab, train, score before and after, and fit models of single people; what is there is reused."""
    folder = config.out / f"training-{config.n_training_objects}-objects-seed-{config.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    lab = _simulate(config)
    say(f"     drawing {len(lab.labels):,} objects, {N_VIEWS} pictures of each ({len(lab.split['test'])} held out)")
    draw(lab, folder / "images", N_VIEWS)
    _write_study(lab, folder)
    result = _run(folder, config)
    people = folder / f"{config.n_participants}-people"
    people.mkdir(exist_ok=True)
    say("     scoring it on the held-out objects, before training and after")
    scores = _score(lab, folder, result, people / f"scores-{result.path.name}.json")
    say("     fitting models of single people to their own answers about held-out objects")
    personal, ideal = _personal(lab, result, people)
    return Trained(lab, result, scores, _ceilings(lab), personal, ideal)


def _simulate(config: DemoConfig) -> SimulatedLab:
    from alignkit.data import simulate

    return simulate(
        config.n_training_objects,
        n_participants=config.n_participants,
        n_held_out=_N_HELD_OUT,
        n_repeats=_N_REPEATS,
        images_per_object=N_VIEWS,
        rng=config.seed,
    )


def _write_study(lab: SimulatedLab, folder: Path) -> None:
    """Write what a study of one's own would have: a table of dimensions, and the objects to hold out."""
    # in these units a softmax over dot products has the probabilities of people's answers
    latents = lab.embedding / np.sqrt(lab.noise)
    lines = [",".join(("object", *lab.dimension_names))]
    lines += [",".join((label, *map(repr, row))) for label, row in zip(lab.labels, latents.tolist(), strict=True)]
    for name, rows in (("dimensions.csv", lines), ("held_out.txt", lab.split["test"])):
        with atomic_write(folder / name) as file:
            file.write("".join(f"{row}\n" for row in rows).encode())


def _run(folder: Path, config: DemoConfig) -> RunResult:
    from alignkit.train import run

    settings = training_config(folder, config)
    say(f"     training {_BACKBONE} for {config.training_steps:,} steps into {settings.out}")
    return run(settings)


def training_config(folder: Path, config: DemoConfig) -> HBAConfig:
    """Return the settings of the run, which another program would find the same study with."""
    from alignkit.models import AdapterConfig
    from alignkit.train import LoopConfig, OptimConfig
    from alignkit.train.hba.config import HBAConfig

    steps = config.training_steps
    return HBAConfig(
        out=folder / f"model-{steps}-steps",
        images=folder / "images",
        targets=str(folder / "dimensions.csv"),
        held_out=folder / "held_out.txt",
        backbone=_BACKBONE,
        text="minilm",
        val_share=0.05,
        adapter=AdapterConfig(kind="full", image_blocks=1, text_blocks=0),
        optim=OptimConfig(lr=3e-3, weight_decay=0.5, schedule="cosine", warmup=min(50, steps // 4)),
        loop=LoopConfig(
            epochs=steps,
            max_steps=steps,
            batch_size=min(64, config.n_training_objects // 4),
            drop_last=True,
            validate_every=max(1, steps // 10),
            monitor="val_rdm_spearman",
            mode="max",
            log_every=max(1, steps // 200),
            seed=config.seed,
        ),
    )


def _score(lab: SimulatedLab, folder: Path, result: RunResult, path: Path) -> HBAScores:
    from alignkit.train import HBAScores
    from alignkit.train.hba._data import HBAData
    from alignkit.train.hba._evaluate import evaluate_data

    if path.is_file():
        return HBAScores.load(path)
    scores = evaluate_data(HBAData.from_lab(lab, folder / "images"), result.path)
    scores.save(path)
    return scores


def _ceilings(lab: SimulatedLab) -> Ceilings:
    from alignkit.rsa import triplet_ceiling

    best = lab.true_choice_probabilities(lab.held_out).argmax(axis=1) == 2
    repeats = triplet_ceiling(lab.repeats, n_bootstrap=0)
    return Ceilings(
        expected=lab.ideal_accuracy(lab.held_out),
        observed=float(best.mean()),
        left_out=repeats.leave_one_out,
        n_repeats=_N_REPEATS,
    )


def _personal(lab: SimulatedLab, result: RunResult, folder: Path) -> tuple[PersonalModels, Mapping[str, float]]:
    """Return models of all people, and how often ideal observers of the group and of each person are right."""
    from alignkit.train.hba._personal_run import run_personal

    answers = lab.ask(_N_OWN * len(lab.participants), objects=lab.split["test"], rng=1)
    file = folder / "answers.npz"
    if not file.is_file():
        answers.save(file)
    settings = dataclasses.replace(
        result.config, out=folder / f"people-of-{result.path.name}", start=result.path, subject="all", triplets=file
    )
    right = {of: lab.true_choice_probabilities(answers, of=of).argmax(axis=1) == 2 for of in ("group", "person")}
    return run_personal(settings), {of: float(values.mean()) for of, values in right.items()}
