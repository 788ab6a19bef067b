"""Bures similarity and metric: how well the configurations behind two RDMs can be rotated onto each other."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from alignkit._threads import each
from alignkit._typing import BoolArray, FloatArray
from alignkit.rsa._condensed import squareform, upper_triangle
from alignkit.rsa._rescale import rescale


@dataclasses.dataclass(frozen=True, slots=True)
class Configurations:
    """Points whose squared distances are those of RDMs."""

    points: list[FloatArray]
    """Of every RDM: shape (items, dimensions), centred, dimensions as many as the RDM has."""
    scales: FloatArray
    """Exponent of two that was taken out of every RDM's points."""
    negative: FloatArray
    """Share of the negative eigenvalues, set to zero, in the sum of all magnitudes."""


def complete_items(valid: BoolArray) -> BoolArray | None:
    """Return which items have every pair among them; None where single pairs are missing besides."""
    square = squareform(valid.astype(np.float64)) > 0
    items = np.asarray(square.any(axis=0))
    among = square[np.ix_(items, items)]
    return items if upper_triangle(among).all() else None


def configurations(rows: Any) -> Configurations:
    """Return the configurations of complete RDMs: ``-HDH/2 = F F'`` with its negative eigenvalues set to zero."""
    scaled, exponents = rescale(rows.astype(np.float64, copy=False), -1)
    # points scale with the root of squared distances: an even power has one
    odd = exponents[:, 0] % 2
    found = each(_points, list(np.ldexp(scaled, odd[:, None])))
    return Configurations(
        [points for points, _ in found], (exponents[:, 0] - odd) / 2, np.array([share for _, share in found])
    )


def _points(row: FloatArray) -> tuple[FloatArray, float]:
    square = squareform(row)
    means = square.mean(axis=0)
    second_moments = -0.5 * (square - means[:, None] - means + means.mean())
    values, vectors = np.linalg.eigh(second_moments)
    magnitude = np.abs(values)
    # below this an eigenvalue is rounding, whose root would be 1e8 times larger
    limit = len(square) * np.finfo(np.float64).eps * magnitude.max()
    kept = values > limit
    negative = -values[values < -limit].sum()
    share = float(negative / magnitude.sum()) if negative else 0.0
    return vectors[:, kept] * np.sqrt(values[kept]), share


def bures_product(a: Configurations, b: Configurations, *, metric: bool) -> FloatArray:
    """Return the (a, b) Bures similarities or, where ``metric``, distances.

    The fidelity ``tr √(A^½ B A^½)`` is the sum of the singular values of ``F_a'F_b``.
    """
    size_a, size_b = (np.array([np.square(points).sum() for points in x.points]) for x in (a, b))
    pairs = [(x, y) for x in a.points for y in b.points]
    fidelity = np.array(each(_nuclear_norm, pairs)).reshape(len(a.points), len(b.points))
    if not metric:
        with np.errstate(invalid="ignore"):  # RDMs without any extent
            return np.asarray(np.clip(fidelity / np.sqrt(size_a)[:, None] / np.sqrt(size_b), 0.0, 1.0))
    own, other = np.exp2(a.scales)[:, None], np.exp2(b.scales)
    squared = size_a[:, None] * own**2 + size_b * other**2 - 2 * fidelity * own * other
    # rounding alone can leave less than zero
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))


def _nuclear_norm(pair: tuple[FloatArray, FloatArray]) -> float:
    product = pair[0].T @ pair[1]
    return float(np.linalg.svd(product, compute_uv=False).sum()) if product.size else 0.0
