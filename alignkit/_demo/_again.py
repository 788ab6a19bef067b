"""Scoring again: a trained network, and a pretrained one after a teacher transform, on objects that both never met."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._demo._config import DemoPlan, say
from alignkit._demo._draw import draw

if TYPE_CHECKING:
    from alignkit.align import TeacherTransform
    from alignkit.data import SimulatedLab
    from alignkit.models import Features
    from alignkit.score import ScoreTable

#: Names of what is scored.
UNTRAINED, TRAINED = "small network, untrained", "small network, trained (CLIP-HBA)"
PRETRAINED, TAUGHT = "EfficientNet-Lite0", "EfficientNet-Lite0 + teacher"
_N_ANSWERS = 12_000
#: How the teacher is fitted: to few dimensions, as few objects are known.
TEACHER: Mapping[str, Any] = {"kind": "lowrank", "rank": 32, "center": True, "n_splits": 2, "max_iter": 60}
#: Of all objects; one in 64 shows held-out objects alone.
_N_REPEATS = 6_400


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Again:
    """Scores on objects that nothing was fitted to.

    Attributes
    ----------
    table : ScoreTable
        Of the four models.
    teacher : TeacherTransform
        Of the pretrained network.
    n_objects, n_taught : int
        Objects that are scored, and objects that the teacher learned from.
    features, answers : Path
        What the teacher was fitted to.
    """

    table: ScoreTable
    teacher: TeacherTransform
    n_objects: int
    n_taught: int
    features: Path
    answers: Path


def score_again(plan: DemoPlan, folder: Path, run: Path, /) -> Again:
    """Fit a teacher, and score it, the run and what they started from on new objects; what is there is reused.

    Parameters
    ----------
    plan : DemoPlan
    folder : Path
        Of :func:`train_in_lab`.
    run : Path
        The trained model.
    """
    from alignkit.align import apply_teacher
    from alignkit.score import score

    lab = _simulate(plan)
    taught, held_out = lab.split["train"], lab.split["test"]
    place = folder / f"again-{len(lab.labels)}-objects"
    images = place / "images"
    # one picture of what the teacher learns from
    draw(lab, images, {**dict.fromkeys(taught, 1), **dict.fromkeys(held_out, plan.views_again)})
    pretrained = _extract("efficientnet-lite0", images, (*taught, *held_out), place / "efficientnet-lite0", PRETRAINED)
    untrained = _extract("random:small_cnn", images, held_out, place / "untrained", UNTRAINED)
    trained = _extract(f"run:{run}", images, held_out, place / run.name, TRAINED)
    known, answers = place / "taught.npz", place / f"answers-of-{plan.n_participants}-people.npz"
    if not known.is_file():
        pretrained.select(taught).save(known)
    if not answers.is_file():
        lab.ask(plan.n_taught, objects=taught, rng=2).restrict(taught).save(answers)
    teacher = _teach(plan, known, answers, place / f"teacher-{plan.n_participants}-people")
    new = pretrained.select(held_out)
    aligned = _renamed(apply_teacher(new, teacher), TAUGHT)
    say(f"     scoring all of them on {len(held_out)} objects that nothing was fitted to")
    asked = dataclasses.replace(lab, triplets=lab.held_out)
    table = score(
        [untrained, trained, new, aligned], asked, seed=plan.seed, n_bootstrap=plan.n_bootstrap, progress=True
    )
    return Again(table, teacher, len(held_out), len(taught), known, answers)


def _simulate(plan: DemoPlan) -> SimulatedLab:
    """Return a lab of which a quarter is held out: as many objects as were scored first."""
    from alignkit.data import simulate

    return simulate(
        4 * plan.n_objects,
        n_participants=plan.n_participants,
        n_held_out=_N_ANSWERS,
        n_repeats=_N_REPEATS,
        rng=plan.seed,
    )


def _extract(model: str, images: Path, labels: Sequence[str], out: Path, name: str) -> Features:
    """Return one row of features per object, the mean over its pictures."""
    from alignkit.models import Features, extract, load

    files = {path.relative_to(images).as_posix(): path for one in labels for path in sorted((images / one).iterdir())}
    found = extract(load(model), files, layers=[-1], out=out, batch_size=16)
    shown = np.array([Path(label).parent.as_posix() for label in found.labels or ()])
    rows = found.array()
    means = np.stack([rows[shown == label].mean(axis=0) for label in labels])
    known = {key: found.manifest[key] for key in ("model", "precision") if key in found.manifest}
    return Features.from_array(means, labels, name=name, manifest=known)


def _renamed(features: Features, name: str) -> Features:
    from alignkit.models import Features

    return Features.from_array(features.array(), features.labels, name=name, manifest=features.manifest)


def _teach(plan: DemoPlan, features: Path, answers: Path, path: Path) -> TeacherTransform:
    from alignkit.align import fit_transform, load_teacher
    from alignkit.models import open_features
    from alignkit.rsa import Triplets

    if not path.is_dir():
        given = Triplets.load(answers)
        say(f"     fitting a teacher to {len(given):,} answers about {len(given.labels or ())} other objects")
        teacher = fit_transform(open_features(features), given, **TEACHER, seed=plan.seed, progress=True)
        teacher.save(path)
    return load_teacher(path)
