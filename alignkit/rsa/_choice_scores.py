"""How well probabilities of the three answers fit what people answered: numbers in nats."""

from __future__ import annotations

import numpy as np

from alignkit._check import as_array, as_float_array, check_count
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._human_distribution import HumanDistribution

#: Two probabilities this close are one: which of them is the larger is rounding.
_TIE = 1e-12


def cross_entropy(probabilities: object, /, target: object = None) -> float:
    """Return the mean of -Σ_k target_k log p_k, in nats; guessing gives ln 3 = 1.099.

    Parameters
    ----------
    probabilities : array_like, shape (n, 3)
        Rows sum to 1.
    target : array_like, optional
        What people chose: positions 0, 1, 2, shape (n,), or probabilities, shape (n, 3). Default: the last column,
        alignkit's place for the odd one out.

    Returns
    -------
    float
        Infinite when a chosen answer has probability 0; NaN when any row is NaN.

    Raises
    ------
    ValueError
        Rows that are not probabilities, or a target of another length.

    Examples
    --------
    >>> round(cross_entropy([[0.2, 0.3, 0.5], [0.25, 0.25, 0.5]]), 4)
    0.6931
    """
    p = as_probabilities("probabilities", probabilities)
    if target is None:
        return float(_negative_log(p[:, 2]).mean())
    wanted = as_array("target", target)
    if wanted.ndim == 1:
        return float(_negative_log(p[np.arange(len(p)), _as_positions(wanted, len(p))]).mean())
    return float(_weighted(as_probabilities("target", target, len(p)), _negative_log(p)).mean())


def kl_divergence(human: object, model: object, /) -> float:
    """Return the mean over triplets of KL(human || model) = Σ_k h_k log(h_k / p_k), in nats.

    Parameters
    ----------
    human : HumanDistribution or array_like, shape (n, 3)
        Human answer probabilities.
    model : array_like, shape (n, 3)
        The model's, for the same triplets in the same order and columns
        (``choice_probabilities(x, human)`` gives them).

    Returns
    -------
    float
        At least 0; infinite when people gave an answer the model excludes. Probabilities of few answers scatter, so
        that even the true distribution has a divergence of about 1/(answers per triplet) nats.

    Raises
    ------
    ValueError
        Rows that are not probabilities, or different lengths.

    Examples
    --------
    >>> round(kl_divergence([[0.5, 0.5, 0.0]], [[0.25, 0.25, 0.5]]), 4)
    0.6931
    """
    h = as_probabilities("human", human)
    p = as_probabilities("model", model, len(h))
    return float((_weighted(h, _negative_log(p)) - choice_entropy(h)).mean())


def choice_entropy(probabilities: object, /) -> FloatArray:
    """Return the entropy -Σ_k p_k log p_k of every triplet's answers, in nats (0 to ln 3).

    Parameters
    ----------
    probabilities : HumanDistribution or array_like, shape (n, 3)
        Rows sum to 1.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    ValueError
        Rows that are not probabilities.

    Examples
    --------
    >>> choice_entropy([[1, 0, 0], [0.5, 0.5, 0]]).round(4)
    array([0.    , 0.6931])
    """
    p = as_probabilities("probabilities", probabilities)
    return _weighted(p, _negative_log(p))


def expected_calibration_error(probabilities: object, chosen: object = None, /, *, n_bins: int = 10) -> float:
    """Return how far confidence is from accuracy: ``Σ_b (n_b / n) |mean confidence - accuracy|`` over equal-width bins.

    Parameters
    ----------
    probabilities : array_like, shape (n, 3)
        Rows sum to 1; the largest of a row is its confidence.
    chosen : array_like of int, shape (n,), optional
        Positions that people chose. Default: the last column.
    n_bins : int
        Bins of equal width on (0, 1], closed on the right.

    Returns
    -------
    float
        Between 0 and 1; NaN when any row is NaN.

    Raises
    ------
    ValueError
        Rows that are not probabilities, or positions of another length.

    References
    ----------
    Naeini, Cooper & Hauskrecht (2015), AAAI 29. https://doi.org/10.1609/aaai.v29i1.9602

    Examples
    --------
    >>> round(expected_calibration_error([[0.1, 0.2, 0.7], [0.1, 0.2, 0.7]]), 4)
    0.3
    """
    p = as_probabilities("probabilities", probabilities)
    positions = np.full(len(p), 2) if chosen is None else _as_positions(as_array("chosen", chosen), len(p))
    confidence, accuracy, share = reliability_bins(p, positions, check_count("n_bins", n_bins, 1))
    used = share > 0
    return float((share[used] * np.abs(confidence[used] - accuracy[used])).sum()) if used.any() else float("nan")


def reliability_bins(p: FloatArray, chosen: IntArray, n_bins: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean confidence, accuracy (NaN in empty bins) and share of the rows of every bin; none for NaN rows."""
    empty = np.full(n_bins, np.nan)
    if not len(p) or np.isnan(p).any():
        return empty, empty.copy(), np.zeros(n_bins)
    top = p.max(axis=1)
    best = p >= top[:, None] - _TIE
    right = best[np.arange(len(p)), chosen] / best.sum(axis=1)
    place = np.clip(np.ceil(top * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    counts = np.bincount(place, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(place, weights=top, minlength=n_bins) / counts
        accuracy = np.bincount(place, weights=right, minlength=n_bins) / counts
    return confidence, accuracy, counts / len(p)


def as_probabilities(name: str, values: object, n: int | None = None) -> FloatArray:
    """Return an (n, 3) array of probabilities, or raise; rows of NaN pass."""
    if isinstance(values, HumanDistribution):
        values = values.probabilities
    array = as_float_array(name, values, ndim=2)
    if array.shape[1] != 3 or not len(array) or (n is not None and len(array) != n):
        msg = f"{name} must have shape ({'n' if n is None else n}, 3), one probability per position; got {array.shape}."
        raise ValueError(msg)
    undefined = np.asarray(np.isnan(array).all(axis=1))  # as choice_probabilities gives them
    if not np.all((array >= 0) | undefined[:, None]) or (np.abs(array.sum(axis=1) - 1.0) > 1e-6).any():
        msg = f"{name} must hold rows of probabilities: none negative, each row summing to 1."
        raise ValueError(msg)
    return array


def _as_positions(positions: IntArray, n: int) -> IntArray:
    if positions.shape != (n,) or positions.dtype.kind not in "iu" or not np.isin(positions, (0, 1, 2)).all():
        msg = (
            f"the chosen positions must be {n} whole numbers 0, 1 or 2; got dtype {positions.dtype}, {positions.shape}."
        )
        raise ValueError(msg)
    return positions


def _negative_log(p: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        return -np.log(p)


def _weighted(weights: FloatArray, costs: FloatArray) -> FloatArray:
    """Return Σ_k weight · cost, where an impossible answer (weight 0) costs nothing however improbable."""
    return np.where(weights == 0, 0.0, weights * np.where(weights == 0, 0.0, costs)).sum(axis=1)
