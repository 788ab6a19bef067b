"""Crossnobis from unbalanced trials, 200 conditions x 10 repeats x 100 channels: at least 50 x rsatoolbox."""

from __future__ import annotations

import numpy as np
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import calc_rdm_unbalanced

from alignkit.rsa import rdm
from benchmarks._harness import Line, in_turn, keep, largest_difference

N_ITEMS, N_REPEATS, N_CHANNELS, N_FOLDS = 200, 10, 100, 5


def main() -> None:
    rng = np.random.default_rng(0)
    items = np.repeat(np.arange(N_ITEMS), N_REPEATS)
    folds = rng.integers(N_FOLDS, size=items.size)
    x = rng.normal(size=(items.size, N_CHANNELS))
    # with unequal numbers of rows the estimate depends on the origin: rsatoolbox takes that of the numbers given
    x -= x.reshape(N_ITEMS, N_REPEATS, N_CHANNELS).mean(axis=1).mean(axis=0)
    labels = [f"{item:03d}" for item in items]
    dataset = Dataset(x, obs_descriptors={"item": labels, "fold": folds})

    def ours() -> np.ndarray:
        return rdm(x, metric="crossnobis", labels=labels, folds=folds, cv="observation-pairs").values

    def theirs() -> np.ndarray:
        found = calc_rdm_unbalanced(dataset, method="crossnobis", descriptor="item", cv_descriptor="fold")
        return found.get_vectors()[0]

    difference = largest_difference(ours(), theirs(), limit=1e-12)
    means = np.random.default_rng(1).normal(size=(N_FOLDS, N_ITEMS, N_CHANNELS))
    timings = in_turn({"ours": ours, "theirs": theirs, "floor": lambda: means @ means.swapaxes(1, 2)})
    task = f"unbalanced crossnobis, {N_ITEMS} conditions x {N_REPEATS} x {N_CHANNELS}"
    floor_is = "one product per fold"
    line = Line(task, "rsatoolbox", timings["ours"], timings["theirs"], timings["floor"], floor_is, 50, difference)
    keep("rdm_unbalanced", [line])


if __name__ == "__main__":
    main()
