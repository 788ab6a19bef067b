from __future__ import annotations

import itertools

import numpy as np
import pytest
from reference import rsa as reference
from threadpoolctl import threadpool_limits

from alignkit.rsa import compare
from alignkit.rsa._matrix_methods import WHITENED
from alignkit.rsa._pooling import POOLING_METHODS, pools
from alignkit.rsa._pools import GramPool
from alignkit.rsa._similarity_methods import METHODS, RANK_METHODS, Similarity

POOLINGS = ("rank", "raw", "rsatoolbox")
LINEAR = [method for method in POOLING_METHODS if method not in RANK_METHODS]
every = np.ones(15, dtype=bool)


def pool_of(rows, method, pooling="rank", valid=None, sigma_k=None):
    valid = np.ones(rows.shape[1], dtype=bool) if valid is None else valid
    (pool,) = pools(rows[:, None], method, pooling, valid, sigma_k)
    return pool


@pytest.fixture
def rows(rng) -> np.ndarray:
    return 4 + rng.normal(size=15) + rng.normal(size=(5, 15))


@pytest.mark.parametrize("method", LINEAR)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_products_give_what_sums_give(method, pooling, rows, rng):
    pool = pool_of(rows, method, pooling)
    assert isinstance(pool, GramPool)
    weights = rng.multinomial(5, np.full(5, 0.2), size=50).astype(float)
    weights = weights[(weights > 0).sum(axis=1) > 1]
    assert np.allclose(pool.bounds(weights), pool.rows.bounds(weights), rtol=0, atol=1e-13, equal_nan=True)
    first = np.array([rng.permutation(5) < 2 for _ in range(20)])
    assert np.allclose(pool.halves(first), pool.rows.halves(first), rtol=0, atol=1e-13)


@pytest.mark.parametrize("method", WHITENED)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("sigma", [None, 1, 2])
def test_whitened_bounds_with_any_pairs_missing(method, pooling, sigma, rows, rng):
    # 15 of the 21 pairs of 7 items; means are compared by compare() itself
    valid = np.ones(21, dtype=bool)
    valid[[0, 3, 7, 12, 18, 20]] = False
    root = rng.normal(size=(7, 9))
    sigma_k = {None: None, 1: rng.uniform(1, 2, 7), 2: root @ root.T}[sigma]
    scaled = rows
    if pooling == "rsatoolbox":
        scaled = rows / np.sqrt(np.square(rows).mean(axis=1, keepdims=True))
        if method == "whitened-pearson":
            scaled = (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)
    elif pooling == "rank":
        scaled = rows / np.array([whitened_length(row, valid, sigma_k, method) for row in rows])[:, None]
    full = np.full((2, 5, 21), np.nan)
    full[0][:, valid] = rows
    for s in range(5):
        full[1, s, valid] = scaled.sum(axis=0) - scaled[s]
    everyone = np.full(21, np.nan)
    everyone[valid] = scaled.sum(axis=0)
    options = {"method": method, "sigma_k": sigma_k, "nan_policy": "omit"}
    upper = compare(everyone, full[0], **options).values
    lower = np.diagonal(compare(full[1], full[0], **options).values)
    found = pool_of(rows, method, pooling, valid, sigma_k).bounds(np.ones((1, 5)))[0]
    assert np.allclose(found, [lower, upper], rtol=0, atol=1e-12)


def whitened_length(row, valid, sigma_k, method) -> float:
    """Return the length of one RDM in the metric of the covariance of its dissimilarities, which is formed here."""
    items = 7
    contrasts = np.zeros((21, items))
    for k, (i, j) in enumerate(itertools.combinations(range(items), 2)):
        contrasts[k, i], contrasts[k, j] = 1, -1
    sigma = np.eye(items) if sigma_k is None else (np.diag(sigma_k) if sigma_k.ndim == 1 else sigma_k)
    covariance = np.square(contrasts @ sigma @ contrasts.T)[np.ix_(valid, valid)]
    row = row - row.mean() if method == "whitened-pearson" else row
    return float(np.sqrt(row @ np.linalg.solve(covariance, row)))


@pytest.mark.parametrize("method", ["pearson", "cosine", "whitened-cosine", "whitened-pearson"])
def test_no_rdm_is_more_like_all_than_their_mean(method, rows, rng):
    best = pool_of(rows, method).bounds(np.ones((1, 5)))[0, 1].mean()
    others = np.vstack([rows, rows + rng.normal(size=(5, 15)), rows.mean(axis=0)])
    for pooling in ("raw", "rsatoolbox"):
        assert pool_of(rows, method, pooling).bounds(np.ones((1, 5)))[0, 1].mean() <= best + 1e-12
    assert compare(others, rows, method=method).values.mean(axis=1).max() <= best + 1e-12


@pytest.mark.parametrize("method", ["pearson", "cosine", "whitened-cosine"])
@pytest.mark.parametrize("rest", [1e-1, 1e-4, 1e-7, 1e-10])
def test_sums_that_nearly_cancel_out_keep_their_digits(method, rest, rng):
    # products alone would leave 1e-16 / rest^2 of the direction
    one, other = rng.integers(-(2**20), 2**20, (2, 15)) / 2**20
    rows = np.stack([one, -one + rest * other, other])
    found = pool_of(rows, method, "raw").bounds(np.ones((1, 3)))[0]
    remaining = rest * other
    expected = compare(remaining, rows[2], method=method)
    assert found[0, 2] == pytest.approx(float(expected), abs=1e-15 / rest + 1e-13)


@pytest.mark.parametrize("method", POOLING_METHODS)
def test_many_resamples_are_taken_in_blocks(method, rows, rng, monkeypatch):
    weights = rng.multinomial(5, np.full(5, 0.2), size=30).astype(float)
    first = np.array([rng.permutation(5) < 2 for _ in range(30)])
    pool = pool_of(rows, method)
    pool = pool.rows if isinstance(pool, GramPool) else pool
    expected = pool.bounds(weights), pool.halves(first)
    monkeypatch.setattr("alignkit.rsa._pools._BLOCK", 60)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append((pool.bounds(weights), pool.halves(first)))
    for blocks, again, whole in zip(*found, expected, strict=True):
        assert np.array_equal(blocks, again, equal_nan=True)
        assert np.allclose(blocks, whole, rtol=0, atol=1e-14, equal_nan=True)


@pytest.mark.parametrize("method", sorted(RANK_METHODS))
def test_halves_of_ranks_equal_the_plain_loop(method, rng):
    rows = rng.integers(0, 5, (5, 10)).astype(float)
    first = np.array([[True, True, False, False, False], [False, True, False, True, False]])
    expected = [
        reference.METHODS[method](reference.pool(rows[one], method, "rank"), reference.pool(rows[~one], method, "rank"))
        for one in first
    ]
    assert np.allclose(pool_of(rows, method).halves(first), expected, rtol=0, atol=1e-14)


def test_pairs_tied_in_everybody_stay_tied_in_raw_means(rng):
    # a matrix product may round equal columns differently
    rows = rng.random((5, 500))
    rows = np.hstack([rows, rows, rows[:, :37]])
    seen = []

    def keep(x, backend):
        seen.append(x.copy())
        return METHODS["spearman"].prepare(x, backend)

    pool = pool_of(rows, "spearman", "raw")
    pool = type(pool)(pool.scaled, pool.prepared, Similarity(keep, pool.kind.product), directed=False)
    pool.bounds(rng.multinomial(5, np.full(5, 0.2), size=7).astype(float))
    for sums in seen:
        assert np.array_equal(sums[:, :500], sums[:, 500:1000])
        assert np.array_equal(sums[:, :37], sums[:, 1000:])


def test_whole_ranks_stay_exact_beyond_single_precision(rng):
    # 3,000 subjects of 6,000 pairs: sums of ranks pass 2^24
    one = rng.permutation(6105).astype(float)
    rows = np.stack([one] * 3)
    pool = pool_of(rows, "spearman")
    weights = np.array([[2.0**20 + 1, 2.0**20, 3.0]])
    assert np.allclose(pool.bounds(weights), 1.0, rtol=0, atol=1e-15)
    total = pool._sum(weights)
    assert total.dtype == np.float64
    assert np.array_equal(total[0], weights.sum() * pool.scaled[0].astype(float))
