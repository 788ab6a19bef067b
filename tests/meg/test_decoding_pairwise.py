"""Decoding with a covariance of each pair: equal to the primal definition, one pair, fold and trial at a time."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.decoding import decode_loop, pooled_lda
from threadpoolctl import threadpool_limits

from alignkit.meg import _decoding_pairwise
from alignkit.meg._decoding_pairwise import decode_pairwise, pairwise_seconds
from alignkit.meg._kernels import _pairwise_numba, _pairwise_numpy
from alignkit.meg._trials import Design


@pytest.fixture(params=[_pairwise_numpy, _pairwise_numba], ids=["numpy", "numba"])
def kernel(request, monkeypatch):
    """Decode by one kernel or the other."""
    monkeypatch.setattr(_decoding_pairwise, "_kernel", lambda work: request.param)
    return request.param


def design_of(condition, fold) -> Design:
    names = tuple(f"c{i}" for i in range(max(condition) + 1))
    return Design(np.asarray(condition), names, np.asarray(fold), tuple(map(str, range(max(fold) + 1))))


def balanced(rng, n, folds, per_fold=1, times=2, channels=8, signal=0.6):
    condition, fold = (a.ravel() for a in np.indices((n, folds)).repeat(per_fold, axis=2))
    order = rng.permutation(len(condition))
    condition, fold = condition[order], fold[order]
    x = rng.normal(size=(times, len(condition), channels)) + 5.0
    x += signal * rng.normal(size=(times, n, channels))[:, condition]
    return x, design_of(condition, fold)


def expected_of(x, design, ridge=0.01):
    return decode_loop(x, design.condition, design.fold, design.n_conditions, pooled_lda(ridge), minimum=2)


@pytest.mark.parametrize("channels", [3, 30])
@pytest.mark.parametrize(("folds", "per_fold"), [(5, 1), (3, 2)])
def test_equals_the_primal_definition(rng, kernel, channels, folds, per_fold):
    x, design = balanced(rng, n=7, folds=folds, per_fold=per_fold, channels=channels)
    found = decode_pairwise(x, design)
    np.testing.assert_allclose(found.values, expected_of(x, design), rtol=0, atol=1e-15)
    assert found.n_decisions == 2 * folds * per_fold


def test_ridge_changes_the_covariance(rng, kernel):
    x, design = balanced(rng, n=5, folds=4, channels=6)
    x *= [1, 1, 1, 1, 10, 10]
    found = [decode_pairwise(x, design, ridge=ridge).values for ridge in (0.001, 10.0)]
    for values, ridge in zip(found, (0.001, 10.0), strict=True):
        np.testing.assert_allclose(values, expected_of(x, design, ridge), rtol=0, atol=1e-15)
    assert np.any(found[0] != found[1])


def test_equals_scikit_learn(rng, kernel):
    from sklearn.covariance import EmpiricalCovariance
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    class Ridge(EmpiricalCovariance):
        # of each class; scikit-learn averages them, which is the pooled covariance and its ridge for equal numbers
        def fit(self, X, y=None):
            rows = X - X.mean(axis=0)
            self.covariance_ = rows.T @ rows / len(rows)
            self.covariance_ += 0.01 * np.trace(self.covariance_) / len(self.covariance_) * np.eye(X.shape[1])
            return self

    x, design = balanced(rng, n=4, folds=4, times=1, channels=9)
    right = np.zeros(6)
    for p, pair in enumerate(combinations(range(4), 2)):
        among = np.isin(design.condition, pair)
        for k in range(4):
            train, test = among & (design.fold != k), among & (design.fold == k)
            model = LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=Ridge(), priors=[0.5, 0.5])
            model.fit(x[0, train], design.condition[train])
            right[p] += np.sum(model.predict(x[0, test]) == design.condition[test])
    np.testing.assert_array_equal(decode_pairwise(x, design).counts[0], 2 * right)


def test_equals_the_definition_for_unbalanced_trials(rng, kernel):
    counts = np.array([[1, 2, 0, 3, 1], [2, 1, 1, 0, 0], [1, 1, 2, 0, 2], [1, 3, 1, 0, 1]])
    fold, condition = (np.repeat(a.ravel(), counts.ravel()) for a in np.indices(counts.shape))
    order = rng.permutation(len(fold))
    design = design_of(condition[order], fold[order])
    x = rng.normal(size=(2, len(order), 12)) + 0.5 * rng.normal(size=(5, 12))[design.condition]
    found = decode_pairwise(x, design)
    np.testing.assert_allclose(found.values, expected_of(x, design), rtol=0, atol=1e-15)
    np.testing.assert_array_equal(found.undefined, [3 in pair for pair in combinations(range(5), 2)])
    assert found.counts is None


@pytest.mark.parametrize("first", [1, 2])
def test_conditions_that_differ_in_the_last_fold_alone_equal_the_definition(rng, kernel, first):
    # their training trials then lie in the same places, their test trials do not
    counts = np.array([[2] * 5, [2] * 5, [first, 2, 1, 2, 1]])
    fold, condition = (np.repeat(a.ravel(), counts.ravel()) for a in np.indices(counts.shape))
    design = design_of(condition, fold)
    x = rng.normal(size=(4, len(fold), 7))
    np.testing.assert_allclose(decode_pairwise(x, design).values, expected_of(x, design), rtol=0, atol=1e-15)


def test_offsets_of_channels_change_no_decision(rng, kernel):
    x, design = balanced(rng, n=6, folds=4, channels=20)
    moved = x + 1e7 * rng.normal(size=20)
    np.testing.assert_array_equal(decode_pairwise(moved, design).counts, decode_pairwise(x, design).counts)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(2, 4), st.integers(4, 30))
def test_equals_the_definition_for_any_design(seed, n, folds, trials):
    rng = np.random.default_rng(seed)
    condition, fold = rng.integers(0, n, trials), rng.integers(0, folds, trials)
    condition[0], fold[0] = n - 1, folds - 1
    x = rng.normal(size=(1, trials, 6))
    design = design_of(condition, fold)
    expected = expected_of(x, design)
    for module in (_pairwise_numpy, _pairwise_numba):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_decoding_pairwise, "_kernel", lambda work, module=module: module)
            np.testing.assert_allclose(decode_pairwise(x, design).values, expected, rtol=0, atol=1e-15)


def test_blocks_and_threads_leave_the_bits(rng, monkeypatch):
    x, design = balanced(rng, n=75, folds=3, channels=10)
    monkeypatch.setattr(_decoding_pairwise, "_kernel", lambda work: _pairwise_numba)
    with threadpool_limits(1):
        whole = decode_pairwise(x, design).counts
    monkeypatch.setattr(_decoding_pairwise, "_TRIALS", 60)
    with threadpool_limits(2):
        parts = np.concatenate([decode_pairwise(x[t : t + 1], design).counts for t in range(2)])
    np.testing.assert_array_equal(whole, parts)
    some = [0, 3, 69, 74]
    keep = np.isin(design.condition, some)
    small = design_of(np.searchsorted(some, design.condition[keep]), design.fold[keep])
    pairs = [p for p, pair in enumerate(combinations(range(75), 2)) if set(pair) <= set(some)]
    np.testing.assert_allclose(whole[:, pairs] / 12, expected_of(x[:, keep], small), rtol=0, atol=1e-15)


def test_equal_data_ties(rng, kernel):
    x, design = balanced(rng, n=5, folds=4, channels=40)
    for k in range(4):
        first, last = (((design.fold == k) & (design.condition == c)).argmax() for c in (0, 4))
        x[:, last] = x[:, first]
    found = decode_pairwise(x, design).values
    np.testing.assert_array_equal(found[:, 3], 0.5)
    np.testing.assert_array_equal(decode_pairwise(np.zeros_like(x), design).values, 0.5)


def test_without_variance_the_nearest_mean_decides(kernel):
    design = design_of(np.repeat([0, 1, 2], 3), np.tile(np.arange(3), 3))
    x = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])[design.condition][None]
    np.testing.assert_array_equal(decode_pairwise(x, design).values, 1.0)


def test_noise_is_at_chance_and_a_strong_signal_at_one(rng):
    x, design = balanced(rng, n=12, folds=6, times=40, channels=10, signal=0.0)
    curve = decode_pairwise(x, design).values.mean(axis=1)
    assert abs(curve.mean() - 0.5) < 4 * curve.std() / np.sqrt(40)
    x, design = balanced(rng, n=5, folds=5, channels=10, signal=50.0)
    np.testing.assert_array_equal(decode_pairwise(x, design).values, 1.0)


def test_input_is_not_written_to(rng, readonly):
    x, design = balanced(rng, n=4, folds=3)
    for dtype in (np.float32, np.float64):
        decode_pairwise(readonly(x.astype(dtype)), design)


def test_seconds_grow_with_pairs_and_times(rng):
    _, small = balanced(rng, n=10, folds=3, times=1, channels=1)
    _, large = balanced(rng, n=20, folds=3, times=1, channels=1)
    assert pairwise_seconds(large, 4) == pytest.approx(pairwise_seconds(small, 4) * 190 / 45)
    assert pairwise_seconds(small, 8) == pytest.approx(2 * pairwise_seconds(small, 4))
    assert pairwise_seconds(Design(np.arange(2), ("a", "b"), np.arange(2), ("0", "1")), 1) > 0


def test_refuses_a_ridge_that_is_not_positive(rng):
    x, design = balanced(rng, n=3, folds=3)
    with pytest.raises(ValueError, match="ridge must be a finite number above 0; got 0"):
        decode_pairwise(x, design, ridge=0)
