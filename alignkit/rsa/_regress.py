"""Data RDMs as weighted sums of model RDMs."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from alignkit._check import NanPolicy, check_choice, check_count, check_nan_policy
from alignkit._random import as_rng
from alignkit._typing import FloatArray, IntArray, RNGLike
from alignkit.rsa._align import OnMismatch, as_rdm
from alignkit.rsa._align_all import align_all
from alignkit.rsa._compare import as_list, name_rdms
from alignkit.rsa._components import named_rdms, rows_of
from alignkit.rsa._container import RDM
from alignkit.rsa._held_out import Split, held_out_shares, make_folds
from alignkit.rsa._least_squares import RegressionMethod
from alignkit.rsa._nan import items_of_pairs, name_items, report_all, report_note
from alignkit.rsa._regress_rows import Fit, fit_rows
from alignkit.rsa._regression import Regression


def regress(
    data: object,
    models: object,
    /,
    *,
    method: RegressionMethod = "ols",
    intercept: bool = True,
    standardize: bool = False,
    split: Split | Literal["none"] = "items",
    n_folds: int | None = None,
    dim: str | None = None,
    nan_policy: NanPolicy = "propagate",
    on_mismatch: OnMismatch = "raise",
    rng: RNGLike = None,
) -> Regression:
    r"""Explain each data RDM as a weighted sum of model RDMs.

    Weights minimise :math:`\|d-c-\sum_j w_j m_j\|^2` over item pairs. The share of variance explained is given
    in-sample and, which alone speaks of alignment, on what was left out of the fit.

    Parameters
    ----------
    data : RDM or array_like, shape (..., pairs) or (..., items, items)
        Data RDMs: one fit each.
    models : RDM, mapping of str to RDM, or array_like, shape (models, pairs) or (models, items, items)
        Model RDMs, stacked, as a sequence of RDMs, or by name.
    method : {"ols", "nnls"}
        Ordinary least squares (the weights of mne-rsa's ``"regression"``), or with weights that may not be negative.
    intercept : bool
        Fit a constant c. Without it R² is about zero instead of the mean.
    standardize : bool
        Give weights in standard deviations of model and data (without ``intercept``, in their root mean squares), for
        models in different units.
    split : {"items", "subjects", "both", "none"}
        What to hold out: random folds of items (pairs within the fold are predicted from weights fitted to pairs
        within the others; pairs between them are used by neither), each subject in turn (predicted from the mean of
        the others, over the same items), or items of each subject in turn.
    n_folds : int, optional
        Folds of items; by default 2, 3, 4 or 5 from 6, 12, 24 or 40 items.
    dim : str, optional
        Name of the subjects' axis of ``data``, for splits by subject; by default ``"subject"``, else the only one.
    nan_policy : {"propagate", "omit", "raise"}
        NaN in a data RDM or in any model: give NaN, leave those pairs out, or raise. With subjects held out, pairs
        missing in any subject are left out for all.
    on_mismatch : {"raise", "intersect"}
        What to do when labelled RDMs hold different items.
    rng : numpy Generator, int or None
        Seed of the folds.

    Returns
    -------
    Regression

    Raises
    ------
    ValueError
        Different labels or sizes, unknown options, folds too small, no subjects to hold out, or NaN under
        ``nan_policy="raise"``.
    TypeError
        Values that are not real numbers.

    Notes
    -----
    Models that are sums of others share what they explain in many ways: of all weights that fit best the smallest are
    given, with one warning that names the models. Their unique share is 0.

    References
    ----------
    Khaligh-Razavi and Kriegeskorte (2014), doi:10.1371/journal.pcbi.1003915.

    Examples
    --------
    >>> animacy, size = [0.0, 1, 1, 1, 1, 0], [1.0, 0, 1, 1, 0, 1]
    >>> data = [1.0, 2.1, 2.9, 3.1, 1.9, 1.0]
    >>> result = regress(data, {"animacy": animacy, "size": size}, split="none")
    >>> result.weights.round(3)
    array([2., 1.])
    """
    _check_options(method, split, nan_policy, n_folds, dim)
    stack, rows, names, aligned_by = _aligned(data, models, on_mismatch)
    folds, note = _folds(stack.n_items, split, n_folds, rng)
    cells = _cells(stack, split, dim)
    fit = fit_rows(stack.values.reshape(-1, stack.n_pairs), rows, method, nan_policy, intercept=intercept)
    out = held_out_shares(
        stack.values.reshape(-1, stack.n_pairs), rows, cells, split, folds, method, nan_policy, intercept=intercept
    )
    reasons = _reasons(stack, rows, names, fit, nan_policy)
    if folds or split == "subjects":
        unjudged = np.flatnonzero(np.isnan(out[0]) & ~np.isnan(fit.r2))
        reasons["too few item pairs, or none that differ, were held out or left to fit in"] = name_rdms(stack, unjudged)
    report_all(reasons, nan_policy)
    report_note(_redundancy(names, fit))
    shape = stack.shape
    return Regression(
        weights=(fit.standardized() if standardize else fit.weights).reshape(*shape, len(names)),
        intercept=(fit.intercept * (not standardize)).reshape(shape),
        r2_in_sample=fit.r2.reshape(shape),
        r2_held_out=out[0].reshape(shape),
        unique_in_sample=fit.unique.reshape(*shape, len(names)),
        unique_held_out=out[1].reshape(*shape, len(names)),
        split=split,
        n_folds=len(folds),
        method=method,
        models=names,
        dims=stack.dims,
        coords={name: as_list(values) for name, values in stack.coords.items()},
        n_pairs=fit.n_pairs.reshape(shape),
        n_items=stack.n_items,
        fit_intercept=intercept,
        standardize=standardize,
        nan_policy=nan_policy,
        aligned_by=aligned_by,
        note=note,
    )


def _check_options(method: str, split: str, nan_policy: NanPolicy, n_folds: int | None, dim: str | None) -> None:
    check_choice("method", method, get_args(RegressionMethod))
    check_choice("split", split, (*get_args(Split), "none"))
    check_nan_policy(nan_policy)
    if n_folds is not None:
        check_count("n_folds", n_folds, minimum=2)
        if split not in ("items", "both"):
            msg = f"n_folds is for split='items' and split='both'; got split={split!r}."
            raise ValueError(msg)
    if dim is not None and split not in ("subjects", "both"):
        msg = f"dim is for split='subjects' and split='both'; got split={split!r}."
        raise ValueError(msg)


def _aligned(data: object, models: object, on_mismatch: OnMismatch) -> tuple[RDM, FloatArray, list[str], str]:
    """Return the data, the models as rows over the same items, the models' names, and what rows were matched by."""
    stack = as_rdm("the data", data)
    named, names = named_rdms(models)
    stack, *others = align_all([("the data", stack), *named], on_mismatch)
    rows = rows_of(others)
    return stack, rows, names, "position" if any(one.labels is None for one in (stack, *others)) else "label"


def _folds(n_items: int, split: str, n_folds: int | None, rng: RNGLike) -> tuple[list[IntArray], str]:
    generator = as_rng(rng)
    if split not in ("items", "both"):
        return [], ""
    return make_folds(n_items, n_folds, generator)


def _cells(stack: RDM, split: str, dim: str | None) -> IntArray:
    """Return the positions of the data RDMs, shape (subjects, others); one row where subjects do not matter."""
    positions = np.arange(int(np.prod(stack.shape)), dtype=np.int64)
    if split not in ("subjects", "both"):
        return positions[None]
    if dim is not None:
        check_choice("dim", dim, stack.dims)
    name = dim or ("subject" if "subject" in stack.dims else stack.dims[0] if len(stack.dims) == 1 else None)
    if name is None or stack.shape[stack.dims.index(name)] < 2:
        sizes = ", ".join(f"{size} along {dim!r}" for dim, size in zip(stack.dims, stack.shape, strict=True))
        msg = (
            f"split={split!r} leaves out one subject after the other: the data need an axis of two or more, called "
            f"'subject' or named with dim=; they hold {sizes or 'a single RDM'}."
        )
        raise ValueError(msg)
    moved = np.moveaxis(positions.reshape(stack.shape), stack.dims.index(name), 0)
    return moved.reshape(len(moved), -1)


def _redundancy(names: list[str], fit: Fit) -> str:
    if not fit.redundant:
        return ""
    which = ", ".join(repr(names[j]) for j in sorted(fit.redundant))
    return f"the weights of {which} are not unique: these models are constant or sums of one another"


def _reasons(stack: RDM, models: FloatArray, names: list[str], fit: Fit, nan_policy: NanPolicy) -> dict[str, list[str]]:
    """Return why numbers are NaN, with the names of the items or RDMs at fault."""
    rows = stack.values.reshape(-1, stack.n_pairs)
    reasons: dict[str, list[str]] = {}
    unfitted = np.isnan(fit.r2)
    if nan_policy != "omit":
        for what, missing in (("the data hold", np.isnan(rows)), ("the models hold", np.isnan(models))):
            items = items_of_pairs(np.asarray(missing.any(axis=0)), stack.n_items)
            reasons[f"{what} NaN (nan_policy='omit' leaves those pairs out) for"] = name_items(stack.labels, items)
        unfitted &= ~np.isnan(rows).any(axis=1) & ~np.isnan(models).any()
    few = unfitted & np.isnan(fit.intercept)
    reasons[f"too few item pairs are left to fit {len(names)} model(s) to"] = name_rdms(stack, np.flatnonzero(few))
    constant = name_rdms(stack, np.flatnonzero(unfitted & ~few))
    reasons["there is no variance to explain in"] = constant
    return reasons
