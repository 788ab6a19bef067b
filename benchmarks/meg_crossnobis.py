"""Crossnobis at every time, 92 conditions x 8 folds x 102 channels x 121 samples: at least 100 x rsatoolbox."""

from __future__ import annotations

import numpy as np

from alignkit.meg import time_rdms
from benchmarks._harness import Line, arguments, in_turn, keep, largest_difference, peer


def main() -> None:
    small = arguments(__doc__).parse_args().small
    n_items, n_folds, n_channels, n_times = (8, 3, 6, 5) if small else (92, 8, 102, 121)
    rng = np.random.default_rng(0)
    items = np.tile([f"{i:02d}" for i in range(n_items)], n_folds)
    folds = np.repeat(np.arange(n_folds), n_items)
    x = rng.normal(size=(items.size, n_channels, n_times))
    residuals = rng.normal(size=(3 * n_channels, n_channels))
    precision = np.linalg.inv(residuals.T @ residuals / len(residuals))
    times = np.arange(n_times) / 100 - 0.2

    def ours() -> np.ndarray:
        return time_rdms(x, by=items, folds=folds, times=times, metric="crossnobis", noise=precision).values

    if peer("rsatoolbox") is None:
        return
    from rsatoolbox.data import TemporalDataset
    from rsatoolbox.rdm import calc_rdm_movie

    dataset = TemporalDataset(x, obs_descriptors={"item": items, "fold": folds}, time_descriptors={"time": times})
    options = {"method": "crossnobis", "descriptor": "item", "cv_descriptor": "fold", "noise": precision}

    def theirs() -> np.ndarray:
        return calc_rdm_movie(dataset, **options).dissimilarities

    difference = largest_difference(ours(), theirs(), limit=1e-10)
    patterns = rng.normal(size=(n_items, n_folds, n_channels))

    def floor() -> None:
        for _ in range(n_times):
            white = (patterns.reshape(-1, n_channels) @ precision).reshape(n_items, -1)
            white @ white.T

    timings = in_turn({"ours": ours, "theirs": theirs, "floor": floor}, repeats=1 if small else 7)
    task = f"crossnobis, {n_items} conditions x {n_folds} folds x {n_channels} channels x {n_times} samples"
    floor_is = "whitening and products of every sample"
    line = Line(task, "rsatoolbox calc_rdm_movie", *timings.values(), floor_is, 100, difference)
    keep("meg_crossnobis", [line], small=small)


if __name__ == "__main__":
    main()
