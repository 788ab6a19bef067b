"""The noise of trials outside each fold, against plain loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.meg_distances import training_covariance

from alignkit.meg._covariance import ResidualPlan, covariances_at
from alignkit.meg._trials import Design


def design_of(condition, fold=None):
    names = tuple(f"c{i}" for i in range(max(condition) + 1))
    folds = () if fold is None else tuple(f"f{i}" for i in range(max(fold) + 1))
    return Design(np.asarray(condition), names, None if fold is None else np.asarray(fold), folds)


def trials(rng, n, n_channels, n_conditions=4, n_folds=3):
    condition, fold = rng.integers(0, n_conditions, n), rng.integers(0, n_folds, n)
    mixing = rng.normal(size=(n_channels, n_channels))
    x = rng.normal(size=(n, n_channels)) @ mixing + 30 * rng.normal(size=(n_conditions, n_channels))[condition]
    return x, condition, fold


@pytest.mark.parametrize("shrinkage", ["ledoit-wolf", "none", 0.3])
@pytest.mark.parametrize("balanced", [True, False])
def test_every_fold_has_the_covariance_of_the_trials_outside_it(rng, shrinkage, balanced):
    x, condition, fold = trials(rng, 60, 5)
    if balanced:
        condition, fold = np.tile(np.arange(4), 15), np.repeat(np.arange(5), 12)
    plan = ResidualPlan.of(design_of(condition, fold), by_fold=True)
    found = covariances_at(x, plan, shrinkage=shrinkage, rank=5, types=[np.arange(5)])
    for k in [*range(fold.max() + 1), None]:
        expected = training_covariance(x, condition, fold, k, shrinkage)
        np.testing.assert_allclose(found.matrices[-1 if k is None else k], expected, rtol=1e-10, atol=1e-12)


@given(seed=st.integers(0, 10_000), n=st.integers(20, 50))
def test_any_design_agrees_with_the_loops(seed, n):
    rng = np.random.default_rng(seed)
    x, condition, _ = trials(rng, n, 3, n_conditions=int(rng.integers(2, 6)))
    condition = np.unique(condition, return_inverse=True)[1]
    fold = rng.permutation(np.arange(n) % rng.integers(2, 5))
    plan = ResidualPlan.of(design_of(condition, fold), by_fold=True)
    found = covariances_at(x, plan, shrinkage="ledoit-wolf", rank=3, types=[np.arange(3)])
    for k in [*range(fold.max() + 1), None]:
        expected = training_covariance(x, condition, fold, k)
        np.testing.assert_allclose(found.matrices[-1 if k is None else k], expected, rtol=1e-8)


def test_one_trial_of_a_condition_in_each_fold_needs_no_second_product(rng):
    condition, fold = np.tile(np.arange(6), 4), np.repeat(np.arange(4), 6)
    plan = ResidualPlan.of(design_of(condition, fold), by_fold=True)
    assert plan.cells is None
    assert plan.even == (1 / 3,) * 4
    x = rng.normal(size=(24, 3)) + 5
    found = covariances_at(x, plan, shrinkage="ledoit-wolf", rank=3, types=[np.arange(3)])
    for k in range(4):
        np.testing.assert_allclose(found.matrices[k], training_covariance(x, condition, fold, k), rtol=1e-10)


def test_types_are_shrunk_in_units_of_their_own_mean_variance(rng):
    x, condition, fold = trials(rng, 60, 6)
    plan, types = ResidualPlan.of(design_of(condition, fold), by_fold=True), [np.array([0, 2, 4]), np.array([1, 3, 5])]
    units = np.where(np.arange(6) % 2, 1e-13, 1e-6)
    found = covariances_at(x, plan, shrinkage="ledoit-wolf", rank=6, types=types)
    other = covariances_at(x * units, plan, shrinkage="ledoit-wolf", rank=6, types=types)
    np.testing.assert_allclose(other.weights, found.weights, rtol=1e-9)
    np.testing.assert_allclose(other.matrices / np.outer(units, units), found.matrices, rtol=1e-9)
    # one type of sensor in other units is not the same for a target of equal variances
    lost = covariances_at(x * units, plan, shrinkage="ledoit-wolf", rank=6, types=[np.arange(6)])
    assert not np.allclose(lost.weights, found.weights, rtol=0.01)


def test_reduced_rank_is_shrunk_as_in_the_subspace_of_the_data(rng):
    x, condition, fold = trials(rng, 60, 4)
    basis = np.linalg.qr(rng.normal(size=(9, 4)))[0]
    plan = ResidualPlan.of(design_of(condition, fold), by_fold=True)
    inside = covariances_at(x, plan, shrinkage="ledoit-wolf", rank=4, types=[np.arange(4)])
    found = covariances_at(x @ basis.T, plan, shrinkage="ledoit-wolf", rank=4, types=[np.arange(9)])
    np.testing.assert_allclose(found.weights, inside.weights, rtol=1e-9)
    np.testing.assert_allclose(basis.T @ found.matrices @ basis, inside.matrices, rtol=1e-8, atol=1e-10)


def test_float32_keeps_six_digits_whatever_the_offset(rng):
    x, condition, fold = trials(rng, 400, 8)
    x += 1000 * rng.normal(size=8)
    plan = ResidualPlan.of(design_of(condition, fold), by_fold=True)
    exact = covariances_at(x, plan, shrinkage="ledoit-wolf", rank=8, types=[np.arange(8)])
    single = covariances_at(x.astype(np.float32), plan, shrinkage="ledoit-wolf", rank=8, types=[np.arange(8)])
    assert np.abs(single.matrices - exact.matrices).max() < 1e-5 * np.abs(exact.matrices).max()
    np.testing.assert_allclose(single.weights, exact.weights, rtol=1e-4)


def test_a_fold_of_artefacts_leaves_the_noise_outside_it_alone(rng):
    """The leak test: residuals of the test fold change, those of the training trials do not."""
    x, condition, fold = trials(rng, 120, 5)
    plan = ResidualPlan.of(design_of(condition, fold), by_fold=True)
    clean = covariances_at(x, plan, shrinkage="ledoit-wolf", rank=5, types=[np.arange(5)])
    for k in range(3):
        broken = x.copy()
        broken[fold == k] += 50 * rng.normal(size=((fold == k).sum(), 5)) @ rng.normal(size=(5, 5))
        found = covariances_at(broken, plan, shrinkage="ledoit-wolf", rank=5, types=[np.arange(5)])
        np.testing.assert_allclose(found.matrices[k], clean.matrices[k], rtol=1e-9)
        np.testing.assert_allclose(found.weights[k], clean.weights[k], rtol=1e-9)
        others = [i for i in range(4) if i != k]
        assert not np.isclose(found.matrices[others], clean.matrices[others], rtol=0.1).all(axis=(1, 2)).any()


def test_order_of_the_trials_is_of_no_account(rng):
    x, condition, fold = trials(rng, 60, 4)
    order = rng.permutation(60)
    one = covariances_at(
        x, ResidualPlan.of(design_of(condition, fold), by_fold=True), shrinkage=0.1, rank=4, types=[np.arange(4)]
    )
    plan = ResidualPlan.of(design_of(condition[order], fold[order]), by_fold=True)
    other = covariances_at(x[order], plan, shrinkage=0.1, rank=4, types=[np.arange(4)])
    np.testing.assert_allclose(other.matrices, one.matrices, rtol=1e-12)


def test_no_repeats_outside_a_fold_is_said(rng):
    design = design_of([0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1])
    with pytest.raises(ValueError, match=r"no condition has two trials outside the fold\(s\) 'f0', 'f1'"):
        ResidualPlan.of(design, by_fold=True)
    ResidualPlan.of(design, by_fold=False)


def test_trials_that_are_all_alike_have_no_noise():
    plan = ResidualPlan.of(design_of([0, 0, 1, 1]), by_fold=False)
    with pytest.raises(ValueError, match="the noise is zero"):
        covariances_at(np.ones((4, 2)), plan, shrinkage="none", rank=2, types=[np.arange(2)])


def test_the_data_are_not_changed(rng, readonly):
    x, condition, fold = trials(rng, 40, 3)
    plan = ResidualPlan.of(design_of(condition, fold), by_fold=True)
    covariances_at(readonly(x), plan, shrinkage="ledoit-wolf", rank=3, types=[np.arange(3)])
