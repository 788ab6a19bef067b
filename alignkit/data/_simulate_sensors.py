"""The helmet of the simulated lab: where its sensors sit, what they are called, which fields they see."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._typing import BoolArray, FloatArray

_RADIUS_M = 0.12
_OPENING = np.deg2rad(105.0)  # from the crown down to the helmet's rim
_TILT = np.deg2rad(-20.0)  # the crown leans back, so that the face stays free
_FIELD_M = 0.05  # width of the smooth fields
_GOLDEN = np.pi * (3 - np.sqrt(5))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Sensors:
    """Sensors on a sphere around the head.

    ``positions``, shape (sensor, 3), are metres in head coordinates (x right, y forward, z up). The third letter of
    ``names`` is the region (O, T, P, F or C) and the second the side, as CTF names its sensors.
    """

    names: tuple[str, ...]
    positions: FloatArray

    @property
    def distances(self) -> FloatArray:
        """Metres between sensors, shape (sensor, sensor)."""
        distances: FloatArray = np.linalg.norm(self.positions[:, None] - self.positions[None], axis=-1)
        return distances


def helmet(n: int) -> Sensors:
    """Return ``n`` sensors spread evenly (a Fibonacci lattice) over a cap that leaves the face free."""
    place = (np.arange(n) + 0.5) / n
    angle = np.arccos(1 - place * (1 - np.cos(_OPENING)))
    turn = _GOLDEN * np.arange(n)
    x, y, z = np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle)
    leaned = np.stack([x, np.cos(_TILT) * y + np.sin(_TILT) * z, np.cos(_TILT) * z - np.sin(_TILT) * y], axis=1)
    return Sensors(_names(angle, turn, x < 0), _RADIUS_M * leaned)


def _names(angle: FloatArray, turn: FloatArray, left: BoolArray) -> tuple[str, ...]:
    """Return names such as ``MLO11``: side, region and a number within both."""
    forward = np.rad2deg(np.abs(np.angle(np.exp(1j * (turn - np.pi / 2)))))  # degrees away from the nose
    central, frontal, back = angle < np.deg2rad(40), forward < 58, forward > 125
    low = angle > np.deg2rad(np.where(back, 72, 55))
    region = np.select([central, frontal, back & low, back | ~low], ["C", "F", "O", "P"], "T")
    counts: dict[str, int] = {}
    names = []
    for side, letter in zip(np.where(left, "L", "R"), region, strict=True):
        group = f"M{side}{letter}"
        counts[group] = counts.get(group, 10) + 1
        names.append(f"{group}{counts[group]}")
    return tuple(names)


def topographies(sensors: Sensors, low_level: BoolArray, rng: np.random.Generator) -> FloatArray:
    """Return one smooth field per latent dimension, shape (dimension, sensor): orthonormal rows.

    Fields of low-level dimensions lie over occipital sensors, the others over temporal ones. Random smooth fields are
    not orthogonal; the orthonormal ones nearest to them (Loewdin) are taken, so that distances in the latents are
    exactly those in the sensors.
    """
    direction = sensors.positions / _RADIUS_M
    smooth = np.exp(-((sensors.distances / _FIELD_M) ** 2) / 2) + 1e-6 * np.eye(len(direction))
    fields = np.linalg.cholesky(smooth) @ rng.standard_normal((len(direction), len(low_level)))
    occipital = np.exp(-3 * (1 + direction[:, 1] + 0.3 * direction[:, 2] ** 2))
    temporal = np.exp(-3 * (1 - np.abs(direction[:, 0])) - 2 * np.clip(direction[:, 2], 0, None))
    fields *= np.where(low_level[None, :], occipital[:, None], temporal[:, None]) + 0.02
    left, _, right = np.linalg.svd(fields / np.linalg.norm(fields, axis=0), full_matrices=False)
    return np.ascontiguousarray((left @ right).T)
