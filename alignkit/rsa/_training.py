"""Products of component RDMs with one another and with the data that they are fitted to."""

from __future__ import annotations

import numpy as np

from alignkit._typing import BoolArray, FloatArray
from alignkit.rsa._kernels._products import products
from alignkit.rsa._matrix_methods import WHITENED
from alignkit.rsa._model_fits import Training
from alignkit.rsa._rank import midranks
from alignkit.rsa._rescale import centre, rescale
from alignkit.rsa._similarity_methods import RANK_METHODS, constant_rows, similarity
from alignkit.rsa._whitened import whitened_vectors, whitening_of


def linear_vectors(rows: FloatArray, method: str, valid: BoolArray, sigma_k: FloatArray | None) -> FloatArray:
    """Return vectors whose cosine is the method, for rows that hold the ``valid`` pairs alone.

    Rank methods have none: theirs are the centred rows, whose cosine is Pearson's correlation.
    """
    if method in WHITENED:
        whitening = whitening_of(valid, sigma_k)
        return np.asarray(whitened_vectors(rows, whitening, centred=WHITENED[method] == "pearson"))
    if method == "cosine":
        return rows
    centred = np.asarray(centre(rows))
    centred[constant_rows(rows)] = 0.0  # not the rounding of the mean
    return centred


def training_of(
    components: FloatArray, data: FloatArray, method: str, valid: BoolArray, sigma_k: FloatArray | None = None
) -> Training:
    """Return what fits need of rows ``components`` and ``data`` without NaN, which hold the ``valid`` pairs alone."""
    ranked = method in RANK_METHODS
    x = linear_vectors(components, method, valid, sigma_k)
    # lengths of the data do not matter, but must not leave the range of float64
    y = linear_vectors(midranks(data) if ranked else rescale(data, -1)[0], method, valid, sigma_k)
    crossed = products(x, y) / lengths(np.square(y).sum(axis=1))
    gram = products(x, x)
    scores = similarity(components, data, method) if ranked else crossed / lengths(np.diagonal(gram))[:, None]
    return Training(gram, np.asarray(crossed.mean(axis=1)), np.asarray(scores.mean(axis=1)))


def lengths(squared: FloatArray) -> FloatArray:
    """Return roots; NaN for what has no length."""
    return np.sqrt(np.where(squared > 0, squared, np.nan))


def weighted_sums(thetas: FloatArray, rows: FloatArray) -> FloatArray:
    """Return sums of rows, shape (sums, pairs), for weights of shape (sums, rows): equal where all rows are equal.

    A matrix product may round the same sum in two ways in two places, and break a tie.
    """
    total = np.zeros((len(thetas), rows.shape[1]))
    for weights, row in zip(thetas.T, rows, strict=True):
        total += weights[:, None] * row
    return total
