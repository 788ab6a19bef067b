"""Bayes factors of t values with a Cauchy prior on the effect size, by quadrature."""

from __future__ import annotations

import numpy as np

from alignkit._typing import FloatArray

#: Nodes of the quadratures over the effect and over the spread.
_EFFECTS, _SPREADS = 192, 48
#: Standard deviations that an integrand is followed to either side.
_REACH = 12.0
#: t values at a time.
_TOGETHER = 32


def log_bayes_factor(t: FloatArray, n: int, scale: float, low: float, high: float) -> FloatArray:
    """Return log BF10 of one-sample t values of ``n`` subjects, for effect sizes between ``low`` and ``high``."""
    prior = np.arctan(high / scale) - np.arctan(low / scale)
    blocks = [_block(t[i : i + _TOGETHER], n, scale, low, high) for i in range(0, len(t), _TOGETHER)]
    return np.concatenate([np.zeros(0), *blocks]) - np.log(prior)


def _block(t: FloatArray, n: int, scale: float, low: float, high: float) -> FloatArray:
    """Return the log of the integral of the likelihood ratio times the prior, but for the prior's norm.

    It runs over the noncentrality, delta times the root of n, where the likelihood is, as ``wide`` times the sine
    hyperbolic of a new variable: that resolves the prior's peak beside a far wider likelihood.
    """
    wide, nu = np.sqrt(n) * scale, n - 1
    first, last = _range(t, _REACH * np.sqrt(1 + t * t / nu), np.sqrt(n) * low, np.sqrt(n) * high)
    start, stop = np.arcsinh(first / wide), np.arcsinh(last / wide)
    nodes, weights = np.polynomial.legendre.leggauss(_EFFECTS)
    half = (stop - start)[:, None] / 2
    place = (start + stop)[:, None] / 2 + half * nodes
    # the prior's density times the growth of the noncentrality is 1 / cosh
    logs = _log_ratio(wide * np.sinh(place), t[:, None], nu) - np.log(np.cosh(place))
    top = logs.max(axis=1, keepdims=True)
    return np.asarray(top[:, 0] + np.log((np.exp(logs - top) * weights * half).sum(axis=1)))


def _range(t: FloatArray, reach: FloatArray, low: float, high: float) -> tuple[FloatArray, FloatArray]:
    """Return where to integrate: around t, or from the bound that is nearer to it."""
    first = np.where(high < t - reach, np.maximum(low, high - reach), np.maximum(low, t - reach))
    last = np.where(low > t + reach, np.minimum(high, low + reach), np.minimum(high, t + reach))
    return first, last


def _log_ratio(shift: FloatArray, t: FloatArray, nu: int) -> FloatArray:
    """Return the log density of the noncentral t over that of the central one, at ``t``.

    With w a chi variable of nu + 1 degrees of freedom it is the log of E[exp(a w)] exp(-shift^2 / 2), where a =
    shift t / sqrt(nu + t^2). The integrand over w has one maximum, and is no wider than a normal one.
    """
    from scipy.special import gammaln

    a = shift * t / np.sqrt(nu + t * t)
    # the product of both roots of peak ** 2 - a * peak = nu is -nu: the one that is a sum of sizes gives the other
    larger = (np.abs(a) + np.sqrt(a * a + 4 * nu)) / 2
    peak = np.where(a < 0, nu / larger, larger)
    width = _REACH / np.sqrt(1 + nu / np.square(peak))
    first, last = -np.minimum(width, peak), width
    nodes, weights = np.polynomial.legendre.leggauss(_SPREADS)
    half = ((last - first) / 2)[..., None]
    from_peak = ((first + last) / 2)[..., None] + half * nodes
    # the square of w - a, since a and the shift are all but the same where t is large, and their squares huge
    logs = nu * np.log(peak[..., None] + from_peak) - np.square(from_peak + (nu / peak)[..., None]) / 2
    top = logs.max(axis=-1, keepdims=True)
    total = top[..., 0] + np.log((np.exp(logs - top) * weights * half).sum(axis=-1))
    norm = (nu - 1) / 2 * np.log(2) + gammaln((nu + 1) / 2)
    return np.asarray(total - norm - shift * shift * nu / (2 * (nu + t * t)))
