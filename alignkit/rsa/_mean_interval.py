"""Intervals of means over participants, who are drawn with replacement."""

from __future__ import annotations

import numpy as np

from alignkit._typing import FloatArray

#: Values that are resampled together.
_BLOCK = 1 << 22
#: Fewer participants have no interval.
FEWEST = 3


def mean_interval(
    curves: FloatArray, axis: int, *, n_bootstrap: int, confidence: float, rng: np.random.Generator
) -> FloatArray:
    """Return the expanded percentile interval of the mean over ``axis`` (participants), shape (2, *the other axes).

    Resampled means of n people vary less than means of n people do, by a share of 1/n, and their percentiles know
    nothing of Student's t: plain ones of a 95 % interval cover the truth 81 % of the time for four people, and 92 % for
    sixteen. These are taken further out (Hesterberg, 2015, doi:10.1080/00031305.2015.1089789), and cover it 89 % and
    95 % of the time; four people's resamples reach no further.

    Every resample draws the same participants for all that the other axes hold. NaN where any participant's value is
    NaN, for fewer than three participants, and without resamples.
    """
    values = np.moveaxis(curves, axis, 0)
    n, others = len(values), values.shape[1:]
    bounds = np.full((2, int(np.prod(others))), np.nan)
    if n < FEWEST or not n_bootstrap:
        return bounds.reshape(2, *others)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=n_bootstrap) / n
    columns = values.reshape(n, -1)
    tail = expanded_tail(n, (1 - confidence) / 2)
    step = max(1, _BLOCK // n_bootstrap)
    for start in range(0, columns.shape[1], step):
        part = slice(start, start + step)
        bounds[:, part] = np.quantile(weights @ columns[:, part], [tail, 1 - tail], axis=0)
    return bounds.reshape(2, *others)


def expanded_tail(n: int, tail: float) -> float:
    r"""Return which share of resamples of ``n`` people to leave out at either end for one of ``tail`` in truth.

    .. math:: \Phi\left(-\sqrt{n / (n - 1)}\; t_{n-1,\, 1 - \mathrm{tail}}\right)
    """
    from scipy.special import ndtr, stdtrit

    return float(ndtr(-np.sqrt(n / (n - 1)) * stdtrit(n - 1, 1 - tail)))
