"""The fast way to a teacher: regression from features to the dimensions of a human embedding."""

from __future__ import annotations

from typing import get_args

import numpy as np

from alignkit._check import as_array, as_flag, check_choice, check_count, check_positive
from alignkit._random import as_rng
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.align._answer_logits import best_temperature
from alignkit.align._embedding_map import EmbeddingMap
from alignkit.align._item_rows import as_item_rows, rows_of
from alignkit.align._regressors import (
    PENALTIES,
    SETTINGS,
    Method,
    Setting,
    at_least_zero,
    fit_path,
    n_parameters,
    predict,
)
from alignkit.align._soft_triplets import draw_triplets
from alignkit.rsa import Triplets
from alignkit.rsa._choice_probabilities import softmax
from alignkit.rsa._similarity_matrix import pair_similarities

#: Random triplets that the temperature is fitted to where there are no answers.
_N_TRIPLETS = 100_000
#: Share of the largest number below which a negative one counts as 0: the published SPoSE-66 holds such.
_ROUNDING = 1e-3


def fit_embedding_map(
    features: object,
    embedding: object,
    /,
    *,
    method: Method = "ridge",
    penalty: float | None = None,
    nonnegative: bool | None = None,
    triplets: Triplets | None = None,
    groups: object = None,
    n_folds: int = 5,
    seed: int = 0,
) -> EmbeddingMap:
    r"""Regress a human embedding's dimensions on features; dot products of predictions are similarities.

    Everything that is chosen is chosen on items that were held out within: items are dealt into folds, each fold is
    predicted from the others, and the setting with the least squared error is fitted to all. The temperature of the
    softmax over dot products fits answers about the predictions made for held-out items; fitted to items that were
    trained on it would come out too low.

    Parameters
    ----------
    features : Features or array_like, shape (items, channels)
        What to map from; channels are scaled to unit variance within.
    embedding : Features or array_like, shape (items, dims)
        Dimensions whose dot products are similarities (SPoSE, VICE). Rows are found by label where both have them.
    method : {"ridge", "kernel-ridge", "mlp"}
        ``ridge``: :math:`\min |Y - ZW - b|^2 + \lambda|W|^2`, in a second; ``kernel-ridge``: the same in the space
        of a Gaussian kernel; ``mlp``: one hidden layer of 256 units (a minute).
    penalty : float, optional
        :math:`\lambda`; chosen by default. Bandwidths of kernels are chosen all the same.
    nonnegative : bool, optional
        Whether predictions below 0 count as 0; by default where the embedding holds no number below 0 (SPoSE, VICE),
        but for rounding: a thousandth of its largest. A ridge that is not cut is a linear map
        (:attr:`EmbeddingMap.transform`).
    triplets : Triplets, optional
        Answers to fit the temperature to; items are found by label, or are rows of ``features``. By default 100,000
        random triplets with the embedding's own probabilities.
    groups : array_like, shape (items,), optional
        Items with the same value (those that share a photo) are held out together.
    n_folds : int
        At least 2.
    seed : int
        Of folds, random triplets and networks.

    Returns
    -------
    EmbeddingMap

    Raises
    ------
    ValueError
        NaN, items that do not match, fewer items than folds, or answers about too few items.
    TypeError
        Not real numbers.

    References
    ----------
    Hoerl & Kennard (1970), https://doi.org/10.1080/00401706.1970.10488634;
    Hebart et al. (2020), https://doi.org/10.1038/s41562-020-00951-3

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> dimensions = rng.random((60, 3))
    >>> features = dimensions @ rng.normal(size=(3, 8))
    >>> fitted = fit_embedding_map(features, dimensions)
    >>> fitted.n_dims, bool(np.allclose(fitted.predict(features), dimensions, atol=0.01))
    (3, True)
    """
    check_choice("method", method, get_args(Method))
    n_folds, seed = check_count("n_folds", n_folds, 2), check_count("seed", seed)
    penalties = PENALTIES[method] if penalty is None else (check_positive("penalty", penalty),)
    x, labels = as_item_rows("features", features)
    y, names = as_item_rows("embedding", embedding)
    y = y[rows_of(labels, len(x), "embedding", names, len(y), "features")]
    cut = bool(y.min() >= -_ROUNDING * y.max()) if nonnegative is None else as_flag("nonnegative", nonnegative)
    rng = as_rng(seed)
    folds = deal_items(len(x), n_folds, rng, groups)
    free = held_out_predictions(method, x, y, folds, penalties, seed)
    held_out = {setting: at_least_zero(values, cut) for setting, values in free.items()}
    error = {setting: float(((values - y) ** 2).mean()) for setting, values in held_out.items()}
    best = min(error, key=error.__getitem__)
    arrays = fit_path(method, x, y, best[:1], seed)[best]
    return EmbeddingMap(
        method=method,
        arrays={name: np.asarray(value) for name, value in arrays.items()},
        temperature=_temperature(held_out[best], y, triplets, labels, rng),
        settings=dict(zip(SETTINGS[method], best, strict=True)),
        error={_words(method, setting): value for setting, value in error.items()},
        n_items=len(x),
        n_channels=x.shape[1],
        n_dims=y.shape[1],
        n_parameters=n_parameters(method, arrays),
        nonnegative=cut,
    )


def held_out_predictions(
    method: str, x: FloatArray, y: FloatArray, folds: IntArray, penalties: tuple[float, ...], seed: int
) -> dict[Setting, FloatArray]:
    """Return, for every setting, the dimensions of each item as predicted without its fold."""
    found: dict[Setting, FloatArray] = {}
    for fold in np.unique(folds):
        out = folds == fold
        for setting, arrays in fit_path(method, x[~out], y[~out], penalties, seed).items():
            values = found.setdefault(setting, np.empty((len(x), y.shape[1])))
            values[out] = predict(method, arrays, x[out])
    return found


def deal_items(n_items: int, n_folds: int, rng: np.random.Generator, groups: object = None) -> IntArray:
    """Return the fold of each item; groups are dealt whole, the largest first into the emptiest fold.

    Raises
    ------
    ValueError
        Fewer groups than folds, or another number of groups than of items.
    """
    group = np.arange(n_items) if groups is None else _as_groups(groups, n_items)
    distinct, group = np.unique(group, return_inverse=True)
    if len(distinct) < n_folds:
        what = "items" if groups is None else "groups of items"
        msg = f"n_folds={n_folds} needs at least as many {what}; there are {len(distinct)}."
        raise ValueError(msg)
    sizes = np.bincount(group)
    order = rng.permutation(len(distinct))
    filled, fold_of = np.zeros(n_folds, dtype=np.int64), np.zeros(len(distinct), dtype=np.int64)
    for number in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of[number] = int(filled.argmin())
        filled[fold_of[number]] += sizes[number]
    return fold_of[group]


def _as_groups(groups: object, n_items: int) -> AnyArray:
    array = as_array("groups", groups)
    if array.shape != (n_items,):
        msg = f"groups must hold one value per item, shape ({n_items},); got {array.shape}."
        raise ValueError(msg)
    return array


def _temperature(
    predicted: FloatArray,
    y: FloatArray,
    triplets: Triplets | None,
    labels: tuple[str, ...] | None,
    rng: np.random.Generator,
) -> float:
    if triplets is not None:
        known = triplets if triplets.labels is None or labels is None else triplets.restrict(labels)
        return best_temperature(pair_similarities(predicted, known, "dot", None, "raise"))
    if len(y) < 3:
        msg = f"a temperature needs at least 3 items; got {len(y)}."
        raise ValueError(msg)
    random = Triplets(draw_triplets(len(y), _N_TRIPLETS, rng))
    target = softmax(pair_similarities(y, random, "dot", None, "raise"))
    return best_temperature(pair_similarities(predicted, random, "dot", None, "raise"), target)


def _words(method: str, setting: Setting) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in zip(SETTINGS[method], setting, strict=True))
