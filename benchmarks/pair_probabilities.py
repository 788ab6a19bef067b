"""Pair probabilities of 1,854 items over all third items: under 30 s."""

from __future__ import annotations

import time

import numpy as np

from alignkit.rsa import pair_probabilities
from benchmarks._harness import Line, Timing, in_turn, keep, largest_difference

N_ITEMS, N_CHANNELS, N_LOOP = 1854, 66, 60


def loop_probabilities(x: np.ndarray) -> np.ndarray:
    """Return the probabilities by three loops, as published scripts compute them."""
    n = len(x)
    e = np.exp(x @ x.T)
    total = np.eye(n)
    for i in range(n):
        for j in range(i + 1, n):
            shares = [e[i, j] / (e[i, j] + e[i, k] + e[j, k]) for k in range(n) if k not in (i, j)]
            total[i, j] = total[j, i] = sum(shares) / (n - 2)
    return total


def main() -> None:
    x = 0.2 * np.random.default_rng(0).random((N_ITEMS, N_CHANNELS))
    some = x[:N_LOOP]
    difference = largest_difference(pair_probabilities(some), loop_probabilities(some), limit=1e-12)
    start = time.perf_counter()
    loop_probabilities(some)
    seconds = (time.perf_counter() - start) * (N_ITEMS / N_LOOP) ** 3
    block = np.random.default_rng(1).random((64, N_ITEMS))
    n_blocks = N_ITEMS**3 / 6 / block.size

    def divide() -> None:
        for _ in range(round(n_blocks / 20)):
            np.reciprocal(block, out=block)

    timings = in_turn({"ours": lambda: pair_probabilities(x), "floor": divide}, repeats=3)
    part = timings["floor"]
    floor = Timing(20 * part.minimum, 20 * part.median, part.n, part.peak_mib)
    lines = [
        Line(
            f"pair probabilities of {N_ITEMS:,} items (promised: under 30 s)",
            f"three loops ({N_LOOP} items timed)",
            timings["ours"],
            Timing(seconds, seconds, 1, float("nan")),
            floor,
            "one division per triple on one thread",
            0,
            difference,
        )
    ]
    keep("pair_probabilities", lines)


if __name__ == "__main__":
    main()
