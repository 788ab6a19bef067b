"""Linear predictivity: how well features predict the responses of voxels, sensors or neurons to items held out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import numpy as np

from alignkit._check import (
    as_flag,
    as_float_array,
    check_choice,
    check_count,
    check_finite,
    check_probability,
    counted,
    require,
)
from alignkit._random import as_rng
from alignkit._typing import FloatArray, RNGLike
from alignkit.rsa._align import OnMismatch
from alignkit.rsa._condensed import as_host
from alignkit.rsa._feature_layers import Layers, align_layers, as_layers
from alignkit.rsa._held_out import item_folds
from alignkit.rsa._linear_fits import LinearFit, Split, himalaya_backend
from alignkit.rsa._nested_folds import checked_penalties, nested_folds
from alignkit.rsa._predictivity_result import Predictivity
from alignkit.rsa._response_reliability import channel_correlations, response_reliability

PredictivityScore = Literal["pearson", "r2"]
LinearModel = Literal["ridge", "banded"]
LinearBackend = Literal["numpy", "torch", "torch_cuda"]


def predictivity(
    features: object,
    responses: object,
    /,
    *,
    model: LinearModel = "ridge",
    score: PredictivityScore = "pearson",
    standardize: bool = True,
    penalties: Sequence[float] | FloatArray | None = None,
    n_iterations: int = 100,
    n_folds: int | None = None,
    n_inner_folds: int | None = None,
    n_repeats: int = 1,
    n_splits: int = 100,
    least_reliability: float = 0.1,
    labels: Iterable[Any] | None = None,
    response_labels: Iterable[Any] | None = None,
    on_mismatch: OnMismatch = "raise",
    backend: LinearBackend = "numpy",
    progress: bool = False,
    rng: RNGLike = None,
) -> Predictivity:
    r"""Predict responses from features by ridge regression, and score the predictions of held-out items.

    Items are split into random folds. For every fold, weights are fitted to the other items, with the penalty of every
    channel chosen in folds of these, and the fold's responses are predicted. A channel's score is the mean over folds.

    Parameters
    ----------
    features : array_like, shape (items, features); or a list or mapping of them
        Features of the items; several (layers, models) are the bands of banded ridge, and are joined for plain ridge.
    responses : array_like, shape (items, channels) or (repeats, items, channels)
        Responses of voxels, sensors or neurons. With repeats, their mean is predicted, and scores are set in relation
        to its reliability.
    model : {"ridge", "banded"}
        One penalty for all features, or one for every band (random search).
    score : {"pearson", "r2"}
        Correlation over the items of a fold, or :math:`1-` squared error over variance (below 0 where the mean would
        predict better).
    standardize : bool
        Divide every feature by its standard deviation over the training items.
    penalties : array_like, shape (penalties,), optional
        Ridge penalties to choose from, in units of the features' mean squared length; by default 0.001 to 1,000,000 by
        factors of 10.
    n_iterations : int
        Random mixtures of bands that are tried.
    n_folds, n_inner_folds : int, optional
        Folds of items, and of the training items when choosing penalties; by default 2, 3, 4 or 5 from 6, 12, 24 or 40
        items.
    n_repeats : int
        Random assignments to folds that are averaged.
    n_splits : int
        Splits of the repeats into halves; where there are no more, each is taken once.
    least_reliability : float
        Channels that are less reliable are not set in relation to the ceiling.
    labels, response_labels : sequence of str, shape (items,), optional
        Names of the rows; where both sides have names, rows are matched by them.
    on_mismatch : {"raise", "intersect"}
        What to do when both sides hold different items.
    backend : {"numpy", "torch", "torch_cuda"}
        Where himalaya computes.
    progress : bool
        Show a progress bar with the time left.
    rng : numpy Generator, int or None
        Seed of folds, splits and random search.

    Returns
    -------
    Predictivity

    Raises
    ------
    ValueError
        Different items, NaN, too few items for the folds, banded ridge of a single band, or an unknown option.
    TypeError
        Values that are not real numbers.
    ImportError
        himalaya is not installed (``pip install 'alignkit[encoding]'``), or torch for its backends.

    Notes
    -----
    The reliability :math:`\rho` of a channel's mean response is the mean correlation of split halves of the repeats,
    over all items, corrected by Spearman and Brown. The largest correlation that can be expected of any prediction with
    a mean of that reliability is :math:`\sqrt\rho`, the largest R² is :math:`\rho`; ``normalized`` is the score over
    these. As both are estimates, single channels can come out above 1: they are neither cut nor hidden but counted in
    ``n_above_1`` and the note. Compare medians.

    References
    ----------
    Ridge by himalaya: Dupré la Tour et al. (2022), doi:10.1016/j.neuroimage.2022.119728; ceilings: Schoppe et al.
    (2016), doi:10.3389/fncom.2016.00010.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 5))
    >>> voxels = x @ rng.normal(size=(5, 8)) + rng.normal(size=(3, 60, 8))
    >>> predictivity(x, voxels, rng=0)  # doctest: +SKIP
    <Predictivity median pearson 0.9363 (0.9866 of the ceiling) on held-out items; 8 channels, 60 items>
    """
    from tqdm import tqdm

    _check_options(model, score, backend, n_iterations, n_repeats, n_splits, least_reliability)
    generator = as_rng(rng)
    layers, repeats, by = _aligned(features, responses, labels, response_labels, on_mismatch)
    bands = _bands(layers, model)
    target = repeats.mean(axis=0)
    outer, inner = nested_folds(len(target), n_folds, n_inner_folds)
    require("himalaya", "encoding")
    fit = LinearFit(
        np.logspace(-3, 6, 10) if penalties is None else checked_penalties(penalties),
        model == "banded",
        n_iterations,
        as_flag("standardize", standardize),
        int(generator.integers(2**31)),
    )
    scores, chosen = [], []
    children = generator.spawn(n_repeats)
    with tqdm(total=n_repeats * outer, desc="folds", disable=not progress) as bar, himalaya_backend(backend):
        for child in children:
            for test in item_folds(len(target), outer, child):
                train = np.setdiff1d(np.arange(len(target)), test)
                splits = _splits(len(train), inner, child)
                predicted, own = fit.predict([x[train] for x in bands], target[train], [x[test] for x in bands], splits)
                scores.append(_scores(predicted, target[test], score))
                chosen.append(own)
                bar.update()
    per_fold = np.array(scores)
    values = per_fold.mean(axis=0)
    reliability = np.full(len(values), np.nan)
    if len(repeats) > 1:
        reliability = response_reliability(repeats, n_splits, generator)
    with np.errstate(invalid="ignore"):
        highest = np.where(reliability >= least_reliability, reliability, np.nan)
        highest = np.sqrt(highest) if score == "pearson" else highest
    normalized = values / highest
    return Predictivity(
        scores=values,
        median=_median(values),
        normalized=normalized,
        median_normalized=_median(normalized),
        reliability=reliability,
        per_fold=per_fold,
        penalties=_mean_penalties(np.array(chosen)),
        n_above_1=int((normalized > 1).sum()),
        n_unreliable=int(np.isnan(highest).sum()) if len(repeats) > 1 else 0,
        bands=_band_names(layers),
        model=model,
        score=score,
        standardize=fit.standardize,
        n_items=len(target),
        n_features=sum(x.shape[1] for x in bands),
        n_measurements=len(repeats),
        n_folds=outer,
        n_inner_folds=inner,
        n_repeats=n_repeats,
        least_reliability=float(least_reliability),
        aligned_by=by,
        note=_note(values, normalized, highest, len(repeats), least_reliability),
    )


def _check_options(
    model: str, score: str, backend: str, n_iterations: int, n_repeats: int, n_splits: int, least: float
) -> None:
    check_choice("model", model, get_args(LinearModel))
    check_choice("score", score, get_args(PredictivityScore))
    check_choice("backend", backend, get_args(LinearBackend))
    check_count("n_iterations", n_iterations, 1)
    check_count("n_repeats", n_repeats, 1)
    check_count("n_splits", n_splits, 1)
    if check_probability("least_reliability", least) == 0:
        msg = "least_reliability must be above 0: scores are divided by reliabilities."
        raise ValueError(msg)
    if backend != "numpy":
        require("torch", "train")


def _aligned(
    features: object,
    responses: Any,
    labels: Iterable[Any] | None,
    response_labels: Iterable[Any] | None,
    on_mismatch: OnMismatch,
) -> tuple[Layers, FloatArray, str]:
    """Return features, and responses (repeats, items, channels) over the same items, and what rows matched by."""
    layers = as_layers("features", features, labels, on_mismatch, labels_name="labels")
    repeats = None
    if getattr(responses, "ndim", np.ndim(responses) if isinstance(responses, list | tuple) else 0) == 3:
        repeats = as_float_array("responses", as_host(responses))
        responses = repeats.mean(axis=0)
    own = as_layers("responses", responses, response_labels, on_mismatch, labels_name="response_labels")
    if len(own.arrays) != 1:
        msg = "responses must be one array of shape (items, channels) or (repeats, items, channels); got several."
        raise ValueError(msg)
    by = "position" if layers.labels is None or own.labels is None else "label"
    layers, own = align_layers(layers, own, on_mismatch)
    if repeats is None:
        repeats = as_float_array("responses", as_host(own.arrays[0]))[None]
    repeats = repeats[:, own.orders[0]]
    check_finite("responses", repeats)
    return layers, repeats, by


def _bands(layers: Layers, model: str) -> list[FloatArray]:
    if model == "banded" and len(layers.arrays) < 2:
        msg = "model='banded' has a penalty for every band; give features as a mapping or list of two or more arrays."
        raise ValueError(msg)
    found = []
    for i, (array, order) in enumerate(zip(layers.arrays, layers.orders, strict=True)):
        x = as_float_array(layers.title(i), as_host(array)[order])
        check_finite(layers.title(i), x)
        found.append(x)
    return found


def _splits(n: int, n_folds: int, rng: np.random.Generator) -> list[Split]:
    return [(np.setdiff1d(np.arange(n), fold), fold) for fold in item_folds(n, n_folds, rng)]


def _scores(predicted: FloatArray, measured: FloatArray, score: str) -> FloatArray:
    """Return the score of every channel; a constant prediction correlates 0, a constant response is NaN."""
    if score == "pearson":
        constant = np.ptp(predicted, axis=0) == 0
        varying = measured.max(axis=0) > measured.min(axis=0)
        return np.where(constant & varying, 0.0, channel_correlations(predicted, measured))
    total = np.square(measured - measured.mean(axis=0)).sum(axis=0)
    total[measured.max(axis=0) == measured.min(axis=0)] = np.nan
    return np.asarray(1 - np.square(measured - predicted).sum(axis=0) / total)


def _mean_penalties(chosen: FloatArray) -> FloatArray:
    """Return the geometric mean over folds; NaN where a band was left out in any."""
    return np.asarray(np.exp(np.log(chosen).mean(axis=0)))


def _median(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else float("nan")


def _band_names(layers: Layers) -> tuple[str, ...]:
    return () if layers.names is None else tuple(map(str, layers.names))


def _note(values: FloatArray, normalized: FloatArray, highest: FloatArray, n_repeats: int, least: float) -> str:
    undefined, above = int(np.isnan(values).sum()), int((normalized > 1).sum())
    unreliable = int(np.isnan(highest).sum())
    notes = [
        f"{counted(undefined, 'channel')} without variance in a fold" if undefined else "",
        "no repeats, and therefore no ceiling" if n_repeats < 2 else "",
        f"{counted(unreliable, 'channel')} of a reliability below {least:g} not set in relation to it"
        if unreliable and n_repeats > 1
        else "",
        f"{counted(above, 'channel')} above the ceiling, which is an estimate too" if above else "",
    ]
    return "; ".join(filter(None, notes))
