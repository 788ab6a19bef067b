"""How much RDMs hold at each time, and how they generalise: what scales a dynamic model's output, and its noise."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from alignkit._typing import AnyArray, BoolArray, FloatArray

Read = Callable[[int, int], AnyArray]
#: Pairs that one product of matrices takes at a time: their sums are added in float64.
_PAIRS = 1 << 16
#: A variance below this part of the sum of squares is one of rounding.
_ROUNDING = 1e-12


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """What is known of each time from measured RDMs, both from 0 to 1.

    Parameters
    ----------
    richness : ndarray, shape (times,)
        How large dissimilarities are.
    generalization : ndarray, shape (times,)
        How alike the RDM of a time is to those of all times.
    """

    richness: FloatArray
    generalization: FloatArray

    def noise_level(self, sigma: float = 3.0) -> FloatArray:
        """Return :func:`noise_level` of the generalisation curve."""
        return noise_level(self.generalization, sigma)


def noise_level(generalization: FloatArray, sigma: float = 3.0, /) -> FloatArray:
    r"""Return :math:`1 - g`, smoothed by a Gaussian and brought to 0..1: noise where RDMs do not generalise.

    Parameters
    ----------
    generalization : ndarray, shape (times,)
        From 0 to 1.
    sigma : float
        Standard deviation of the Gaussian, in samples; beyond the ends the curve is mirrored.

    Returns
    -------
    ndarray, shape (times,)
        0 throughout where the curve does not vary, as that of a single time.

    Examples
    --------
    >>> noise_level(np.array([0.0, 0.0, 1.0, 1.0]), 0.5).round(2).tolist()
    [1.0, 0.88, 0.12, 0.0]
    """
    from scipy.ndimage import gaussian_filter1d

    smooth = gaussian_filter1d(1.0 - np.asarray(generalization, dtype=np.float64), sigma)
    return unit_range(smooth, flat=0.0)


def unit_range(curve: FloatArray, /, *, flat: float = 1.0) -> FloatArray:
    """Return a curve brought to 0..1; ``flat`` throughout where it does not vary, NaN where it is NaN."""
    defined = ~np.isnan(curve)
    if not defined.any():
        return curve.copy()
    low, high = curve[defined].min(), curve[defined].max()
    # what differs in its last digits alone does not vary
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        return np.where(defined, flat, np.nan)
    scaled: FloatArray = (curve - low) / (high - low)
    return scaled


def mean_curves(richness: FloatArray, generalization: FloatArray, times: FloatArray, /, *, published: bool) -> Curves:
    """Return the curves of several people as one, as the published recipe does.

    Richness is averaged over people and brought to 0..1; generalisation is brought to 0..1 in each person and then
    averaged. A curve that does not vary, as that of a single time, is 1 throughout; where nobody has a value it is 0.

    Parameters
    ----------
    richness, generalization : ndarray, shape (people, times)
        Means of dissimilarities, and :func:`generalization_curve`.
    times : ndarray, shape (times,)
        Seconds.
    published : bool
        Set both to 0 up to and at time 0, as published.
    """
    rich = unit_range(mean_of_numbers(richness))
    alike = mean_of_numbers(np.stack([unit_range(one) for one in generalization]))
    early = (times <= 0) if published and len(times) > 1 else np.zeros(len(times), dtype=bool)
    return Curves(*(np.where(early | np.isnan(curve), 0.0, curve) for curve in (rich, alike)))


def person_curves(read: Read, n_times: int, n_pairs: int, /, *, n_bytes: int) -> tuple[FloatArray, FloatArray]:
    """Return one person's mean dissimilarity and generalisation curve, reading a stretch of time at a time.

    The generalisation of a time is the mean of Pearson's r between its RDM and those of all times, its own (1)
    included, each r over the pairs that both have. NaN where a time has fewer than three pairs or they do not differ.

    Parameters
    ----------
    read : callable
        ``read(start, stop)`` gives RDMs, shape (stop - start, pairs).
    n_times, n_pairs : int
        How many times there are, and pairs that are held to read those of a time.
    n_bytes : int
        Memory to work in.
    """
    step = max(1, min(n_times, n_bytes // (40 * n_pairs)))
    cuts = [(start, min(start + step, n_times)) for start in range(0, n_times, step)]
    richness, r = np.full(n_times, np.nan), np.full((n_times, n_times), np.nan)
    for i, (start, stop) in enumerate(cuts):
        x, mean, used = _centred(read(start, stop))
        richness[start:stop] = mean
        for first, last in cuts[i:]:
            y, _, also = (x, mean, used) if first == start else _centred(read(first, last))
            r[start:stop, first:last] = _correlations(x, y, used, also)
            r[first:last, start:stop] = r[start:stop, first:last].T
    return richness, mean_of_numbers(r, axis=1)


def mean_of_numbers(values: AnyArray, /, axis: int = 0) -> FloatArray:
    """Return the mean over an axis of what is no NaN, in float64; NaN where all is."""
    there = ~np.isnan(values)
    count = there.sum(axis=axis)
    total = np.where(there, values, 0).sum(axis=axis, dtype=np.float64)
    means: FloatArray = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return means


def _centred(values: AnyArray) -> tuple[AnyArray, FloatArray, BoolArray | None]:
    """Return RDMs without their means, 0 where they are NaN; the means; and what is no NaN, None where nothing is."""
    missing = np.isnan(values)
    if not missing.any():
        mean = values.mean(axis=1, dtype=np.float64)
        return _without(values, mean, _vary(values)), mean, None
    mean = mean_of_numbers(values, axis=1)
    varying = _vary(np.where(missing, mean[:, None], values))
    return np.where(missing, np.float32(0), _without(values, mean, varying)), mean, ~missing


def _vary(values: AnyArray) -> BoolArray:
    """Return which rows have values that differ by more than their last digits."""
    low, high = values.min(axis=1), values.max(axis=1)
    found: BoolArray = high - low > 1e-12 * np.maximum(abs(low), abs(high))
    return found


def _without(values: AnyArray, mean: FloatArray, varying: BoolArray) -> AnyArray:
    # a row of one value would leave the rounding of its mean, which correlates
    return ((values - mean[:, None]) * varying[:, None]).astype(np.float32)


def _correlations(x: AnyArray, y: AnyArray, used: BoolArray | None, also: BoolArray | None) -> FloatArray:
    """Return Pearson's r of all rows of ``x`` with all of ``y``, over the pairs that both have."""
    shape = (len(x), len(y))
    cross, n = np.zeros(shape), np.zeros(shape)
    sums = [np.zeros(shape) for _ in range(4)]  # of x, of x squared, of y, of y squared
    for start in range(0, x.shape[1], _PAIRS):
        part = slice(start, start + _PAIRS)
        a, b = x[:, part].astype(np.float64), y[:, part].astype(np.float64)
        u = np.ones_like(a) if used is None else used[:, part].astype(np.float64)
        v = np.ones_like(b) if also is None else also[:, part].astype(np.float64)
        cross += a @ b.T
        if used is None and also is None:
            n += a.shape[1]
            terms = (a.sum(axis=1)[:, None], (a**2).sum(axis=1)[:, None], b.sum(axis=1), (b**2).sum(axis=1))
        else:
            n += u @ v.T
            terms = (a @ v.T, a**2 @ v.T, u @ b.T, u @ (b**2).T)
        for total, term in zip(sums, terms, strict=True):
            total += term
    count = np.maximum(n, 1)
    covariance = cross - sums[0] * sums[2] / count
    first, second = sums[1] - sums[0] ** 2 / count, sums[3] - sums[2] ** 2 / count
    defined = (n >= 3) & (first > _ROUNDING * sums[1]) & (second > _ROUNDING * sums[3])
    found: FloatArray = np.where(defined, covariance / np.sqrt(np.where(defined, first * second, 1.0)), np.nan)
    return found
