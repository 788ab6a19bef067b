"""Where a curve begins to rise: rules that read many curves at once, as rows."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray

#: Candidate break points to a sample, where latencies between samples are asked for.
_FINER = 20


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Times of all samples, those of the baseline, and the stretch from ``start`` up to ``stop`` that is searched."""

    times: FloatArray
    baseline: slice
    start: int
    stop: int
    interpolate: bool = False

    def corrected(self, curves: FloatArray) -> FloatArray:
        """Return curves minus the mean of their baseline."""
        return np.asarray(curves - curves[:, self.baseline].mean(axis=1, keepdims=True))

    def searched(self, marked: BoolArray) -> BoolArray:
        """Return what is marked within the stretch that is searched."""
        kept = np.zeros_like(marked)
        kept[:, self.start : self.stop] = marked[:, self.start : self.stop]
        return kept

    def seconds(self, sample: IntArray, found: BoolArray) -> FloatArray:
        """Return the times of samples, NaN where none was found."""
        return np.where(found, self.times[np.where(found, sample, 0)], np.nan)


def longest_run(curves: FloatArray, frame: Frame) -> FloatArray:
    """Return when the longest run of samples above the baseline's maximum begins; of equally long ones, the first."""
    threshold = curves[:, frame.baseline].max(axis=1)
    length = run_lengths(frame.searched(curves > threshold[:, None]))
    last = length.argmax(axis=1)
    longest = length[np.arange(len(curves)), last]
    return _crossing(curves, threshold, last - longest + 1, longest > 0, frame)


def first_run(curves: FloatArray, threshold: float, k: int, frame: Frame) -> FloatArray:
    """Return when the first run of ``k`` or more samples above a threshold begins."""
    reached = run_lengths(frame.searched(curves > threshold)) == k
    return frame.seconds(reached.argmax(axis=1) - k + 1, reached.any(axis=1))


def run_lengths(marked: BoolArray) -> IntArray:
    """Return at each marked sample how many in a row are marked up to it, itself included; 0 elsewhere."""
    here = np.arange(marked.shape[1])
    last_unmarked = np.maximum.accumulate(np.where(marked, -1, here), axis=1)
    return np.asarray(here - last_unmarked)


def fraction_of_peak(curves: FloatArray, fraction: float, frame: Frame) -> FloatArray:
    """Return when a curve crosses a share of its peak above baseline for the last time before that peak."""
    rise = frame.corrected(curves)
    height, peak = peaks(rise, frame)
    here = np.arange(curves.shape[1])
    below = (rise < fraction * height[:, None]) & (here < peak[:, None]) & (here >= frame.start - 1)
    last = below.shape[1] - 1 - below[:, ::-1].argmax(axis=1)
    return _crossing(rise, fraction * height, last + 1, below.any(axis=1) & (height > 0), frame)


def broken_line(curves: FloatArray, fraction: float, frame: Frame) -> FloatArray:
    """Return the break of the flat line with a rising one that fits best, from the baseline up to the first flank.

    The flank ends where the curve first reaches ``fraction`` of its peak above baseline. Curves that do not rise above
    their baseline's maximum have no onset.
    """
    rise = frame.corrected(curves)
    height, _ = peaks(rise, frame)
    rises = height > np.maximum(rise[:, frame.baseline].max(axis=1), 0.0)
    end = frame.searched(rise >= fraction * height[:, None]).argmax(axis=1)
    found = np.full(len(curves), np.nan)
    for last in np.unique(end[rises]):
        rows = rises & (end == last)
        found[rows] = _breaks(rise[rows], int(last), frame)
    return found


def _breaks(curves: FloatArray, last: int, frame: Frame) -> FloatArray:
    """Return the best break of curves whose flank ends with the sample ``last``, by least squares.

    With a free level, what a break at c explains is the square of the curve's product with the centred and normed
    regressor max(t - c, 0).
    """
    first = max(frame.start - 1, 0)  # a curve above zero at the first sample may have left it at the one before
    candidates = frame.times[first:last]
    if frame.interpolate:
        steps = np.arange((len(candidates) - 1) * _FINER + 1) / _FINER
        candidates = np.interp(steps, np.arange(len(candidates)), candidates)
    if not len(candidates):
        return np.full(len(curves), np.nan)
    where = frame.times[frame.baseline.start : last + 1]
    regressors = np.maximum(where - candidates[:, None], 0.0)
    regressors -= regressors.mean(axis=1, keepdims=True)
    regressors /= np.linalg.norm(regressors, axis=1, keepdims=True)
    explained = curves[:, frame.baseline.start : last + 1] @ regressors.T
    best = explained.argmax(axis=1)
    rising = explained[np.arange(len(curves)), best] > 0
    return np.where(rising, candidates[best], np.nan)


def peaks(curves: FloatArray, frame: Frame) -> tuple[FloatArray, IntArray]:
    """Return the highest value in the stretch that is searched, and its sample."""
    peak = curves[:, frame.start : frame.stop].argmax(axis=1) + frame.start
    return curves[np.arange(len(curves)), peak], peak


def _crossing(
    curves: FloatArray, threshold: FloatArray, sample: IntArray, found: BoolArray, frame: Frame
) -> FloatArray:
    """Return the time of the first samples above a threshold, or of the straight line's crossing just before."""
    seconds = frame.seconds(sample, found)
    if not frame.interpolate:
        return seconds
    inner = found & (sample > 0)
    rows = np.flatnonzero(inner)
    after = sample[inner]
    low, high = curves[rows, after - 1], curves[rows, after]
    share = (threshold[inner] - low) / (high - low)
    seconds[inner] = frame.times[after - 1] + share * (frame.times[after] - frame.times[after - 1])
    return seconds
