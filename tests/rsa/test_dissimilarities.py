"""The hard cases: offsets, near-duplicates and scales, against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from reference.rsa import correlation_distance, cosine_distance, euclidean, pairwise, sqeuclidean
from scipy.spatial.distance import pdist

from alignkit.rsa import rdm

REFERENCE = {
    "correlation": correlation_distance,
    "cosine": cosine_distance,
    "euclidean": euclidean,
    "sqeuclidean": sqeuclidean,
}
PDIST = sorted(REFERENCE)


@pytest.mark.parametrize("metric", PDIST)
@pytest.mark.parametrize("shape", [(3, 2), (4, 50), (60, 7), (30, 500)])
def test_equals_scipy(metric, shape, rng):
    x = rng.normal(size=shape)
    expected = pdist(x, metric)
    assert np.allclose(rdm(x, metric=metric).values, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("metric", PDIST)
def test_rows_of_float32_with_an_offset(metric, rng):
    # float32 arithmetic loses a third of the squared distance here; exact sums say what is right
    x = (rng.normal(size=(5, 40)) + 1000).astype(np.float32)
    assert np.allclose(rdm(x, metric=metric).values, pairwise(x, REFERENCE[metric]), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6, 1e9])
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_distances_with_any_offset(metric, offset, rng):
    x = rng.normal(size=(6, 20)) + offset
    assert np.allclose(rdm(x, metric=metric).values, pairwise(x, REFERENCE[metric]), rtol=1e-12)


@pytest.mark.parametrize("gap", [1e-1, 1e-3, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_nearly_equal_rows_keep_their_digits(metric, gap, rng):
    base = rng.normal(size=(3, 30))
    x = np.concatenate([base, base + gap * rng.normal(size=base.shape)])
    assert np.allclose(rdm(x, metric=metric).values, pairwise(x, REFERENCE[metric]), rtol=2e-12, atol=0)


@pytest.mark.parametrize("metric", PDIST)
def test_duplicates(metric, rng):
    base = rng.normal(size=(4, 30)) + 100
    square = rdm(np.concatenate([base, base]), metric=metric).squareform()
    copies = np.diagonal(square, 4)
    assert np.all(copies == 0) if "euclidean" in metric else np.all((copies >= 0) & (copies < 1e-14))
    assert np.allclose(square[:4, :4], square[4:, 4:], rtol=0, atol=1e-12)


def test_all_rows_equal():
    for value in (0.0, 0.1, 1e300):
        assert np.array_equal(rdm(np.full((50, 33), value), metric="euclidean").values, np.zeros(1225))


@pytest.mark.parametrize("metric", ["correlation", "cosine"])
@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e-3, 1e150, 1e300])
def test_angles_do_not_depend_on_the_unit(metric, scale, rng):
    x = rng.normal(size=(6, 9))
    assert np.allclose(rdm(x * scale, metric=metric).values, pdist(x, metric), rtol=0, atol=1e-13)
    # one row in another unit
    x[2] *= scale
    expected = pairwise(x, REFERENCE[metric])
    assert np.allclose(rdm(x, metric=metric).values, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e-13, 1e150, 1e300])
def test_lengths_follow_the_unit(scale, rng):
    x = rng.normal(size=(6, 9))
    expected = pairwise(x * scale, euclidean)
    assert np.allclose(rdm(x * scale, metric="euclidean").values, expected, rtol=1e-13, atol=0)
    if 1e-150 <= scale <= 1e150:
        squared = rdm(x * scale, metric="sqeuclidean").values
        assert np.allclose(squared, pairwise(x * scale, sqeuclidean), rtol=1e-13, atol=0)


def test_squares_beyond_the_largest_number_are_refused(rng):
    with pytest.raises(ValueError, match="whose products are beyond float64"):
        rdm(rng.normal(size=(4, 3)) * 1e200, metric="sqeuclidean")


def test_many_close_pairs_fit_in_little_memory(rng, monkeypatch):
    monkeypatch.setattr("alignkit.rsa._dissimilarities._MAX_ELEMENTS", 64)
    x = rng.normal(size=10) + 1e-7 * rng.normal(size=(3, 8, 10))
    expected = np.stack([pdist(part) for part in x])
    assert np.allclose(rdm(x, metric="euclidean").values, expected, rtol=1e-12, atol=0)


def test_a_row_that_is_nearly_constant_is_not_constant():
    x = np.ones((3, 8))
    x[0, 0] += np.finfo(float).eps
    x[1] = np.arange(8)
    x[2, ::2] = 2
    values = rdm(x).values
    assert np.isfinite(values).all()
    assert np.allclose(values, pairwise(x, correlation_distance), atol=1e-12)


def test_opposite_rows_have_dissimilarity_two(rng):
    row = rng.normal(size=17)
    values = rdm(np.stack([row, -row, 3 * row])).values
    assert np.allclose(values, [2, 0, 2], atol=1e-15)
    assert values.min() >= 0
    assert values.max() <= 2


@pytest.mark.parametrize("metric", PDIST)
@pytest.mark.parametrize("kind", ["one-hot", "counts", "ratings in tenths"])
def test_equal_dissimilarities_of_discrete_patterns_are_equal(metric, kind, rng):
    # small whole numbers: what is equal in exact arithmetic must tie, or rank correlations see order in rounding
    if kind == "one-hot":
        whole = np.eye(10, dtype=int)[rng.integers(10, size=40)]
    else:
        whole = rng.integers(1, 5 if kind == "counts" else 6, size=(40, 5))
        whole[:, 0], whole[:, 1] = 0, 12  # no constant rows
    x = whole / 10 if kind == "ratings in tenths" else whole
    values = rdm(x, metric=metric).values
    exact = [_exact_key(a, b, metric) for i, a in enumerate(whole.tolist()) for b in whole.tolist()[i + 1 :]]
    assert len(set(exact)) < len(exact)
    # equal where equal, and different where different
    assert len(set(zip(exact, values.tolist(), strict=True))) == len(set(exact)) == len(set(values.tolist()))


def _exact_key(a: list[int], b: list[int], metric: str) -> object:
    """Return whole numbers that are equal just when the exact dissimilarities are."""
    if metric in ("euclidean", "sqeuclidean"):
        return sum((p - q) ** 2 for p, q in zip(a, b, strict=True))
    if metric == "correlation":
        a, b = ([len(v) * p - sum(v) for p in v] for v in (a, b))
    product, norms = sum(p * q for p, q in zip(a, b, strict=True)), sum(p * p for p in a) * sum(q * q for q in b)
    # r = product / sqrt(norms): compare sign and square as a reduced fraction
    return (product > 0) - (product < 0), Fraction(product**2, norms)
