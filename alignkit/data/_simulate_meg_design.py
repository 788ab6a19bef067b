"""What a simulated M/EEG recording can vary, and the time course of its signal."""

from __future__ import annotations

import dataclasses
import math
from typing import get_args

import numpy as np

from alignkit._check import check_choice, check_count, check_not_negative, check_positive
from alignkit._typing import FloatArray
from alignkit.data._simulate_meg_noise import Noise

_DECAY = 0.8  # per rise time, the span from onset to peak
_STEEPNESS = 4  # of the way from early to late vision, per rise time
_REACH = math.sqrt(3)  # largest draw of a uniform distribution, in standard deviations


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MEGDesign:
    """What :meth:`SimulatedLab.meg` can vary; see there."""

    n_subjects: int
    n_trials: int
    n_sessions: int
    n_channels: int
    n_times: int
    sfreq: float
    start_s: float
    onset_s: float
    peak_s: float
    latency_sd_s: float
    dynamics_sd_s: float
    session_sd: float
    snr: float
    noise: Noise
    rank: int

    def __post_init__(self) -> None:
        for name, minimum in (("n_subjects", 1), ("n_trials", 1), ("n_sessions", 1), ("n_channels", 1), ("n_times", 2)):
            check_count(name, getattr(self, name), minimum)
        check_positive("sfreq", self.sfreq)
        for name in ("latency_sd_s", "dynamics_sd_s", "session_sd", "snr"):
            check_not_negative(name, getattr(self, name))
        check_choice("noise", self.noise, get_args(Noise))
        if self.n_trials % self.n_sessions:
            msg = f"n_trials must be a multiple of n_sessions; got {self.n_trials} trials, {self.n_sessions} sessions."
            raise ValueError(msg)
        last = self.times[-1]
        if not self.start_s <= self.onset_s < self.peak_s <= last:
            msg = (
                f"the epoch must hold start_s <= onset_s < peak_s <= its end; got {self.start_s:g}, {self.onset_s:g}, "
                f"{self.peak_s:g} and an end at {last:g} s (n_times / sfreq sets it)."
            )
            raise ValueError(msg)

    @property
    def reach_s(self) -> float:
        """By how many seconds a latent's turn is early or late at most."""
        return _REACH * self.dynamics_sd_s

    @property
    def times(self) -> FloatArray:
        """Seconds from picture onset."""
        return np.round(self.start_s + np.arange(self.n_times) / self.sfreq, 9)

    def shares(self, shift: float = 0.0) -> FloatArray:
        """Return early and late vision's energy, shape (2, time), for latencies moved by ``shift`` seconds."""
        onset, peak = self.onset_s + shift, self.peak_s + shift
        late = high_share(self.times, onset, peak)
        return energy(self.times, onset, peak) * np.stack([1 - late, late])

    def latent_shares(self, sizes: FloatArray, shift: float, turns: FloatArray) -> FloatArray:
        """Return each latent's energy, shape (dimension, time), where its turn comes ``turns`` seconds late.

        ``sizes``, shape (2, dimension), are the mean squared distances of early and of late vision's latents, 1 in all
        each. Weighed by them, the energies sum to that of the whole signal.
        """
        onset, peak = self.onset_s + shift, self.peak_s + shift
        sign, size = np.where(sizes[0] > 0, -1, 1), sizes.sum(axis=0)
        logits = sign[:, None] * _STEEPNESS * (self.times - turns[:, None] - peak) / (peak - onset)
        logs = np.where(size[:, None] > 0, -np.logaddexp(0, -logits), -np.inf)
        share = np.exp(logs - logs.max(axis=0))  # some latent is never so small that it vanishes
        return energy(self.times, onset, peak) * share / (size @ share)


def energy(times: FloatArray, onset_s: float, peak_s: float) -> FloatArray:
    """Return the signal's energy: 0 up to the onset, a straight rise to 1 at the peak, then an exponential decay.

    The peak is a corner, so that its time is well defined.
    """
    x = (times - onset_s) / (peak_s - onset_s)
    return np.where(x < 1, np.clip(x, 0, None), np.exp(-_DECAY * np.clip(x - 1, 0, None)))


def high_share(times: FloatArray, onset_s: float, peak_s: float) -> FloatArray:
    """Return how much of the signal's energy is late vision's: logistic, one half at the peak."""
    with np.errstate(over="ignore"):  # far before the peak the exponential overflows to the right answer, 0
        return 1 / (1 + np.exp(-_STEEPNESS * (times - peak_s) / (peak_s - onset_s)))
