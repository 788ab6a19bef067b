"""Sign-flip tests over time, 16 subjects x 281 samples, 10,000 flips: cluster mass at least 8 x mne; TFCE; maximum."""

from __future__ import annotations

import numpy as np
from scipy.stats import t as student

from alignkit.meg import cluster_test, max_test, tfce_test
from benchmarks._harness import Line, arguments, extrapolated, in_turn, keep, largest_difference, peer

N_SUBJECTS, N_TIMES = 16, 281
#: Subjects of the exact test whose p-values are compared, and mne's step over heights.
N_EXACT, STEP = 9, 0.2


def curves_of(rng: np.random.Generator) -> np.ndarray:
    """Return curves, smooth in time, with an effect from a third of the epoch on."""
    noise = rng.normal(size=(N_SUBJECTS, N_TIMES + 20))
    smooth = np.apply_along_axis(np.convolve, 1, noise, np.hanning(21) / np.linalg.norm(np.hanning(21)), "valid")
    return smooth + 0.8 * (np.abs(np.arange(N_TIMES) - 130) < 30)


def main() -> None:
    small = arguments(__doc__).parse_args().small
    if peer("mne") is None:
        return
    from mne.stats import permutation_cluster_1samp_test, permutation_t_test

    x = curves_of(np.random.default_rng(0))
    n_flips = 200 if small else 10_000

    def threshold(n: int) -> float:
        return float(student.isf(0.025, n - 1))

    def mne_cluster(x: np.ndarray, n: int, threshold: object) -> tuple[np.ndarray, ...]:
        found = permutation_cluster_1samp_test(
            x, threshold, n, tail=0, out_type="mask", rng=0, verbose="error", n_jobs=1
        )
        return found[0], found[2]

    few = x[:N_EXACT]
    every = 2 ** (N_EXACT - 1)
    exact = cluster_test(few, n_permutations=every)
    theirs = mne_cluster(few, every, threshold(N_EXACT))
    differences = [largest_difference(exact.statistic, theirs[0], limit=1e-12)]
    differences[0] = max(differences[0], largest_difference(exact.p_cluster, theirs[1], limit=1e-12))
    found = tfce_test(few, n_permutations=every, step=STEP)
    theirs = mne_cluster(few, every, {"start": 0, "step": STEP})
    differences.append(largest_difference(found.p_corrected, theirs[1], limit=1e-12))
    differences.append(
        largest_difference(
            max_test(few, n_permutations=every).p_corrected,
            permutation_t_test(few, every, rng=0, verbose="error")[1],
            limit=1e-12,
        )
    )
    repeats = 1 if small else 7
    cluster = in_turn(
        {
            "ours": lambda: cluster_test(x, n_permutations=n_flips, rng=0),
            "theirs": lambda: mne_cluster(x, n_flips, threshold(N_SUBJECTS)),
        },
        repeats=repeats,
    )
    tfce = in_turn({"ours": lambda: tfce_test(x, n_permutations=n_flips, step=STEP, rng=0)}, repeats=repeats)
    n_timed = n_flips // 20
    tfce["theirs"] = extrapolated(lambda: mne_cluster(x, n_timed, {"start": 0, "step": STEP}), n_flips / n_timed)
    largest = in_turn(
        {
            "ours": lambda: max_test(x, n_permutations=n_flips, rng=0),
            "theirs": lambda: permutation_t_test(x, n_flips, rng=0, verbose="error"),
        },
        repeats=repeats,
    )
    size = f"{N_SUBJECTS} subjects x {N_TIMES} samples, {n_flips:,} sign flips"
    rows = (
        ("cluster mass", "mne permutation_cluster_1samp_test", cluster, 8),
        ("TFCE", f"mne, step {STEP} ({n_timed:,} flips timed)", tfce, 0),
        ("largest statistic", "mne permutation_t_test", largest, 0),
    )
    lines = [
        Line(f"{name}, {size}", rival, timings["ours"], timings["theirs"], None, "", target, difference)
        for (name, rival, timings, target), difference in zip(rows, differences, strict=True)
    ]
    keep("meg_cluster", lines, small=small)


if __name__ == "__main__":
    main()
