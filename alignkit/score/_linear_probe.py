"""A linear probe: what can be read out of features by hyperplanes fitted to other items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from alignkit._check import check_count
from alignkit._typing import FloatArray, IntArray
from alignkit.score._probe_accuracy import ProbeAccuracy, as_probed, summarise
from alignkit.score._ridge_readout import RidgeReadout


def linear_probe(
    features: object,
    classes: Iterable[Any],
    /,
    *,
    n_folds: int = 5,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> ProbeAccuracy:
    r"""Score a linear read-out of classes on held-out items, in folds that hold every class in proportion.

    The read-out is ridge regression of one-hot targets on standardised features,

    .. math:: \min_W \|Y - Z W\|_F^2 + \lambda n d \|W\|_F^2,

    with the penalty of least leave-one-out error within the training items: closed form, so that two runs agree to the
    last bit and a difference of two models is one of their features.

    Parameters
    ----------
    features : array_like, shape (items, channels)
        One row per item.
    classes : sequence
        One per item: the name or number of its class.
    n_folds : int
        At least 2; a class of fewer items than folds is missing in some of them.
    n_bootstrap : int
        Resamples of items; 0 for no interval.
    confidence : float
        Level of the interval.
    seed : int
        Seed of folds and resamples.

    Returns
    -------
    ProbeAccuracy

    Raises
    ------
    ValueError
        Features with NaN or of another number of items, fewer than two classes, or fewer items than folds.
    TypeError
        Features that are no numbers, classes that are no sequence, or counts that are not whole.

    References
    ----------
    Alain & Bengio (2017), https://doi.org/10.48550/arXiv.1610.01644

    Examples
    --------
    >>> classes = ["cat", "dog"] * 20
    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> x[::2, 0] += 6
    >>> linear_probe(x, classes).accuracy
    1.0
    """
    check_count("n_folds", n_folds, 2)
    seed = check_count("seed", seed)
    x, codes, n_classes = as_probed(features, classes)
    if len(x) < n_folds:
        msg = f"n_folds={n_folds} needs at least as many items; there are {len(x)}."
        raise ValueError(msg)
    hit = np.full(len(x), np.nan)
    for train, test in class_folds(codes, n_folds, seed):
        hit[test] = readout_hits(x, codes, n_classes, train, test)
    probe = f"linear probe (one-hot ridge, penalty by leave-one-out; {n_folds} folds over items)"
    return summarise(hit, n_classes, probe, n_bootstrap, confidence, seed)


def class_folds(codes: IntArray, n_folds: int, seed: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Give (training items, held-out items) of each fold: the items of a class are dealt out in turn."""
    order = np.random.default_rng(seed).permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    fold = np.empty(len(codes), dtype=np.int64)
    fold[order] = np.arange(len(codes)) % n_folds
    for k in range(n_folds):
        yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)


def readout_hits(x: FloatArray, codes: IntArray, n_classes: int, train: IntArray, test: IntArray) -> FloatArray:
    """Return 1.0 for each test item whose class a read-out of the training items predicts, else 0.0."""
    predicted = RidgeReadout.fit(x[train], codes[train], n_classes).predict(x[test])
    return np.asarray(predicted == codes[test], dtype=np.float64)
