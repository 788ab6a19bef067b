from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import feature_similarity as reference
from scipy import spatial

from alignkit.rsa import similarity

SCORES = ["nbs", "angular", "euclidean"]


def value(x, y, **options) -> float:
    return float(similarity(x, y, method="procrustes", **options))


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(("p", "q"), [(4, 4), (4, 9), (9, 4), (30, 4), (4, 30), (40, 30)])
def test_it_equals_the_rotation_that_fits_best(rng, p, q, score):
    x, y = 3 * rng.normal(size=(20, p)) + 7, rng.normal(size=(20, q))
    expected = reference.shape(x, y, score=score)
    assert value(x, y, score=score) == pytest.approx(expected, rel=0, abs=1e-10 if score == "nbs" else 1e-9)


def test_the_distance_has_the_closed_form(rng):
    x, y = rng.normal(size=(25, 6)), rng.normal(size=(25, 8))
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    nuclear = np.linalg.svd(a.T @ b, compute_uv=False).sum()
    assert value(x, y) == pytest.approx(nuclear / (np.linalg.norm(a) * np.linalg.norm(b)), rel=0, abs=1e-12)
    expected = np.sqrt((a**2).sum() + (b**2).sum() - 2 * nuclear)
    assert value(x, y, score="euclidean") == pytest.approx(expected, rel=0, abs=1e-10)


def test_peers(rng):
    x, y = rng.normal(size=(20, 5)), rng.normal(size=(20, 5))
    assert 1 - value(x, y) ** 2 == pytest.approx(spatial.procrustes(x, y)[2], rel=0, abs=1e-12)
    rsatoolbox = pytest.importorskip("rsatoolbox")
    rdms = [rsatoolbox.rdm.calc_rdm(rsatoolbox.data.Dataset(z), method="euclidean") for z in (x, y)]
    assert value(x, y) == pytest.approx(rsatoolbox.rdm.compare(*rdms, method="bures").item(), rel=0, abs=1e-6)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(("p", "q"), [(4, 4), (4, 7), (7, 4)])
def test_shape_metrics_equal_whitening_before_the_rotation(rng, p, q, alpha, score):
    x, y = 3 * rng.normal(size=(25, p)), rng.normal(size=(25, q)) @ np.diag(np.arange(1.0, q + 1))
    expected = reference.shape(x, y, score=score, alpha=alpha)
    assert value(x, y, score=score, alpha=alpha) == pytest.approx(expected, rel=0, abs=1e-8)


def test_without_the_features_themselves_it_is_cca(rng):
    x, y = rng.normal(size=(25, 4)), rng.normal(size=(25, 4))
    assert value(x, y, alpha=0) == pytest.approx(float(similarity(x, y, method="cca")), rel=0, abs=1e-12)
    mixed = x @ rng.normal(size=(4, 4)) + 5
    assert value(mixed, y, alpha=0) == pytest.approx(value(x, y, alpha=0), rel=0, abs=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_directions_without_variance_count_for_nothing(rng, alpha):
    x, y = rng.normal(size=(25, 4)), rng.normal(size=(25, 4))
    wider = np.hstack([x, x @ rng.normal(size=(4, 3)) * 0, x[:, :1] * 0 + 4])
    assert value(wider, y, alpha=alpha) == pytest.approx(value(x, y, alpha=alpha), rel=0, abs=1e-12)


def test_geometry_alone_is_warned_of_where_all_is_whitened(rng):
    x, y = rng.normal(size=(2, 8, 5))
    with pytest.warns(RuntimeWarning, match="by geometry alone.*3 of 5 for x and y"):
        value(x, y, alpha=0)
    assert value(x, y, alpha=0.5) < 1


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.3, 1.0]))
def test_rotation_shift_and_unit_change_nothing(seed, alpha):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(12, 4)), rng.normal(size=(12, 20))
    rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    moved = x @ rotation + rng.normal(size=4)
    for score in SCORES:
        expected = value(x, y, alpha=alpha, score=score)
        assert value(moved, y, alpha=alpha, score=score) == pytest.approx(expected, rel=0, abs=1e-8)
        assert value(y, moved, alpha=alpha, score=score) == pytest.approx(expected, rel=0, abs=1e-8)
    assert value(x, 8 * moved) == pytest.approx(1, rel=0, abs=1e-12)
    # the root of the rounding of a sum of squares
    assert value(x, moved, score="euclidean") == pytest.approx(0, abs=1e-6)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["angular", "euclidean"]), st.sampled_from([0.4, 1.0]))
def test_distances_obey_the_triangle(seed, score, alpha):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(8, 3))
    features = [x, x + 0.1 * rng.normal(size=(8, 3)), np.exp(rng.normal(size=(8, 5)))]
    table = similarity(features, features, method="procrustes", score=score, alpha=alpha).values
    for i, j, k in itertools.permutations(range(3)):
        assert table[i, k] <= table[i, j] + table[j, k] + 1e-7


def test_no_unit_is_too_small_or_too_large(rng):
    x, y = rng.normal(size=(2, 12, 3))
    for unit in (2.0**-500, 2.0**500):
        assert value(x * unit, y) == pytest.approx(value(x, y), rel=1e-12)
        assert value(x * unit, y * unit, score="euclidean") == pytest.approx(value(x, y, score="euclidean") * unit)


@pytest.mark.parametrize("alpha", [1.0, 0.4])
def test_units_far_from_one(rng, alpha):
    """The distance has the unit of the features, whose squares leave the range of float64."""
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 5))
    for unit in (2.0**600, 2.0**-600):
        found = value(x * unit, y * unit, score="euclidean")
        assert found == pytest.approx(value(x, y, score="euclidean") * unit, rel=1e-12)
    assert value(x * 2.0**600, y, score="euclidean") == pytest.approx(
        np.linalg.norm(x - x.mean(axis=0)) * 2.0**600, rel=1e-12
    )
    # whitening alone has no unit: of features that large next to nothing is left of it
    assert value(x * 2.0**600, y * 2.0**600, alpha=alpha) == pytest.approx(value(x, y), rel=1e-9)
    assert value(x * 2.0**-600, y * 2.0**-600, alpha=alpha) == pytest.approx(
        value(x, y, alpha=float(alpha == 1)), rel=1e-9
    )
