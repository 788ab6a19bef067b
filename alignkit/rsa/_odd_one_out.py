"""Which item of a triplet an embedding would call the odd one out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from alignkit._check import NanPolicy, check_choice, is_tensor
from alignkit._random import as_rng
from alignkit._threads import each
from alignkit._typing import BoolArray, IntArray, RNGLike
from alignkit.rsa._condensed import as_host
from alignkit.rsa._kernels._triplets_numpy import BLOCK
from alignkit.rsa._namespace import like
from alignkit.rsa._similarity_matrix import Kernel, as_triplets, pairs_of_any

#: Similarities closer than this, relative to the largest of the three, differ by rounding only.
TIE_TOLERANCE = 1e-12


def odd_one_out(
    x: object,
    triplets: object,
    /,
    *,
    kernel: Kernel = "dot",
    ties: Literal["undecided", "random"] = "undecided",
    labels: Iterable[Any] | None = None,
    nan_policy: NanPolicy = "propagate",
    rng: RNGLike = None,
) -> IntArray:
    """Predict the odd one out: the item left over by the most similar pair.

    Parameters
    ----------
    x : array_like or tensor, shape (items, dims)
        Embedding, or what ``kernel="precomputed"`` takes (see :func:`similarity_matrix`).
    triplets : Triplets or array_like of int, shape (n, 3)
        Item numbers, counted from 0; the human answer, if any, is not used.
    kernel : {"dot", "cosine", "euclidean", "precomputed"}
        What makes two items similar.
    ties : {"undecided", "random"}
        What to return where two or three pairs are equally similar (to 1e-12 of the largest of the three, so that
        rounding decides nothing): -1, which equals no position, or one of the tied positions at random.
    labels : sequence of str, optional
        Names of the rows of ``x``; labelled triplets then find their rows by name.
    nan_policy : {"propagate", "omit", "raise"}
        Undefined triplets are -1 with one warning, -1 without, or an error.
    rng : Generator, int or None
        For ``ties="random"``.

    Returns
    -------
    ndarray or tensor of int, shape (n,)
        Column (0, 1 or 2) of the predicted odd one out, or -1. Of a tensor, a tensor on its device, where pairs are
        gathered and compared.

    Raises
    ------
    ValueError
        Item numbers beyond ``x``, an unknown option, a matrix that is not square or symmetric.

    Examples
    --------
    >>> odd_one_out([[1, 0], [1, 1], [0, 3]], [[0, 1, 2], [2, 1, 0]])
    array([0, 2])
    """
    check_choice("ties", ties, ("undecided", "random"))
    values = pairs_of_any(x, as_triplets(triplets), kernel, labels, nan_policy)
    tied, n_tied = winners(values, kernel)
    choice = np.where(n_tied == 1, tied.argmax(axis=0), -1)
    if ties == "random":
        rows = np.flatnonzero(n_tied > 1)
        lots = np.where(tied[:, rows], as_rng(rng).random((3, len(rows))), -1.0)
        choice[rows] = lots.argmax(axis=0)
    found: IntArray = like(choice, values)
    return found


def winners(values: Any, kernel: Kernel) -> tuple[BoolArray, IntArray]:
    """Return which of three similarities, shape (3, n), are the largest, and how many: 0 where undefined.

    Of tensors, their device decides; what is returned are arrays.
    """
    if is_tensor(values):
        return _winners_of_tensor(values, kernel)
    tied = np.empty(values.shape, dtype=bool)
    n_tied = np.empty(values.shape[1], dtype=np.int64)

    def decide(start: int) -> None:
        part = slice(start, start + BLOCK)
        a, b, c = values[:, part]
        top = np.maximum(np.maximum(a, b), c)
        size = np.maximum(np.abs(top), np.abs(np.minimum(np.minimum(a, b), c)))
        if kernel == "cosine":  # its rounding is that of unit vectors, also near 0
            size = np.maximum(size, 1.0)
        np.greater_equal(values[:, part], top - TIE_TOLERANCE * size, out=tied[:, part])
        tied[:, part].sum(axis=0, out=n_tied[part])

    each(decide, range(0, values.shape[1], BLOCK))
    return tied, n_tied


def _winners_of_tensor(values: Any, kernel: Kernel) -> tuple[BoolArray, IntArray]:
    values = values.detach()
    size = values.abs().amax(0)
    size = size.clamp(min=1.0) if kernel == "cosine" else size
    tied = values >= values.amax(0) - TIE_TOLERANCE * size
    return as_host(tied), as_host(tied.sum(0))
