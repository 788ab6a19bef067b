"""What decoding every pair of conditions returns: accuracies over time, as counted decisions where it can."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """Decoding of every pair of conditions at every time.

    ``stored``, shape (times, pairs), are small whole numbers of half decisions (two for a right one, one for a tie)
    where every pair has the same ``n_decisions`` of them, half for each of its conditions; else the values themselves,
    with ``n_decisions`` None. ``undefined``, shape (pairs,), marks pairs that no fold can decide: their values are NaN.
    """

    stored: AnyArray
    n_decisions: int | None
    undefined: BoolArray

    @property
    def counts(self) -> AnyArray | None:
        """Half decisions for the right condition, shape (times, pairs); None where pairs differ in their number."""
        return None if self.n_decisions is None else self.stored

    @property
    def values(self) -> FloatArray:
        """Accuracies (or weighted decision values), shape (times, pairs), in float64."""
        return self.as_dtype(np.float64)

    def as_dtype(self, dtype: Any) -> AnyArray:
        """Return the values in another dtype, without a copy in float64 on the way."""
        if self.n_decisions is None:
            return self.stored.astype(dtype, copy=False)
        return accuracy_levels(self.n_decisions).astype(dtype)[self.stored]


def accuracy_levels(n_decisions: int) -> FloatArray:
    """Return the accuracy that each number of half decisions stands for, shape (2 * n_decisions + 1,)."""
    return np.arange(2 * n_decisions + 1) / (2.0 * n_decisions)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """How the half decisions of an ordered pair, a trial of i against j, become an accuracy.

    ``decided``, shape (conditions, conditions), says how many such decisions there are; ``each`` is their number where
    it is the same for all of them.
    """

    decided: IntArray
    each: int | None
    dtype: np.dtype[Any]
    undefined: BoolArray

    @classmethod
    def of(cls, decided: IntArray) -> Tally:
        """Return the tally of so many decisions."""
        off_diagonal = ~np.eye(len(decided), dtype=np.bool_)
        least, most = int(decided[off_diagonal].min()), int(decided[off_diagonal].max())
        each = most if least == most > 0 else None
        dtype = next(np.dtype(t) for t in (np.uint8, np.uint16, np.uint32) if 4 * most <= np.iinfo(t).max)
        return cls(decided, each, dtype, condense_both((decided == 0).astype(np.uint8)) > 0)

    @property
    def n_decisions(self) -> int | None:
        """Decisions of every pair; None where they differ."""
        return None if self.each is None else 2 * self.each

    def start(self) -> AnyArray:
        """Return the square array in which half decisions are counted: rows are the conditions of the trials."""
        return np.zeros(self.decided.shape, dtype=self.dtype)

    def finish(self, halves: AnyArray) -> AnyArray:
        """Return the counts, or where these differ in number the balanced accuracies, of every pair, condensed."""
        return condense_both(halves) if self.each is not None else self.balance(halves, 4.0)

    def balance(self, sums: AnyArray, parts: float = 2.0) -> FloatArray:
        """Return the mean over both conditions of the mean over their trials; NaN where one has none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return condense_both(np.where(self.decided == 0, np.nan, sums / self.decided)) / parts

    def empty(self, n_times: int) -> AnyArray:
        """Return an array for ``n_times`` rows of what :meth:`finish` returns."""
        return np.empty((n_times, len(self.undefined)), dtype=np.float64 if self.each is None else self.dtype)


def condense_both(square: AnyArray) -> AnyArray:
    """Return a_ij + a_ji of every pair, condensed."""
    n = len(square)
    both = square + square.T
    condensed = np.empty(n * (n - 1) // 2, dtype=both.dtype)
    start = 0
    for i in range(n - 1):
        condensed[start : start + n - 1 - i] = both[i, i + 1 :]
        start += n - 1 - i
    return condensed
