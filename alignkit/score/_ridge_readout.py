"""A linear read-out of classes in closed form: ridge regression of one-hot targets, its penalty by leave-one-out."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._typing import FloatArray, IntArray

#: Penalties tried, relative to the mean variance of a channel times the number of items.
_PENALTIES = 10.0 ** np.arange(-6.0, 3.0)
#: Directions with less of the largest variance than this hold rounding alone.
_RANK = 1e-12


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RidgeReadout:
    """Weights, shape (channels, classes), and offsets of a fitted read-out."""

    weights: FloatArray
    offsets: FloatArray
    penalty: float

    @classmethod
    def fit(cls, x: FloatArray, codes: IntArray, n_classes: int) -> RidgeReadout:
        """Fit standardised features to one-hot targets; of equal errors the largest penalty is taken.

        The leave-one-out error of item i is its residual over 1 - h_i, h being the diagonal of the hat matrix (Golub,
        Heath & Wahba 1979, https://doi.org/10.1080/00401706.1979.10489751).
        """
        centre, scale = x.mean(axis=0), x.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        z = (x - centre) / scale
        targets = (codes[:, None] == np.arange(n_classes)).astype(np.float64)
        mean = targets.mean(axis=0)
        u, s, vt = _directions(z)
        projected = u.T @ (targets - mean)
        errors = [_left_out(u, s, projected, targets - mean, penalty * z.size) for penalty in _PENALTIES]
        best = len(errors) - 1 - int(np.argmin(errors[::-1]))
        penalty = float(_PENALTIES[best])
        weights = vt.T @ ((s / (s**2 + penalty * z.size))[:, None] * projected) / scale[:, None]
        return cls(weights, mean - centre @ weights, penalty)

    def predict(self, x: FloatArray) -> IntArray:
        """Return the class of each row; of equal scores the first."""
        return np.asarray((x @ self.weights + self.offsets).argmax(axis=1), dtype=np.int64)


def _directions(z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the singular value decomposition of standardised features, by way of the smaller of its Gram matrices."""
    wide = z.shape[1] > z.shape[0]
    values, vectors = np.linalg.eigh(z @ z.T if wide else z.T @ z)
    kept = values > _RANK * max(float(values[-1]), 0.0)
    s = np.sqrt(values[kept])
    if wide:
        u = vectors[:, kept]
        return u, s, (u.T @ z) / s[:, None]
    v = vectors[:, kept]
    return (z @ v) / s, s, v.T


def _left_out(u: FloatArray, s: FloatArray, projected: FloatArray, targets: FloatArray, penalty: float) -> float:
    shrunk = s**2 / (s**2 + penalty)
    residual = targets - u @ (shrunk[:, None] * projected)
    leverage = (u**2) @ shrunk + 1 / len(u)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = float(((residual / (1 - leverage)[:, None]) ** 2).mean())
    return error if np.isfinite(error) else float("inf")
