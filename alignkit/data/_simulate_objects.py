"""The objects of the simulated lab: categories, latent dimensions, names, splits."""

from __future__ import annotations

import numpy as np

from alignkit._typing import BoolArray, FloatArray
from alignkit.data._simulate_streams import Stream, stream

#: What each latent dimension looks like, and whether early ("low") or late ("high") vision carries it.
DIMENSIONS: tuple[tuple[str, str], ...] = (
    ("elongated", "high"),
    ("spiky", "high"),
    ("hollow", "high"),
    ("striped", "low"),
    ("glossy", "low"),
    ("red", "low"),
    ("green", "low"),
    ("legged", "high"),
    ("petalled", "high"),
    ("spotted", "low"),
    ("boxy", "high"),
    ("bent", "high"),
)
MIN_DIMENSIONS = 8

#: Category -> (superordinate, typical values). Green runs through what grew and gloss through what was made,
#: so that similarity has a coarse level (superordinate), a middle one (category) and a fine one (object).
CATEGORIES: dict[str, tuple[str, dict[str, float]]] = {
    "urchin": ("natural", {"spiky": 1.1, "legged": 0.5, "green": 0.4}),
    "melon": ("natural", {"striped": 1.0, "green": 1.0}),
    "beetle": ("natural", {"legged": 1.1, "spotted": 0.8, "green": 0.4}),
    "flower": ("natural", {"petalled": 1.2, "red": 0.9, "green": 0.4}),
    "ring": ("made", {"hollow": 1.2, "glossy": 0.9}),
    "crate": ("made", {"boxy": 1.2, "striped": 0.6, "glossy": 0.4}),
    "spanner": ("made", {"elongated": 1.2, "glossy": 0.7, "hollow": 0.5}),
    "boomerang": ("made", {"bent": 1.2, "elongated": 0.6, "red": 0.7, "glossy": 0.4}),
}
_EXTRA = 0.08  # chance that an object has a dimension its category lacks
_FAINT = 0.05  # weaker traces are dropped: SPoSE-like zeros


def category_names(n_objects: int) -> tuple[str, ...]:
    """Return the category of each object; the categories take turns, so any prefix is balanced."""
    names = tuple(CATEGORIES)
    return tuple(names[i % len(names)] for i in range(n_objects))


def object_labels(n_objects: int) -> tuple[str, ...]:
    """Return unique names such as ``melon_003``; object i has the same name in a lab of any size."""
    k = len(CATEGORIES)
    return tuple(f"{name}_{i // k:03d}" for i, name in enumerate(category_names(n_objects)))


def split_labels(labels: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return train and test names: every fourth object of each category is held out."""
    held_out = [i // len(CATEGORIES) % 4 == 1 for i in range(len(labels))]
    return {
        "train": tuple(label for label, test in zip(labels, held_out, strict=True) if not test),
        "test": tuple(label for label, test in zip(labels, held_out, strict=True) if test),
    }


def is_low_level(n_dimensions: int) -> BoolArray:
    """Return the mask of the dimensions that early vision carries (colour, texture, gloss)."""
    return np.array([level == "low" for _, level in DIMENSIONS[:n_dimensions]])


def draw_embedding(n_objects: int, n_dimensions: int, seed: int) -> FloatArray:
    """Return sparse non-negative latents, shape (n_objects, n_dimensions).

    A value is its category's typical one times gamma noise (coefficient of variation .29); now and then an
    object has a weaker dimension that its category lacks. The draws run object by object and cover the whole
    catalogue, so neither more objects nor fewer dimensions change the values that remain.
    """
    prototypes = np.array([[values.get(name, 0.0) for name, _ in DIMENSIONS] for _, values in CATEGORIES.values()])
    typical = prototypes[np.arange(n_objects) % len(prototypes)]
    own, chance, stray = (stream(seed, Stream.LATENTS, part) for part in range(3))
    values = typical * own.gamma(12.0, 1 / 12, typical.shape)
    present = (typical == 0) & (chance.random(typical.shape) < _EXTRA)
    values += present * (0.2 + stray.gamma(2.0, 0.2, typical.shape))
    values[values < _FAINT] = 0.0
    return np.ascontiguousarray(values[:, :n_dimensions])
