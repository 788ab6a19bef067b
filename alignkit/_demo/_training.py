"""CLIP-HBA in the simulated lab: a larger lab of the same people, one run, and models of single people."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alignkit._demo._config import DemoPlan, say
from alignkit._demo._draw import draw
from alignkit._demo._training_result import Ceilings, Trained
from alignkit._io import atomic_write

if TYPE_CHECKING:
    from alignkit.data import SimulatedLab
    from alignkit.rsa import Triplets
    from alignkit.train import HBAScores, PersonalModels, RunResult
    from alignkit.train.hba._data import HBAData
    from alignkit.train.hba.config import HBAConfig

#: Objects held out, at most.
_HELD_OUT = 400
#: Triplets of any objects that everybody answers.
_N_REPEATS = 800
#: Small, and trained as a whole: it reads these drawings better after two minutes than a large frozen network does.
_BACKBONE = "random:small_cnn"


def train_in_lab(plan: DemoPlan) -> Trained:
    """Draw the lab, train, score before and after, and fit models of single people; what is there is reused."""
    folder = training_folder(plan)
    folder.mkdir(parents=True, exist_ok=True)
    lab, held_out = draw_study(plan, folder)
    result = _run(folder, plan)
    people = folder / f"{plan.n_participants}-people"
    people.mkdir(exist_ok=True)
    say("     scoring it on the held-out objects, before training and after")
    data = _data(lab, held_out, result, plan.n_answers)
    scores = _score(data, result, people / f"scores-{result.path.name}.json", plan.n_bootstrap)
    say("     fitting models of single people to their own answers about held-out objects")
    personal, ideal = _personal(lab, held_out, result, people, plan)
    return Trained(lab, result, scores, _ceilings(lab, data), personal, ideal)


def training_folder(plan: DemoPlan) -> Path:
    """Return where the larger lab's pictures and models lie."""
    quick = "-quick" if plan.quick else ""
    return plan.out / f"training-{plan.n_training_objects}-objects-seed-{plan.seed}{quick}"


def draw_study(plan: DemoPlan, folder: Path) -> tuple[SimulatedLab, Sequence[str]]:
    """Draw the larger lab into a folder, and return it with the names of the objects held out."""
    lab = _simulate(plan)
    train, held_out = lab.split["train"], lab.split["test"][:_HELD_OUT]
    say(
        f"     drawing {len(train):,} objects to train on, {plan.views} pictures of each, and {len(held_out)} held "
        f"out, {plan.views_held_out} of each"
    )
    draw(lab, folder / "images", {**dict.fromkeys(train, plan.views), **dict.fromkeys(held_out, plan.views_held_out)})
    _write_study(lab, (*train, *held_out), held_out, folder)
    return lab, held_out


def _simulate(plan: DemoPlan) -> SimulatedLab:
    from alignkit.data import simulate

    return simulate(
        plan.n_training_objects,
        n_participants=plan.n_participants,
        n_repeats=_N_REPEATS,
        n_scanned=1,  # nobody's brain is asked here
        rng=plan.seed,
    )


def _write_study(lab: SimulatedLab, labels: Sequence[str], held_out: Sequence[str], folder: Path) -> None:
    """Write what a study of one's own would have: a table of dimensions, and the objects to hold out."""
    # in these units a softmax over dot products has the probabilities of people's answers
    latents = lab.embedding / np.sqrt(lab.noise)
    lines = [",".join(("object", *lab.dimension_names))]
    row = {label: i for i, label in enumerate(lab.labels)}
    lines += [",".join((label, *map(repr, latents[row[label]].tolist()))) for label in labels]
    for name, rows in (("dimensions.csv", lines), ("held_out.txt", held_out)):
        with atomic_write(folder / name) as file:
            file.write("".join(f"{row}\n" for row in rows).encode())


def _run(folder: Path, plan: DemoPlan) -> RunResult:
    from alignkit.train import run

    settings = training_config(folder, plan)
    say(f"     training {_BACKBONE} for {plan.training_steps:,} steps into {settings.out}")
    return run(settings)


def training_config(folder: Path, plan: DemoPlan) -> HBAConfig:
    """Return the settings of the run, which another program would find the same study with."""
    from alignkit.models import AdapterConfig
    from alignkit.train import LoopConfig, OptimConfig
    from alignkit.train.hba.config import HBAConfig

    steps = plan.training_steps
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
            batch_size=min(64, plan.n_training_objects // 4),
            drop_last=True,
            validate_every=max(1, steps // 10),
            monitor="val_rdm_spearman",
            mode="max",
            log_every=max(1, steps // 200),
            seed=plan.seed,
        ),
    )


def _data(lab: SimulatedLab, held_out: Sequence[str], result: RunResult, n_answers: int) -> HBAData:
    """Return the run's data with people's answers, which it was not given."""
    from alignkit.train.hba._data import read_data, restrict_answers

    data = read_data(result.config)
    return dataclasses.replace(
        data,
        triplets=restrict_answers(lab.ask(n_answers, objects=held_out), data.labels),
        repeats=restrict_answers(lab.repeats, data.labels),
        notes=("Objects and people are simulated; nothing here says anything about real people.",),
    )


def _score(data: HBAData, result: RunResult, path: Path, n_bootstrap: int) -> HBAScores:
    from alignkit.train import HBAScores
    from alignkit.train.hba._evaluate_run import evaluate_data

    if path.is_file():
        return HBAScores.load(path)
    scores = evaluate_data(data, result.path, n_bootstrap=n_bootstrap)
    scores.save(path)
    return scores


def _ceilings(lab: SimulatedLab, data: HBAData) -> Ceilings:
    from alignkit.rsa import triplet_ceiling

    assert data.triplets is not None
    assert data.repeats is not None
    repeats = triplet_ceiling(data.repeats, n_bootstrap=0)
    return Ceilings(
        expected=lab.ideal_accuracy(data.triplets),
        observed=_share_right(lab, data.triplets, "group"),
        left_out=repeats.leave_one_out,
        n_repeats=repeats.n_triplets,
    )


def _share_right(lab: SimulatedLab, answers: Triplets, of: str) -> float:
    """Return how many of these answers an ideal observer predicts, of the group or of each person."""
    return float((lab.true_choice_probabilities(answers, of=of).argmax(axis=1) == 2).mean())


def _personal(
    lab: SimulatedLab, held_out: Sequence[str], result: RunResult, folder: Path, plan: DemoPlan
) -> tuple[PersonalModels, Mapping[str, float]]:
    """Return models of all people, and how often ideal observers of the group and of each person are right."""
    from alignkit.train.hba._personal_run import run_personal

    answers = lab.ask(plan.n_own * len(lab.participants), objects=held_out, rng=1)
    file = folder / "answers.npz"
    if not file.is_file():
        answers.save(file)
    settings = dataclasses.replace(
        result.config,
        out=folder / f"people-of-{result.path.name}",
        start=result.path,
        subject="all",
        triplets=file,
        n_bootstrap=plan.n_bootstrap,
    )
    return run_personal(settings), {of: _share_right(lab, answers, of) for of in ("group", "person")}
