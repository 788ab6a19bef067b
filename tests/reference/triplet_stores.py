"""Triplets and their similarities by plain loops, and a process that is killed while it writes them.

``python -m reference.triplet_stores OUT FATAL`` writes triplets to OUT and dies at touch FATAL of the disk.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import numpy as np

from alignkit.align import write_triplets
from alignkit.models import Features

#: Three blocks, the last of them short.
N = 150_000


def teacher(n: int = 60, channels: int = 5) -> Features:
    """Return features of named images."""
    x = np.random.default_rng(3).normal(size=(n, channels)).astype(np.float32)
    return Features.from_array(x, [f"class{i % 6}/image{i}.jpg" for i in range(n)], name="toy")


def similarities_by_loop(x: np.ndarray, triplets: np.ndarray) -> np.ndarray:
    """Return the dot products of images 0 and 1, 0 and 2, 1 and 2 of each triplet."""
    return np.array([[x[a] @ x[b], x[a] @ x[c], x[b] @ x[c]] for a, b, c in triplets])


def odd_one_last_by_loop(x: np.ndarray, triplet: np.ndarray) -> tuple[list[int], list[float]]:
    """Return one triplet with the pair of the largest dot product first, in the order in which they came."""
    a, b, c = triplet
    orders = [(a, b, c), (a, c, b), (b, c, a)]
    first, second, odd = max(orders, key=lambda order: x[order[0]] @ x[order[1]])
    values = [float(x[i] @ x[j]) for i, j in ((first, second), (first, odd), (second, odd))]
    return [int(first), int(second), int(odd)], values


def lloyd_by_loop(x: np.ndarray, centres: np.ndarray, n_rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's nearest centre and the centres after some rounds of k-means in which none runs empty."""
    for _ in range(n_rounds):
        nearest = np.array(
            [min(range(len(centres)), key=lambda k: float(((row - centres[k]) ** 2).sum())) for row in x]
        )
        centres = np.array([x[nearest == k].mean(axis=0) for k in range(len(centres))])
    nearest = np.array([min(range(len(centres)), key=lambda k: float(((row - centres[k]) ** 2).sum())) for row in x])
    return nearest, centres


def main() -> None:
    out, fatal = sys.argv[1], int(sys.argv[2])
    count = 0

    def deadly(name: str) -> None:
        plain = getattr(os, name)

        def call(*words: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count - 1 == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return plain(*words, **options)

        setattr(os, name, call)

    for name in ("fsync", "replace", "unlink"):
        deadly(name)
    groups = [name.partition("/")[0] for name in teacher().labels or ()]
    write_triplets(teacher(), groups, out=out, n=N, sampling="class_border", seed=7)
    print(count)


if __name__ == "__main__":
    main()
