"""Weighted, cross-validated, Poisson and unbalanced RDMs are rsatoolbox's wherever it is right."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from reference.rdm import mean_over_items

from alignkit.rsa import noise_precision, rdm


@pytest.fixture(scope="module")
def theirs() -> SimpleNamespace:
    pytest.importorskip("rsatoolbox")
    from rsatoolbox.data import Dataset
    from rsatoolbox.data.noise import cov_from_unbalanced, prec_from_residuals
    from rsatoolbox.rdm import calc_rdm
    from rsatoolbox.rdm.calc_unbalanced import calc_rdm_unbalanced

    return SimpleNamespace(
        Dataset=Dataset,
        calc=calc_rdm,
        unbalanced=calc_rdm_unbalanced,
        precision=prec_from_residuals,
        cov_from_unbalanced=cov_from_unbalanced,
    )


def design(rng: np.random.Generator, n_items: int = 6, n_folds: int = 4, *, unequal: bool, missing: bool = False):
    cells = [
        (f"c{i}", f"run{f}")
        for i in range(n_items)
        for f in range(n_folds)
        for _ in range(rng.integers(0 if missing and f > 1 else 1, 4) if unequal else 2)
    ]
    labels, folds = zip(*[cells[i] for i in rng.permutation(len(cells))], strict=True)
    return rng.normal(size=(len(cells), 8)) + 3, list(labels), list(folds)


def precision_of(rng: np.random.Generator) -> np.ndarray:
    root = rng.normal(size=(8, 12))
    return root @ root.T / 12


def dataset(theirs, x, labels, folds):
    return theirs.Dataset(x, obs_descriptors={"condition": labels, "run": folds})


def vector(result, ours):
    """Return their values in the order of our items: they sort conditions by name or keep the order of appearance."""
    names = list(result.pattern_descriptors["condition"])
    square = result.get_matrices()[0]
    order = [names.index(label) for label in ours.labels]
    return square[np.ix_(order, order)][np.triu_indices(len(order), 1)]


def test_mahalanobis(theirs, rng):
    x, labels, folds = design(rng, unequal=True)
    precision = precision_of(rng)
    result = theirs.calc(dataset(theirs, x, labels, folds), "mahalanobis", descriptor="condition", noise=precision)
    ours = rdm(x, metric="sqmahalanobis", labels=labels, noise=precision, normalize=True)
    assert np.allclose(ours.values, vector(result, ours), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("prior", [{}, {"prior_lambda": 3.0, "prior_weight": 0.7}])
def test_poisson(prior, theirs, rng):
    counts = rng.poisson(4.0, size=(9, 20)).astype(float)
    expected = theirs.calc(theirs.Dataset(counts), "poisson", **prior).get_vectors()[0]
    assert np.allclose(rdm(counts, metric="poisson", **prior).values, expected, rtol=0, atol=1e-12)


def test_poisson_cv_is_the_mean_of_their_folds(theirs, rng):
    # they return their last fold only: every fold is the last one once
    x, labels, folds = design(rng, unequal=False)
    counts = rng.poisson(np.exp(rng.normal(size=8)), size=x.shape).astype(float)
    ours = rdm(counts, metric="poisson_cv", labels=labels, folds=folds)
    last = []
    for fold in sorted(set(folds)):
        renamed = [f"z{f}" if f == fold else f for f in folds]
        result = theirs.calc(
            dataset(theirs, counts, labels, renamed), "poisson_cv", descriptor="condition", cv_descriptor="run"
        )
        last.append(vector(result, ours))
    assert np.allclose(ours.values, np.mean(last, axis=0), rtol=0, atol=1e-12)
    assert not np.allclose(ours.values, last[-1], rtol=0, atol=1e-3)


@pytest.mark.parametrize("unequal", [False, True])
def test_crossnobis_with_a_precision_per_fold(unequal, theirs, rng):
    x, labels, folds = design(rng, unequal=unequal)
    names = sorted(set(folds))
    precisions = {name: precision_of(rng) for name in names}
    data = dataset(theirs, x, labels, folds)
    noise = [precisions[name] for name in names]  # theirs are sorted
    result = theirs.calc(data, "crossnobis", descriptor="condition", cv_descriptor="run", noise=noise)
    ours = rdm(x, metric="crossnobis", labels=labels, folds=folds, noise=precisions)
    assert ours.provenance["cv"] == "fold-pairs"
    assert np.allclose(ours.values, vector(result, ours), rtol=0, atol=1e-12 * np.abs(ours.values).max())
    in_order = [precisions[name] for name in dict.fromkeys(folds)]
    again = rdm(x, metric="crossnobis", labels=labels, folds=folds, noise=in_order)
    assert np.array_equal(again.values, ours.values)
    covariances = [np.linalg.inv(matrix) for matrix in in_order]
    same = rdm(x, metric="crossnobis", labels=labels, folds=folds, noise=covariances, noise_kind="covariance")
    assert np.allclose(same.values, ours.values, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("with_precision", [False, True])
@pytest.mark.parametrize(("unequal", "missing"), [(False, False), (True, False), (True, True)])
def test_crossnobis_of_unbalanced_designs(unequal, missing, with_precision, theirs, rng):
    x, labels, folds = design(rng, unequal=unequal, missing=missing)
    precision = precision_of(rng) if with_precision else None
    # their value depends on the origin: ours has its place among the items
    x -= mean_over_items(x, labels)
    data = dataset(theirs, x, labels, folds)
    result = theirs.unbalanced(data, "crossnobis", descriptor="condition", cv_descriptor="run", noise=precision)
    options = {"metric": "crossnobis", "labels": labels, "folds": folds, "noise": precision}
    ours = rdm(x, cv="observation-pairs", **options)
    assert np.allclose(ours.values, vector(result, ours), rtol=0, atol=1e-12)
    moved = rdm(x + 100.0, cv="observation-pairs", **options)
    assert np.allclose(moved.values, ours.values, rtol=0, atol=1e-9)
    if not unequal:
        assert np.allclose(rdm(x, **options).values, ours.values, rtol=0, atol=1e-13)


@pytest.mark.parametrize("method", ["euclidean", "mahalanobis"])
def test_unbalanced_repeats_need_no_other_estimator(method, theirs, rng):
    x, labels, folds = design(rng, unequal=True)
    precision = precision_of(rng) if method == "mahalanobis" else None
    result = theirs.unbalanced(dataset(theirs, x, labels, folds), method, descriptor="condition", noise=precision)
    metric = {"euclidean": "sqeuclidean", "mahalanobis": "sqmahalanobis"}[method]
    ours = rdm(x, metric=metric, labels=labels, noise=precision, normalize=True)
    assert np.allclose(ours.values, vector(result, ours), rtol=0, atol=1e-12)


# ---- noise -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["shrinkage_eye", "shrinkage_diag", "diag", "full"])
@pytest.mark.parametrize("dof", [None, 33])
def test_precision_of_residuals(method, dof, theirs, rng):
    residuals = rng.normal(size=(40, 8)) @ rng.normal(size=(8, 8)) + 5
    expected = theirs.precision(residuals, dof=dof, method=method)
    ours = noise_precision(residuals, method=method, dof=dof)
    assert np.allclose(ours.precision, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())
    assert ours.dof == (dof or 39)


@pytest.mark.parametrize("method", ["shrinkage_eye", "shrinkage_diag"])
def test_precision_of_trials_less_their_conditions(method, theirs, rng):
    x, labels, folds = design(rng, unequal=True)
    expected = theirs.cov_from_unbalanced(dataset(theirs, x, labels, folds), "condition", method=method)
    assert np.allclose(noise_precision(x, labels=labels, method=method).covariance, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [5, 20, 200])
@pytest.mark.parametrize("p", [1, 3, 30])
def test_ledoit_wolf(n, p, rng):
    ledoit_wolf = pytest.importorskip("sklearn.covariance").ledoit_wolf
    residuals = rng.normal(size=(n, p)) * np.linspace(0.5, 4, p) + 100
    covariance, weight = ledoit_wolf(residuals)
    ours = noise_precision(residuals)
    assert np.allclose(ours.covariance, covariance * n / (n - 1), rtol=1e-12, atol=1e-12)
    assert ours.shrinkage == pytest.approx(weight, rel=0, abs=1e-12)
