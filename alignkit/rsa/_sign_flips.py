"""Sign flips of subjects: every pattern of signs, or random ones, and what they make of a statistic."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np

from alignkit._check import counted
from alignkit._threads import each
from alignkit._typing import BoolArray, FloatArray, IntArray

Tail = Literal["two-sided", "greater", "less"]
Statistic = Literal["t", "mean"]
#: Which values count as extreme: both sides, large ones, small ones.
SIDES: dict[str, int] = {"two-sided": 0, "greater": 1, "less": -1}
#: Values of a block of maps (they stay in the cache), and the fewest maps that make a matrix product worth its name.
_BLOCK, _FEWEST = 1 << 17, 32
#: Blocks between two steps of the progress bar.
_ROUND = 16
#: Share of the largest value that rounding may make up: nearer values are ties.
_ROUNDING = 1e-12


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Flips:
    """What sign flips make of a statistic: the largest value of each map, and uncorrected p-values per cell.

    ``largest``, shape (m,), holds the observed value first where all ``m`` patterns were taken (``exact``).
    """

    largest: FloatArray
    p: FloatArray
    exact: bool


def n_patterns(n_subjects: int, tail: Tail) -> int:
    """Return how many different sign flips there are; two-sided, a pattern and its opposite are one."""
    return int(2 ** (n_subjects - (tail == "two-sided")))


def observed_statistic(x: FloatArray, statistic: Statistic) -> tuple[FloatArray, BoolArray]:
    """Return the statistic of every cell of ``x``, shape (subjects, cells), and which cells have no variance.

    NaN where a subject is, and where all subjects are equal (those have no t, and their mean is not tested).
    """
    n = len(x)
    # exactly: rounding in a mean must not make a variance of what has none
    constant = np.asarray(x.max(axis=0) == x.min(axis=0))
    if statistic == "mean":
        return np.where(constant, np.nan, x.mean(axis=0)), constant
    y = _near_one(x)
    value = y.mean(axis=0) / (np.where(constant, 1.0, y.std(axis=0, ddof=1)) / np.sqrt(n))
    return np.where(constant, np.nan, value), constant


def _near_one(x: FloatArray) -> FloatArray:
    """Return ``x`` with each cell divided by a power of two, so that squares of tiny or huge units are in range.

    It changes no t value, not even its last digit.
    """
    return np.asarray(np.ldexp(x, -np.frexp(np.abs(x).max(axis=0))[1]))


def sign_flips(
    x: FloatArray,
    observed: float,
    statistic: Statistic,
    tail: Tail,
    largest: Callable[[FloatArray], FloatArray],
    n_permutations: int,
    rng: np.random.Generator,
    *,
    progress: bool,
) -> Flips:
    """Flip the signs of subjects and return the largest statistic of every flip.

    Parameters
    ----------
    x : ndarray, shape (subjects, cells)
        NaN where a cell is not tested.
    observed : float
        The largest statistic of the data as it is.
    statistic, tail : str
        What is computed per cell, and which values are extreme.
    largest : callable
        Maps of the statistic, shape (flips, cells), which it may overwrite, to shape (flips,).
    n_permutations : int
        Random flips; where there are no more patterns than that, each is taken once.
    """
    from tqdm import tqdm

    from alignkit.rsa._kernels._flips import finish

    n, student = len(x), statistic == "t"
    x = _near_one(x) if student else x
    exact = n_patterns(n, tail) <= n_permutations
    total = n_patterns(n, tail) if exact else n_permutations
    drawn = None if exact else rng.integers(0, 2, size=(total, n), dtype=np.int8)
    squares, side = np.square(x).sum(axis=0) if student else np.zeros(x.shape[1]), SIDES[tail]
    own = x.sum(axis=0)
    floor = _directed(own, side) - _ROUNDING * np.abs(x).sum(axis=0)

    def block(span: tuple[int, int]) -> tuple[FloatArray, IntArray]:
        signs = _every_pattern(*span, n) if drawn is None else 1.0 - 2.0 * drawn[slice(*span)]
        maps = signs @ x
        count = finish(maps, squares, n, floor, side, student=student)
        return largest(maps), count

    step = max(_FEWEST, _BLOCK // x.shape[1])
    spans = [(start, min(start + step, total)) for start in range(0, total, step)]
    found: list[tuple[FloatArray, IntArray]] = []
    with tqdm(total=total, desc="sign flips", disable=not progress) as bar:
        for first in range(0, len(spans), _ROUND):
            found += each(block, spans[first : first + _ROUND])
            bar.update(sum(stop - start for start, stop in spans[first : first + _ROUND]))
    null = np.concatenate([one for one, _ in found])
    count = np.sum([one for _, one in found], axis=0)
    if exact:
        null[0] = observed  # the first pattern flips nobody: the same number, not one that rounding made
    p = count / total if exact else (count + 1) / (total + 1)
    return Flips(null, np.where(np.isnan(own), np.nan, p), exact)


def _every_pattern(start: int, stop: int, n: int) -> FloatArray:
    """Return patterns of signs by their number; pattern 0 flips nobody, and the last subject flips last."""
    return np.where((np.arange(start, stop)[:, None] >> np.arange(n)) & 1, -1.0, 1.0)


def _directed(values: FloatArray, side: int) -> FloatArray:
    return np.abs(values) if side == 0 else side * values


def directed(values: FloatArray, tail: Tail) -> FloatArray:
    """Return how extreme values are: their size, or the values with the sign that makes extreme ones large."""
    return _directed(values, SIDES[tail])


def corrected_p(values: FloatArray, largest: FloatArray, *, exact: bool) -> FloatArray:
    """Return the share of flips whose ``largest`` reaches each of ``values``; NaN for NaN.

    The observed pattern counts among random ones. Values that only rounding tells apart are ties.
    """
    order = np.sort(largest)
    biggest = np.abs(order[np.isfinite(order)]).max(initial=0.0)
    finite = np.where(np.isfinite(values), values, 0.0)
    tolerance = _ROUNDING * np.maximum(biggest, np.abs(finite))
    reached = len(order) - np.searchsorted(order, values - tolerance, side="left")
    p = reached / len(order) if exact else (reached + 1) / (len(order) + 1)
    return np.where(np.isnan(values), np.nan, p)


def warn_if_hopeless(n_subjects: int, tail: Tail, n_permutations: int, alpha: float, *, stacklevel: int = 3) -> str:
    """Warn, and return a note, where no data could give p <= alpha: too few subjects, or too few flips."""
    patterns = n_patterns(n_subjects, tail)
    if 1.0 / patterns > alpha:
        # two-sided, a pattern and its opposite are as extreme as each other
        smallest, of = ("2", "two-sided ") if tail == "two-sided" else ("1", "")
        every = 2**n_subjects
        note = (
            f"{counted(n_subjects, 'subject')} {'has' if n_subjects == 1 else 'have'} {every} sign patterns, so that "
            f"{of}p cannot be below {1.0 / patterns:.4g} ({smallest}/{every}): a group test at {alpha:g} is impossible"
        )
        remedy = "Test each participant by itself, and report how many of them pass: label_test."
    elif n_permutations < patterns and 1.0 / (n_permutations + 1) > alpha:
        note = (
            f"with n_permutations={n_permutations} p cannot be below {1.0 / (n_permutations + 1):.4g}: a test at "
            f"{alpha:g} is impossible"
        )
        remedy = "Take more."
    else:
        return ""
    warnings.warn(f"{note}. {remedy}", RuntimeWarning, stacklevel=stacklevel)
    return note
