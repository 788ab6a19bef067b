"""A model's features against people's answers: calibration, and the triplets it answers most and least as people do."""

from __future__ import annotations

import dataclasses
from pathlib import PurePosixPath

import numpy as np

from alignkit._check import counted, join_names
from alignkit._typing import FloatArray
from alignkit.models import Features
from alignkit.report._calibration_sections import calibration_sections
from alignkit.report._items import STIMULUS, Items
from alignkit.report._page import Section
from alignkit.report._triplet_chart import Shown, triplet_chart
from alignkit.rsa import Triplets, calibration, choice_probabilities, human_distribution
from alignkit.rsa._similarity_matrix import Kernel

#: Triplets shown on either side, answers that are scored, and distinct triplets that a calibration needs at least.
SHOWN, MOST_ANSWERS, FEWEST = 8, 100_000, 20


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Matched:
    rows: FloatArray
    labels: tuple[str, ...]
    answers: Triplets
    notes: tuple[str, ...]


def answer_sections(
    features: Features, answers: Triplets, name: str, items: Items, kernel: Kernel, layer: str | None = None
) -> list[Section]:
    """Return how a model's features fit people's answers, as parts of a page.

    Raises
    ------
    ValueError
        Answers and features without items in common, or answers without labels.
    """
    matched = _match(features, answers, name, layer or features.layers[-1])
    temperature, sections = 1.0, []
    if len(np.unique(np.sort(matched.answers.items, axis=1), axis=0)) >= FEWEST:
        repeats = matched.answers if matched.answers.repeat is not None else None
        found = calibration(
            matched.rows,
            matched.answers,
            repeats=repeats,
            kernel=kernel,
            labels=matched.labels,
            n_bootstrap=200,
            rng=0,
        )
        temperature, sections = float(found.temperature[1]), calibration_sections(found)
    return [_extremes(matched, name, items, kernel, temperature), *sections]


def _extremes(matched: _Matched, name: str, items: Items, kernel: Kernel, temperature: float) -> Section:
    people = human_distribution(matched.answers)
    odd = people.counts.argmax(axis=1)
    # the odd one out of most people stands last
    order = np.array([[1, 2, 0], [0, 2, 1], [0, 1, 2]])[odd]
    triplets = np.take_along_axis(people.items, order, axis=1)
    counts = np.take_along_axis(people.counts, order, axis=1)
    labels = matched.answers.labels or ()
    shown = Triplets(triplets, labels)
    p = choice_probabilities(
        matched.rows, shown, kernel=kernel, temperature=temperature, labels=matched.labels, nan_policy="propagate"
    )
    # triplets that people agree about, where any were answered several times
    sure = 3 * counts[:, 2] >= 2 * counts.sum(axis=1)
    known = np.flatnonzero(np.isfinite(p[:, 2]) & sure)
    ranked = known[np.argsort(-p[known, 2], kind="stable")]
    half = min(SHOWN, len(ranked) // 2)
    figures = []
    for title, rows in (("Most human", ranked[:half]), ("Least human", ranked[::-1][:half])):
        chosen = [_shown(labels, triplets[k], p[k], counts[k]) for k in rows]
        caption = (
            f"{title} of {len(ranked):,} triplets, {name}: people's odd one out is framed; p is how probable the model "
            f"finds it ({kernel} similarity, temperature {temperature:.3g})."
        )
        figures.append(triplet_chart(chosen, title=title, caption=caption, items=items))
    notes = [*matched.notes, "Triplets are left out where fewer than two thirds of the answers agree."]
    return Section("Most and least human triplets", figures=figures if half else [], notes=notes)


def _shown(labels: tuple[str, ...], triplet: np.ndarray, p: FloatArray, counts: np.ndarray) -> Shown:
    a, b, c = (labels[int(k)] for k in triplet)
    total = int(counts.sum())
    people = f"people: {int(counts[2])} of {counted(total, 'answer')}"
    return Shown((a, b, c), (float(p[0]), float(p[1]), float(p[2])), people)


def _match(features: Features, answers: Triplets, name: str, layer: str) -> _Matched:
    """Return features of the items that answers are about; several photos of one item are averaged."""
    if answers.labels is None or features.labels is None:
        msg = (
            f"answers and features find one another by name; label {'the answers' if answers.labels is None else name}."
        )
        raise ValueError(msg)
    wanted = {label: k for k, label in enumerate(answers.labels)}
    rows: dict[str, list[int]] = {}
    for row, label in enumerate(features.labels):
        item = next((one for one in _names(label) if one in wanted), None)
        if item is not None:
            rows.setdefault(item, []).append(row)
    there = np.array([label in rows for label in answers.labels])
    kept = np.flatnonzero(there[answers.items].all(axis=1))
    if not len(kept):
        msg = (
            f"{name} and the answers have no triplet of items in common; {name} names "
            f"{join_names(features.labels, 3)}, the answers {join_names(answers.labels, 3)}."
        )
        raise ValueError(msg)
    notes = (
        []
        if len(kept) == len(answers.items)
        else [f"{len(answers.items) - len(kept):,} answers are about items without features."]
    )
    if len(kept) > MOST_ANSWERS:
        kept = kept[np.unique(np.linspace(0, len(kept) - 1, MOST_ANSWERS).round().astype(int))]
        notes.append(f"{MOST_ANSWERS:,} answers, spread evenly, are scored.")
    array = np.asarray(features.array(layer), dtype=np.float64)
    means = np.stack([array[rows[label]].mean(axis=0) for label in rows])
    return _Matched(means, tuple(rows), answers.take(kept), tuple(notes))


def _names(label: str) -> tuple[str, ...]:
    """Return what a row of features may be called, what says more first."""
    path = PurePosixPath(label)
    named = STIMULUS.match(path.stem)
    return (label, path.name, path.stem, named["concept"] if named else "", path.parent.name)
