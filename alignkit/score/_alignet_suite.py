"""The evaluation of AligNet: odd one out, three levels, judged similarity, uncertainty, read-outs and shifts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from alignkit.data import CIFAR10H, LabelledImages, Things, load_cifar10h, load_levels, load_things
from alignkit.data._registry import data_root
from alignkit.score._cifar10h import score_cifar10h
from alignkit.score._class_parts import IMAGENET_SETS, MIN_PROBED, of_table, score_classes
from alignkit.score._judgements import load_sets, score_judgements
from alignkit.score._levels import score_levels
from alignkit.score._match import spell_labels
from alignkit.score._row import Settings
from alignkit.score._steps import Steps
from alignkit.score._suite import Candidate
from alignkit.score._suite_parts import (
    SuiteFound,
    SuitePart,
    as_part,
    gather_parts,
    none_at_hand,
    of_concepts,
    take_rows,
)
from alignkit.score._things import score_things

Loaded = TypeVar("Loaded")

_THINGS, _LEVELS, _CIFAR = "THINGS", "Levels", "CIFAR-10H"
_BAND = (
    "Human ceilings are bands: a leave-one-out ceiling is what one person reaches against the others, and a model that "
    "answers as most people do may exceed it."
)


def score_alignet(
    candidates: Sequence[Candidate],
    root: Path | None,
    settings: Settings,
    steps: Steps,
    classes: LabelledImages | None = None,
) -> SuiteFound:
    """Score on whichever of the data sets are at hand and the features have items of.

    Raises
    ------
    FileNotFoundError
        None of the data sets is at hand, nor do names of inputs tell classes; the error's notes say how to get each.
    ValueError
        A damaged file, or features that show no items of any data set.
    """
    missing: dict[str, str] = {}
    parts: dict[str, SuitePart | str] = {}
    things = _load(_THINGS, lambda: load_things(root), missing)
    levels = _load(_LEVELS, lambda: load_levels(root), missing)
    sets, lacking = load_sets(root)
    missing |= lacking
    cifar = _load(_CIFAR, lambda: load_cifar10h(root), missing)
    told = {name: find for name, (find, _) in IMAGENET_SETS.items() if any(find(c.labels) for c in candidates)}
    missing |= {name: text for name, (_, text) in IMAGENET_SETS.items() if name not in told}
    if not (things or levels or sets or cifar or told or classes):
        raise none_at_hand(missing, data_root(root))
    steps.expect(5)
    if things is not None:
        parts[_THINGS] = _score_things(candidates, things, root, settings, steps)
    if levels is not None:
        parts[_LEVELS] = score_levels(candidates, levels, settings)
    steps.done(_LEVELS)
    parts |= score_judgements(candidates, sets, settings)
    steps.done("judgements")
    if cifar is not None:
        parts |= _score_cifar(candidates, _classes_of(cifar), root, settings, steps)
    steps.done(_CIFAR)
    for name, find in told.items():
        parts[name] = score_classes(name, candidates, find, settings)
    steps.done("shifts")
    if classes is not None:
        parts[classes.name] = score_classes(classes.name, candidates, of_table(classes), settings)
    steps.done("classes")
    found = gather_parts(candidates, parts, missing)
    banded = any(row.ceiling_low < row.ceiling_high for one in found.result.scored for row in one.rows)
    notes = (*found.result.notes, *([_BAND] if banded else []))
    return dataclasses.replace(found, result=dataclasses.replace(found.result, notes=notes))


def _load(part: str, load: Callable[[], Loaded], missing: dict[str, str]) -> Loaded | None:
    try:
        return load()
    except FileNotFoundError as error:
        missing[part] = str(error)
        return None


def _score_things(
    candidates: Sequence[Candidate], things: Things, root: Path | None, settings: Settings, steps: Steps
) -> SuitePart | str:
    shown = [of_concepts(candidate, things) for candidate in candidates]
    having = [candidate for candidate in shown if candidate is not None and len(candidate.labels) >= 3]
    if not having:
        return f"no model has its concepts ({', '.join(things.labels[:3])} ...)."
    try:
        result = score_things(having, root, settings, steps)
    except ValueError as error:
        return str(error)
    return as_part(having, result, _THINGS)


def _classes_of(cifar: CIFAR10H) -> LabelledImages:
    return LabelledImages(cifar.labels, tuple(cifar.classes[k] for k in cifar.target), name=_CIFAR)


def _score_cifar(
    candidates: Sequence[Candidate], images: LabelledImages, root: Path | None, settings: Settings, steps: Steps
) -> dict[str, SuitePart | str]:
    """Score agreement with people's soft labels, and what is read out of CIFAR-10's classes."""
    known = set(images.files)
    shown = []
    for candidate in candidates:
        spelled = spell_labels(candidate.labels, images.files)
        shown.append(take_rows(candidate, [row for row, name in enumerate(spelled) if name in known]))
    having = [candidate for candidate in shown if candidate is not None and len(candidate.labels) >= MIN_PROBED]
    if not having:
        return {_CIFAR: f"no model has {MIN_PROBED} of its 10,000 images ('00000.jpg' ...)."}
    soft = as_part(having, score_cifar10h(having, root, settings, steps), _CIFAR)
    return {_CIFAR: soft, f"{_CIFAR} classes": score_classes(f"{_CIFAR} classes", having, of_table(images), settings)}
