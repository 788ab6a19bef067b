"""Power of t tests, and the noncentrality that a power needs."""

from __future__ import annotations

import numpy as np

from alignkit._typing import AnyArray, FloatArray

#: Bisections of the noncentrality: the last interval is below 1e-9.
_BISECTIONS = 48
#: Above this noncentrality every level that is asked for in earnest is reached for certain.
_CERTAIN = 60.0
#: Points of integration: six digits.
_NODES = 200


def t_power(noncentrality: AnyArray, df: AnyArray, alpha: float, *, two_sided: bool) -> FloatArray:
    """Return the probability that a t test rejects; NaN where the noncentrality is. One-sided tests look upwards."""
    from scipy.stats import nct
    from scipy.stats import t as student

    delta, df = np.broadcast_arrays(np.asarray(noncentrality, dtype=np.float64), np.asarray(df, dtype=np.float64))
    delta = np.abs(delta) if two_sided else delta
    limit = student.isf(alpha / 2 if two_sided else alpha, df)
    inner = np.clip(delta, -_CERTAIN, _CERTAIN)
    with np.errstate(all="ignore"):
        power = np.array(nct.sf(limit, df, inner) + (nct.cdf(-limit, df, inner) if two_sided else 0.0))
    lost = ~np.isfinite(power) & ~np.isnan(inner)
    if lost.any():  # far out scipy's series gives up
        power[lost] = _integrated(limit[lost], df[lost], inner[lost])
    return np.asarray(np.where(np.isnan(delta), np.nan, np.clip(power, 0.0, 1.0)))


def _integrated(limit: FloatArray, df: FloatArray, noncentrality: FloatArray) -> FloatArray:
    """Return the probability of t above ``limit``, integrated over the quantiles of the variance."""
    from scipy.special import chdtri, ndtr

    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    ratio = np.sqrt(chdtri(df[:, None], (1 - nodes) / 2) / df[:, None])
    found: FloatArray = ndtr(noncentrality[:, None] - limit[:, None] * ratio) @ (weights / 2)
    return found


def needed_noncentrality(df: AnyArray, alpha: float, target: float, *, two_sided: bool) -> FloatArray:
    """Return the smallest noncentrality with which a t test has the power ``target``, at least 0; NaN for none."""
    df = np.asarray(df, dtype=np.float64)
    low, high = np.zeros(df.shape), np.full(df.shape, _CERTAIN)
    reachable = t_power(high, df, alpha, two_sided=two_sided) >= target
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        enough = t_power(middle, df, alpha, two_sided=two_sided) >= target
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(reachable, high, np.nan)


def wilson(successes: AnyArray, n: int, confidence: float) -> FloatArray:
    """Return Wilson's interval of a share, shape (2, ...)."""
    from scipy.stats import norm

    z = float(norm.isf((1 - confidence) / 2))
    share = np.asarray(successes, dtype=np.float64) / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # rounding alone could leave out a share of 0 or 1
    return np.stack([np.minimum(middle - reach, share).clip(0.0), np.maximum(middle + reach, share).clip(max=1.0)])
