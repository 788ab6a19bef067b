"""The variance of a score over new subjects and new items at once, from three bootstraps."""

from __future__ import annotations

import numpy as np

from alignkit._check import as_float_array, check_count
from alignkit._typing import FloatArray


def dual_variance(
    both: object,
    subjects: object,
    items: object,
    /,
    *,
    n_subjects: int | None = None,
    n_items: int | None = None,
) -> FloatArray:
    r"""Combine the variances of three bootstraps: over subjects and items together, over subjects, over items.

    A bootstrap over both at once overestimates the variance of a score for new subjects and new items, because the
    noise of each single measurement enters with both. With V the variances of the three,

    .. math::
        \frac{S}{S-1} V_S + \frac{N}{N-1} V_N - \frac{S N}{(S-1)(N-1)} (V_{SN} - V_S - V_N),

    never below the first two terms by themselves and never above :math:`V_{SN}`. Without the numbers S and N their
    ratios are 1. Equals rsatoolbox's ``eval_dual_bootstrap``.

    Parameters
    ----------
    both, subjects, items : array_like, shape (...)
        Variances of the score (or of a difference of scores) over the resamples of subjects and items, of subjects
        alone, and of items alone.
    n_subjects, n_items : int, optional
        S and N, at least 2; both or neither.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    ValueError
        No variances, variances of different shapes or below zero, or one of the numbers without the other.
    TypeError
        Variances that are not real numbers, or numbers that are not whole.

    References
    ----------
    Schuett et al. (2023), doi:10.7554/eLife.82566.

    Examples
    --------
    >>> float(dual_variance(0.035, 0.02, 0.01, n_subjects=5, n_items=11).round(4))
    0.0291
    """
    v_both, v_subjects, v_items = (
        _as_variance(name, value) for name, value in (("both", both), ("subjects", subjects), ("items", items))
    )
    if not v_both.shape == v_subjects.shape == v_items.shape:
        msg = f"the variances must have one shape; got {v_both.shape}, {v_subjects.shape} and {v_items.shape}."
        raise ValueError(msg)
    if (n_subjects is None) != (n_items is None):
        msg = "n_subjects and n_items correct together; give both or neither."
        raise ValueError(msg)
    s, n = _ratio("n_subjects", n_subjects), _ratio("n_items", n_items)
    combined = s * v_subjects + n * v_items - s * n * (v_both - v_subjects - v_items)
    least = np.maximum(s * v_subjects, n * v_items)
    return np.asarray(np.minimum(np.maximum(combined, least), v_both))


def _as_variance(name: str, value: object) -> FloatArray:
    variance = as_float_array(name, value)
    if variance.size == 0:
        msg = f"{name} is empty; give the variance of at least one score."
        raise ValueError(msg)
    if (variance < 0).any():
        msg = f"{name} must hold variances, which are not negative; got {float(variance.min()):.3g}."
        raise ValueError(msg)
    return variance


def _ratio(name: str, number: int | None) -> float:
    if number is None:
        return 1.0
    check_count(name, number, 2)
    return number / (number - 1)
