from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from alignkit.rsa._inference import _rank_resamples
from alignkit.rsa._inference._draw_counts import draw_counts
from alignkit.rsa._inference._task import task_of
from alignkit.rsa._kernels import _weighted_ranks_numpy as plain

S, K = 4, 3


def study(rng, n, levels, b=25):
    pairs = n * (n - 1) // 2
    rows = rng.normal(size=(S + K, pairs))
    rows[0] = np.round(rows[0], 1)
    if levels is not None:
        rows = np.round(rows * levels) / levels
    rows[-1] = rng.random(pairs) < 0.5
    weights = np.stack([np.ones((b, S)), draw_counts(S, b, rng), np.eye(S)[rng.integers(S, size=b)]])
    return rows, draw_counts(n, b, rng), weights


def test_ranks_are_those_of_values_written_out(rng):
    values = np.round(rng.normal(size=40), 1)
    weights = rng.integers(1, 5, size=40)
    ranks = rankdata(np.repeat(values, weights))
    wanted = 2 * ranks - weights.sum() - 1
    found = plain.whole_midranks(values, weights.astype(float))
    np.testing.assert_array_equal(np.repeat(found, weights), wanted)


def test_products_and_sums_written_out(rng):
    rows, counts, weights = study(rng, 7, 2, b=6)
    valid = np.ones(21, dtype=bool)
    valid[[2, 11]] = False
    first, second = np.triu_indices(7, k=1)
    total, products, crossed, own = plain.resampled_ranks(rows, valid, counts, weights)
    for b, times in enumerate(counts):
        copies = times[first] * times[second] * valid
        n = copies.sum()
        ranks = np.array([2 * rankdata(np.repeat(row, copies)) - n - 1 for row in rows])
        assert total[b] == n
        np.testing.assert_array_equal(products[b, :S], ranks[:S] @ ranks.T)
        np.testing.assert_array_equal(products[b, S], (ranks**2).sum(axis=1))
        for m, drawn in enumerate(weights[:, b]):
            for s in range(S):
                others = np.where(np.arange(S) == s, 0.0, drawn)
                pooled = [2 * rankdata(w @ ranks[:S]) - n - 1 for w in (others, drawn)]
                wanted = [(p @ ranks[s], p @ p) if drawn[s] else (0.0, 0.0) for p in pooled]
                if not others.any():
                    wanted[0] = (0.0, 0.0)
                np.testing.assert_array_equal(crossed[m, b, :, s], [w[0] for w in wanted])
                np.testing.assert_array_equal(own[m, b, :, s], [w[1] for w in wanted])


@pytest.mark.parametrize("n", [3, 8, 40])
@pytest.mark.parametrize("levels", [None, 1])
@pytest.mark.parametrize("whole", [True, False])
def test_compiled_as_plain(n, levels, whole, rng):
    numba = pytest.importorskip("alignkit.rsa._kernels._weighted_ranks_numba")
    rows, counts, weights = study(rng, n, levels)
    counts[0] = 0
    counts[0, -1] = n  # copies of one item alone
    counts[1] = 0
    counts[1, [0, 2]] = 1, n - 1
    valid = np.full(rows.shape[1], whole) | (rng.random(rows.shape[1]) < 0.7)
    wanted = plain.resampled_ranks(rows, valid, counts, weights)
    found = numba.resampled_ranks(numba.SortedRows(rows, valid, n), counts, weights)
    for own, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(own, other)


@pytest.mark.parametrize("method", ["spearman", "rho-a"])
def test_few_resamples_do_without_numba_and_many_take_it(method, rng, monkeypatch):
    numba = pytest.importorskip("alignkit.rsa._kernels._weighted_ranks_numba")
    rows, counts, weights = study(rng, 9, 2)
    task = task_of(rows[:S], rows[S:], method)
    few, many = (_rank_resamples.RankResamples.of(task, n) for n in (1, 10**6))
    assert (few.kernel, many.kernel) == (plain, numba)
    for own, other in zip(few(counts, weights), many(counts, weights), strict=True):
        np.testing.assert_array_equal(own, other)
    monkeypatch.setattr("alignkit.rsa._dispatch.util.find_spec", lambda _: None)
    assert _rank_resamples.RankResamples.of(task, 10**6).kernel is plain


@pytest.mark.parametrize("n_resamples", [1, 10**6])
def test_many_subjects_and_threads(n_resamples, rng):
    rows, counts, _ = study(rng, 12, None, b=40)
    people = rng.normal(size=(30, rows.shape[1]))
    engine = _rank_resamples.RankResamples.of(task_of(people, rows[:2], "spearman"), n_resamples)
    weights = draw_counts(30, 40, rng)[None].astype(float)
    together = engine(counts, weights)
    with threadpool_limits(1):
        alone = [engine(counts[b : b + 1], weights[:, b : b + 1]) for b in range(40)]
    np.testing.assert_array_equal(together[0], np.concatenate([a[0] for a in alone]))
    np.testing.assert_array_equal(together[1], np.concatenate([a[1] for a in alone], axis=1))
