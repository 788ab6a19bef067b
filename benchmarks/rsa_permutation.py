"""Mantel's test of 121 time points x 92 items, 1,000 permutations, Spearman: at least 500 x a loop over spearmanr.

The second rival is the best loop that a user may write: ranks once, then one product for every permutation.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata, spearmanr

from alignkit.rsa import permutation_test
from benchmarks._harness import Line, arguments, extrapolated, in_turn, keep, largest_difference

N_ITEMS, N_TIMES, N_PERMUTATIONS = 92, 121, 1000
#: Permutations that are checked against scipy, and those that are timed: the loop's time grows with their number alone.
N_CHECKED, N_TIMED = 5, 2


def main() -> None:
    small = arguments(__doc__).parse_args().small
    n_items, n_times, n_permutations = (20, 9, 60) if small else (N_ITEMS, N_TIMES, N_PERMUTATIONS)
    rng = np.random.default_rng(0)
    model = rng.random(n_items * (n_items - 1) // 2)
    course = 0.1 * model + rng.random((n_times, model.size))
    orders = np.random.default_rng(1)
    permuted = [relabelled(model, orders.permutation(n_items), n_items) for _ in range(n_permutations)]

    def ours() -> np.ndarray:
        null = permutation_test(model, course, n_permutations=n_permutations, rng=1).null
        assert null is not None
        return null

    def by_spearmanr(number: int) -> np.ndarray:
        return np.array([[spearmanr(one, data).statistic for data in course] for one in permuted[:number]])

    def by_ranks() -> np.ndarray:
        square = squared(unit_ranks(model), n_items)
        data = unit_ranks(course)
        generator = np.random.default_rng(1)
        upper = np.triu_indices(n_items, k=1)
        found = []
        for _ in range(n_permutations):
            order = generator.permutation(n_items)
            found.append(data @ square[np.ix_(order, order)][upper])
        return np.array(found)

    null = ours()
    differences = [
        largest_difference(null[:N_CHECKED], by_spearmanr(N_CHECKED), limit=1e-12),
        largest_difference(null, by_ranks(), limit=1e-12),
    ]
    timings = in_turn({"ours": ours, "ranks": by_ranks}, repeats=1 if small else 7)
    loop = extrapolated(lambda: by_spearmanr(N_TIMED), n_permutations / N_TIMED)
    task = f"Mantel's test, {n_permutations:,} permutations x {n_times} times x {n_items} items, spearman"
    rivals = (
        (f"a loop over scipy's spearmanr ({N_TIMED} permutations timed)", loop, 500),
        ("a loop over permutations, ranks once", timings["ranks"], 0),
    )
    lines = [
        Line(task, rival, timings["ours"], theirs, None, "", target, difference)
        for (rival, theirs, target), difference in zip(rivals, differences, strict=True)
    ]
    keep("rsa_permutation", lines, small=small)


def squared(values: np.ndarray, n: int) -> np.ndarray:
    """Return the symmetric matrix of an upper triangle."""
    square = np.zeros((n, n))
    square[np.triu_indices(n, k=1)] = values
    return square + square.T


def relabelled(values: np.ndarray, order: np.ndarray, n: int) -> np.ndarray:
    """Return the upper triangle with the items' labels permuted."""
    return squared(values, n)[np.ix_(order, order)][np.triu_indices(n, k=1)]


def unit_ranks(values: np.ndarray) -> np.ndarray:
    """Return centred ranks of unit length."""
    ranks = rankdata(values, axis=-1)
    ranks -= ranks.mean(axis=-1, keepdims=True)
    return ranks / np.linalg.norm(ranks, axis=-1, keepdims=True)


if __name__ == "__main__":
    main()
