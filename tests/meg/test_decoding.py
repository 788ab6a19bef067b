"""All-pairs decoding with a shared covariance: equal to loops over pairs, folds and trials, whatever the design."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.decoding import decode_loop, nearest_mean
from threadpoolctl import threadpool_limits

from alignkit.meg import _decoding
from alignkit.meg._decoding import decode_shared
from alignkit.meg._kernels import _numba, _numpy
from alignkit.meg._trials import Design


@pytest.fixture(params=[_numpy, _numba], ids=["numpy", "numba"])
def kernel(request, monkeypatch):
    """Decode by one kernel or the other."""
    monkeypatch.setattr(_decoding, "decision_kernels", lambda work: request.param)
    return request.param


def design_of(condition, fold) -> Design:
    condition, fold = np.asarray(condition), np.asarray(fold)
    return Design(
        condition, tuple(f"c{i}" for i in range(condition.max() + 1)), fold, tuple(map(str, range(fold.max() + 1)))
    )


def balanced(rng, n, folds, per_fold=1, times=3, channels=8, signal=0.6):
    """Return data and a design of so many trials of every condition in every fold, in any order."""
    condition, fold = (a.ravel() for a in np.indices((n, folds)).repeat(per_fold, axis=2))
    order = rng.permutation(len(condition))
    condition, fold = condition[order], fold[order]
    x = rng.normal(size=(times, len(condition), channels)) + 5.0
    x += signal * rng.normal(size=(times, n, channels))[:, condition]
    return x, design_of(condition, fold)


def unbalanced(rng, times=2, channels=6):
    """Return data of three folds with 0 to 3 trials of each of five conditions in each."""
    counts = np.array([[1, 2, 0, 3, 1], [2, 1, 1, 0, 0], [1, 1, 2, 0, 2]])
    fold, condition = (np.repeat(a.ravel(), counts.ravel()) for a in np.indices(counts.shape))
    order = rng.permutation(len(fold))
    design = design_of(condition[order], fold[order])
    x = rng.normal(size=(times, len(order), channels)) + 0.5 * rng.normal(size=(5, channels))[design.condition]
    return x, design


def ledoit_wolf_roots(x, design):
    """Return what whitens by the Ledoit-Wolf covariance of the residuals of all other folds, pooled over time."""
    from sklearn.covariance import LedoitWolf

    def roots(fold):
        train = design.fold != fold
        rows, condition = x[:, train], design.condition[train]
        residuals = np.concatenate([rows[:, condition == c] - rows[:, condition == c].mean(axis=1, keepdims=True)
                                    for c in np.unique(condition)], axis=1)  # fmt: skip
        covariance = LedoitWolf(assume_centered=True).fit(residuals.reshape(-1, x.shape[2])).covariance_
        values, vectors = np.linalg.eigh(covariance)
        return (vectors / np.sqrt(values))[None]

    return roots


def test_equals_a_loop(rng, kernel):
    x, design = balanced(rng, n=7, folds=4)
    roots = ledoit_wolf_roots(x, design)
    found = decode_shared(x, design, roots)
    expected = decode_loop(x, design.condition, design.fold, 7, nearest_mean(lambda k: roots(k)[0]))
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-15)
    assert found.n_decisions == 8
    assert found.counts.dtype == np.uint8
    np.testing.assert_array_equal(found.counts, np.round(expected * 16))
    assert not found.undefined.any()


def test_equals_a_loop_with_unbalanced_trials_and_conditions_missing_from_folds(rng, kernel):
    x, design = unbalanced(rng)
    roots = ledoit_wolf_roots(x, design)
    found = decode_shared(x, design, roots)
    expected = decode_loop(x, design.condition, design.fold, 5, nearest_mean(lambda k: roots(k)[0]))
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-15)
    assert found.counts is None
    assert found.n_decisions is None
    # the fourth condition has trials in the first fold alone: none of them can be tested
    pairs = list(combinations(range(5), 2))
    np.testing.assert_array_equal(found.undefined, [3 in pair for pair in pairs])
    np.testing.assert_array_equal(np.isnan(found.values), np.tile(found.undefined, (2, 1)))


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(2, 4), st.integers(3, 20))
def test_equals_a_loop_for_any_design(seed, n, folds, trials):
    rng = np.random.default_rng(seed)
    condition, fold = rng.integers(0, n, trials), rng.integers(0, folds, trials)
    condition[0], fold[0] = n - 1, folds - 1
    x = rng.normal(size=(1, trials, 4))
    found = decode_shared(x, design_of(condition, fold), None)
    expected = decode_loop(x, condition, fold, n, nearest_mean(None))
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(found.undefined, np.isnan(expected[0]))


def test_equals_scikit_learn(rng, kernel):
    from sklearn.covariance import EmpiricalCovariance
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.neighbors import NearestCentroid

    class Fixed(EmpiricalCovariance):
        covariance_ = None

        def fit(self, X, y=None):
            self.covariance_ = type(self).covariance_
            return self

    x, design = balanced(rng, n=6, folds=3, per_fold=2, times=2)
    roots = ledoit_wolf_roots(x, design)
    found = decode_shared(x, design, roots)
    expected = np.zeros((2, 2, 15))
    for t in range(2):
        for fold in range(3):
            w = roots(fold)[0]
            Fixed.covariance_ = np.linalg.inv(w @ w.T)
            for p, (i, j) in enumerate(combinations(range(6), 2)):
                pair = np.isin(design.condition, (i, j))
                train, test = pair & (design.fold != fold), pair & (design.fold == fold)
                lda = LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=Fixed(), priors=[0.5, 0.5])
                models = (lda, x[t]), (NearestCentroid(), x[t] @ w)
                for m, (model, rows) in enumerate(models):
                    model.fit(rows[train], design.condition[train])
                    expected[m, t, p] += np.sum(model.predict(rows[test]) == design.condition[test])
    np.testing.assert_array_equal(found.counts, 2 * expected[0])
    np.testing.assert_array_equal(found.counts, 2 * expected[1])


def test_weighted_equals_a_loop(rng):
    x, design = unbalanced(rng)
    roots = ledoit_wolf_roots(x, design)
    found = decode_shared(x, design, roots, weighted=True)
    rule = nearest_mean(lambda k: roots(k)[0], scaled=True)
    expected = decode_loop(x, design.condition, design.fold, 5, rule, weighted=True)
    np.testing.assert_allclose(found.values, expected, rtol=1e-10, atol=1e-12)
    assert found.counts is None


def test_weighted_is_half_of_crossnobis_before_it_is_divided_by_the_distance_of_the_means(rng):
    x, design = balanced(rng, n=4, folds=3, times=1)
    found = decode_shared(x, design, None, weighted=True).values[0]
    for p, (i, j) in enumerate(combinations(range(4), 2)):
        total = 0.0
        for k in range(3):
            train, test = (
                x[0, keep & (design.condition == i)].mean(axis=0) - x[0, keep & (design.condition == j)].mean(axis=0)
                for keep in (design.fold != k, design.fold == k)
            )
            total += train @ test / np.linalg.norm(train) / 2
        assert found[p] == pytest.approx(total / 3)


def test_weighted_is_zero_where_means_are_equal(rng):
    x, design = balanced(rng, n=3, folds=3)
    x[:, design.condition == 1] = x[:, design.condition == 0][:, np.argsort(design.fold[design.condition == 0])][
        :, np.argsort(np.argsort(design.fold[design.condition == 1]))
    ]
    values = decode_shared(x, design, None, weighted=True).values
    np.testing.assert_allclose(values[:, 0], 0.0, atol=1e-6)
    assert np.all(np.abs(values[:, 1:]) > 1e-3)


def test_equal_data_ties(rng, kernel):
    # ill-conditioned whitening and sizes that end between the blocks of a matrix product
    for n, channels in ((5, 17), (13, 31), (50, 61)):
        x, design = balanced(rng, n=n, folds=3, channels=channels, times=2)
        for twin in (n // 2, n - 1):
            for k in range(3):
                at = (design.fold == k) & (design.condition == twin)
                x[:, at] = x[:, (design.fold == k) & (design.condition == 0)]
        w = rng.normal(size=(1, channels, channels)) * np.logspace(0, 3, channels)
        values = decode_shared(x, design, lambda fold, w=w: w).values
        pairs = {pair: p for p, pair in enumerate(combinations(range(n), 2))}
        for pair in ((0, n // 2), (0, n - 1), (n // 2, n - 1)):
            np.testing.assert_array_equal(values[:, pairs[pair]], 0.5)


def test_constant_data_ties_everywhere(kernel):
    design = design_of(np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4))
    for value in (0.0, 3.7):
        found = decode_shared(np.full((2, 12, 5), value), design, None)
        np.testing.assert_array_equal(found.values, 0.5)


def test_single_precision_decides_as_double_does(rng, monkeypatch):
    # 6 million decisions at a weak signal, channels of very different size
    n, folds, channels = 500, 12, 40
    x, design = balanced(rng, n=n, folds=folds, channels=channels, times=2, signal=0.1)
    x = (x * np.logspace(-13, -10, channels)).astype(np.float32)
    w = rng.normal(size=(1, channels, channels)) / np.logspace(-13, -10, channels)[:, None]
    counts = []
    for kernel, data in ((_numba, x), (_numpy, x.astype(np.float64))):
        monkeypatch.setattr(_decoding, "decision_kernels", lambda work, kernel=kernel: kernel)
        counts.append(decode_shared(data, design, lambda fold: w).counts)
    np.testing.assert_array_equal(*counts)


@pytest.mark.parametrize("size", [1.0, 1e4])
@pytest.mark.parametrize("scale", [1.0, 1e-13, 1e6])
def test_decisions_too_close_for_single_precision_are_made_in_double(rng, scale, size):
    # nearly equal means: float32 gets many of these decisions wrong
    n, trials, channels = 40, 60, 50
    means = scale * (rng.normal(size=channels) + 1e-7 * rng.normal(size=(n, channels)))
    test = size * scale * rng.normal(size=(trials, channels))
    condition = rng.integers(0, n, trials)
    half = 0.5 * (means**2).sum(axis=1)
    counted = np.zeros((2, n, n), dtype=np.uint8)
    for kernel, halves in zip((_numpy, _numba), counted, strict=True):
        kernel.count_decisions(kernel.prepare(test), condition, kernel.prepare(means), half, halves)
    np.testing.assert_array_equal(*counted)
    value = test @ means.T - half
    expected = np.zeros((n, n))
    np.add.at(expected, condition, 2.0 * (value[np.arange(trials), condition][:, None] > value))
    assert np.count_nonzero(counted[0] != expected) <= 2  # ties


def test_kernels_agree(rng):
    n, folds = 150, 4
    x, design = balanced(rng, n=n, folds=folds, channels=70, times=1)
    from alignkit.meg._decoding import discriminants, half_norms, leave_one_fold_out

    for split, test, means in discriminants(x[0], leave_one_fold_out(design), lambda fold: None):
        half = half_norms(means, split)
        half[3] = np.nan
        counted = np.zeros((2, n, n), dtype=np.uint8)
        for kernel, halves in zip((_numpy, _numba), counted, strict=True):
            kernel.count_decisions(kernel.prepare(test), split.condition, kernel.prepare(means), half, halves)
        np.testing.assert_array_equal(*counted)
        assert counted[0, :, 3].sum() == 0
        assert counted[0].sum() > n * n


def test_bits_depend_neither_on_chunks_nor_on_threads(rng, kernel):
    x, design = balanced(rng, n=30, folds=4, times=6, channels=20)
    for weighted in (False, True):
        with threadpool_limits(1):
            whole = decode_shared(x, design, None, weighted=weighted).values
        with threadpool_limits(2):
            parts = [decode_shared(x[s : s + 2], design, None, weighted=weighted).values for s in (0, 2, 4)]
        np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_roots_for_every_time(rng):
    x, design = balanced(rng, n=4, folds=3, times=3, channels=5)
    w = rng.normal(size=(3, 3, 5, 4))
    found = decode_shared(x, design, lambda fold: w[fold])
    for t in range(3):
        expected = decode_loop(x[t : t + 1], design.condition, design.fold, 4, nearest_mean(lambda k, t=t: w[k, t]))
        np.testing.assert_allclose(found.values[t : t + 1], expected, rtol=0, atol=1e-15)


def test_noise_is_at_chance(rng):
    x, design = balanced(rng, n=20, folds=6, times=60, channels=10, signal=0.0)
    for weighted, chance in ((False, 0.5), (True, 0.0)):
        curve = decode_shared(x, design, None, weighted=weighted).values.mean(axis=1)
        assert abs(curve.mean() - chance) < 4 * curve.std() / np.sqrt(len(curve))


def test_a_strong_signal_is_decoded(rng):
    x, design = balanced(rng, n=6, folds=3, channels=20, signal=20.0)
    np.testing.assert_array_equal(decode_shared(x, design, None).values, 1.0)
    assert decode_shared(x, design, None, weighted=True).values.min() > 10


def test_permuted_labels_permute_pairs(rng, kernel):
    x, design = balanced(rng, n=6, folds=3)
    order = rng.permutation(6)
    moved = design_of(order[design.condition], design.fold)
    plain, permuted = (np.zeros((3, 6, 6)) for _ in range(2))
    upper = np.triu_indices(6, 1)
    for square, d in ((plain, design), (permuted, moved)):
        square[:, *upper] = decode_shared(x, d, None).values
        square += square.transpose(0, 2, 1)
    np.testing.assert_array_equal(permuted[:, order][:, :, order], plain)


def test_order_of_trials_does_not_matter(rng):
    x, design = balanced(rng, n=6, folds=3, per_fold=3)
    order = rng.permutation(design.n_trials)
    moved = design_of(design.condition[order], design.fold[order])
    np.testing.assert_array_equal(decode_shared(x, design, None).counts, decode_shared(x[:, order], moved, None).counts)


def test_many_trials_count_in_wider_integers(rng):
    x, design = balanced(rng, n=3, folds=2, per_fold=40, times=1)
    found = decode_shared(x, design, None)
    assert (found.counts.dtype, found.n_decisions) == (np.uint16, 160)
    expected = decode_loop(x, design.condition, design.fold, 3, nearest_mean(None))
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-15)
    assert found.as_dtype(np.float32).dtype == np.float32


def test_input_is_not_written_to(rng, readonly):
    x, design = balanced(rng, n=4, folds=3)
    for dtype in (np.float32, np.float64):
        decode_shared(readonly(x.astype(dtype)), design, None)


@pytest.mark.parametrize(
    ("condition", "fold", "message"),
    [
        ([0, 1, 0, 1], None, "has none|have none"),
        ([0, 1, 0, 1], [0, 0, 0, 0], "at least two folds and two conditions; got 1 fold"),
        ([0, 0, 0, 0], [0, 0, 1, 1], "got 1 condition"),
    ],
)
def test_refuses_designs_without_folds(condition, fold, message):
    design = Design(np.array(condition), ("a", "b")) if fold is None else design_of(condition, fold)
    with pytest.raises(ValueError, match=message):
        decode_shared(np.zeros((1, 4, 2)), design, None)
