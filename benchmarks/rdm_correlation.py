"""Correlation RDMs of 1,854 items with 768 channels: at least 6 x scipy's pdist and 8 x rsatoolbox, float32 10 x."""

from __future__ import annotations

import numpy as np
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import calc_rdm
from scipy.spatial.distance import pdist

from alignkit.rsa import rdm
from benchmarks._harness import Line, in_turn, keep, largest_difference

N_ITEMS, N_CHANNELS = 1854, 768


def main() -> None:
    x = np.random.default_rng(0).normal(size=(N_ITEMS, N_CHANNELS))
    single = x.astype(np.float32)
    dataset = Dataset(x)
    exact = pdist(x, "correlation")
    differences = {
        "pdist": largest_difference(rdm(x).values, exact, limit=1e-12),
        "rsatoolbox": largest_difference(rdm(x).values, calc_rdm(dataset, "correlation").get_vectors()[0], limit=1e-12),
        "single": largest_difference(rdm(single, dtype="float32").values, exact, limit=1e-6),
    }
    timings = in_turn(
        {
            "double": lambda: rdm(x),
            "single": lambda: rdm(single, dtype="float32"),
            "pdist": lambda: pdist(x, "correlation"),
            "rsatoolbox": lambda: calc_rdm(dataset, "correlation"),
            "product": lambda: x @ x.T,  # numpy knows that this is symmetric and computes half of it
            "product in single": lambda: single @ single.T,
        }
    )
    size = f"correlation RDM, {N_ITEMS:,} x {N_CHANNELS}"
    rivals = {"pdist": ("scipy pdist", 6, 10), "rsatoolbox": ("rsatoolbox", 8, 10)}
    lines = []
    for dtype, own, floor in (("float64", "double", "product"), ("float32", "single", "product in single")):
        for rival, (name, *targets) in rivals.items():
            difference = differences[rival if dtype == "float64" else "single"]
            target = targets[dtype == "float32"]
            theirs = timings[rival]
            floor_is = "half the product"
            lines.append(
                Line(f"{size}, {dtype}", name, timings[own], theirs, timings[floor], floor_is, target, difference)
            )
    keep("rdm_correlation", lines)


if __name__ == "__main__":
    main()
