"""Costs, hits and temperatures of answers among two or three, the right one last."""

from __future__ import annotations

import numpy as np

from alignkit._typing import FloatArray
from alignkit.rsa._choice_probabilities import log_softmax, softmax
from alignkit.rsa._odd_one_out import TIE_TOLERANCE

#: Temperatures searched: this factor below and above the typical difference of similarities.
_REACH = 1e3


def best_temperature(logits: FloatArray, target: FloatArray | None = None, /) -> float:
    """Return the temperature of least mean cross-entropy.

    Parameters
    ----------
    logits : ndarray, shape (k, n)
        Similarities that speak for each of k answers.
    target : ndarray, shape (k, n), optional
        Probabilities of the answers; by default the last one was given.

    Returns
    -------
    float
        1 where all similarities are equal; the end of what is searched where they say nothing.
    """
    from scipy.optimize import minimize_scalar

    gaps = logits - logits[-1]
    scale = float(np.sqrt((gaps[:-1] ** 2).mean()))
    if scale == 0.0:
        return 1.0
    gaps /= scale
    wanted = 0.0 if target is None else float((target * gaps).sum(axis=0).mean())

    def cost(log_temperature: float) -> float:
        factor = float(np.exp(-log_temperature))
        scaled = gaps * factor
        top = scaled.max(axis=0)
        with np.errstate(under="ignore"):
            return float((top + np.log(np.exp(scaled - top).sum(axis=0))).mean()) - wanted * factor

    reach = np.log(_REACH)
    found = minimize_scalar(cost, bounds=(-reach, reach), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x) * scale)


def costs(logits: FloatArray, /) -> FloatArray:
    """Return -log p of the last answer, shape (n,)."""
    return -log_softmax(logits)[-1]


def hits(logits: FloatArray, /) -> FloatArray:
    """Return the credit for each last answer: 1 where it is the most similar, shared equally among ties."""
    top = logits.max(axis=0)
    tied = logits >= top - TIE_TOLERANCE * np.abs(logits).max(axis=0)
    credit: FloatArray = tied[-1] / tied.sum(axis=0)
    return credit


def calibration_error(logits: FloatArray, n_bins: int = 10, /) -> float:
    """Return Σ_b (n_b / n) |mean confidence - accuracy| over equal-width bins of the largest probability."""
    confidence, credit = softmax(logits).max(axis=0), hits(logits)
    place = np.clip(np.ceil(confidence * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    gaps = np.bincount(place, weights=confidence - credit, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(credit))
