"""Permutations of items, what they make of a statistic, and the p-values that follow."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from alignkit._executor import Executor, Threads
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.rsa._permuted_similarity import Permuted

Alternative = Literal["two-sided", "greater", "less"]
#: Most blocks of permutations that travel to a worker together, and entries of RDMs that are enough for one journey.
_ROUND, _ENOUGH = 8, 1 << 26
#: Share of the largest deviation that rounding may make up: nearer values are ties.
_ROUNDING = 1e-12


def is_exact(n_items: int, n_permutations: int) -> bool:
    """Return whether there are no more than ``n_permutations`` permutations of the items."""
    return n_items < 20 and math.factorial(n_items) <= n_permutations


def null_distribution(
    permuted: Permuted,
    n_items: int,
    n_permutations: int,
    rng: np.random.Generator,
    *,
    progress: bool,
    executor: Executor | None = None,
) -> FloatArray:
    """Return the similarities under all permutations, or under random ones, shape (m, a, b).

    Random permutations are those of ``rng.permutation(n_items)``, one after the other, drawn in this process whoever
    compares.
    """
    from tqdm import tqdm

    exact = is_exact(n_items, n_permutations)
    total = math.factorial(n_items) if exact else n_permutations
    orders = itertools.permutations(range(n_items)) if exact else _random(n_items, rng)
    size = permuted.n_together
    blocks = _blocks(itertools.islice(orders, total), size, np.min_scalar_type(n_items - 1))
    together = max(1, min(_ROUND, _ENOUGH // (size * n_items**2)))
    found = []
    with tqdm(total=total, desc="permutations", disable=not progress) as bar:
        for part in (executor or Threads()).map(_statistics, blocks, (permuted,), together=together):
            found.append(part)
            bar.update(len(part))
    return np.concatenate(found)


def _statistics(permuted: Permuted, orders: IntArray) -> FloatArray:
    return permuted.statistics(orders.astype(np.intp))


def _random(n_items: int, rng: np.random.Generator) -> Iterator[IntArray]:
    while True:
        yield rng.permutation(n_items)


def _blocks(orders: Iterator[IntArray | tuple[int, ...]], size: int, dtype: np.dtype[Any]) -> Iterator[AnyArray]:
    """Yield permutations, so many together, in few bytes."""
    while block := list(itertools.islice(orders, size)):
        yield np.array(block, dtype=dtype)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PValues:
    """What a null distribution says about statistics, each of shape (cells,)."""

    p: FloatArray
    corrected: FloatArray
    mean: FloatArray
    sd: FloatArray
    quantiles: FloatArray


def p_values(
    observed: FloatArray,
    null: FloatArray,
    alternative: Alternative,
    *,
    exact: bool,
    centred: bool,
    quantiles: tuple[float, ...],
) -> PValues:
    """Return p-values of ``observed``, shape (cells,), given ``null``, shape (m, cells).

    ``centred`` says that the null distribution is around 0; else two-sided deviations are from the mean of all
    statistics, the observed one included. The largest standardised deviation of all cells in every permutation gives
    the corrected p-values.
    """
    p = np.full(observed.shape, np.nan)
    standardised = np.full(observed.shape, np.nan)
    largest = np.full(len(null), -np.inf)
    for cell in np.flatnonzero(~np.isnan(observed)):
        everything = null[:, cell] if exact else np.append(null[:, cell], observed[cell])
        middle = 0.0 if centred else np.nanmean(everything)
        deviation = deviation_of(null[:, cell] - middle, alternative)
        own = float(deviation_of(observed[cell] - middle, alternative))
        # where a permutation leaves nothing to compare, it counts as extreme
        deviation = np.where(np.isnan(deviation), np.inf, deviation)
        p[cell] = share_of(deviation, own, exact=exact)
        spread = np.nanstd(everything)
        standardised[cell] = own / spread if spread else 0.0
        if spread:
            np.maximum(largest, deviation / spread, out=largest)
    corrected = np.array([np.nan if np.isnan(z) else share_of(largest, z, exact=exact) for z in standardised])
    mean, sd = np.full((2, len(observed)), np.nan)
    shown = np.full((len(quantiles), len(observed)), np.nan)
    defined = ~np.isnan(null).all(axis=0)
    mean[defined], sd[defined] = np.nanmean(null[:, defined], axis=0), np.nanstd(null[:, defined], axis=0)
    shown[:, defined] = np.nanquantile(null[:, defined], quantiles, axis=0)
    return PValues(p, np.maximum(corrected, p), mean, sd, shown)


def deviation_of(x: FloatArray, alternative: Alternative) -> FloatArray:
    """Return how extreme values around 0 are: the larger, the more."""
    return np.abs(x) if alternative == "two-sided" else (x if alternative == "greater" else -x)


def share_of(deviations: FloatArray, own: float, *, exact: bool) -> float:
    """Return the share of deviations that are at least as large; the observed one counts among random ones."""
    finite = deviations[np.isfinite(deviations)]
    tolerance = _ROUNDING * max(float(np.abs(finite).max(initial=0.0)), abs(own))
    extreme = int((deviations >= own - tolerance).sum())
    return extreme / len(deviations) if exact else (extreme + 1) / (len(deviations) + 1)
