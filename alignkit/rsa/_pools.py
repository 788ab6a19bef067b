"""How alike single subjects, or two halves of them, are to means of subjects, for any weights of the subjects."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np

from alignkit._executor import Executor
from alignkit._threads import each
from alignkit._typing import AnyArray, BoolArray, FloatArray
from alignkit.rsa._similarity_methods import Similarity

#: Values of sums that are held at once.
_BLOCK = 1 << 19
#: Such blocks that are shared out over threads between two steps of a progress bar.
_TASKS = 16
#: Share of what subjects could add up to below which rounding tells in the length of their sum.
_CANCELLED = 1e-4


class Pool(Protocol):
    """Subjects whose RDMs can be averaged with any weights."""

    @property
    def n_together(self) -> int:
        """Number of rows of weights, or of halves, that are best taken together."""

    def bounds(self, weights: FloatArray) -> FloatArray:
        """Return (lower, upper) per subject, shape (m, 2, subject), for ``m`` rows of weights; NaN where one is 0.

        Lower: similarity of a subject to the weighted mean of the others; upper: to that of all.
        """

    def halves(self, first: BoolArray) -> FloatArray:
        """Return the similarity of the mean of the marked subjects to that of the rest, shape (m,)."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class GramPool:
    """Subjects known by the products of their RDMs: the length of any sum of them follows, whatever their size.

    ``norms`` are the lengths of the RDMs, NaN where a subject has no similarity to anything; ``rows`` does the sums
    that cancel out.
    """

    gram: FloatArray
    norms: FloatArray
    rows: Pool

    @property
    def n_together(self) -> int:
        """Number of rows of weights, or of halves, that are best taken together."""
        return max(1, _BLOCK // len(self.gram))

    def bounds(self, weights: FloatArray) -> FloatArray:
        """Return (lower, upper) per subject, shape (m, 2, subject)."""
        own = np.diagonal(self.gram)
        with_all = weights @ self.gram
        squared = (with_all * weights).sum(axis=1, keepdims=True)
        squared_rest = squared - 2 * weights * with_all + weights**2 * own
        with np.errstate(invalid="ignore", divide="ignore"):
            upper = with_all / (self.norms * np.sqrt(squared))
            lower = (with_all - weights * own) / (self.norms * np.sqrt(squared_rest))
        bounds = np.clip(np.stack([lower, upper], axis=1), -1.0, 1.0)
        bounds[np.broadcast_to((weights == 0)[:, None], bounds.shape)] = np.nan
        reach = (weights @ np.sqrt(own))[:, None]
        reach_rest = reach - weights * np.sqrt(own)
        doubtful = (squared < _CANCELLED * reach**2) | (squared_rest < _CANCELLED * reach_rest**2)
        again = np.flatnonzero((doubtful & (weights > 0)).any(axis=1))
        if again.size:
            bounds[again] = self.rows.bounds(weights[again])
        return bounds

    def halves(self, first: BoolArray) -> FloatArray:
        """Return the similarity of the mean of the marked subjects to that of the rest, shape (m,)."""
        sides = np.stack([first, ~first]).astype(np.float64)
        with_side = sides @ self.gram
        squared = (with_side * sides).sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.clip((with_side[0] * sides[1]).sum(axis=-1) / np.sqrt(squared).prod(axis=0), -1.0, 1.0)
        reach = sides @ np.sqrt(np.diagonal(self.gram))
        again = np.flatnonzero((squared < _CANCELLED * reach**2).any(axis=0))
        if again.size:
            values[again] = self.rows.halves(first[again])
        return np.asarray(values)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RowPool:
    """Subjects whose RDMs are added up pair by pair: methods of ranks must rank every sum anew.

    ``scaled`` is what is added up and ``prepared`` what is compared; ``directed`` says that only a mean of zeros, not
    any constant one, has no similarity to anything. ``largest`` is the largest magnitude of every subject.
    """

    scaled: AnyArray
    prepared: AnyArray
    kind: Similarity
    directed: bool
    largest: FloatArray = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        largest = np.maximum(self.scaled.max(axis=-1), -self.scaled.min(axis=-1))
        object.__setattr__(self, "largest", largest.astype(np.float64))

    @property
    def n_together(self) -> int:
        """Number of rows of weights, or of halves, that are best taken together: one task for each thread, or more."""
        return _TASKS * self._step()

    def bounds(self, weights: FloatArray) -> FloatArray:
        """Return (lower, upper) per subject, shape (m, 2, subject)."""
        return np.concatenate(each(self._bounds, self.blocks(weights)))

    def halves(self, first: BoolArray) -> FloatArray:
        """Return the similarity of the mean of the marked subjects to that of the rest, shape (m,)."""
        return np.concatenate(each(self._halves, self.blocks(first)))

    @property
    def nbytes(self) -> int:
        """Bytes that go to the workers of a cluster."""
        return self.scaled.nbytes + self.prepared.nbytes

    def blocks(self, rows: AnyArray) -> list[AnyArray]:
        """Return rows of weights, or of halves, in the blocks in which they are computed, whoever does it."""
        step = self._step()
        return [rows[i : i + step] for i in range(0, len(rows), step)]

    def _step(self) -> int:
        return max(1, _BLOCK // self.scaled.shape[-1])

    def _bounds(self, weights: FloatArray) -> FloatArray:
        bounds = np.full((len(weights), 2, weights.shape[1]), np.nan)
        total = self._sum(weights)
        for s, own in enumerate(self.scaled):
            drawn = np.flatnonzero(weights[:, s])
            if not drawn.size:
                continue
            others = weights[drawn]
            # copies of one subject leave together
            rest = total[drawn] - others[:, s, None].astype(total.dtype) * own
            others[:, s] = 0.0
            bounds[drawn, 0, s] = self.kind.product(self._prepare(rest, others), self.prepared[[s]], "auto")[:, 0]
        bounds[:, 1] = self.kind.product(self._prepare(total, weights), self.prepared, "auto")
        bounds[np.broadcast_to((weights == 0)[:, None], bounds.shape)] = np.nan
        return bounds

    def _halves(self, first: BoolArray) -> FloatArray:
        sides = [marked.astype(np.float64) for marked in (first, ~first)]
        one, other = (self._prepare(self._sum(weights), weights) for weights in sides)
        return np.array([self.kind.product(one[[i]], other[[i]], "auto")[0, 0] for i in range(len(first))])

    def _sum(self, weights: FloatArray) -> AnyArray:
        # whole ranks stay float32 where that holds their sums
        exact = self.scaled.dtype == np.float32 and weights.sum(axis=1).max() * self.scaled.shape[-1] < 1 << 24
        weights = weights.astype(np.float32 if exact else np.float64)
        total = np.zeros((len(weights), self.scaled.shape[-1]), weights.dtype)
        # one subject after the other, not as a matrix product: pairs that are tied in everybody stay tied
        for column, row in zip(weights.T, self.scaled, strict=True):
            total += column[:, None] * row
        return total

    def _prepare(self, total: AnyArray, weights: FloatArray) -> AnyArray:
        """Prepare sums, shape (m, pairs); sums of subjects who cancel out become 0 in place.

        They leave nothing but rounding, which has ranks and a direction, but no meaning.
        """
        limit = 4 * np.finfo(np.float64).eps * (weights @ self.largest)
        high, low = total.max(axis=-1), total.min(axis=-1)
        extent = np.maximum(high, -low) if self.directed else high - low
        total[extent <= limit] = 0.0
        prepared: AnyArray = self.kind.prepare(total, "auto")
        return prepared


def shared_out(
    what: Literal["bounds", "halves"],
    rows: AnyArray,
    pool: Pool,
    tick: Callable[[int], object],
    executor: Executor | None = None,
) -> FloatArray:
    """Return the bounds, or the halves, of rows of a pool; a cluster gets what is ranked anew, block by block.

    Where products of subjects say it, there is little to share.
    """
    if executor is None or executor.in_process or not isinstance(pool, RowPool):
        return in_parts(getattr(pool, what), rows, pool, tick)
    found = []
    for part in executor.map(_bounds if what == "bounds" else _halves, pool.blocks(rows), (pool,)):
        found.append(part)
        tick(len(part))
    return np.concatenate(found)


def _bounds(pool: Pool, weights: FloatArray) -> FloatArray:
    return pool.bounds(weights)


def _halves(pool: Pool, first: BoolArray) -> FloatArray:
    return pool.halves(first)


def in_parts(
    function: Callable[[AnyArray], FloatArray], rows: AnyArray, pool: Pool, tick: Callable[[int], object]
) -> FloatArray:
    """Return ``function(rows)``, taken in parts that suit the pool; ``tick`` is told how many rows are done."""
    found = []
    for start in range(0, len(rows), pool.n_together):
        part = rows[start : start + pool.n_together]
        found.append(function(part))
        tick(len(part))
    return np.concatenate(found)
