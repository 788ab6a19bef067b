"""How much variance of RDMs models explain alone, and how much they share."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from alignkit._check import NanPolicy, check_choice, check_count, check_fraction, check_nan_policy, counted, join_names
from alignkit._random import as_rng
from alignkit._typing import FloatArray, IntArray, RNGLike
from alignkit.rsa._align import OnMismatch, as_rdm
from alignkit.rsa._align_all import align_all
from alignkit.rsa._compare import as_list, name_rdms
from alignkit.rsa._components import named_rdms, rows_of
from alignkit.rsa._container import RDM
from alignkit.rsa._held_out import make_folds
from alignkit.rsa._held_out_subsets import held_out_subsets
from alignkit.rsa._mean_interval import FEWEST, mean_interval
from alignkit.rsa._nan import items_of_pairs, name_items, report_all
from alignkit.rsa._partial import PARTIAL_METHODS
from alignkit.rsa._shares import Sharing, commonalities, subsets_of
from alignkit.rsa._similarity_methods import undefined_rows
from alignkit.rsa._subjects import subjects_first
from alignkit.rsa._variance_shares import VarianceShares

#: With more models the parts, two to the power of their number, are more than anyone reads.
_MOST = 10
PartitionSplit = Literal["items", "none"]


def variance_partition(
    models: object,
    data: object,
    /,
    *,
    method: Literal["spearman", "pearson"] = "spearman",
    split: PartitionSplit = "items",
    n_folds: int | None = None,
    dim: str | None = None,
    nan_policy: NanPolicy = "propagate",
    on_mismatch: OnMismatch = "raise",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    rng: RNGLike = None,
) -> VarianceShares:
    r"""Part the variance of RDMs among models: what each explains alone, uniquely, and what they have in common.

    Parameters
    ----------
    models : RDM, mapping of str to RDM, or array_like, shape (models, pairs) or (models, items, items)
        Two to ten model RDMs.
    data : RDM or array_like, shape (..., pairs) or (..., items, items)
        Data RDMs, one of every subject; each is explained by itself.
    method : {"spearman", "pearson"}
        Explain the ranks of dissimilarities by those of the models, or the dissimilarities themselves.
    split : {"items", "none"}
        What to hold out for the held-out shares: random folds of items, or nothing. Weights are fitted to the pairs
        within the other folds and judged on those within the fold; ranks are taken within either.
    n_folds : int, optional
        Folds of items; by default 2, 3, 4 or 5 from 6, 12, 24 or 40 items.
    dim : str, optional
        Name of the subjects' axis; by default ``"subject"``, else the only leading axis.
    nan_policy : {"propagate", "omit", "raise"}
        NaN in a data RDM or in any model: give NaN, leave those pairs out, or raise.
    on_mismatch : {"raise", "intersect"}
        What to do when labelled RDMs hold different items.
    n_bootstrap : int
        Resamples of subjects for the intervals of the means; 0 for none.
    confidence : float
        Level of the intervals.
    rng : numpy Generator, int or None
        Seed of the folds and of the bootstrap.

    Returns
    -------
    VarianceShares

    Raises
    ------
    ValueError
        Fewer than two or more than ten models, different items, an unknown option, folds too small, or NaN under
        ``nan_policy="raise"``.
    TypeError
        Values that are not real numbers.

    See Also
    --------
    alignkit.meg.variance_partition : the same over time.

    Notes
    -----
    With :math:`R^2_A` the share of variance that least squares explains with the models A and an intercept, the part
    that exactly the models T have in common is :math:`\sum_{A\subseteq T}(-1)^{|T|-|A|}(R^2-R^2_{\setminus A})`;
    for a single model that is its unique variance. All parts add up to :math:`R^2`. Common parts can be negative
    (suppression). In-sample shares rise with every model; held-out ones, :math:`1-` squared error over variance summed
    over folds, fall below zero where a fit does worse than the mean.

    References
    ----------
    Nimon et al. (2008), doi:10.3758/BRM.40.2.457.

    Examples
    --------
    >>> animacy, size = [0.0, 1, 1, 1, 1, 0], [1.0, 0, 1, 1, 0, 1]
    >>> data = [1.0, 2.1, 2.9, 3.1, 1.9, 1.0]
    >>> variance_partition({"animacy": animacy, "size": size}, data, method="pearson", split="none").parts.round(2)
    array([ 0.99,  0.25, -0.25])
    """
    check_choice("method", method, PARTIAL_METHODS)
    check_choice("split", split, get_args(PartitionSplit))
    check_nan_policy(nan_policy)
    check_count("n_bootstrap", n_bootstrap)
    check_fraction("confidence", confidence)
    generator = as_rng(rng)
    stack, rows, names, aligned_by = _aligned(models, data, dim, on_mismatch)
    folds, note = _folds(stack.n_items, split, n_folds, generator)
    values = stack.values.reshape(-1, stack.n_pairs)
    shares = Sharing(rows, method, nan_policy)(values[None])
    r2_in = shares.r2[:, 0]
    # a model that explains nothing in-sample explains nothing elsewhere
    held_out = np.where(np.isnan(r2_in), np.nan, held_out_subsets(rows, values, folds, method, nan_policy))
    report_all(_reasons(stack, rows, names, r2_in, held_out, nan_policy, held=bool(folds)), nan_policy)
    shape = (-1, *stack.shape)
    quantities = [part.reshape(shape) for part in (r2_in, held_out)]
    parts = [commonalities(part, len(names)) for part in quantities]
    n_subjects = stack.shape[0] if stack.shape else 1
    intervals = [
        _interval(np.concatenate([r2[-1:], own]), stack.shape, n_bootstrap, confidence, generator)
        for r2, own in zip(quantities, parts, strict=True)
    ]
    return VarianceShares(
        r2_in_sample=quantities[0][-1],
        parts_in_sample=parts[0],
        r2_held_out=quantities[1][-1],
        parts_held_out=parts[1],
        alone_in_sample=quantities[0][: len(names)],
        alone_held_out=quantities[1][: len(names)],
        interval_in_sample=intervals[0],
        interval_held_out=intervals[1],
        models=tuple(names),
        members=tuple(tuple(names[j] for j in subset) for subset in subsets_of(len(names))),
        dims=stack.dims,
        coords={name: as_list(coordinate) for name, coordinate in stack.coords.items()},
        method=method,
        split=split,
        n_folds=len(folds),
        n_items=stack.n_items,
        n_pairs=int(shares.n_pairs.min(where=shares.n_pairs > 0, initial=stack.n_pairs)),
        nan_policy=nan_policy,
        aligned_by=aligned_by,
        confidence=confidence,
        n_bootstrap=n_bootstrap if n_subjects >= FEWEST else 0,
        note="; ".join(filter(None, [note, _few(n_subjects)])),
    )


def _aligned(
    models: object, data: object, dim: str | None, on_mismatch: OnMismatch
) -> tuple[RDM, FloatArray, list[str], str]:
    """Return the data, subjects first, the models as rows over the same items, their names, and how rows matched."""
    named, names = named_rdms(models)
    if not 2 <= len(names) <= _MOST:
        msg = (
            f"variance is parted among 2 to {_MOST} models ({2**_MOST - 1:,} parts); got {len(names)}: "
            f"{join_names(names)}. Choose or average some of them."
        )
        raise ValueError(msg)
    stack, *others = align_all([("the data", as_rdm("the data", data)), *named], on_mismatch)
    by = "position" if any(one.labels is None for one in (stack, *others)) else "label"
    return (
        subjects_first(stack, dim, "a mean over subjects", "data") if stack.shape else stack,
        rows_of(others),
        names,
        by,
    )


def _folds(n_items: int, split: str, n_folds: int | None, rng: np.random.Generator) -> tuple[list[IntArray], str]:
    if split == "items":
        return make_folds(n_items, n_folds, rng)
    if n_folds is not None:
        msg = "n_folds is for split='items'; got split='none'."
        raise ValueError(msg)
    return [], ""


def _interval(
    values: FloatArray, shape: tuple[int, ...], n_bootstrap: int, confidence: float, rng: np.random.Generator
) -> FloatArray:
    """Return intervals of means over subjects of all models' share and of every part, shape (2, 1 + parts, ...)."""
    if not shape:
        return np.full((2, len(values)), np.nan)
    return mean_interval(values, 1, n_bootstrap=n_bootstrap, confidence=confidence, rng=rng)


def _few(n_subjects: int) -> str:
    return f"no interval: {counted(n_subjects, 'subject')}, of three that it needs" if n_subjects < FEWEST else ""


def _reasons(
    stack: RDM,
    models: FloatArray,
    names: list[str],
    r2: FloatArray,
    held_out: FloatArray,
    nan_policy: NanPolicy,
    *,
    held: bool,
) -> dict[str, list[str]]:
    """Return why shares are NaN, with the names of the items, models or RDMs at fault."""
    rows = stack.values.reshape(-1, stack.n_pairs)
    reasons: dict[str, list[str]] = {}
    undefined = np.isnan(r2[-1])
    if nan_policy != "omit":
        for what, values in (("the data hold", rows), ("the models hold", models)):
            items = items_of_pairs(np.asarray(np.isnan(values).any(axis=0)), stack.n_items)
            reasons[f"{what} NaN (nan_policy='omit' leaves those pairs out) for"] = name_items(stack.labels, items)
        undefined &= ~np.isnan(rows).any(axis=1) & ~np.isnan(models).any()
    constant = undefined_rows(models, "pearson")
    reasons["there is no variance to explain with in the models"] = [names[j] for j in np.flatnonzero(constant)]
    flat = undefined & undefined_rows(rows, "pearson")
    reasons["there is no variance to explain in"] = name_rdms(stack, np.flatnonzero(flat))
    if not constant.any():
        what = f"too few item pairs, or none that differ, are left to fit {len(names)} models to"
        reasons[what] = name_rdms(stack, np.flatnonzero(undefined & ~flat))
    if held:
        unjudged = np.isnan(held_out).any(axis=0) & ~np.isnan(r2[-1])
        what = "too few item pairs, or none that differ, were held out or left to fit in"
        reasons[what] = name_rdms(stack, np.flatnonzero(unjudged))
    return reasons
