"""How much RDMs hold at each time, and how they generalise: what scales a dynamic model's output, and its noise."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from alignkit._typing import AnyArray, BoolArray, FloatArray

Read = Callable[[int, int], AnyArray]
#: Pairs that one product of matrices takes at a time: their sums are added in float64.
_PAIRS = 1 << 14
#: Bytes that a pair of items takes on its way from a file.
_BYTES = 36
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
    >>> noise_level(np.array([0.0, 0.0, 1.0, 1.0]), 0.5).round(1).tolist()
    [1.0, 0.9, 0.1, 0.0]
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
    few = max(1, n_bytes // 2 // (_BYTES * n_pairs))
    many = max(few, n_bytes // 2 // (5 * n_pairs))  # as float32, beside what says which are numbers
    richness, r = np.full(n_times, np.nan), np.full((n_times, n_times), np.nan)
    for start in range(0, n_times, many):
        stop = min(start + many, n_times)
        held, richness[start:stop] = _held(read, range(start, stop, few), stop)
        r[start:stop, start:stop] = _correlations(held, held)
        for first in range(stop, n_times, few):
            last = min(first + few, n_times)
            other, _ = _centred(read(first, last))
            r[start:stop, first:last] = _correlations(held, other)
            r[first:last, start:stop] = r[start:stop, first:last].T
    return richness, mean_of_numbers(r, axis=1)


class _Centred(NamedTuple):
    """RDMs of some times, centred and of length 1, 0 where they are NaN; and which are numbers (None: all)."""

    values: npt.NDArray[np.float32]
    used: BoolArray | None


def _held(read: Read, starts: range, stop: int) -> tuple[_Centred, FloatArray]:
    """Return RDMs of many times, read few at a time, and their means."""
    values, used, means = None, None, []
    for start in starts:
        rows = slice(start - starts[0], min(start + starts.step, stop) - starts[0])
        part, mean = _centred(read(start, min(start + starts.step, stop)))
        if values is None:
            values = np.empty((stop - starts[0], part.values.shape[1]), dtype=np.float32)
        values[rows] = part.values
        if part.used is not None:
            used = np.ones(values.shape, dtype=bool) if used is None else used
            used[rows] = part.used
        means.append(mean)
    assert values is not None
    return _Centred(values, used), np.concatenate(means)


def mean_of_numbers(values: AnyArray, /, axis: int = 0) -> FloatArray:
    """Return the mean over an axis of what is no NaN, in float64; NaN where all is."""
    there = ~np.isnan(values)
    count = there.sum(axis=axis)
    total = np.where(there, values, 0).sum(axis=axis, dtype=np.float64)
    means: FloatArray = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return means


def _centred(values: AnyArray) -> tuple[_Centred, FloatArray]:
    """Return RDMs, centred and of length 1, and their means; a row of one value, whose mean is rounded, is 0."""
    missing = np.isnan(values)
    gaps = bool(missing.any())
    mean = mean_of_numbers(values, axis=1)
    low, high = np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)
    vary = high - low > _ROUNDING * np.maximum(abs(low), abs(high))
    centred = values - mean[:, None]
    if gaps:
        centred[missing] = 0.0
    norm = np.sqrt(np.einsum("tp,tp->t", centred, centred))
    scale = np.divide(1.0, norm, out=np.zeros_like(norm), where=vary & (norm > 0))
    return _Centred((centred * scale[:, None]).astype(np.float32), ~missing if gaps else None), mean


def _correlations(x: _Centred, y: _Centred) -> FloatArray:
    """Return Pearson's r of all times of ``x`` with all of ``y``, over the pairs that both have."""
    if x.used is not None or y.used is not None:
        return _over_shared(x, y)
    r = np.zeros((len(x.values), len(y.values)))
    for start in range(0, x.values.shape[1], _PAIRS):
        r += x.values[:, start : start + _PAIRS] @ y.values[:, start : start + _PAIRS].T
    constant = [~one.values.any(axis=1) for one in (x, y)]
    undefined = np.logical_or.outer(*constant) | (x.values.shape[1] < 3)
    found: FloatArray = np.where(undefined, np.nan, r)
    return found


def _over_shared(x: _Centred, y: _Centred) -> FloatArray:
    """Return these correlations where pairs are missing at some times, and so other ones for every two times."""
    shape = (len(x.values), len(y.values))
    cross, n, *sums = (np.zeros(shape) for _ in range(6))  # sums of x, of x squared, of y, of y squared
    for start in range(0, x.values.shape[1], _PAIRS):
        part = slice(start, start + _PAIRS)
        a, b = x.values[:, part].astype(np.float64), y.values[:, part].astype(np.float64)
        u, v = _weights(x, part), _weights(y, part)
        cross += a @ b.T
        n += u @ v.T
        for total, term in zip(sums, (a @ v.T, a**2 @ v.T, u @ b.T, u @ (b**2).T), strict=True):
            total += term
    count = np.maximum(n, 1)
    covariance = cross - sums[0] * sums[2] / count
    first, second = sums[1] - sums[0] ** 2 / count, sums[3] - sums[2] ** 2 / count
    defined = (n >= 3) & (first > _ROUNDING * sums[1]) & (second > _ROUNDING * sums[3])
    found: FloatArray = np.where(defined, covariance / np.sqrt(np.where(defined, first * second, 1.0)), np.nan)
    return found


def _weights(x: _Centred, part: slice) -> FloatArray:
    """Return 1 for every number, 0 for NaN; one row where there is none."""
    if x.used is None:
        return np.ones((1, x.values[:1, part].shape[1]))
    return x.used[:, part].astype(np.float64)
