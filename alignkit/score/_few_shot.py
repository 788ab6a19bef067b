"""Few-shot classification: what features say of a class from a handful of its items."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from alignkit._check import check_choice, check_count
from alignkit._typing import FloatArray, IntArray
from alignkit.score._probe_accuracy import ProbeAccuracy, as_probed, summarise
from alignkit.score._ridge_readout import RidgeReadout

_CLASSIFIERS = ("mean", "ridge")


def few_shot(
    features: object,
    classes: Iterable[Any],
    /,
    *,
    n_shots: int = 5,
    n_repeats: int = 20,
    classifier: Literal["mean", "ridge"] = "mean",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> ProbeAccuracy:
    """Score classification from ``n_shots`` items of each class, drawn anew in each repeat; all others are classified.

    Parameters
    ----------
    features : array_like, shape (items, channels)
        One row per item.
    classes : sequence
        One per item: the name or number of its class. Classes of no more than ``n_shots`` items are left out.
    n_shots : int
        Items of each class that are shown.
    n_repeats : int
        Draws of these items.
    classifier : {"mean", "ridge"}
        The class of the nearest mean (Euclidean), as in prototypical networks, or the read-out of
        :func:`linear_probe`.
    n_bootstrap : int
        Resamples of items; 0 for no interval.
    confidence : float
        Level of the interval.
    seed : int
        Seed of draws and resamples; which items are shown depends on the classes alone, so that models are compared
        on the same draws.

    Returns
    -------
    ProbeAccuracy

    Raises
    ------
    ValueError
        Features with NaN or of another number of items, or fewer than two classes with more than ``n_shots`` items.
    TypeError
        Features that are no numbers, classes that are no sequence, or counts that are not whole.

    References
    ----------
    Snell, Swersky & Zemel (2017), https://doi.org/10.48550/arXiv.1703.05175

    Examples
    --------
    >>> classes = ["cat", "dog"] * 20
    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> x[::2, 0] += 9
    >>> few_shot(x, classes, n_shots=3).accuracy
    1.0
    """
    check_choice("classifier", classifier, _CLASSIFIERS)
    n_shots = check_count("n_shots", n_shots, 1)
    n_repeats = check_count("n_repeats", n_repeats, 1)
    seed = check_count("seed", seed)
    x, codes, _ = as_probed(features, classes)
    size = np.bincount(codes)
    used = np.flatnonzero(size > n_shots)
    if len(used) < 2:
        msg = f"n_shots={n_shots} needs at least two classes with more items than that; the largest has {size.max()}."
        raise ValueError(msg)
    rng = np.random.default_rng(seed)
    right, asked = np.zeros(len(x)), np.zeros(len(x))
    for _ in range(n_repeats):
        shown, rest = _draw(codes, used, n_shots, rng)
        right[rest] += _classify(x, codes, shown, rest, classifier) == codes[rest]
        asked[rest] += 1
    with np.errstate(invalid="ignore"):
        per_item = np.where(asked > 0, right / asked, np.nan)
    probe = f"{n_shots}-shot classifier ({_describe(classifier)}; {n_repeats} draws)"
    return summarise(per_item, len(used), probe, n_bootstrap, confidence, seed)


def _describe(classifier: str) -> str:
    return "nearest class mean" if classifier == "mean" else "one-hot ridge, penalty by leave-one-out"


def _draw(codes: IntArray, used: IntArray, n_shots: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Return the items shown, class after class, and all others of these classes."""
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    place = np.arange(len(codes)) - np.searchsorted(codes[order], codes[order])
    of_used = np.isin(codes[order], used)
    return order[of_used & (place < n_shots)], order[of_used & (place >= n_shots)]


def _classify(x: FloatArray, codes: IntArray, shown: IntArray, rest: IntArray, classifier: str) -> IntArray:
    known, code = np.unique(codes[shown], return_inverse=True)
    if classifier == "ridge":
        return np.asarray(known[RidgeReadout.fit(x[shown], code, len(known)).predict(x[rest])])
    means = x[shown].reshape(len(known), -1, x.shape[1]).mean(axis=1)
    # the squared distance to each mean, but for what all means share
    scores = x[rest] @ means.T - 0.5 * (means**2).sum(axis=1)
    return np.asarray(known[scores.argmax(axis=1)])
