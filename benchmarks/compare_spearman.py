"""Spearman correlations of 10 with 10 RDMs of 1,854 items, float32 (15 x rsatoolbox, 8 x scipy) and float64 (10, 5)."""

from __future__ import annotations

import numpy as np
from rsatoolbox.rdm import RDMs
from rsatoolbox.rdm import compare as compare_with_rsatoolbox
from scipy.stats import spearmanr

from alignkit.rsa import compare
from benchmarks._harness import Line, in_turn, keep, largest_difference

N_ITEMS, N_RDMS = 1854, 10


def main() -> None:
    rng = np.random.default_rng(0)
    n_pairs = N_ITEMS * (N_ITEMS - 1) // 2
    common = rng.random(n_pairs)
    single = [(common + rng.random((N_RDMS, n_pairs))).astype(np.float32) for _ in range(2)]
    double = [values.astype(np.float64) for values in single]
    theirs = [RDMs(values) for values in double]

    def scipys() -> np.ndarray:
        table = spearmanr(np.concatenate(double), axis=1).statistic
        return table[:N_RDMS, N_RDMS:]

    def rsatoolboxs() -> np.ndarray:
        return compare_with_rsatoolbox(*theirs, method="spearman")

    exact = compare(*double).values
    differences = {
        "scipy spearmanr": largest_difference(exact, scipys(), limit=1e-12),
        "rsatoolbox": largest_difference(compare(*single).values, rsatoolboxs(), limit=1e-12),
    }
    timings = in_turn(
        {
            "float64": lambda: compare(*double),
            "float32": lambda: compare(*single),
            "scipy spearmanr": scipys,
            "rsatoolbox": rsatoolboxs,
            "sort float64": lambda: [np.sort(values, axis=1) for values in double],
            "sort float32": lambda: [np.sort(values, axis=1) for values in single],
        },
        repeats=3,
    )
    targets = {"float32": (15, 8), "float64": (10, 5)}
    lines = [
        Line(
            f"Spearman, {N_RDMS} x {N_RDMS} RDMs of {N_ITEMS:,} items, {dtype}",
            rival,
            timings[dtype],
            timings[rival],
            timings[f"sort {dtype}"],
            "sorting the values on one thread",
            target,
            differences[rival],
        )
        for dtype, both in targets.items()
        for rival, target in zip(("rsatoolbox", "scipy spearmanr"), both, strict=True)
    ]
    keep("compare_spearman", lines)


if __name__ == "__main__":
    main()
