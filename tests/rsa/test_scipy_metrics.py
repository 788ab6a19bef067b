"""Metrics by scipy's names are scipy's numbers."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from scipy.spatial import distance

from alignkit.rsa import rdm
from alignkit.rsa._metrics import METRICS
from alignkit.rsa._scipy_metrics import NUMBERS, SETS


@pytest.mark.parametrize("metric", NUMBERS)
def test_numbers(metric, rng, readonly):
    x = readonly(rng.random(size=(2, 3, 9, 5)) + 0.01)
    result = rdm(x, metric=metric)
    assert result.shape == (2, 3)
    for i in np.ndindex(2, 3):
        assert np.allclose(result.values[i], distance.pdist(x[i], metric), rtol=0, atol=1e-12)


@pytest.mark.parametrize("metric", SETS)
def test_sets(metric, rng):
    x = rng.random(size=(9, 12)) < 0.5
    x[:, 0] = True
    assert np.allclose(rdm(x, metric=metric).values, distance.pdist(x, metric), rtol=0, atol=1e-12)
    assert np.allclose(rdm(7.5 * x, metric=metric).values, rdm(x, metric=metric).values, rtol=0, atol=1e-12)


@pytest.mark.parametrize("metric", ["cosine", "correlation", "euclidean", "sqeuclidean"])
def test_our_own_are_scipys_as_well(metric, rng):
    x = rng.normal(size=(30, 20)) + 2
    assert np.allclose(rdm(x, metric=metric).values, distance.pdist(x, metric), rtol=1e-12, atol=1e-12)


def test_mahalanobis_is_scipys_with_the_precision_as_vi(rng):
    x = rng.normal(size=(8, 4)) + 50
    root = rng.normal(size=(4, 9))
    precision = root @ root.T
    expected = distance.pdist(x, "mahalanobis", VI=precision)
    assert np.allclose(rdm(x, metric="mahalanobis", noise=precision).values, expected, rtol=1e-12)
    covariance = np.linalg.inv(precision)
    again = rdm(x, metric="mahalanobis", noise=covariance, noise_kind="covariance").values
    assert np.allclose(again, expected, rtol=1e-11)
    assert np.allclose(rdm(x, metric="sqmahalanobis", noise=precision).values, expected**2, rtol=1e-12)
    assert np.allclose(
        rdm(x, metric="mahalanobis", noise=np.eye(4)).values, rdm(x, metric="euclidean").values, rtol=1e-13
    )


def test_a_precision_of_lower_rank_sees_part_of_the_channels(rng):
    x = rng.normal(size=(5, 3))
    values = rdm(x, metric="mahalanobis", noise=np.diag([1.0, 1.0, 0.0])).values
    assert np.allclose(values, distance.pdist(x[:, :2]), rtol=1e-12)


@pytest.mark.parametrize("kind", ["array", "tensor"])
@pytest.mark.parametrize("metric", ["mahalanobis", "sqmahalanobis"])
def test_an_offset_costs_mahalanobis_no_digits(metric, kind, rng):
    x, root = rng.normal(size=(8, 4)) + 1e6, rng.normal(size=(4, 9))
    precision = root @ root.T
    expected = distance.pdist(x - x.mean(axis=0), "mahalanobis", VI=precision)
    patterns = pytest.importorskip("torch").from_numpy(x) if kind == "tensor" else x
    values = np.asarray(rdm(patterns, metric=metric, noise=precision).values)
    assert np.allclose(values, expected ** (1 + (metric == "sqmahalanobis")), rtol=1e-12)


@pytest.mark.parametrize("p", [1.0, 1.5, 4.0])
def test_minkowski(p, rng):
    x = rng.normal(size=(6, 5))
    result = rdm(x, metric="minkowski", p=p)
    assert np.allclose(result.values, distance.pdist(x, "minkowski", p=p), rtol=0, atol=1e-12)
    assert result.provenance["p"] == p


def test_all_of_scipys_metrics_have_a_name():
    functions = {name for name, value in vars(distance).items() if inspect.isfunction(value) and name[0] != "_"}
    first = {name: next(iter(inspect.signature(getattr(distance, name)).parameters)) for name in functions}
    gone = {"kulczynski1", "sokalmichener"}  # deprecated there
    named = {name for name in functions if first[name] in ("u", "p")} - gone - {"directed_hausdorff"}
    assert named == {*NUMBERS, *SETS, "correlation", "cosine", "euclidean", "sqeuclidean", "mahalanobis"}
    assert named <= set(METRICS)


def test_undefined_pairs_are_named(rng):
    x = rng.random(size=(4, 3))
    x[:2] = 0.0
    with pytest.warns(RuntimeWarning, match="items for which braycurtis is undefined: 'a', 'b'") as caught:
        values = rdm(x, metric="braycurtis", labels=list("abcd")).values
    assert len(caught) == 1
    assert np.array_equal(np.isnan(values), [True] + [False] * 5)


@pytest.mark.parametrize("metric", [*NUMBERS, "jaccard"])
def test_nan_spoils_its_item_only(metric, rng):
    x = rng.random(size=(6, 5)) + 0.1
    x[2, 1] = np.nan
    with pytest.warns(RuntimeWarning, match="NaN or infinite values: 'item 2'") as caught:
        result = rdm(x, metric=metric)
    assert len(caught) == 1
    others = [0, 1, 3, 4, 5]
    assert np.allclose(result.take(others).values, distance.pdist(x[others], metric), rtol=0, atol=1e-12)
    assert np.isnan(result.values).sum() == 5


def test_all_rows_bad():
    with pytest.warns(RuntimeWarning, match="NaN or infinite"):
        assert np.isnan(rdm(np.full((3, 2), np.nan), metric="seuclidean").values).all()


def test_float32_results_are_rounded_float64(rng):
    x = rng.normal(size=(10, 4))
    result = rdm(x, metric="cityblock", dtype="float32")
    exact = distance.pdist(x, "cityblock")
    assert np.array_equal(result.values, exact.astype(np.float32))
    assert result.provenance["float32_error"] == pytest.approx(np.abs(result.values - exact).max())
