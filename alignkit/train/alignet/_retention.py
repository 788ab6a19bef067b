"""What a network still knows after training: neighbours that stay neighbours, and classes that can be told apart."""

from __future__ import annotations

import numpy as np

from alignkit._check import check_count
from alignkit._threads import one_blas_thread
from alignkit._typing import BoolArray, FloatArray, IntArray

#: Penalties of a linear probe, as shares of the largest eigenvalue.
_PENALTIES = 10.0 ** np.arange(-6.0, 1.0)


@one_blas_thread()
def knn_overlap(before: FloatArray, after: FloatArray, /, *, k: int = 10) -> float:
    """Return the share of each image's nearest neighbours that are the same in two spaces, mean over images.

    Parameters
    ----------
    before, after : ndarray, shape (images, channels)
        Rows of the same images; nearness is cosine similarity, ties go to the image that comes first.
    k : int
        Neighbours, at most one fewer than the images.

    Returns
    -------
    float
        From 0 (by chance about k / images) to 1.

    Raises
    ------
    ValueError
        Other numbers of images, or fewer than two.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
    >>> knn_overlap(x, 2 * x, k=1), knn_overlap(x, x[[0, 2, 1, 3]], k=1)
    (1.0, 0.0)
    """
    if len(before) != len(after) or len(before) < 2:
        msg = f"before and after must hold the same images, at least two; got {len(before)} and {len(after)}."
        raise ValueError(msg)
    k = min(check_count("k", k, 1), len(before) - 1)
    first, second = _neighbours(before, k), _neighbours(after, k)
    return float((first[:, :, None] == second[:, None, :]).any(axis=2).mean())


@one_blas_thread()
def probe_credits(x: FloatArray, classes: IntArray, /, *, seed: int = 0) -> BoolArray:
    r"""Return which images a linear classifier of frozen features gets right, that was fitted to other images.

    Ridge regression of one-hot classes on standardised features, in two halves of the images with the same classes,
    each predicted from the other; the penalty has the least leave-one-out error of the half that is fitted.

    Parameters
    ----------
    x : ndarray, shape (images, channels)
        Features.
    classes : ndarray of int, shape (images,)
        From 0; at least two images of each.
    seed : int
        Of the halves.

    Returns
    -------
    ndarray of bool, shape (images,)

    References
    ----------
    Hastie, Tibshirani & Friedman (2009), The elements of statistical learning, sections 4.2 and 7.10.
    https://doi.org/10.1007/978-0-387-84858-7

    Examples
    --------
    >>> x = np.repeat(np.eye(2), 4, axis=0)
    >>> probe_credits(x, np.repeat([0, 1], 4)).all()
    np.True_
    """
    first = _half(classes, seed)
    targets = np.eye(int(classes.max()) + 1)[classes]
    credits = np.empty(len(classes), dtype=bool)
    for fitted in (first, ~first):
        guess = _ridge(x[fitted], targets[fitted], x[~fitted]).argmax(axis=1)
        credits[~fitted] = guess == classes[~fitted]
    return credits


def _neighbours(x: FloatArray, k: int) -> IntArray:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = x / length
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    nearest: IntArray = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    return nearest


def _half(classes: IntArray, seed: int) -> BoolArray:
    """Return every other image of each class, in a random order."""
    order = np.random.default_rng(seed).permutation(len(classes))
    order = order[np.argsort(classes[order], kind="stable")]
    counts = np.bincount(classes)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    half = np.zeros(len(classes), dtype=bool)
    half[order] = (np.arange(len(classes)) - starts) % 2 == 0
    return half


def _ridge(x: FloatArray, y: FloatArray, new: FloatArray) -> FloatArray:
    mean, spread = x.mean(axis=0), x.std(axis=0)
    used = spread > 0
    x, new = (x[:, used] - mean[used]) / spread[used], (new[:, used] - mean[used]) / spread[used]
    centre = y.mean(axis=0)
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    rotated = u.T @ (y - centre)
    best, least = np.zeros(len(s)), np.inf
    for penalty in _PENALTIES * (float(s[0]) ** 2 if len(s) else 1.0):
        shrunk = s**2 / (s**2 + penalty)
        leverage = (u**2) @ shrunk + 1 / len(x)
        left_out = (y - centre - u @ (shrunk[:, None] * rotated)) / (1 - leverage)[:, None]
        error = float((left_out**2).sum())
        if error < least:
            best, least = s / (s**2 + penalty), error
    fitted: FloatArray = new @ (vt.T @ (best[:, None] * rotated)) + centre
    return fitted
