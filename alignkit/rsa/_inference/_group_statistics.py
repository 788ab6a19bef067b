"""Statistics of two groups of subjects, for many divisions of the same subjects at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alignkit._threads import each, one_blas_thread
from alignkit._typing import BoolArray, FloatArray

#: Divisions that are taken together.
_BLOCK = 1 << 10
#: Share of the mean square below which rounding alone makes a variance.
_ROUNDING = 1e-14


def group_similarities(similarities: FloatArray, first: BoolArray) -> FloatArray:
    """Return mean similarities within the marked subjects, within the others, and between both, shape (m, 3).

    ``similarities`` are those of every two subjects, shape (subjects, subjects); of subjects with themselves, they do
    not count.
    """
    others = similarities.copy()
    np.fill_diagonal(others, 0.0)
    n_first = int(first[0].sum())
    n_second = first.shape[1] - n_first
    pairs = np.array([n_first * (n_first - 1), n_second * (n_second - 1), n_first * n_second])

    def means(block: BoolArray) -> FloatArray:
        one = block.astype(np.float64)
        two = 1.0 - one
        with_one, with_two = one @ others, two @ others
        return np.stack([(with_one * one).sum(1), (with_two * two).sum(1), (with_one * two).sum(1)], axis=1) / pairs

    return _in_blocks(means, first)


def welch(scores: FloatArray, first: BoolArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return difference of means (marked less others), its standard error and degrees of freedom, shape (m, scores).

    ``scores`` have shape (scores, subjects). Where neither group has any variance the standard error is 0 and the
    degrees of freedom are NaN.
    """
    centred = scores - scores.mean(axis=1, keepdims=True)
    square = np.square(centred)
    scale = square.mean(axis=1)

    def parts(block: BoolArray) -> FloatArray:
        means, variances, sizes = [], [], []
        for side in (block.astype(np.float64), (~block).astype(np.float64)):
            n = float(side[0].sum())
            mean = side @ centred.T / n
            variance = (side @ square.T - n * mean**2) / (n - 1)
            means.append(mean)
            variances.append(np.where(variance <= _ROUNDING * scale, 0.0, variance) / n)
            sizes.append(n)
        total = variances[0] + variances[1]
        with np.errstate(invalid="ignore", divide="ignore"):
            df = total**2 / (variances[0] ** 2 / (sizes[0] - 1) + variances[1] ** 2 / (sizes[1] - 1))
        return np.stack([means[0] - means[1], np.sqrt(total), df], axis=1)

    difference, error, df = np.moveaxis(_in_blocks(parts, first), 1, 0)
    return difference, error, df


def studentised(difference: FloatArray, error: FloatArray) -> FloatArray:
    """Return t; infinite where groups that have no variance differ, and NaN where they do not."""
    with np.errstate(invalid="ignore", divide="ignore"):
        t: FloatArray = difference / error
    return t


@one_blas_thread()
def _in_blocks(function: Callable[[BoolArray], FloatArray], first: BoolArray) -> FloatArray:
    return np.concatenate(each(function, [first[i : i + _BLOCK] for i in range(0, len(first), _BLOCK)]))
