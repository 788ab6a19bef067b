r"""How likely a person's odd-one-out answers are under own weights on the dimensions, and where that is greatest.

A person p keeps i and j together, and leaves k over, with a probability that is a softmax over the three pairs of
:math:`\sum_d e^{b_p + w_{pd}} x_{id} x_{jd}`. The logarithms of the weights, w, and of the scale, b, have a Gaussian
prior around those that all people share.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray

# Axes: P people, n answers of a person (padded: weight 0), 2 rejected pairs minus the kept one, D dimensions,
# K = D + 1 parameters, the logarithm of the scale last.

_MAX_STEPS, _MAX_HALVINGS = 100, 40
#: Longest step, in logarithms: further away, what the derivatives say no longer holds.
_REACH = 2.0
#: The expected gain at which a search has arrived, in log-likelihood.
_ARRIVED = 1e-10
_SUFFICIENT = 1e-4


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Answers of several people, as many of each as the most diligent one gave.

    Parameters
    ----------
    differences : ndarray, shape (P, n, 2, D)
        Products of the two items of a rejected pair minus those of the pair that was kept.
    weight : ndarray, shape (P, n)
        1 for an answer that counts, 0 for none.
    """

    differences: FloatArray
    weight: FloatArray

    def cost(self, theta: FloatArray) -> FloatArray:
        """Return minus the log-likelihood of every person's answers, shape (P,)."""
        return (self.costs(theta) * self.weight).sum(axis=1)

    def costs(self, theta: FloatArray) -> FloatArray:
        """Return minus the log-likelihood of every answer, shape (P, n)."""
        people, n, _, dims = self.differences.shape
        values = self.differences.reshape(people, 2 * n, dims) @ _scales(theta)[:, :, None]
        logits = values.reshape(people, n, 2)
        return np.logaddexp(0.0, np.logaddexp(logits[..., 0], logits[..., 1]))

    def derivatives(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return cost, gradient and expected second derivatives, all of the data: shapes (P,), (P, K), (P, K, K)."""
        people, n, _, dims = self.differences.shape
        slopes = np.empty((people, n, 2, dims + 1))
        np.multiply(self.differences, _scales(theta)[:, None, None, :], out=slopes[..., :dims])
        logits = slopes[..., :dims].sum(axis=-1)
        slopes[..., dims] = logits
        total = np.logaddexp(0.0, np.logaddexp(logits[..., 0], logits[..., 1]))
        chosen = np.exp(logits - total[..., None])
        weighted = chosen * self.weight[..., None]
        flat = slopes.reshape(people, 2 * n, dims + 1)
        gradient = (weighted.reshape(people, 1, 2 * n) @ flat)[:, 0]
        # the covariance of the three options, of which the kept pair's logit is fixed at 0
        mean = (chosen[..., None] * slopes).sum(axis=2, keepdims=True)
        spread = (weighted[..., None] * (slopes - mean)).reshape(people, 2 * n, dims + 1)
        return (total * self.weight).sum(axis=1), gradient, np.swapaxes(flat, 1, 2) @ spread


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Where a posterior is greatest, for several people.

    Parameters
    ----------
    theta : ndarray, shape (P, K)
        Log weights, and the log scale last.
    evidence : ndarray, shape (P,)
        Log of the probability of the answers under the prior, by Laplace's method, but for a constant.
    """

    theta: FloatArray
    evidence: FloatArray


def maximise(parts: Sequence[Answers], start: FloatArray, mean: FloatArray, precision: FloatArray) -> Estimate:
    """Return the greatest posterior by Newton's steps, halved where they overshoot.

    Parameters
    ----------
    parts : sequence of Answers
        Of the same people; what they say adds up.
    start : ndarray, shape (P, K)
        Where to begin.
    mean, precision : ndarray, shape (K,)
        Of the Gaussian prior.
    """
    theta = start.copy()
    for _ in range(_MAX_STEPS):
        cost, slope, expected = _sum_derivatives(parts, theta)
        value = cost + _penalty(theta, mean, precision)
        gradient = slope + precision * (theta - mean)
        expected += np.diag(precision)
        curvature = _exact(expected, slope)
        step = _newton_step(curvature, expected, gradient)
        gain = (gradient * step).sum(axis=1)
        moving = gain > _ARRIVED
        if not moving.any():
            break
        longest = np.abs(step).max(axis=1)
        length = np.where(moving, np.minimum(1.0, _REACH / np.where(moving, longest, 1.0)), 0.0)
        theta = _descend(parts, theta, step, (value, gain, length), mean, precision)
    at_maximum = _are_positive(curvature)[:, None, None]
    log_det = np.linalg.slogdet(np.where(at_maximum, curvature, expected))[1]
    evidence = -value + 0.5 * np.log(precision).sum() - 0.5 * log_det
    return Estimate(theta, evidence)


def _exact(expected: FloatArray, slope: FloatArray) -> FloatArray:
    """Return the second derivatives; a logit's own, in log weights and log scale, are its first ones."""
    dims = slope.shape[1] - 1
    curvature = expected.copy()
    diagonal = np.arange(dims + 1)
    curvature[:, diagonal, diagonal] += slope
    curvature[:, diagonal[:-1], dims] += slope[:, :-1]
    curvature[:, dims, diagonal[:-1]] += slope[:, :-1]
    return curvature


def _newton_step(curvature: FloatArray, expected: FloatArray, gradient: FloatArray) -> FloatArray:
    """Return each person's step; where the exact derivatives bend the wrong way, that of the expected ones."""
    bent = ~_are_positive(curvature)
    used = np.where(bent[:, None, None], expected, curvature) if bent.any() else curvature
    return np.asarray(np.linalg.solve(used, gradient[:, :, None])[:, :, 0])


def _are_positive(matrices: FloatArray) -> BoolArray:
    """Return which of several symmetric matrices are positive definite, shape (P,)."""
    try:
        np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        if len(matrices) == 1:
            return np.zeros(1, dtype=bool)
        half = len(matrices) // 2
        return np.concatenate([_are_positive(matrices[:half]), _are_positive(matrices[half:])])
    return np.ones(len(matrices), dtype=bool)


def differences_of(embedding: FloatArray, items: IntArray) -> FloatArray:
    """Return products of each rejected pair minus those of the kept one, shape (..., 2, D), of items (..., 3)."""
    first, second, odd = (embedding[items[..., column]] for column in range(3))
    kept = first * second
    return np.stack([second * odd - kept, first * odd - kept], axis=-2)


def _descend(
    parts: Sequence[Answers],
    theta: FloatArray,
    step: FloatArray,
    state: tuple[FloatArray, FloatArray, FloatArray],
    mean: FloatArray,
    precision: FloatArray,
) -> FloatArray:
    """Return where each person's step leads, halved until it gains what its slope promises."""
    value, gain, length = state
    for _ in range(_MAX_HALVINGS):
        trial = theta - length[:, None] * step
        with np.errstate(over="ignore", invalid="ignore"):
            reached = sum((part.cost(trial) for part in parts), _penalty(trial, mean, precision))
            short = ~(reached <= value - _SUFFICIENT * length * gain) & (length > 0)
        if not short.any():
            return trial
        length = np.where(short, length / 2, length)
    return np.where(short[:, None], theta, trial)  # no step gains more than rounding takes


def _sum_derivatives(parts: Sequence[Answers], theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    cost, gradient, curvature = parts[0].derivatives(theta)
    for part in parts[1:]:
        more = part.derivatives(theta)
        cost, gradient, curvature = cost + more[0], gradient + more[1], curvature + more[2]
    return cost, gradient, curvature


def _penalty(theta: FloatArray, mean: FloatArray, precision: FloatArray) -> FloatArray:
    penalty: FloatArray = 0.5 * (precision * (theta - mean) ** 2).sum(axis=1)
    return penalty


def _scales(theta: FloatArray) -> FloatArray:
    """Return what each dimension's product is multiplied by, shape (P, D)."""
    scales: FloatArray = np.exp(theta[:, :-1] + theta[:, -1:])
    return scales
