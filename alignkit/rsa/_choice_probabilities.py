"""Probabilities of the three possible answers to a triplet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from alignkit._check import NanPolicy, check_choice, check_positive, is_tensor
from alignkit._threads import each
from alignkit._typing import FloatArray
from alignkit.rsa._human_distribution import HumanDistribution
from alignkit.rsa._kernels._triplets_numpy import BLOCK
from alignkit.rsa._similarity_matrix import Kernel, as_triplets, pairs_of_any
from alignkit.rsa._triplets import Triplets


def choice_probabilities(
    x: object,
    triplets: object,
    /,
    *,
    kernel: Kernel = "dot",
    temperature: float = 1.0,
    labels: Iterable[Any] | None = None,
    nan_policy: NanPolicy = "propagate",
) -> FloatArray:
    """Return how probable each item of a triplet is as the odd one out.

    p(item k is odd) = exp(s_k / T) / Σ_l exp(s_l / T), where s_k is the similarity of the two items other than k.

    Parameters
    ----------
    x : array_like or tensor, shape (items, dims)
        Embedding, or what ``kernel="precomputed"`` takes (see :func:`similarity_matrix`).
    triplets : Triplets, HumanDistribution or array_like of int, shape (n, 3)
        Item numbers, counted from 0; the human answer, if any, is not used.
    kernel : {"dot", "cosine", "euclidean", "precomputed"}
        What makes two items similar (``euclidean``: the negative rooted distance).
    temperature : float
        Positive; in the units of the similarity. Large values make the answers equally probable.
    labels : sequence of str, optional
        Names of the rows of ``x``; labelled triplets then find their rows by name.
    nan_policy : {"propagate", "raise"}
        Undefined triplets are rows of NaN with one warning, or an error.

    Returns
    -------
    ndarray or tensor, shape (n, 3)
        Rows sum to 1; column k belongs to the item in column k. Of a tensor, a tensor on its device with its gradient.

    Raises
    ------
    ValueError
        Item numbers beyond ``x``, a temperature that is not positive, an unknown option.

    References
    ----------
    Hebart et al. (2020), Nature Human Behaviour 4, 1173-1185. https://doi.org/10.1038/s41562-020-00951-3

    Examples
    --------
    >>> choice_probabilities([[1, 0], [1, 1], [0, 3]], [[0, 1, 2]]).round(3)
    array([[0.844, 0.042, 0.114]])
    """
    check_choice("nan_policy", nan_policy, ("propagate", "raise"))
    temperature = check_positive("temperature", temperature)
    if isinstance(triplets, HumanDistribution):
        triplets = Triplets(triplets.items, triplets.labels)
    values = pairs_of_any(x, as_triplets(triplets), kernel, labels, nan_policy)
    if is_tensor(values):
        found: FloatArray = (values / temperature).softmax(dim=0).T
        return found
    return softmax(values, temperature).T


def softmax(logits: FloatArray, temperature: float = 1.0) -> FloatArray:
    """Return probabilities over the first axis of logits over a temperature, safe for logits of any size."""
    result = np.empty(logits.shape)

    def share(start: int) -> None:
        part = result[..., start : start + BLOCK]
        np.divide(logits[..., start : start + BLOCK], temperature, out=part)
        part -= part.max(axis=0)
        with np.errstate(under="ignore"):
            np.exp(part, out=part)
        part /= part.sum(axis=0)

    each(share, range(0, logits.shape[-1], BLOCK))
    return result


def log_softmax(logits: FloatArray) -> FloatArray:
    """Return log-probabilities over the first axis, without the underflow of a logarithm after :func:`softmax`."""
    shifted = logits - logits.max(axis=0)
    with np.errstate(under="ignore"):
        return shifted - np.log(np.exp(shifted).sum(axis=0))
