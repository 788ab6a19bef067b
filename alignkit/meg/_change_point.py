"""Change points of series in mean and variance, by binary segmentation."""

from __future__ import annotations

import numpy as np

from alignkit._typing import FloatArray, IntArray

#: Fewest samples of a segment.
_SHORTEST = 2
#: Variances below this share of the whole series' are rounding, and count as this share.
_ROUNDING = 1e-11


def first_change(series: FloatArray, start: int = 0) -> IntArray:
    r"""Return the first sample after the earlier of up to two change points; 0 where nothing changes.

    Each segment is normal with its own mean and variance; its cost is :math:`n(\log 2\pi\hat\sigma^2 + 1) + \log n`,
    minus twice the log likelihood with the term of the modified BIC. The split that gains most is made first, then the
    one that gains most in either part; both must gain :math:`4 \log n` (n of the whole series), the rest of that
    criterion.

    Parameters
    ----------
    series : ndarray, shape (series, time)
        Finite values.
    start : int
        Change points before this sample are passed over.

    Returns
    -------
    ndarray of int, shape (series,)

    References
    ----------
    Scott & Knott (1974), doi:10.2307/2529204; Zhang & Siegmund (2007), doi:10.1111/j.1541-0420.2006.00662.x.
    """
    n = series.shape[1]
    penalty = 4.0 * np.log(n)
    cost = _Costs(series)
    begin = np.zeros((len(series), 1), dtype=np.int64)
    end = np.full((len(series), 1), n)
    split, gain = cost.best_split(begin, end)
    left, gain_left = cost.best_split(begin, split[:, None])
    right, gain_right = cost.best_split(split[:, None], end)
    second = np.where(gain_left >= gain_right, left, right)
    found = np.column_stack([split, second])
    made = np.column_stack([gain >= penalty, (gain >= penalty) & (np.maximum(gain_left, gain_right) >= penalty)])
    first = np.where(made & (found >= max(start, 1)), found, n).min(axis=1)
    return np.where(first < n, first, 0)


class _Costs:
    """Costs of segments of many series, from cumulated sums."""

    def __init__(self, series: FloatArray) -> None:
        centred = series - series.mean(axis=1, keepdims=True)
        start = np.zeros((len(series), 1))
        self.sums = np.hstack([start, np.cumsum(centred, axis=1)])
        self.squares = np.hstack([start, np.cumsum(centred * centred, axis=1)])
        self.least = _ROUNDING * self.squares[:, -1:] / series.shape[1]

    def best_split(self, begin: IntArray, end: IntArray) -> tuple[IntArray, FloatArray]:
        """Return the first sample after the best split of segments, shape (series, 1), and what it gains."""
        here = np.arange(self.sums.shape[1])
        first, last = self._at(begin), self._at(end)
        split = (self.sums, self.squares)
        inside = (here >= begin + _SHORTEST) & (here <= end - _SHORTEST)
        with np.errstate(divide="ignore", invalid="ignore"):  # a constant series has no variance, and no split
            gain = self._of(first, last, end - begin) - self._of(first, split, here - begin)
            gain -= self._of(split, last, end - here)
        gain = np.where(inside & np.isfinite(gain), gain, -np.inf)
        best = gain.argmax(axis=1)
        return best, gain[np.arange(len(best)), best]

    def _at(self, sample: IntArray) -> tuple[FloatArray, FloatArray]:
        return np.take_along_axis(self.sums, sample, axis=1), np.take_along_axis(self.squares, sample, axis=1)

    def _of(self, begin: tuple[FloatArray, FloatArray], end: tuple[FloatArray, FloatArray], n: IntArray) -> FloatArray:
        """Return the cost of segments of ``n`` samples from the cumulated sums at both ends."""
        n = np.maximum(n, 1)  # segments that are none are not looked at
        mean = (end[0] - begin[0]) / n
        variance = np.maximum((end[1] - begin[1]) / n - mean * mean, self.least)
        return np.asarray(n * (np.log(2 * np.pi * variance) + 1.0) + np.log(n))
