"""The object itself: its solid form and its painted surface, drawn from the latents and its own style."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

#: One value per picture element (or three: colours); float32 throughout, for speed.
Plane: TypeAlias = npt.NDArray[np.floating[Any]]
Strengths: TypeAlias = dict[str, float]

_RED = np.array([0.86, 0.10, 0.12], dtype=np.float32)
_GREEN = np.array([0.14, 0.66, 0.16], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Style:
    """What tells one object from another beyond its latents: tint, counts, phases. It carries no similarity."""

    tint: Plane
    n_spikes: int
    n_petals: int
    n_legs: int
    leg_phase: float
    phase: float
    stripe_angle: float
    stripe_frequency: float
    spot_frequency: float
    mark: float
    side: float


@dataclass(frozen=True, slots=True)
class Solid:
    """Height above the ground, coverage (0 to 1) and normalised radius of the body (1 at its outline)."""

    height: Plane
    cover: Plane
    radius: Plane


def hsv(hue: float, saturation: float, value: float) -> Plane:
    """Return the RGB colour, shape (3,), of hue, saturation and value in 0..1."""
    ramp = np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    return np.asarray(value * (1 - saturation * (1 - np.clip(ramp, 0, 1))), dtype=np.float32)


def draw_style(rng: np.random.Generator) -> Style:
    """Draw the style of one object."""
    return Style(
        tint=hsv(rng.uniform(), rng.uniform(0.0, 0.3), rng.uniform(0.45, 0.7)),
        n_spikes=int(rng.integers(8, 13)),
        n_petals=int(rng.integers(4, 7)),
        n_legs=int(rng.integers(4, 8)),
        leg_phase=rng.uniform(0, 2 * math.pi),
        phase=rng.uniform(0, 2 * math.pi),
        stripe_angle=rng.uniform(0, math.pi),
        stripe_frequency=rng.uniform(7.5, 10.5),
        spot_frequency=rng.uniform(5.5, 7.5),
        mark=0.95 if rng.uniform() < 0.5 else 0.12,  # light or dark markings
        side=rng.uniform(0, 2 * math.pi),
    )


def solid(u: Plane, v: Plane, s: Strengths, style: Style, sharpness: float) -> Solid:
    """Return the form at object coordinates (u, v): elongated, bent, boxy, spiky, petalled, hollow, legged.

    ``sharpness`` is how steeply coverage rises at an outline, per unit of object coordinates.
    """
    stretch = (1 + 1.3 * s.get("elongated", 0.0)) ** 0.5
    bend = s.get("bent", 0.0) ** 0.8
    # a crescent: shift the middle, and pull the ends together so that the bend shows on round bodies too
    across = (v + 0.8 * bend * (u * u - 0.4)) * ((1 + 0.9 * bend) * stretch)
    along = u / stretch
    p = 2 + 10 * s.get("boxy", 0.0)
    radius = (np.abs(along) ** p + np.abs(across) ** p) ** (1 / p)
    radius = radius / _outline(np.arctan2(across, along), s, style)
    hole = 0.68 * s.get("hollow", 0.0) ** 0.7
    body = np.clip((1 - radius) * sharpness + 0.5, 0, 1)
    if hole:
        body = body * np.clip((radius - hole) * sharpness + 0.5, 0, 1)
        tube = np.clip(4 * (1 - radius) * (radius - hole) / (1 - hole) ** 2, 0, None)
        height = 0.35 * np.sqrt(tube)
    else:
        height = 0.6 * np.sqrt(np.clip(1 - radius**p, 0, None))
    if not s.get("legged", 0.0):
        return Solid(height, body, radius)
    leg_height, leg = _legs(u / stretch**0.5, v, s["legged"], style, sharpness)
    leg = leg * (radius > hole)
    return Solid(np.maximum(height, leg_height * (leg > 0)), np.maximum(body, leg), radius)


def _outline(phi: Plane, s: Strengths, style: Style) -> Plane:
    spiky, petalled = s.get("spiky", 0.0), s.get("petalled", 0.0)
    outline = np.full_like(phi, 0.8)
    if spiky:
        wave = np.abs((phi * (style.n_spikes / (2 * math.pi)) + style.phase) % 1 * 2 - 1)
        outline *= 1 + 0.25 * spiky - 0.75 * spiky * (1 - wave**1.5)
    if petalled:
        lobe = np.abs(np.cos(phi * (style.n_petals / 2) + style.phase))
        outline *= 1 + 0.2 * petalled - 0.75 * petalled * (1 - lobe**0.6)
    return outline


def _legs(u: Plane, v: Plane, legged: float, style: Style, sharpness: float) -> tuple[Plane, Plane]:
    """Return height and coverage of thin legs with round feet; more legged, longer legs."""
    reach = 0.75 + 0.75 * legged
    step = 2 * math.pi / style.n_legs
    turn = (np.arctan2(v, u) - style.leg_phase + step / 2) % step - step / 2  # angle from the nearest leg
    r = np.hypot(u, v)
    along, aside = r * np.cos(turn), r * np.sin(turn)
    to_foot = np.hypot(along - reach, aside)
    shaft = np.where(along < reach, np.abs(aside), to_foot) - 0.055
    distance = np.minimum(shaft, to_foot - 0.13)
    return 0.4 * np.sqrt(np.clip(-distance, 0, None)), np.clip(0.5 - distance * 1.5 * sharpness, 0, 1)


def paint(u: Plane, v: Plane, s: Strengths, style: Style) -> Plane:
    """Return the surface colour, shape (..., 3): tint, red and green zones, stripes, spots."""
    red, green = s.get("red", 0.0), s.get("green", 0.0)
    colour = np.broadcast_to(style.tint, (*u.shape, 3))
    if red or green:
        # both colours keep their own zone, so that a red object can be green as well
        share = red / (red + green)
        side = math.cos(style.side) * u + math.sin(style.side) * v
        zone = np.clip((side - (1 - 2 * share) * 0.55) * 8 + 0.5, 0, 1) if 0 < share < 1 else np.full_like(u, share)
        target = _GREEN + zone[..., None] * (_RED - _GREEN)
        colour = colour + min(1.0, red + green) ** 0.6 * (target - colour)
    plain = (1 - _stripes(u, v, s.get("striped", 0.0), style)) * (1 - _spots(u, v, s.get("spotted", 0.0), style))
    return style.mark + np.asarray(plain)[..., None] * (colour - style.mark)


def _stripes(u: Plane, v: Plane, striped: float, style: Style) -> Plane | float:
    if not striped:
        return 0.0
    across = math.cos(style.stripe_angle) * u + math.sin(style.stripe_angle) * v
    wave = np.sin(across * style.stripe_frequency + style.phase)
    return np.clip(wave * 3 + 0.5, 0, 1) * striped**0.7


def _spots(u: Plane, v: Plane, spotted: float, style: Style) -> Plane | float:
    if not spotted:
        return 0.0
    lattice = np.abs(np.cos(style.spot_frequency * u) * np.cos(style.spot_frequency * v))
    return np.clip((lattice - 0.45) * 8, 0, 1) * spotted**0.7
