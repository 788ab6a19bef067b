"""M/EEG of the simulated lab: epochs with planted signal and known noise."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from alignkit._check import check_count, check_not_negative, check_positive
from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.data._simulate_brain import scaled, topography
from alignkit.data._simulate_people import Judges
from alignkit.data._simulate_streams import Stream, stream
from alignkit.rsa import RDM, rdm

_DECAY = 0.8  # per rise time, the span from onset to peak


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class SimulatedMEG:
    """Simulated M/EEG epochs with their planted truth.

    Attributes
    ----------
    patterns : ndarray of float32, shape (subject, trial, channel, time)
        Epochs: signal of the trial's object plus white noise of variance 1.
    condition : ndarray of int, shape (trial,)
        Which object each trial shows: a position in ``labels``.
    repetition : ndarray of int, shape (trial,)
        Which showing of that object it is: independent folds for cross-validation.
    times : ndarray, shape (time,)
        Seconds from picture onset.
    subjects, labels : tuple of str
        Names of the people (those of the lab) and of the objects.
    onset_s, peak_s : ndarray, shape (subject,)
        When each person's signal starts and is largest, in seconds.
    snr : float
        Variance of the signal over objects at the peak, mean over channels, divided by the noise variance of one trial.
    low, high : RDM
        Early (colour, texture, gloss) and late (shape) vision's squared distances of latents, mean 1.
    planted : RDM, dims ("time",)
        Noise-free squared distances per channel of a person with even weights and the lab's onset and peak:
        e(t) [(1 - m(t)) low + m(t) high] times the signal's scale.
    """

    patterns: npt.NDArray[np.float32]
    condition: IntArray
    repetition: IntArray
    times: FloatArray
    subjects: tuple[str, ...]
    labels: tuple[str, ...]
    onset_s: FloatArray
    peak_s: FloatArray
    snr: float
    low: RDM
    high: RDM
    planted: RDM

    @property
    def sfreq(self) -> float:
        """Samples per second."""
        return float(1 / (self.times[1] - self.times[0]))

    def __repr__(self) -> str:
        people, trials, channels, _ = self.patterns.shape
        return (
            f"<SimulatedMEG {people} people, {trials} trials of {len(self.labels)} objects, {channels} channels, "
            f"{self.times[0]:.3f} to {self.times[-1]:.3f} s at {self.sfreq:g} Hz, SNR {self.snr:g}; simulated>"
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MEGDesign:
    """What :meth:`SimulatedLab.meg` can vary; see there."""

    n_subjects: int
    n_trials: int
    n_channels: int
    n_times: int
    sfreq: float
    start_s: float
    onset_s: float
    peak_s: float
    latency_sd_s: float
    snr: float

    def __post_init__(self) -> None:
        for name, minimum in (("n_subjects", 1), ("n_trials", 1), ("n_channels", 1), ("n_times", 2)):
            check_count(name, getattr(self, name), minimum)
        check_positive("sfreq", self.sfreq)
        check_not_negative("latency_sd_s", self.latency_sd_s)
        check_not_negative("snr", self.snr)
        last = self.times[-1]
        if not self.start_s <= self.onset_s < self.peak_s <= last:
            msg = (
                f"the epoch must hold start_s <= onset_s < peak_s <= its end; got {self.start_s:g}, {self.onset_s:g}, "
                f"{self.peak_s:g} and an end at {last:g} s (n_times / sfreq sets it)."
            )
            raise ValueError(msg)

    @property
    def times(self) -> FloatArray:
        """Seconds from picture onset."""
        return np.round(self.start_s + np.arange(self.n_times) / self.sfreq, 9)


def energy(times: FloatArray, onset_s: float, peak_s: float) -> FloatArray:
    """Return the signal's energy: 0 up to the onset, a straight rise to 1 at the peak, then an exponential decay.

    The peak is a corner, so that its time is well defined.
    """
    x = (times - onset_s) / (peak_s - onset_s)
    return np.where(x < 1, np.clip(x, 0, None), np.exp(-_DECAY * np.clip(x - 1, 0, None)))


def high_share(times: FloatArray, onset_s: float, peak_s: float) -> FloatArray:
    """Return how much of the signal's energy is late vision's: logistic, one half at the peak."""
    with np.errstate(over="ignore"):  # far before the peak the exponential overflows to the right answer, 0
        return 1 / (1 + np.exp(-4 * (times - peak_s) / (peak_s - onset_s)))


def record(judges: Judges, low_level: BoolArray, design: MEGDesign, seed: int) -> SimulatedMEG:
    """Return epochs of the first ``design.n_subjects`` people; each depends on the seed and that person alone."""
    labels, n_subjects = judges.labels, design.n_subjects
    n = len(labels)
    order = stream(seed, Stream.MEG_ORDER)
    condition = np.concatenate([order.permutation(n) for _ in range(design.n_trials)])
    shape = (n_subjects, n * design.n_trials, design.n_channels, design.n_times)
    patterns = np.empty(shape, dtype=np.float32)
    shifts = np.empty(n_subjects)
    # noise has variance 1; unit mean squared distance means a variance over objects of (n - 1) / 2n
    scale = np.sqrt(design.snr * 2 * n / (n - 1))
    for s in range(n_subjects):
        rng = stream(seed, Stream.MEG, s)
        shifts[s] = design.latency_sd_s * rng.standard_normal()
        signal = scale * _signal(judges.embedding * np.sqrt(judges.weights[s]), low_level, design, shifts[s], rng)
        patterns[s] = signal[condition]
        patterns[s] += rng.standard_normal(shape[1:], dtype=np.float32)
    low, high = (_latent_rdm(judges.embedding[:, mask], labels) for mask in (low_level, ~low_level))
    return SimulatedMEG(
        patterns=patterns,
        condition=condition,
        repetition=np.repeat(np.arange(design.n_trials), n),
        times=design.times,
        subjects=judges.names[:n_subjects],
        labels=labels,
        onset_s=design.onset_s + shifts,
        peak_s=design.peak_s + shifts,
        snr=design.snr,
        low=low,
        high=high,
        planted=_planted(low, high, scale**2, design),
    )


def _signal(
    latents: FloatArray, low_level: BoolArray, design: MEGDesign, shift: float, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return noise-free patterns (object, channel, time) whose mean squared distance per channel is the energy."""
    onset, peak = design.onset_s + shift, design.peak_s + shift
    whole, share = energy(design.times, onset, peak), high_share(design.times, onset, peak)
    field = topography(latents.shape[1], design.n_channels, rng)
    early = scaled(latents[:, low_level]) @ field[low_level]
    late = scaled(latents[:, ~low_level]) @ field[~low_level]
    signal = early[..., None] * np.sqrt(whole * (1 - share)) + late[..., None] * np.sqrt(whole * share)
    return signal.astype(np.float32)


def _latent_rdm(latents: FloatArray, labels: tuple[str, ...]) -> RDM:
    return rdm(scaled(latents), metric="sqeuclidean", labels=labels)


def _planted(low: RDM, high: RDM, scale: float, design: MEGDesign) -> RDM:
    whole = energy(design.times, design.onset_s, design.peak_s)[:, None]
    share = high_share(design.times, design.onset_s, design.peak_s)[:, None]
    values = scale * whole * ((1 - share) * low.values + share * high.values)
    return RDM(values, low.labels, dims=("time",), coords={"time": design.times}, metric="sqeuclidean")
