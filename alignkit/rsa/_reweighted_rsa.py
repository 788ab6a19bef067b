"""Feature-reweighted RSA: how well features predict RDMs once each of them may count more or less."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np

from alignkit._check import (
    as_flag,
    as_float_array,
    check_choice,
    check_count,
    check_finite,
    check_fraction,
    counted,
    join_names,
)
from alignkit._random import as_rng
from alignkit._threads import one_blas_thread
from alignkit._typing import FloatArray, RNGLike
from alignkit.rsa._align import OnMismatch, as_rdm
from alignkit.rsa._compare import as_list
from alignkit.rsa._condensed import as_host
from alignkit.rsa._container import RDM
from alignkit.rsa._difference_sums import predicted
from alignkit.rsa._feature_layers import Layers, align_with_rdm, as_layers
from alignkit.rsa._mean_interval import FEWEST, mean_interval
from alignkit.rsa._nan import items_of_pairs, name_items
from alignkit.rsa._nested_folds import checked_penalties, nested_folds
from alignkit.rsa._nested_ridge import Reweighting, paired_scores
from alignkit.rsa._reweighted_result import ReweightedRSA
from alignkit.rsa._subjects import subjects_first

#: Products of more features with one another (and their axes) would not fit in a few gigabytes.
_MOST = 10_000


@one_blas_thread()
def reweighted_rsa(
    features: object,
    rdms: object,
    /,
    *,
    method: Literal["pearson", "spearman"] = "pearson",
    nonnegative: bool = False,
    standardize: bool = True,
    penalties: Sequence[float] | FloatArray | None = None,
    n_folds: int | None = None,
    n_inner_folds: int | None = None,
    n_repeats: int = 5,
    labels: Iterable[Any] | None = None,
    dim: str | None = None,
    on_mismatch: OnMismatch = "raise",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    progress: bool = False,
    rng: RNGLike = None,
) -> ReweightedRSA:
    r"""Predict RDMs from features whose weights are fitted, judged on items that took no part.

    Every dissimilarity is a weighted sum of the features' own squared differences and a constant,

    .. math:: d_{ij} \approx c + \sum_a w_a (x_{ia} - x_{ja})^2,

    with ridge weights for each subject. Items are split into random folds; weights are fitted to pairs of items in the
    other folds, with the penalty that predicts best on folds within these, and the score is the correlation of
    predicted and measured dissimilarities over pairs within the fold, averaged over folds and repeats.

    Parameters
    ----------
    features : array_like, shape (items, features)
        Features of the items, one layer; rows with names are matched to the RDMs by name.
    rdms : RDM or array_like, shape (subjects, pairs) or (subjects, items, items)
        One complete RDM per subject, or a single one.
    method : {"pearson", "spearman"}
        Correlation that scores and chooses; weights are least squares either way.
    nonnegative : bool
        Weights may not be negative, so that predictions are squared distances (slow for many features).
    standardize : bool
        Divide every feature by its standard deviation over the training items first.
    penalties : array_like, shape (penalties,), optional
        Ridge penalties to choose from, in units of the predictors' mean squared length; by default 0.0001 to 1000 by
        factors of 10.
    n_folds, n_inner_folds : int, optional
        Folds of items, and of the training items when choosing the penalty; by default 2, 3, 4 or 5 from 6, 12, 24 or
        40 items.
    n_repeats : int
        Random assignments to folds that are averaged.
    labels : sequence of str, shape (items,), optional
        Names of the features' rows.
    dim : str, optional
        Name of the subjects' axis of ``rdms``; by default the only one.
    on_mismatch : {"raise", "intersect"}
        What to do when labelled features and RDMs hold different items.
    n_bootstrap : int
        Resamples of subjects for the intervals of the means; 0 for none.
    confidence : float
        Level of the intervals.
    progress : bool
        Show a progress bar with the time left.
    rng : numpy Generator, int or None
        Seed of the folds and of the bootstrap.

    Returns
    -------
    ReweightedRSA

    Raises
    ------
    ValueError
        Different items, NaN, too few items for the folds, more than 10,000 features, or an unknown option.
    TypeError
        Values that are not real numbers.

    Notes
    -----
    The squared differences of all pairs are never written out: their products follow from products of the features
    (items by features), so that memory is that of the features and of one square of features by features. A prediction
    that is constant scores 0. The score of equal weights on the same pairs and the noise ceilings on them stand beside.

    References
    ----------
    Kaniuth and Hebart (2022), doi:10.1016/j.neuroimage.2022.119294.

    Examples
    --------
    >>> import numpy as np
    >>> from alignkit.rsa import rdm
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(24, 6))
    >>> people = [rdm(x * [3, 1, 1, 0, 0, 0], metric="sqeuclidean").values + rng.normal(size=276) for _ in range(4)]
    >>> result = reweighted_rsa(x, people, n_repeats=1, n_bootstrap=0, rng=0)
    >>> bool(result.scores.mean() > result.unweighted.mean())
    True
    """
    from tqdm import tqdm

    _check_options(method, n_repeats, n_bootstrap, confidence)
    generator = as_rng(rng)
    layers, stack, by = _aligned(features, rdms, labels, dim, on_mismatch)
    x, rows = _numbers(layers, stack)
    outer, inner = nested_folds(len(x), n_folds, n_inner_folds)
    task = Reweighting(
        x,
        rows,
        # of equals the largest is chosen
        np.sort(np.logspace(3, -4, 8) if penalties is None else checked_penalties(penalties))[::-1],
        method,
        as_flag("nonnegative", nonnegative),
        as_flag("standardize", standardize),
        inner,
    )
    with tqdm(total=n_repeats * outer, desc="folds", disable=not progress) as bar:
        repeats = [task.nested(outer, child, bar.update) for child in generator.spawn(n_repeats)]
    scores, unweighted, bounds = (np.mean(part, axis=0) for part in zip(*repeats, strict=True))
    every = np.arange(len(x))
    chosen = task.chosen(every, generator)
    weights = task.fitted(every, chosen)
    mean, factor = task.scales(every)
    in_sample = paired_scores(predicted((x - mean) * factor, weights), rows, method)
    interval = mean_interval(
        np.stack([scores, unweighted, scores - unweighted]),
        1,
        n_bootstrap=n_bootstrap,
        confidence=confidence,
        rng=generator,
    )
    n = len(rows)
    return ReweightedRSA(
        scores=scores,
        unweighted=unweighted,
        lower=bounds[0],
        upper=bounds[1],
        in_sample=in_sample,
        weights=np.ascontiguousarray((weights * np.square(factor)[:, None]).T),
        penalties=task.penalties[chosen],
        interval=interval[:, 0],
        unweighted_interval=interval[:, 1],
        gain_interval=interval[:, 2],
        subjects=_subjects(stack),
        method=method,
        nonnegative=task.nonnegative,
        standardize=task.standardize,
        n_folds=outer,
        n_inner_folds=inner,
        n_repeats=n_repeats,
        n_items=len(x),
        n_features=x.shape[1],
        aligned_by=by,
        confidence=confidence,
        n_bootstrap=n_bootstrap if n >= FEWEST else 0,
        note=_note(n, [s for s, row in zip(_subjects(stack), rows, strict=True) if np.ptp(row) == 0]),
    )


def _check_options(method: str, n_repeats: int, n_bootstrap: int, confidence: float) -> None:
    check_choice("method", method, ("pearson", "spearman"))
    check_count("n_repeats", n_repeats, 1)
    check_count("n_bootstrap", n_bootstrap)
    check_fraction("confidence", confidence)


def _aligned(
    features: object, rdms: object, labels: Iterable[Any] | None, dim: str | None, on_mismatch: OnMismatch
) -> tuple[Layers, RDM, str]:
    layers = as_layers("features", features, labels, on_mismatch, labels_name="labels")
    if len(layers.arrays) != 1:
        msg = f"features holds the layers {join_names(map(str, layers.names or ()))}; give one of them."
        raise ValueError(msg)
    stack = as_rdm("rdms", rdms)
    if stack.shape:
        stack = subjects_first(stack, dim, "reweighted RSA", "rdms")
    if len(stack.shape) > 1:
        msg = f"rdms has the axes {stack.dims}; choose one of each but the subjects with isel()."
        raise ValueError(msg)
    by = "position" if layers.labels is None or stack.labels is None else "label"
    layers, stack = align_with_rdm(layers, "rdms", stack, on_mismatch)
    return layers, stack, by


def _numbers(layers: Layers, stack: RDM) -> tuple[FloatArray, FloatArray]:
    """Return features and rows of RDMs in float64, without NaN."""
    n_features = int(layers.arrays[0].shape[1])
    if n_features > _MOST:
        msg = f"features has {n_features:,} channels, of at most {_MOST:,}; reduce them first, for example by PCA."
        raise ValueError(msg)
    x = as_float_array("features", as_host(layers.arrays[0])[layers.orders[0]])
    check_finite("features", x)
    rows = stack.values.reshape(-1, stack.n_pairs)
    missing = np.asarray(np.isnan(rows).any(axis=0))
    if missing.any():
        items = name_items(stack.labels, items_of_pairs(missing, stack.n_items))
        msg = f"rdms must be complete: NaN for {join_names(items)}; leave these items out with take() or select()."
        raise ValueError(msg)
    return x, rows


def _subjects(stack: RDM) -> tuple[str, ...]:
    if not stack.dims:
        return ("the only RDM",)
    own = stack.coords.get(stack.dims[0])
    return tuple(str(one) for one in (range(len(stack)) if own is None else as_list(own)))


def _note(n: int, constant: Sequence[str]) -> str:
    flat = f"NaN: all values are equal in the RDM of {join_names(constant)}" if constant else ""
    alone = "one subject: no ceiling" if n == 1 else ""
    few = f"no interval: {counted(n, 'subject')}, of three that it needs" if n < FEWEST else ""
    return "; ".join(filter(None, [alone, few, flat]))
