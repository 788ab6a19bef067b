"""Drawing: one small picture of an object from its latents, its own style and one scene.

The latents shape and paint the object. Everything else is nuisance: pose, light, background and clutter
change from view to view, and an object's own tint, phases and counts tell nothing about its latents.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from alignkit.data._simulate_surface import Plane, draw_style, hsv, paint, solid

Image: TypeAlias = npt.NDArray[np.uint8]

FULL = 1.6  # latent value at which an attribute is drawn at full strength
_OVERSAMPLING = 2
_SHADOW = 0.55


@dataclass(frozen=True, slots=True)
class _Pose:
    x: float
    y: float
    scale: float
    angle: float
    mirror: float


@dataclass(frozen=True, slots=True)
class _Light:
    x: float
    y: float
    z: float
    ambient: float
    cast: Plane  # colour and exposure, shape (3,)


def render(latents: Mapping[str, float], style: np.random.Generator, scene: np.random.Generator, size: int) -> Image:
    """Return the picture, uint8, shape (size, size, 3).

    Parameters
    ----------
    latents : mapping of str to float
        Value of each dimension by name; a missing one counts as 0.
    style : numpy.random.Generator
        Draws what stays with the object over views and is not in its latents.
    scene : numpy.random.Generator
        Draws what changes from view to view. All of it is in picture units, so that another ``size`` gives the
        same picture, finer or coarser.
    size : int
        Pixels along each side.
    """
    strength = {name: min(value / FULL, 1.0) for name, value in latents.items() if value > 0}
    look, pose, light = draw_style(style), _draw_pose(scene), _draw_light(scene)
    backdrop = _background(*_grid(size), scene)
    u, v = _to_object(*_grid(size * _OVERSAMPLING), pose)
    form = solid(u, v, strength, look, sharpness=size / 4)
    surface = _shade(paint(u, v, strength, look), form.height, light, strength.get("glossy", 0.0), pose.scale)
    shadow = _shift(form.cover, -0.09 * light.y, -0.09 * light.x)
    behind = _shrink((1 - form.cover) * (1 - _SHADOW * shadow))
    picture = backdrop * behind[..., None] + _shrink(surface * form.cover[..., None])
    return np.rint(np.clip(picture * light.cast, 0, 1) * 255).astype(np.uint8)


def _grid(n: int) -> tuple[Plane, Plane]:
    at = ((np.arange(n) + 0.5) / n * 2 - 1).astype(np.float32)
    return np.broadcast_to(at, (n, n)), np.broadcast_to(at[:, None], (n, n))


def _shrink(plane: Plane) -> Plane:
    k = _OVERSAMPLING
    blocks = plane.reshape(plane.shape[0] // k, k, plane.shape[1] // k, k, *plane.shape[2:])
    return blocks.mean(axis=(1, 3))


def _shift(plane: Plane, down: float, right: float) -> Plane:
    n = len(plane)
    return np.roll(plane, (round(down * n), round(right * n)), axis=(0, 1))


def _draw_pose(rng: np.random.Generator) -> _Pose:
    return _Pose(
        x=rng.uniform(-0.18, 0.18),
        y=rng.uniform(-0.18, 0.18),
        scale=rng.uniform(0.5, 0.64),
        angle=rng.uniform(-0.9, 0.9),
        mirror=1.0 if rng.uniform() < 0.5 else -1.0,
    )


def _draw_light(rng: np.random.Generator) -> _Light:
    azimuth, elevation = rng.uniform(0, 2 * math.pi), rng.uniform(0.6, 1.2)
    flat = math.cos(elevation)
    return _Light(
        x=flat * math.cos(azimuth),
        y=flat * math.sin(azimuth),
        z=math.sin(elevation),
        ambient=rng.uniform(0.25, 0.5),
        cast=(rng.uniform(0.75, 1.1) * rng.uniform(0.78, 1.22, 3)).astype(np.float32),
    )


def _to_object(x: Plane, y: Plane, pose: _Pose) -> tuple[Plane, Plane]:
    c, s = math.cos(pose.angle) / pose.scale, math.sin(pose.angle) / pose.scale
    dx, dy = x - pose.x, y - pose.y
    return (c * dx + s * dy) * pose.mirror, c * dy - s * dx


def _shade(colour: Plane, height: Plane, light: _Light, glossy: float, scale: float) -> Plane:
    """Return the lit surface: Lambert's law, and for glossy ones a highlight and a mirror's dark bands."""
    step = 2 / len(height) / scale
    dy, dx = np.gradient(height / step)
    norm = 1 / np.sqrt(dx * dx + dy * dy + 1)
    lambert = np.clip((light.z - light.x * dx - light.y * dy) * norm, 0, 1)
    shade = light.ambient + (1.15 - light.ambient) * lambert
    if not glossy:
        return colour * shade[..., None]
    # Blinn-Phong: the normal against the direction half-way between the light and an eye straight above
    length = math.sqrt(light.x**2 + light.y**2 + (light.z + 1) ** 2)
    facing = np.clip((light.z + 1 - light.x * dx - light.y * dy) * norm / length, 0, 1)
    bands = 0.5 + 0.5 * np.cos(9 * norm)
    return colour * (shade * (1 - 0.6 * glossy * bands))[..., None] + (1.1 * glossy * facing**18)[..., None]


def _background(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Return a gradient between two colours, a weave, and clutter, shape (n, n, 3)."""
    near, far = (hsv(rng.uniform(), rng.uniform(0.0, 0.8), rng.uniform(0.2, 0.95)) for _ in range(2))
    angle = rng.uniform(0, 2 * math.pi)
    t = 0.5 + 0.5 * (math.cos(angle) * x + math.sin(angle) * y)
    picture: Plane = near + (far - near) * t[..., None]
    turn, frequency, depth = rng.uniform(0, math.pi), rng.uniform(4, 22), rng.uniform(0, 0.3)
    weave = np.sin((math.cos(turn) * x + math.sin(turn) * y) * frequency + rng.uniform(0, 2 * math.pi))
    picture = picture * (1 + depth * weave)[..., None]
    for _ in range(int(rng.integers(2, 8))):
        picture = _add_clutter(picture, x, y, rng)
    return picture


def _add_clutter(picture: Plane, x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    angle, length, width = rng.uniform(0, math.pi), rng.uniform(0.1, 0.6), rng.uniform(0.04, 0.25)
    dx, dy = x - rng.uniform(-1, 1), y - rng.uniform(-1, 1)
    u, v = math.cos(angle) * dx + math.sin(angle) * dy, math.cos(angle) * dy - math.sin(angle) * dx
    p = 2 if rng.uniform() < 0.5 else 8  # an ellipse or a rounded bar
    cover = np.clip((1 - (u / length) ** p - (v / width) ** p) * rng.uniform(1, 6), 0, 1)
    colour = hsv(rng.uniform(), rng.uniform(0.0, 0.9), rng.uniform(0.1, 1.0))
    return picture + (rng.uniform(0.4, 1.0) * cover)[..., None] * (colour - picture)
