"""Losses on dissimilarities over time: their correlation with measured ones, their size, and how they generalise.

Every one compares a whole batch of items at once, by the kernels of :mod:`alignkit.rsa`. Pairs that are NaN on either
side at a time do not count there.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from alignkit._check import check_choice
from alignkit.rsa._arrays import precision_of
from alignkit.rsa._condensed import upper_triangle
from alignkit.rsa._dissimilarities import angular_of_tensor, squares_of_tensor

Metric = Literal["correlation", "sqeuclidean"]

# Axes: B items, T times, D dimensions, P pairs of items (the upper triangle, row by row).


def rdms_over_time(embedding_BTD: Tensor, /, metric: Metric = "correlation") -> Tensor:
    r"""Return the dissimilarities of all pairs of items at every time.

    Parameters
    ----------
    embedding_BTD : Tensor, shape (items, times, dimensions)
        What a model gives, on the scale from 0 to 100.
    metric : {"correlation", "sqeuclidean"}
        :math:`1 - r` with Pearson's r over dimensions; or the mean over dimensions of squared differences on a scale
        from 0 to 1, which is what cross-validated distances estimate.

    Returns
    -------
    Tensor, shape (times, pairs)
        NaN where an item has the same value in all dimensions (all 0, say) and no correlation; such pairs get no
        gradient.

    Raises
    ------
    ValueError
        Other axes, fewer than two items, fewer than two dimensions, or another metric.

    Examples
    --------
    >>> x = torch.tensor([[[0.0, 10.0, 20.0]], [[0.0, 20.0, 40.0]], [[20.0, 10.0, 0.0]]])
    >>> rdms_over_time(x).round(decimals=6).tolist()
    [[0.0, 2.0, 2.0]]
    >>> (1e4 * rdms_over_time(x, "sqeuclidean")).round().tolist()
    [[167.0, 267.0, 700.0]]
    """
    if embedding_BTD.ndim != 3 or len(embedding_BTD) < 2 or embedding_BTD.shape[2] < 2:
        msg = (
            "embedding must have shape (items, times, dimensions) with at least 2 items and 2 dimensions; got "
            f"{tuple(embedding_BTD.shape)}."
        )
        raise ValueError(msg)
    check_choice("metric", metric, get_args(Metric))
    x_TBD = embedding_BTD.transpose(0, 1)
    if metric == "sqeuclidean":
        return squares_of_tensor(x_TBD / 100, dtype=precision_of(x_TBD)) / x_TBD.shape[2]
    values_TP, constant_TB = angular_of_tensor(x_TBD, centred=True, dtype=precision_of(x_TBD))
    undefined_TP = upper_triangle(constant_TB[:, :, None] | constant_TB[:, None, :])
    # what stands there has no gradient already, so that the others' stay numbers
    return torch.where(undefined_TP, torch.full_like(values_TP, torch.nan), values_TP)


def over_all_loss(rdms_TP: Tensor, target_TP: Tensor, /) -> Tensor:
    r"""Return :math:`1 - r` over all times and pairs at once, which mixes how much there is when with which pairs.

    Parameters
    ----------
    rdms_TP, target_TP : Tensor, shape (times, pairs)
        The model's, and what was measured.

    Returns
    -------
    Tensor, scalar
        NaN where fewer than three values count, or either side does not vary.
    """
    used = _both(rdms_TP, target_TP)
    return 1 - _correlation(rdms_TP.flatten(), target_TP.flatten(), used.flatten())


def each_time_loss(rdms_TP: Tensor, target_TP: Tensor, /) -> Tensor:
    r"""Return the mean over times of :math:`1 - r` over pairs; times at which r is undefined do not count.

    Parameters and return value are those of :func:`over_all_loss`.
    """
    used = _both(rdms_TP, target_TP)
    r_T = _correlation(rdms_TP, target_TP, used)
    defined = ~torch.isnan(r_T)
    return 1 - torch.where(defined, r_T, torch.zeros_like(r_T)).sum() / defined.sum()


def size_loss(rdms_TP: Tensor, target_TP: Tensor, /) -> Tensor:
    """Return the mean over times of the mean squared difference of pairs.

    Parameters and return value are those of :func:`over_all_loss`; NaN where no pair counts at any time.
    """
    used = _both(rdms_TP, target_TP)
    squares = torch.where(used, rdms_TP - target_TP, torch.zeros_like(rdms_TP)).square().sum(dim=1)
    count = used.sum(dim=1)
    return (squares[count > 0] / count[count > 0]).mean()


def generalization_loss(rdms_TP: Tensor, target_TP: Tensor, /) -> Tensor:
    r"""Return :math:`1 - r` between the generalisation curves of both sides.

    Parameters and return value are those of :func:`over_all_loss`; one or two times have no such correlation: NaN.
    Neither has a curve that differs by rounding alone, as that of a model which is the same at all times.
    """
    used = _both(rdms_TP, target_TP)
    mine_T, theirs_T = (generalization_curve(torch.where(used, x, torch.nan)) for x in (rdms_TP, target_TP))
    both_T = ~(torch.isnan(mine_T) | torch.isnan(theirs_T))
    loss = 1 - _correlation(mine_T, theirs_T, both_T)
    flat = [_is_flat(curve_T[both_T]) for curve_T in (mine_T, theirs_T)]
    return torch.where(torch.stack(flat).any(), torch.full_like(loss, torch.nan), loss)


def generalization_curve(rdms_TP: Tensor, /) -> Tensor:
    """Return how alike the RDM of each time is to those of all times: the mean of its correlations with them.

    Parameters
    ----------
    rdms_TP : Tensor, shape (times, pairs)
        Pairs that are NaN at a time do not count there.

    Returns
    -------
    Tensor, shape (times,)
        The correlation of a time with itself, 1, is among those averaged; one time alone gives 1. NaN for a time of
        which fewer than three pairs count, or none differ.
    """
    used_TP = ~torch.isnan(rdms_TP)
    zero = torch.zeros((), dtype=rdms_TP.dtype, device=rdms_TP.device)
    count_T1 = used_TP.sum(dim=1, keepdim=True).clamp(min=1)
    x_TP = torch.where(used_TP, rdms_TP, zero)
    x_TP = torch.where(used_TP, x_TP - x_TP.sum(dim=1, keepdim=True) / count_T1, zero)
    both_TT = used_TP.to(x_TP.dtype) @ used_TP.T.to(x_TP.dtype)
    # sums over the pairs that both times have, of the time in the row
    sum_TT, square_TT = (values @ used_TP.T.to(x_TP.dtype) for values in (x_TP, x_TP**2))
    n_TT = both_TT.clamp(min=1)
    covariance = x_TP @ x_TP.T - sum_TT * sum_TT.T / n_TT
    variance = square_TT - sum_TT**2 / n_TT
    product = variance * variance.T
    defined = (both_TT >= 3) & (product > 0)
    r_TT = torch.where(defined, covariance, zero) / torch.where(defined, product, torch.ones_like(product)).sqrt()
    n_defined = defined.sum(dim=1)
    return torch.where(n_defined > 0, r_TT.sum(dim=1) / n_defined.clamp(min=1), torch.nan)


def _is_flat(curve_T: Tensor) -> Tensor:
    """Return whether a curve of correlations differs by no more than these are rounded."""
    if not len(curve_T):
        return torch.ones((), dtype=torch.bool, device=curve_T.device)
    return curve_T.max() - curve_T.min() < 64 * torch.finfo(curve_T.dtype).eps


def _both(rdms: Tensor, target: Tensor) -> Tensor:
    """Return which values are numbers on both sides."""
    if rdms.ndim != 2 or rdms.shape != target.shape:
        msg = f"both must have shape (times, pairs), the same; got {tuple(rdms.shape)} and {tuple(target.shape)}."
        raise ValueError(msg)
    return ~(torch.isnan(rdms) | torch.isnan(target))


def _correlation(x: Tensor, y: Tensor, used: Tensor) -> Tensor:
    """Return Pearson's r over the last axis, of what is used; NaN where that does not vary or is too little."""
    count = used.sum(dim=-1, keepdim=True)
    first, second = (_centred(values, used, count) for values in (x, y))
    product = (first * second).sum(dim=-1)
    norms = first.norm(dim=-1) * second.norm(dim=-1)
    undefined = (norms == 0) | (count.squeeze(-1) < 3)
    r = product / torch.where(undefined, torch.ones_like(norms), norms)
    return torch.where(undefined, torch.full_like(r, torch.nan), r)


def _centred(values: Tensor, used: Tensor, count: Tensor) -> Tensor:
    zero = torch.zeros_like(values)
    kept = torch.where(used, values, zero)
    return torch.where(used, kept - kept.sum(dim=-1, keepdim=True) / count.clamp(min=1), zero)
