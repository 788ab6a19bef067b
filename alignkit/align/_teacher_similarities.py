"""Similarities of the images of triplets: dot products of rows that are gathered a little at a time."""

from __future__ import annotations

import numpy as np

from alignkit._typing import AnyArray, IntArray

#: Values gathered at once for one image of each triplet: three such blocks stay in the cache.
_VALUES = 1 << 17
#: Columns of the pair that is kept and of the odd one out, by which of the similarities 01, 02 and 12 is the largest.
_ORDER = np.array([[0, 1, 2], [0, 2, 1], [1, 2, 0]])
#: Where the similarities 01, 02 and 12 of re-ordered images come from.
_PAIRS = np.array([[0, 1, 2], [1, 0, 2], [2, 0, 1]])


def teacher_similarities(x: AnyArray, triplets: IntArray) -> AnyArray:
    """Return the dot products of rows 0 and 1, 0 and 2, 1 and 2 of every triplet.

    Parameters
    ----------
    x : ndarray, shape (items, channels)
        float16 is multiplied as float32.
    triplets : ndarray of int, shape (n, 3)

    Returns
    -------
    ndarray of float32, shape (n, 3)
    """
    out = np.empty((len(triplets), 3), dtype=np.float32)
    dtype = np.float64 if x.dtype == np.float64 else np.float32
    rows = max(1, _VALUES // x.shape[1])
    for start in range(0, len(triplets), rows):
        stop = start + rows
        # numbers were checked: "clip" spares numpy a copy of what it gathers
        a, b, c = (x.take(column, axis=0, mode="clip").astype(dtype, copy=False) for column in triplets[start:stop].T)
        for k, (left, right) in enumerate(((a, b), (a, c), (b, c))):
            np.einsum("ij,ij->i", left, right, out=out[start:stop, k], casting="same_kind")
    return out


def odd_one_last(triplets: IntArray, similarities: AnyArray) -> tuple[IntArray, AnyArray]:
    """Return triplets with the most similar pair first, the first of several that are equally similar."""
    largest = similarities.argmax(axis=1)
    return (
        np.take_along_axis(triplets, _ORDER[largest], axis=1),
        np.take_along_axis(similarities, _PAIRS[largest], axis=1),
    )
