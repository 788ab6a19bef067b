"""Which rows of the features show which items of a data set, and which items all models have."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import PurePosixPath

import numpy as np

from alignkit._check import join_names
from alignkit._typing import BoolArray, FloatArray
from alignkit.score._assign import Assignment
from alignkit.score._row import IN_SAMPLE, PARTLY, Settings, is_in_sample
from alignkit.score._suite import Candidate

#: What each measure says of items whose similarities are undefined; the shuffled baseline names the wrong ones.
_UNDEFINED = (
    r"\d+ (triplets|trials) are undefined|items with (constant|all-zero) patterns|the \w+ RDM holds NaN"
    r"|items that are NaN"
)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """Models with one row per item, the items that all of them have, and what to tell the reader."""

    candidates: list[Candidate]
    shared: tuple[str, ...]
    notes: tuple[str, ...]


def match_items(
    candidates: Sequence[Candidate], known: Sequence[str], dataset: str, measures: Collection[str], settings: Settings
) -> Matched:
    """Match the models' inputs to the items of a data set: by their manifest where they have one, else by name.

    ``measures`` are the kernel and metric that will be used: items for which they are undefined are named.
    """
    matched, texts = [], []
    for candidate in candidates:
        if candidate.manifest is not None:
            one, text = match_manifest(candidate, known, dataset, settings)
        else:
            one, text = match_names(candidate, known, settings)
        matched.append(one)
        texts.append(text)
    return share_items(matched, known, dataset, measures, texts)


def match_names(candidate: Candidate, known: Sequence[str], settings: Settings) -> tuple[Candidate, str]:
    """Return a candidate with one row per item that its inputs' labels name, and how they were matched."""
    held = set(known)
    labels = spell_labels(candidate.labels, known)
    matched = assign(candidate, Assignment.by_label(labels), settings)
    unmatched = [own for own, label in zip(candidate.labels, labels, strict=True) if label not in held]
    n_items = len(held.intersection(matched.labels))
    if not unmatched and n_items == len(labels):
        return matched, ""
    return matched, describe_match(len(labels) - len(unmatched), n_items, unmatched, settings)


def match_manifest(
    candidate: Candidate, known: Sequence[str], dataset: str, settings: Settings
) -> tuple[Candidate, str]:
    """Return a candidate with one row per item that its manifest names, and how its inputs were matched.

    Raises
    ------
    ValueError
        The manifest has items that the data set has not, or none of the inputs.
    """
    manifest = candidate.manifest
    assert manifest is not None
    manifest.check_items(known, dataset)
    files = manifest.find(candidate.labels)
    found = [(row, item) for row, file in enumerate(files) if file is not None for item in manifest.shown[file]]
    if not found:
        msg = (
            f"none of the inputs of {candidate.name!r} ({join_names(candidate.labels, 3)}) is among the files of "
            f"{manifest.path} ({join_names(manifest.shown, 3)}); name the files there as the features do."
        )
        raise ValueError(msg)
    number = {item: i for i, item in enumerate(dict.fromkeys(item for _, item in found))}
    rows, items = np.array([row for row, _ in found]), np.array([number[item] for _, item in found])
    hit = set(rows.tolist())
    unmatched = [label for row, label in enumerate(candidate.labels) if row not in hit]
    text = describe_match(len(hit), len(number), unmatched, settings)
    lost = [file for file, shown in manifest.shown.items() if shown and file not in set(files)]
    if lost:
        text += f"; {len(lost):,} of the files in {manifest.path.name} have no features ({join_names(lost, 3)})"
    return assign(candidate, Assignment(rows, items, tuple(number)), settings), text


def assign(candidate: Candidate, assignment: Assignment, settings: Settings) -> Candidate:
    """Return the candidate with one row per item."""
    return candidate.with_items(partial(assignment.apply, many=settings.many), assignment.labels)


def share_items(
    candidates: Sequence[Candidate],
    known: Sequence[str],
    dataset: str,
    measures: Collection[str],
    texts: Sequence[str],
) -> Matched:
    """Return the items that all models have; ``texts`` says how each model's inputs were matched."""
    shared = shared_labels(candidates, known, dataset)
    for candidate in candidates:
        warn_undefined(candidate.name, candidate.take(shared), shared, measures)
    names: dict[str, list[str]] = {}
    for candidate, text in zip(candidates, texts, strict=True):
        names.setdefault(text, []).append(candidate.name)
    notes = [f"{', '.join(who)}: {text}." for text, who in names.items() if text]
    candidates = [mark_in_sample(candidate, shared) for candidate in candidates]
    notes += [f"{c.name}: {c.split}; that is not alignment." for c in candidates if is_in_sample(c.split)]
    if len(shared) < len(known):
        who = "the model has" if len(candidates) == 1 else "every model has"
        notes.append(f"Scored on the {len(shared):,} of {len(known):,} items of {dataset} that {who}.")
    return Matched(list(candidates), shared, tuple(notes))


def mark_in_sample(candidate: Candidate, shared: Sequence[str]) -> Candidate:
    """Return a candidate whose split says how many of the items that are scored its transform was fitted to."""
    seen = len(candidate.fitted_items.intersection(shared))
    if not seen:
        return candidate
    how = IN_SAMPLE if seen == len(shared) else PARTLY
    split = f"{how}: a transform was fitted to judgements of {seen:,} of these {len(shared):,} items"
    return dataclasses.replace(candidate, split=split)


def describe_match(
    n_inputs: int, n_items: int, unmatched: Sequence[str], settings: Settings, what: str = "items"
) -> str:
    """Return how many inputs stand for how many items, and which match none."""
    missed = f"; {len(unmatched):,} matched none ({join_names(unmatched, 3)})" if unmatched else ""
    best = " (the most typical one each)" if settings.many == "best" else ""
    return f"{n_inputs:,} inputs stand for {n_items:,} {what}{best}{missed}"


def shared_labels(candidates: Sequence[Candidate], known: Sequence[str], dataset: str) -> tuple[str, ...]:
    """Return the data set's items that every model has, in the data set's order.

    Raises
    ------
    ValueError
        Fewer than three, naming both sides so that the reader sees how they differ.
    """
    held = [set(candidate.labels) for candidate in candidates]
    for candidate, names in zip(candidates, held, strict=True):
        if len(names.intersection(known)) < 3:
            msg = (
                f"the labels of {candidate.name!r} ({join_names(candidate.labels, 3)}) are not those of {dataset} "
                f"({join_names(known, 3)}); name the features' items as the data set does."
            )
            raise ValueError(msg)
    shared = tuple(label for label in known if all(label in names for names in held))
    if len(shared) < 3:
        msg = f"the models share fewer than 3 items of {dataset}; score them one by one."
        raise ValueError(msg)
    return shared


def spell_labels(labels: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Return labels as the data set spells them.

    A label is taken as it is, else as a file (``x/cat.png`` stands for ``cat`` or ``cat.jpg``), else by the folder it
    lies in (``cat/1.png``, several images of one item); what fits nothing stays as it is.
    """
    stems: dict[str, list[str]] = {}
    for label in known:
        stems.setdefault(PurePosixPath(label).stem, []).append(label)
    # a stem that two items share names neither
    spelling = {stem: items[0] for stem, items in stems.items() if len(items) == 1} | {label: label for label in known}
    return tuple(next((spelling[name] for name in _names(label) if name in spelling), label) for label in labels)


def _names(label: str) -> tuple[str, str, str, str]:
    path = PurePosixPath(label.replace("\\", "/"))
    return label, path.name, path.stem, path.parent.name


def warn_undefined(name: str, x: FloatArray, shared: Sequence[str], measures: Collection[str]) -> None:
    """Name the items for which a model's similarities are undefined, in one warning."""
    bad: BoolArray = np.zeros(len(x), dtype=bool)
    if "cosine" in measures:
        bad |= ~x.any(axis=1)
    if "correlation" in measures and x.shape[1] > 1:  # of a single channel nothing is defined, and rdm says so
        bad |= x.max(axis=1) == x.min(axis=1)
    if bad.any():
        names = join_names(shared[int(i)] for i in np.flatnonzero(bad))
        msg = (
            f"the features of {name!r} are constant or all zero for {names}: their similarities are "
            "undefined, and scores that depend on them are NaN. Leave these items out, or extract them again."
        )
        warnings.warn(msg, RuntimeWarning, stacklevel=2)


@contextmanager
def told_once() -> Iterator[None]:
    """Silence what every measure says again of the items that :func:`share_items` has named."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_UNDEFINED, category=RuntimeWarning)
        yield
