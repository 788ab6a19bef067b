"""The recording of simulated M/EEG: one person's fields and noise, and their trials, a few at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.data._simulate_brain import scaled
from alignkit.data._simulate_meg_design import MEGDesign
from alignkit.data._simulate_meg_noise import sensor_root, time_root
from alignkit.data._simulate_people import Judges
from alignkit.data._simulate_sensors import Sensors, topographies
from alignkit.data._simulate_streams import Stream, stream

#: What stands for a catch picture where objects are positions: the last row of a person's signal.
CATCH = -1
_BLOCK = 64  # trials drawn at a time: part of what a seed means, as products of other sizes may round differently
_CATCH_SIZE = 2.0  # times an object's distance from the mean: a catch trial taken for an object shows

Patterns = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Recorder:
    """Everything that the trials of a recording are drawn from; nothing is kept of what was drawn."""

    judges: Judges
    low_level: BoolArray
    design: MEGDesign
    sensors: Sensors
    seed: int

    @property
    def scale(self) -> float:
        """Mean squared distance per channel at the peak, in units of the noise variance of one trial."""
        n = len(self.judges.labels)  # unit mean squared distance means a variance over objects of (n - 1) / 2n
        return self.design.snr * 2 * n / (n - 1)

    def shift(self, subject: int) -> float:
        """Return by how many seconds a person is late."""
        return float(self.design.latency_sd_s * stream(self.seed, Stream.MEG, subject).standard_normal())

    def turns(self, subject: int) -> FloatArray:
        """Return by how many seconds each latent fades or comes in later than at the peak, shape (dimension,)."""
        rng = stream(self.seed, Stream.MEG_DYNAMICS, subject)
        return self.design.reach_s * rng.uniform(-1, 1, len(self.low_level))

    def shares(self, subject: int) -> FloatArray:
        """Return the energy of each latent of a person, shape (dimension, time)."""
        sizes = 2 * np.stack([part.var(axis=0, ddof=1) for part in self.latents(subject)])
        return self.design.latent_shares(sizes, self.shift(subject), self.turns(subject))

    def latents(self, subject: int) -> list[FloatArray]:
        """Return what early and late vision of a person tell objects apart by, each (object, dimension).

        The dimensions of the other are 0. The mean squared distance of each is 1.
        """
        latents = self.judges.embedding * np.sqrt(self.judges.weights[subject])
        return [scaled(np.where(mask, latents, 0.0)) for mask in (self.low_level, ~self.low_level)]

    def blocks(self, subject: int, session: int, shown: IntArray) -> Iterator[Patterns]:
        """Yield the trials of a session, shape (up to 64, channel, time); ``shown`` are objects or ``CATCH``.

        The same bits for the same person, session and pictures, whatever else is drawn.
        """
        return self._person(subject).blocks(session, shown, stream(self.seed, Stream.MEG, subject, session))

    def _person(self, subject: int) -> _Person:
        rng = stream(self.seed, Stream.MEG, subject)
        shift = self.design.latency_sd_s * rng.standard_normal()
        fields = topographies(self.sensors, self.low_level, rng)
        catch = _CATCH_SIZE * stream(self.seed, Stream.MEG_CATCH).standard_normal(len(fields))
        size = np.sqrt(self.scale * len(self.sensors.names))
        parts = [size * _with_catch(part, catch) for part in self.latents(subject)]
        design = self.design
        if design.dynamics_sd_s:  # a field and a course for each latent, not for early and late vision
            signal, course = np.add(*parts)[:, None] * fields.T, self.shares(subject)
        else:
            signal, course = np.stack([part @ fields for part in parts], axis=-1), design.shares(shift)
        noise = sensor_root(design.noise, self.sensors, fields, design.rank)
        colour = time_root(design.noise, design.n_times, design.sfreq)
        return _Person(
            signal=signal.astype(np.float32),
            course=np.sqrt(course).astype(np.float32),
            sensor_root=None if noise is None else noise.astype(np.float32),
            time_root=None if colour is None else colour.astype(np.float32),
            gains=self._gains(subject),
            offsets=self._offsets(subject, noise),
            rank=design.rank,
        )

    def _gains(self, subject: int) -> FloatArray:
        """Return factors of each session's signal; their products over pairs of sessions average 1.

        Cross-validated distances over sessions are then the planted ones, not a little more or less.
        """
        n = self.design.n_sessions
        if n == 1:
            return np.ones(1)
        gains = np.exp(self.design.session_sd * stream(self.seed, Stream.MEG_SESSIONS, subject, 0).standard_normal(n))
        return gains / np.sqrt((gains.sum() ** 2 - (gains**2).sum()) / (n * (n - 1)))

    def _offsets(self, subject: int, root: FloatArray | None) -> FloatArray:
        """Return what is added to all trials of a session, shape (session, channel): a field like those of noise."""
        rng = stream(self.seed, Stream.MEG_SESSIONS, subject, 1)
        offsets = self.design.session_sd * rng.standard_normal((self.design.n_sessions, self.design.rank))
        return offsets if root is None else offsets @ root.T


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Person:
    """One person's noise-free signal, shape (object, channel, part), its courses (part, time), and their noise.

    Parts are early and late vision, or single latents.
    """

    signal: Patterns
    course: Patterns
    sensor_root: Patterns | None
    time_root: Patterns | None
    gains: FloatArray
    offsets: FloatArray
    rank: int

    def blocks(self, session: int, shown: IntArray, rng: np.random.Generator) -> Iterator[Patterns]:
        gain, offset = np.float32(self.gains[session]), self.offsets[session].astype(np.float32)
        for start in range(0, len(shown), _BLOCK):
            rows = shown[start : start + _BLOCK]
            block = self._noise(len(rows), rng)
            block += gain * (self.signal[rows] @ self.course)
            block += offset[:, None]
            yield block

    def _noise(self, n: int, rng: np.random.Generator) -> Patterns:
        noise = rng.standard_normal((n, self.rank, self.course.shape[1]), dtype=np.float32)
        if self.time_root is not None:
            noise = (noise.reshape(-1, noise.shape[-1]) @ self.time_root).reshape(noise.shape)
        return noise if self.sensor_root is None else self.sensor_root @ noise


def _with_catch(latents: FloatArray, catch: FloatArray) -> FloatArray:
    """Return centred latents with a row for the catch picture, which has the same dimensions."""
    has = np.any(latents != 0, axis=0)
    far = np.sqrt((latents**2).sum(axis=1).mean() / max(1, has.sum()))
    return np.concatenate([latents, (catch * has * far)[None]])
