"""CLIP-HBA's adapter in plain numpy, row by row: lengths m of the rows, along a moved direction."""

from __future__ import annotations

import numpy as np


def start(weight: np.ndarray, rank: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return m (n_out,), delta_D_A (rank, n_out) and delta_D_B (n_in, rank), both uniform by Kaiming, slope sqrt(5)."""
    n_out, n_in = weight.shape
    lengths = np.array([np.sqrt(sum(w * w for w in row)) for row in weight])
    return lengths, kaiming((rank, n_out), rng), kaiming((n_in, rank), rng)


def kaiming(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    gain = np.sqrt(2.0 / (1.0 + np.sqrt(5.0) ** 2))
    bound = gain * np.sqrt(3.0 / shape[1])
    return rng.uniform(-bound, bound, shape)


def weight(original: np.ndarray, m: np.ndarray, a: np.ndarray, b: np.ndarray, alpha: float) -> np.ndarray:
    """Return the adapted weight (n_out, n_in); the published epsilon of 1e-8 is left in, as rounding error."""
    rank = a.shape[0]
    update = (b @ a).T
    rows = []
    for i, row in enumerate(original):
        direction = row / np.sqrt(np.sum(row**2)) + alpha / rank * update[i]
        rows.append(m[i] * direction / (np.sqrt(np.sum(direction**2)) + 1e-8))
    return np.array(rows)


def angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the angle in degrees between the rows of two matrices."""
    return np.array(
        [np.degrees(np.arccos(x @ y / np.sqrt(x @ x) / np.sqrt(y @ y))) for x, y in zip(first, second, strict=True)]
    )
