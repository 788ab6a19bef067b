"""Hits and costs of every method on every answer scored, and what they come to with intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.align._answer_logits import calibration_error, costs, hits
from alignkit.align._answer_splits import AnswerSplit
from alignkit.align._judgements import Judgements
from alignkit.align._teacher_methods import Compared, Fitted
from alignkit.rsa._intervals import percentile_bounds


class ScoreTable:
    """Gathers what methods make of held-out items, division by division.

    Parameters
    ----------
    data : Judgements
        Answers.
    rows : list of Compared
        Methods.
    splits : list of AnswerSplit
        Divisions.
    pooled : bool
        Whether the folds of a repeat are scored together.
    n_neighbours : int
        Of an item, in the overlap.
    """

    def __init__(
        self, data: Judgements, rows: list[Compared], splits: list[AnswerSplit], pooled: bool, n_neighbours: int
    ) -> None:
        self._data, self._splits, self._pooled, self._k = data, splits, pooled, n_neighbours
        shape = (len(rows), len(splits))
        self._info = {name: np.full(shape, np.nan) for name in ("temperature", "n", "distance", "penalty", "knn")}
        self._sets = [split.test for split in splits if not pooled or split.fold == 0]
        self._hits = [np.full((len(rows), len(rows_)), np.nan) for rows_ in self._sets]
        self._costs = [np.full_like(own, np.nan) for own in self._hits]
        self._errors = np.full((len(rows), len(self._sets)), np.nan)
        self._gathered: dict[tuple[int, int], FloatArray] = {}

    def add(self, number: int, place: int, found: Fitted) -> None:
        """Keep what a method made of one division."""
        split, out = self._splits[number], self._splits[number].test_items
        for name, value in (
            ("temperature", found.temperature),
            ("n", found.n_parameters),
            ("distance", found.distance),
            ("penalty", found.penalty),
            ("knn", neighbours_kept(self._data.x[out], found.values[out], self._k)),
        ):
            self._info[name][place, number] = value
        if not self._pooled:
            self._score(number, place, found.values)
            return
        values = self._gathered.setdefault((split.repeat, place), np.full(found.values.shape, np.nan))
        values[out] = found.values[out]
        if not np.isnan(values).any():
            self._score(split.repeat, place, self._gathered.pop((split.repeat, place)))

    def _score(self, where: int, place: int, values: FloatArray) -> None:
        logits = self._data.logits(values, self._sets[where])
        self._hits[where][place], self._costs[where][place] = hits(logits), costs(logits)
        self._errors[place, where] = calibration_error(logits)

    def measures(self, n_bootstrap: int, confidence: float, rng: np.random.Generator) -> dict[str, Any]:
        """Return everything measured, by field name."""
        both = {"accuracy": self._hits, "cross_entropy": self._costs}
        found: dict[str, Any] = {
            "calibration_error": self._errors.mean(axis=1),
            "temperature": np.exp(np.log(self._info["temperature"]).mean(axis=1)),
            "penalty": _geometric_mean(self._info["penalty"]),
            "n_parameters": self._info["n"].mean(axis=1),
            "distance_from_identity": self._info["distance"].mean(axis=1),
            "knn_overlap": self._info["knn"].mean(axis=1),
        }
        draws = self._draws(n_bootstrap, rng)
        for name, parts in both.items():
            by_set = np.column_stack([part.mean(axis=1) for part in parts])
            value = by_set.mean(axis=1)
            found |= {name: value, f"split_{name}": by_set, f"{name}_difference": value[:, None] - value}
            resampled = draws[name]
            m = len(value)
            pairs = (resampled[:, :, None] - resampled[:, None, :]).reshape(len(resampled), m * m)
            for stem, samples, shape in ((name, resampled, (m,)), (f"{name}_difference", pairs, (m, m))):
                low, high = _bounds(samples, confidence)
                found |= {f"{stem}_low": low.reshape(shape), f"{stem}_high": high.reshape(shape)}
        return found

    def _draws(self, n_bootstrap: int, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Return the mean of every method in every resample, shape (n_bootstrap, methods).

        An answer counts as often as its three items and its person (where unknown: itself) are drawn together.
        """
        n_methods = len(self._errors)
        found = {name: np.empty((n_bootstrap, n_methods)) for name in ("accuracy", "cross_entropy")}
        n_items, who = len(self._data.x), _numbered(self._data)
        n_who = int(who.max()) + 1
        for draw in range(n_bootstrap):
            items = np.bincount(rng.integers(0, n_items, n_items), minlength=n_items)
            people = np.bincount(rng.integers(0, n_who, n_who), minlength=n_who)
            means = np.zeros((2, n_methods))
            for rows, right, cost in zip(self._sets, self._hits, self._costs, strict=True):
                times = (items[self._data.items[rows]].prod(axis=1) * people[who[rows]]).astype(np.float64)
                total = times.sum()
                if not total:
                    means[:] = np.nan
                    break
                means += np.stack([right @ times, cost @ times]) / total
            found["accuracy"][draw], found["cross_entropy"][draw] = means / len(self._sets)
        return found


def neighbours_kept(x: FloatArray, y: FloatArray, n_neighbours: int, /) -> float:
    """Return the share of each item's nearest neighbours by cosine that stay the same; NaN with too few items."""
    k = n_neighbours
    if len(x) < k + 2:
        return float("nan")
    before, after = _nearest(x, k), _nearest(y, k)
    return float(np.mean([len(np.intersect1d(a, b)) for a, b in zip(before, after, strict=True)]) / k)


def _nearest(x: FloatArray, k: int) -> IntArray:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    unit = np.divide(x, length, out=np.zeros_like(x), where=length > 0)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    nearest: IntArray = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
    return nearest


def _numbered(data: Judgements) -> IntArray:
    if data.participant is None:
        return np.arange(len(data.items))
    numbers: IntArray = np.unique(data.participant, return_inverse=True)[1]
    return numbers


def _geometric_mean(values: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        mean: FloatArray = np.exp(np.log(values).mean(axis=1))
    return mean


def _bounds(samples: FloatArray, confidence: float) -> tuple[FloatArray, FloatArray]:
    if not len(samples):
        nothing = np.full(samples.shape[1], np.nan)
        return nothing, nothing.copy()
    return percentile_bounds(samples, confidence)
