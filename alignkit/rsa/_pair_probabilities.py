"""How often two items are kept together, averaged over every possible third item."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from alignkit._check import NanPolicy, check_n_items, check_nan_policy, check_positive
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._kernels import _triplets_numpy
from alignkit.rsa._nan import name_items, report_undefined
from alignkit.rsa._similarity_matrix import Kernel, all_similarities

#: exp of logits within ±600 leaves room for sums of three and for products of an exponential and a reciprocal.
_SAFE_RANGE = 1200.0
_ROWS = 64


def pair_probabilities(
    x: object,
    /,
    *,
    kernel: Kernel = "dot",
    temperature: float = 1.0,
    items: Iterable[int] | None = None,
    nan_policy: NanPolicy = "propagate",
    progress: bool = False,
) -> FloatArray:
    """Return the probability that two items are judged the most similar pair, averaged over all third items.

    P_ij = 1/(N-2) Σ_{k ≠ i,j} exp(s_ij/T) / (exp(s_ij/T) + exp(s_ik/T) + exp(s_jk/T)). This is the similarity matrix
    that a triplet embedding predicts; 1 - P compares with a behavioural RDM.

    Parameters
    ----------
    x : array_like, shape (items, dims)
        Embedding, or what ``kernel="precomputed"`` takes (see :func:`similarity_matrix`).
    kernel : {"dot", "cosine", "euclidean", "precomputed"}
        What makes two items similar.
    temperature : float
        Positive; in the units of the similarity.
    items : sequence of int, optional
        Rows to keep, counted from 0, in this order: pairs **and** third items are then among these alone, as for the
        48 fully sampled THINGS objects.
    nan_policy : {"propagate", "omit", "raise"}
        An undefined item (NaN, or a zero vector under ``cosine``) makes every average NaN, with one warning;
        ``omit`` gives NaN to its own pairs only and leaves it out as a third item; ``raise`` raises.
    progress : bool
        Show a progress bar. Time grows with N³ (3 s for 1,854 items on one core), memory with N².

    Returns
    -------
    ndarray, shape (N, N)
        Symmetric, diagonal 1; the off-diagonal mean is 1/3.

    Raises
    ------
    ValueError
        Fewer than three items, item numbers outside ``x`` or repeated, a temperature that is not positive.

    References
    ----------
    Hebart et al. (2020), Nature Human Behaviour 4, 1173-1185. https://doi.org/10.1038/s41562-020-00951-3

    Examples
    --------
    >>> pair_probabilities([[1, 0], [1, 1], [0, 3]]).round(3)
    array([[1.   , 0.114, 0.042],
           [0.114, 1.   , 0.844],
           [0.042, 0.844, 1.   ]])
    """
    check_nan_policy(nan_policy)
    temperature = check_positive("temperature", temperature)
    similarity = all_similarities(x, kernel)
    numbers = _as_numbers(items, len(similarity))
    logits = similarity[np.ix_(numbers, numbers)] / temperature
    good = np.flatnonzero(~_undefined(logits))
    if nan_policy != "omit":
        bad = np.setdiff1d(np.arange(len(logits)), good)
        report_undefined("undefined items (NaN or no direction)", name_items(None, numbers[bad]), nan_policy)
    result = np.full_like(logits, np.nan)
    if len(good) == len(logits) or nan_policy == "omit":
        check_n_items("x", len(good))
        result[np.ix_(good, good)] = _averages(logits[np.ix_(good, good)], progress)
    np.fill_diagonal(result, 1.0)
    return result


def _as_numbers(items: Iterable[int] | None, n: int) -> IntArray:
    if items is None:
        return np.arange(n)
    numbers = np.asarray(list(items))
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        msg = f"items must be a list of whole item numbers; got dtype {numbers.dtype}, shape {numbers.shape}."
        raise TypeError(msg)
    check_n_items("items", len(numbers))
    if numbers.min() < 0 or numbers.max() >= n:
        msg = f"items must lie between 0 and {n - 1}; got {numbers.min()} to {numbers.max()}."
        raise ValueError(msg)
    if len(np.unique(numbers)) != len(numbers):
        msg = "items must not repeat a number: an item cannot be its own third item."
        raise ValueError(msg)
    return numbers.astype(np.int64)


def _undefined(logits: FloatArray) -> Any:
    """Mark items by removing, one after the other, the one with most NaN until none is left."""
    missing = np.isnan(logits)
    np.fill_diagonal(missing, False)
    bad = np.zeros(len(logits), dtype=bool)
    while missing.any():
        worst = missing.sum(axis=1).argmax()
        bad[worst] = True
        missing[worst] = missing[:, worst] = False
    return bad


def _averages(logits: FloatArray, progress: bool) -> FloatArray:
    from tqdm import tqdm

    n = len(logits)
    off_diagonal = logits[~np.eye(n, dtype=bool)]
    low, high = float(off_diagonal.min()), float(off_diagonal.max())
    safe = high - low <= _SAFE_RANGE
    weights = logits - (low + high) / 2
    np.fill_diagonal(weights, 0.0)  # a self-similarity may be far larger than the others
    if safe:
        np.exp(weights, out=weights)
    add = _triplets_numpy.add_context_sums if safe else _triplets_numpy.add_context_shares
    total = np.zeros((n, n))
    for start in tqdm(range(0, n, _ROWS), desc="third items", unit="block", disable=not progress):
        add(weights, start, min(start + _ROWS, n), total)
    if safe:
        total *= weights
    return (total + total.T) / (n - 2)
