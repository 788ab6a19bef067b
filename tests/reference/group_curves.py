"""Curves of a simulated group whose onset and peak are known."""

from __future__ import annotations

import numpy as np

TIMES = np.arange(-20, 121) * 0.005
ONSET, PEAK = 0.08, 0.15
#: Seconds by which people's onsets and peaks spread (standard deviations), and in which energy decays after the peak.
SPREAD_ONSET, SPREAD_PEAK, DECAY = 0.010, 0.012, 0.2
#: Similarity at the peak, its spread between people, the noise of a person's curve and its autocorrelation.
HEIGHT, SPREAD_HEIGHT, NOISE, AUTOCORRELATION = 0.2, 0.05, 0.03, 0.8


#: Flanks: what the share of the way from onset to peak becomes.
FLANKS = {
    "straight": lambda way: way,
    "half cosine": lambda way: 0.5 - 0.5 * np.cos(np.pi * way),
    "square root": np.sqrt,
    "step": lambda way: (way > 0).astype(np.float64),
}


def noiseless(rng: np.random.Generator, n_subjects: int, spread: float = 1.0, flank: str = "straight") -> np.ndarray:
    """Return curves that rise from each person's onset to the peak and then decay, shape (subject, time)."""
    onset = ONSET + spread * SPREAD_ONSET * rng.standard_normal(n_subjects)
    peak = np.maximum(PEAK + spread * SPREAD_PEAK * rng.standard_normal(n_subjects), onset + 0.02)
    height = np.maximum(0.03, HEIGHT + SPREAD_HEIGHT * rng.standard_normal(n_subjects))
    onset, peak, height = onset[:, None], peak[:, None], height[:, None]
    rise = np.clip((TIMES - onset) / (peak - onset), 0.0, 1.0)
    return height * np.where(peak >= TIMES, FLANKS[flank](rise), np.exp(-(TIMES - peak) / DECAY))


def noise(rng: np.random.Generator, n_curves: int, sd: float = NOISE) -> np.ndarray:
    """Return autocorrelated noise, shape (curve, time)."""
    fresh = rng.standard_normal((n_curves, len(TIMES)))
    values = np.empty_like(fresh)
    values[:, 0] = fresh[:, 0]
    for i in range(1, len(TIMES)):
        values[:, i] = AUTOCORRELATION * values[:, i - 1] + np.sqrt(1 - AUTOCORRELATION**2) * fresh[:, i]
    return sd * values


def group_curves(
    rng: np.random.Generator, n_subjects: int, *, spread: float = 1.0, sd: float = NOISE, flank: str = "straight"
) -> np.ndarray:
    """Return the noisy curves of a group, shape (subject, time)."""
    return noiseless(rng, n_subjects, spread, flank) + noise(rng, n_subjects, sd)


def population(spread: float = 1.0, flank: str = "straight") -> np.ndarray:
    """Return the mean curve of everybody, shape (time,): what a group's mean curve estimates."""
    return noiseless(np.random.default_rng(0), 100_000 if spread else 1, spread, flank).mean(axis=0)
