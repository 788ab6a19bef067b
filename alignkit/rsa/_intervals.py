"""Percentile intervals of means and ratios of sums, by drawing whole clusters with replacement."""

from __future__ import annotations

import numpy as np

from alignkit._check import check_count, check_fraction
from alignkit._threads import one_blas_thread
from alignkit._typing import FloatArray, IntArray

_CHUNK = 1 << 22
#: Multiplicities that are drawn before they are put to use.
_BLOCK = 1 << 20
_MAX_LEVELS = 1000


@one_blas_thread()
def resampled_ratios(totals: FloatArray, sizes: FloatArray, n_bootstrap: int, rng: np.random.Generator) -> FloatArray:
    """Return Σ w·totals / Σ w·sizes for multiplicities w of clusters drawn with replacement.

    Parameters
    ----------
    totals, sizes : ndarray, shape (clusters, k)
        What each cluster adds to the numerators and denominators of k statistics.
    n_bootstrap : int
        Number of resamples.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    ndarray, shape (n_bootstrap, k)
        NaN where a denominator is 0, and throughout where a cluster adds NaN.
    """
    rows = np.hstack([totals, sizes])
    undefined = np.isnan(rows).any(axis=0)
    rows[:, undefined] = 0.0  # NaN equals nothing, not even itself: such rows are of no kind
    k, n = totals.shape[1], len(rows)
    sums = np.empty((n_bootstrap, 2 * k))
    found = _kinds(rows)
    if found is not None:
        kinds, counts = found
        # Clusters that add the same are exchangeable: how often each kind is drawn is one multinomial.
        step = max(1, _CHUNK // len(kinds))
        for start in range(0, n_bootstrap, step):
            size = min(step, n_bootstrap - start)
            sums[start : start + size] = rng.multinomial(n, counts / n, size=size) @ kinds
    else:
        # several resamples to a matrix product, which then reads the clusters once for all of them
        drawn = np.empty((max(1, min(_BLOCK // n, n_bootstrap)), n))
        for start in range(0, n_bootstrap, len(drawn)):
            part = drawn[: n_bootstrap - start]
            for times in part:
                which = rng.integers(
                    0, n, n
                )  # kept until the next one is there: memory handed back is dear to get anew
                times[:] = np.bincount(which, minlength=n)
            sums[start : start + len(part)] = part @ rows
    sums[:, undefined] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sums[:, k:] > 0, sums[:, :k] / sums[:, k:], np.nan)


def cluster_intervals(
    totals: FloatArray, sizes: FloatArray, *, n_bootstrap: int, confidence: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return the lower and upper percentile bounds of k ratios of sums, each of shape (k,).

    They are NaN without resamples, and with fewer than two clusters.
    """
    if n_bootstrap == 0 or len(totals) < 2:
        nothing = np.full(totals.shape[1], np.nan)
        return nothing, nothing.copy()
    return percentile_bounds(resampled_ratios(totals, sizes, n_bootstrap, rng), confidence)


def percentile_bounds(samples: FloatArray, confidence: float) -> tuple[FloatArray, FloatArray]:
    """Return the central ``confidence`` interval of samples, shape (n_bootstrap, k), ignoring undefined ones."""
    low = np.full(samples.shape[1], np.nan)
    high = low.copy()
    for column, values in enumerate(samples.T):
        kept = values[~np.isnan(values)]
        if len(kept) > len(values) // 2:
            low[column], high[column] = np.quantile(kept, [(1 - confidence) / 2, (1 + confidence) / 2])
    return low, high


def check_bootstrap(n_bootstrap: int, confidence: float) -> None:
    """Raise unless the options of a bootstrap make sense (0 resamples: no interval)."""
    check_count("n_bootstrap", n_bootstrap)
    check_fraction("confidence", confidence)


def _kinds(rows: FloatArray) -> tuple[FloatArray, IntArray] | None:
    """Return the distinct rows and how often each occurs, or None unless they are far fewer than the rows."""
    limit = len(rows) // 8
    code, n_codes = np.zeros(len(rows), dtype=np.int64), 1
    for column in rows.T:
        found = _levels(column, min(limit, _MAX_LEVELS))
        if found is None or n_codes * len(found[0]) > _CHUNK:
            return None
        code = code * len(found[0]) + found[1]
        n_codes *= len(found[0])
    counts = np.bincount(code, minlength=n_codes)
    used = np.flatnonzero(counts)
    if len(used) > limit:
        return None
    example = np.zeros(n_codes, dtype=np.int64)
    example[code] = np.arange(len(rows))
    return rows[example[used]], counts[used]


def _levels(column: FloatArray, limit: int) -> tuple[FloatArray, IntArray] | None:
    """Return the distinct values and each row's place among them, without sorting millions of equal numbers."""
    values = np.unique(column[:4096])
    while len(values) <= limit:
        place = np.minimum(np.searchsorted(values, column), len(values) - 1)
        new = column[values[place] != column]
        if not new.size:
            return values, place
        values = np.union1d(values, new[:4096])
    return None
