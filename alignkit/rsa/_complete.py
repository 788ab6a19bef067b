"""Values for missing pairs that leave the whitened form of an RDM as it is without them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alignkit._typing import BoolArray, FloatArray
from alignkit.rsa._condensed import squareform, upper_triangle

#: Relative residual that is aimed at, and the one that is accepted when rounding stops progress before.
_AIM, _ENOUGH = 1e-14, 1e-9
#: Steps taken at most; with s missing pairs s + 1 would do in exact arithmetic.
_MAX_STEPS = 2000


def complete(pairs: FloatArray, valid: BoolArray, covariance: FloatArray, root: FloatArray) -> FloatArray:
    """Return all pairs, shape (pairs,), of one RDM of which those marked in ``valid`` are known.

    With ``V`` the covariance of all pairs and v those that are known, ``x`` solves ``V_vv x = d_v``, and ``V`` applied
    to x, zero elsewhere, is the completed RDM: ``d'V⁻¹e`` of two of them equals ``d_v'V_vv⁻¹e_v``. V is applied through
    the items' matrices, V⁻¹ (over all pairs, its part is the preconditioner) likewise: memory is O(items²).
    ``root`` is the :func:`contrast_root` of ``covariance``.

    Raises
    ------
    ValueError
        A covariance so close to singular that the iteration does not arrive.
    """
    inverse = np.linalg.inv(root)
    precision = inverse.T @ inverse

    def apply(x: FloatArray) -> FloatArray:
        return _apply_covariance(_embed(x, valid), covariance)

    def precondition(x: FloatArray) -> FloatArray:
        return _apply_inverse(_embed(x, valid), precision)[valid]

    x = _conjugate_gradients(lambda v: apply(v)[valid], precondition, pairs)
    completed = apply(x)
    # what is known stays as it is known
    completed[valid] = pairs
    return completed


def _embed(x: FloatArray, valid: BoolArray) -> FloatArray:
    full = np.zeros(valid.size)
    full[valid] = x
    square: FloatArray = squareform(full)
    return square


def _apply_covariance(square: FloatArray, covariance: FloatArray) -> FloatArray:
    """Return V times the pairs of a square: (c_p' Σ c_q)² sums to c_p' Σ L Σ c_p with L the graph's Laplacian."""
    laplacian = np.diag(square.sum(axis=0)) - square
    product = covariance @ laplacian @ covariance
    own = np.diagonal(product)
    return np.asarray(upper_triangle(own[:, None] + own - 2 * product))


def _apply_inverse(square: FloatArray, precision: FloatArray) -> FloatArray:
    """Return, but for a factor, V⁻¹ times the pairs of a square."""
    means = square.mean(axis=0)
    centred = square - means[:, None] - means + means.mean()
    product = precision @ centred @ precision
    return np.asarray(upper_triangle(product))


def _conjugate_gradients(
    apply: Callable[[FloatArray], FloatArray], precondition: Callable[[FloatArray], FloatArray], goal: FloatArray
) -> FloatArray:
    x, rest = np.zeros_like(goal), goal.copy()
    target = float(np.linalg.norm(goal))
    if target == 0.0:
        return x
    best, best_rest = x, target
    step = z = precondition(rest)
    size = rest @ z
    for _ in range(min(_MAX_STEPS, 10 * goal.size)):
        image = apply(step)
        length = size / (step @ image)
        x = x + length * step
        rest = rest - length * image
        left = float(np.linalg.norm(rest))
        if left < best_rest:
            best, best_rest = x, left
        if left <= _AIM * target:
            break
        z = precondition(rest)
        size, before = rest @ z, size
        step = z + size / before * step
    if best_rest > _ENOUGH * target:
        msg = (
            "sigma_k is so badly conditioned that single missing pairs cannot be left out exactly (a relative residual "
            f"of {best_rest / target:.1e} stays); shrink it towards its diagonal, or give variances alone."
        )
        raise ValueError(msg)
    return best
