"""Power of sign-flip tests of few subjects, which have too few flips to be as powerful as t tests."""

from __future__ import annotations

import functools

import numpy as np

from alignkit._typing import AnyArray, FloatArray

#: Up to so many subjects power is simulated; more have that of the t test, within two hundredths or so.
MOST = 10
#: Normal samples that it is simulated with, always the same, and the effects in standard deviations in between which
#: it is interpolated.
_SAMPLES, _EFFECTS = 4000, np.linspace(-1.0, 5.0, 61)


def flip_power(effect: AnyArray, n_subjects: int, alpha: float, *, two_sided: bool) -> FloatArray:
    """Return the share of samples of up to ten normal scores with which a sign-flip test rejects.

    Parameters
    ----------
    effect : ndarray
        Means in standard deviations of single scores; NaN gives NaN. One-sided tests look upwards.
    n_subjects : int
        Scores, at most :data:`MOST`.
    alpha : float
        Level.
    two_sided : bool
        Whether large negative means are found as well.
    """
    effect = np.abs(effect) if two_sided else np.asarray(effect, dtype=np.float64)
    power = np.interp(effect, _EFFECTS, _curve(n_subjects, alpha, two_sided))
    return np.where(np.isnan(effect), np.nan, power)


def every_sign(n: int) -> FloatArray:
    """Return all patterns of signs, shape (n, 2^n), the one without a flip first."""
    return np.where((np.arange(2**n) >> np.arange(n)[:, None]) & 1, -1.0, 1.0)


@functools.lru_cache(maxsize=64)
def _curve(n: int, alpha: float, two_sided: bool) -> FloatArray:
    """Return the power at each of the effects."""
    if 2.0 ** (two_sided - n) > alpha:
        return np.zeros(len(_EFFECTS))
    samples = np.random.default_rng(n).standard_normal((_SAMPLES, n))
    signs = every_sign(n)
    flipped, moved = samples @ signs, signs.sum(axis=0)
    found = np.empty(len(_EFFECTS))
    for k, effect in enumerate(_EFFECTS):
        sums = flipped + effect * moved
        sums = np.abs(sums) if two_sided else sums
        extreme = (sums >= sums[:, :1] - 1e-12).sum(axis=1)
        found[k] = np.mean(extreme <= alpha * 2**n)
    return found
