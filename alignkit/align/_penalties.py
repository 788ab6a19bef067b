"""What holds a teacher to the features it starts from: penalties on its weights, and gLocal's local term."""

from __future__ import annotations

from typing import Literal

import numpy as np

from alignkit._threads import each
from alignkit._typing import FloatArray
from alignkit.align._maps import scale_of

Regulariser = Literal["global", "naive", "glocal"]
#: Rows of the local term's matrices that are handled at once.
_ROWS = 256


def weight_penalty(weights: FloatArray, reference: FloatArray, regulariser: str) -> tuple[float, FloatArray]:
    """Return the penalty on W at weight 1, and its gradient.

    ``naive``: the Frobenius norm, not squared; otherwise the squared distance from the nearest multiple of the
    reference.
    """
    if regulariser == "naive":
        norm = float(np.linalg.norm(weights))
        return norm, weights / norm if norm else np.zeros_like(weights)
    difference = weights - scale_of(weights, reference) * reference
    # the multiple moves with W, but to first order that changes nothing: it is the nearest
    return float(np.vdot(difference, difference)), 2.0 * difference


class LocalTerm:
    """gLocal's local term: whether neighbours stay neighbours, as the mean cross-entropy of P and Q.

    P_ij is the softmax over j ≠ i of cos(x_i, x_j) / τ in the features, Q_ij the same in the transformed ones.

    Parameters
    ----------
    x : ndarray, shape (items, channels)
        Standardised features.
    tau : float
        Temperature of both.
    """

    def __init__(self, x: FloatArray, tau: float) -> None:
        self.x, self._tau = x, tau
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        self._wanted = np.empty((len(x), len(x)))

        def fill(start: int) -> None:
            self._wanted[start : start + _ROWS] = np.exp(self._log_shares(unit, start))

        each(fill, range(0, len(x), _ROWS))

    def __call__(self, y: FloatArray, /) -> tuple[float, FloatArray]:
        """Return the term and its gradient from transformed features, shape (items, dims)."""
        size = np.linalg.norm(y, axis=1, keepdims=True)
        unit = y / size
        n = len(y)
        slopes = np.empty((n, n))  # of the cosines

        def task(start: int) -> float:
            logs, wanted = self._log_shares(unit, start), self._wanted[start : start + _ROWS]
            off = wanted > 0.0  # the diagonal takes no part; elsewhere 0 means underflow
            slopes[start : start + _ROWS] = (np.exp(logs) - wanted) / (n * self._tau)
            return -float(np.sum(wanted[off] * logs[off]))

        value = float(np.sum(each(task, range(0, n, _ROWS)))) / n
        gradient = np.empty_like(y)

        def rows(start: int) -> None:
            part = np.s_[start : start + _ROWS]
            along = slopes[part] @ unit + slopes[:, part].T @ unit
            along -= unit[part] * np.einsum("ij,ij->i", unit[part], along)[:, None]
            gradient[part] = along / size[part]

        each(rows, range(0, n, _ROWS))
        return value, gradient

    def _log_shares(self, unit: FloatArray, start: int) -> FloatArray:
        logits = unit[start : start + _ROWS] @ unit.T / self._tau
        logits[np.arange(len(logits)), np.arange(start, start + len(logits))] = -np.inf
        logits -= logits.max(axis=1, keepdims=True)
        with np.errstate(under="ignore"):
            logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return logits
