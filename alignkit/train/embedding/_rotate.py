"""From an embedding that any rotation leaves as good to the rotation whose values are sparse."""

from __future__ import annotations

import numpy as np

from alignkit._threads import one_blas_thread
from alignkit._typing import FloatArray

_MAX_ITERATIONS = 300
_TOLERANCE = 1e-6


@one_blas_thread()
def sparse_rotation(x: FloatArray, /) -> FloatArray:
    r"""Return ``x`` rotated by varimax, each column with its long tail above zero.

    Dot products do not change under a rotation, so that answers alone leave it open; sparse, non-negative dimensions
    are where the squares of the columns' values vary most: the rotation R maximises
    :math:`\sum_d \operatorname{var}_i (xR)_{id}^2`.

    Parameters
    ----------
    x : ndarray, shape (items, dims)

    Returns
    -------
    ndarray, shape (items, dims)

    References
    ----------
    Kaiser (1958), Psychometrika 23, 187-200. https://doi.org/10.1007/BF02289233

    Examples
    --------
    >>> sparse = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    >>> turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    >>> np.abs(np.sort(sparse_rotation(sparse @ turn)[3])).round(3)
    array([0., 3.])
    """
    # along the principal axes: the same start for every rotation of the same embedding
    left, size, _ = np.linalg.svd(x, full_matrices=False)
    axes = left * size
    rotation, before = np.eye(len(size)), 0.0
    for _ in range(_MAX_ITERATIONS):
        turned = axes @ rotation
        squares = np.square(turned)
        u, s, v = np.linalg.svd(axes.T @ (turned * (squares - squares.mean(axis=0))))
        rotation = u @ v
        if s.sum() <= before * (1.0 + _TOLERANCE):
            break
        before = s.sum()
    turned = axes @ rotation
    skewed = np.sign((turned * np.square(turned)).sum(axis=0))
    return turned * np.where(skewed == 0, 1.0, skewed)
