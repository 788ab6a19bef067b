"""Linear CKA of features beside the same by Gram matrices, one pair of layers and six against six."""

from __future__ import annotations

import numpy as np

from alignkit.rsa import similarity
from benchmarks._harness import Line, in_turn, keep, largest_difference

N_ITEMS, N_CHANNELS, N_LAYERS = 1854, 768, 6


def by_grams(x: np.ndarray, y: np.ndarray) -> float:
    """Return debiased CKA from n x n matrices that are made anew for every pair, as published scripts do."""
    return _hsic(x, y) / np.sqrt(_hsic(x, x) * _hsic(y, y))


def _hsic(x: np.ndarray, y: np.ndarray) -> float:
    n = len(x)
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0.0)
    np.fill_diagonal(m, 0.0)
    sums = k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2.0 * (k.sum(axis=0) @ m.sum(axis=0)) / (n - 2)
    return ((k * m).sum() + sums) / (n * (n - 3))


def main() -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(size=(N_ITEMS, N_CHANNELS))
    layers = [common + rng.normal(size=common.shape) for _ in range(N_LAYERS)]
    first, second = layers[:2]
    difference = largest_difference(similarity(first, second).values, by_grams(first, second), limit=1e-10)
    timings = in_turn(
        {
            "pair": lambda: similarity(first, second),
            "pair by Gram matrices": lambda: by_grams(first, second),
            "product": lambda: [a.T @ b for a, b in ((first, first), (second, second), (first, second))],
            "layers": lambda: similarity(layers, layers),
            "layers by Gram matrices": lambda: [by_grams(a, b) for a in layers for b in layers],
            "products": lambda: [a.T @ b for a in layers for b in layers],
        },
        repeats=3,
    )
    size = f"{N_ITEMS:,} x {N_CHANNELS}"
    keep(
        "similarity_cka",
        [
            Line(task, "Gram matrices", *(timings[key] for key in keys), "the products of channels", 0, difference)
            for task, keys in (
                (f"debiased linear CKA, {size}", ("pair", "pair by Gram matrices", "product")),
                (
                    f"the same, {N_LAYERS} x {N_LAYERS} layers",
                    ("layers", "layers by Gram matrices", "products"),
                ),
            )
        ],
    )


if __name__ == "__main__":
    main()
