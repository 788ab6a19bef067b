"""Features of images and texts in one space: unit rows, class numbers, and hits counted where scores tie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from alignkit._check import as_array, as_float_array, check_finite
from alignkit._threads import each
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._kernels._triplets_numpy import unit_rows
from alignkit.rsa._odd_one_out import TIE_TOLERANCE

Ties = Literal["share", "wrong"]
TIES = ("share", "wrong")

#: Scores that are held at once: 32 MiB for each thread.
_BLOCK = 1 << 22


def as_unit_rows(name: str, features: object) -> FloatArray:
    """Return features as rows of unit length.

    Raises
    ------
    ValueError
        No matrix, no rows or channels, NaN, or a row of zeros, which has no direction.
    TypeError
        Features that are no numbers.
    """
    x = as_float_array(name, features, ndim=2)
    if not x.size:
        msg = f"{name} must have at least one row and one channel; got shape {x.shape}."
        raise ValueError(msg)
    check_finite(name, x)
    empty = np.flatnonzero(~x.any(axis=1))
    if empty.size:
        msg = f"{name} has {empty.size:,} row(s) of zeros, the first at {empty[0]}: no cosine is defined there."
        raise ValueError(msg)
    return unit_rows(x)


def as_codes(name: str, values: object, n_codes: int | None = None, *, n: int | None = None) -> IntArray:
    """Return whole numbers from 0 on, as many as ``n`` and each below ``n_codes`` where these are given."""
    codes = as_array(name, values)
    if codes.ndim != 1 or not codes.size or (n is not None and len(codes) != n):
        many = "a sequence" if n is None else f"{n:,}"
        msg = f"{name} must be {many} of whole numbers, one for each row; got shape {codes.shape}."
        raise ValueError(msg)
    if codes.dtype.kind not in "iu":
        msg = f"{name} must hold whole numbers; got dtype {codes.dtype}."
        raise TypeError(msg)
    low, high = int(codes.min()), int(codes.max())
    if low < 0 or (n_codes is not None and high >= n_codes):
        allowed = "at least 0" if n_codes is None else f"between 0 and {n_codes - 1}"
        msg = f"{name} must be {allowed}; got {low if low < 0 else high}."
        raise ValueError(msg)
    return codes.astype(np.int64)


def check_same_width(name_a: str, a: FloatArray, name_b: str, b: FloatArray) -> None:
    """Raise unless both have the same channels."""
    if a.shape[1] != b.shape[1]:
        msg = f"{name_a} and {name_b} must lie in one space; they have {a.shape[1]} and {b.shape[1]} channels."
        raise ValueError(msg)


def in_blocks(fill: Callable[[slice], None], n_rows: int, n_columns: int) -> None:
    """Call ``fill`` on slices of rows, side by side, none of which has more scores than memory is set aside for."""
    step = max(1, _BLOCK // max(1, n_columns))
    each(fill, [slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step)])


def expected_hits(above: IntArray, tied: IntArray, n_true: IntArray, k: int, ties: Ties) -> FloatArray:
    r"""Return how likely at least one true candidate is among the ``k`` best of each query.

    With ``above`` candidates before the best true one, and ``tied`` at its score of which ``n_true`` are true,
    :math:`r = k - above` places are left, and in a random order of the tied ones

    .. math:: P = 1 - \binom{tied - n_{true}}{r} / \binom{tied}{r}
              = 1 - \prod_{j < n_{true}} (tied - r - j) / (tied - j).

    Under ``"wrong"`` all false ones of a tie come first.
    """
    if ties == "wrong":
        return np.asarray(above + tied - n_true < k, dtype=np.float64)
    places = np.clip(k - above, 0, tied)
    missed = np.ones(len(above))
    for j in range(int(n_true.max(initial=0))):
        # 0 from where there are more places than false ones
        factor = np.maximum(tied - places - j, 0) / np.maximum(tied - j, 1)
        missed *= np.where(j < n_true, factor, 1.0)
    return 1.0 - missed


def count_above(x: FloatArray, others: FloatArray, own: IntArray, /) -> tuple[IntArray, IntArray]:
    """Return how many of the others score higher than each row's own one, and how many the same, its own included."""
    above, tied = np.empty(len(x), dtype=np.int64), np.empty(len(x), dtype=np.int64)

    def count(part: slice) -> None:
        scores = x[part] @ others.T
        scores -= np.take_along_axis(scores, own[part, None], axis=1)
        above[part] = np.count_nonzero(scores > TIE_TOLERANCE, axis=1)
        tied[part] = np.count_nonzero(scores >= -TIE_TOLERANCE, axis=1) - above[part]

    in_blocks(count, len(x), len(others))
    return above, tied
