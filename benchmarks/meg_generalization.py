"""Decoders of all pairs trained at one time and tested at all others, beside mne's GeneralizingEstimator."""

from __future__ import annotations

import itertools

import numpy as np

from alignkit.meg import temporal_generalization
from benchmarks._harness import Line, arguments, extrapolated, in_turn, keep, largest_difference, peer


def main() -> None:
    small = arguments(__doc__).parse_args().small
    n_items, n_folds, n_channels, n_times = (4, 3, 6, 5) if small else (20, 8, 64, 60)
    if peer("mne") is None:
        return
    from mne.decoding import GeneralizingEstimator
    from sklearn.neighbors import NearestCentroid

    rng = np.random.default_rng(0)
    items, folds = np.tile(np.arange(n_items), 2 * n_folds), np.repeat(np.arange(n_folds), 2 * n_items)
    x = rng.normal(size=(items.size, n_channels, n_times)) + 0.5 * rng.normal(size=(n_items, n_channels, 1))[items]
    times = np.arange(n_times) / 100

    def ours(some: int = n_items) -> np.ndarray:
        # without whitening, scikit-learn's nearest centroid is the same decoder
        own = items < some
        found = temporal_generalization(x[own], by=items[own], folds=folds[own], times=times, noise=None, n_bootstrap=0)
        return found.values[0]

    def theirs(some: int, n_held_out: int) -> np.ndarray:
        scores = []
        for pair, fold in itertools.product(itertools.combinations(range(some), 2), range(n_held_out)):
            own = np.isin(items, pair)
            train, test = own & (folds != fold), own & (folds == fold)
            model = GeneralizingEstimator(NearestCentroid(), verbose="error").fit(x[train], items[train])
            scores.append(model.score(x[test], items[test]))
        return np.mean(scores, axis=0)

    difference = largest_difference(ours(3), theirs(3, n_folds), limit=1e-12)
    timing = in_turn({"ours": ours}, repeats=1 if small else 7)["ours"]
    n_fits = n_items * (n_items - 1) // 2 * n_folds
    loop = extrapolated(lambda: theirs(2, 2), n_fits / 2, repeats=1 if small else 3)
    task = (
        f"decoding across times, {n_items} conditions x {2 * n_folds} trials x {n_channels} channels x {n_times} x "
        f"{n_times} samples, {n_folds} folds"
    )
    rival = f"mne GeneralizingEstimator (2 of {n_fits:,} pairs and folds timed)"
    keep("meg_generalization", [Line(task, rival, timing, loop, None, "", 0, difference)], small=small)


if __name__ == "__main__":
    main()
