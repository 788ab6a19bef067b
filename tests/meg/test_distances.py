"""Distances over time: scipy, rsatoolbox and plain loops, with the noise of all trials or of training folds."""

from __future__ import annotations

import numpy as np
import pytest
from reference import meg_distances as reference
from scipy.linalg import fractional_matrix_power
from scipy.spatial.distance import pdist, squareform

from alignkit.meg._distances import Distances
from alignkit.meg._trials import Design
from alignkit.meg._whiten import Whitening
from alignkit.rsa import rdm
from alignkit.rsa._patterns import MetricOptions

N, C, T, K = 5, 4, 3, 3


def design_of(condition, fold=None):
    names = tuple(f"c{i}" for i in range(max(condition) + 1))
    folds = () if fold is None else tuple(f"f{i}" for i in range(max(fold) + 1))
    return Design(np.asarray(condition), names, None if fold is None else np.asarray(fold), folds)


def unequal(rng):
    """Trials of every condition in every fold, in unequal numbers."""
    counts = rng.integers(1, 4, (K, N))
    counts[0, 0] = 4
    fold, condition = np.repeat(np.argwhere(counts > 0), counts.reshape(-1), axis=0).T
    order = rng.permutation(len(fold))
    return condition[order], fold[order]


def data(rng, n):
    return rng.normal(size=(T, n, C)) + 3


def covariances(rng, n_sets, n_times=T):
    roots = rng.normal(size=(n_sets, n_times, C, C))
    return roots @ roots.swapaxes(-1, -2) + np.eye(C)


def whitening(matrices, **changes):
    kept = np.full(len(matrices), C)
    return Whitening(matrices, C, kept, (np.arange(C),), np.dtype(np.float64), **changes)


def distances(metric, x, condition, fold=None, noise=None, dtype="float64", **options):
    engine = Distances.of(metric, design_of(condition, fold), MetricOptions(**options), dtype)
    return engine(x, noise)


@pytest.mark.parametrize("metric", ["correlation", "cosine", "euclidean", "sqeuclidean"])
@pytest.mark.parametrize("repeats", [1, 3])
def test_equal_to_pdist_of_the_means_at_every_time(rng, metric, repeats):
    condition = rng.permutation(np.repeat(np.arange(N), repeats))
    x = data(rng, len(condition))
    values, undefined = distances(metric, x, condition)
    assert not any(one.mask.any() for one in undefined)
    for t in range(T):
        means = np.stack([x[t, condition == i].mean(axis=0) for i in range(N)])
        np.testing.assert_allclose(values[t], pdist(means, metric), rtol=1e-12)


@pytest.mark.parametrize("n_times", [1, T])
def test_mahalanobis_and_whitened_metrics(rng, n_times):
    condition = np.repeat(np.arange(N), 2)
    x, matrices = data(rng, 2 * N), covariances(rng, 1, n_times)
    noise = whitening(matrices)
    for t in range(T):
        means = np.stack([x[t, condition == i].mean(axis=0) for i in range(N)])
        matrix = matrices[0, t if n_times > 1 else 0]
        expected = pdist(means, "mahalanobis", VI=np.linalg.inv(matrix))
        white = means @ fractional_matrix_power(matrix, -0.5)
        for metric, values in {
            "mahalanobis": expected,
            "sqmahalanobis": expected**2,
            "euclidean": expected,
            "sqeuclidean": expected**2,
            "correlation": pdist(white, "correlation"),
            "cosine": pdist(white, "cosine"),
        }.items():
            np.testing.assert_allclose(distances(metric, x, condition, noise=noise)[0][t], values, rtol=1e-9)
        normalized = distances("sqmahalanobis", x, condition, noise=noise, normalize=True)[0][t]
        np.testing.assert_allclose(normalized, expected**2 / C, rtol=1e-9)


@pytest.mark.parametrize("by_fold", [True, False])
@pytest.mark.parametrize("n_times", [1, T])
def test_crossnobis_of_unequal_counts(rng, by_fold, n_times):
    condition, fold = unequal(rng)
    x, matrices = data(rng, len(fold)), covariances(rng, K + 1 if by_fold else 1, n_times)
    found = distances("crossnobis", x, condition, fold, whitening(matrices))
    for t in range(T):
        precisions = np.linalg.inv(matrices[:, t if n_times > 1 else 0])
        precisions = precisions[:-1] if by_fold else np.repeat(precisions, K, axis=0)
        means = np.mean([x[t, condition == i].mean(axis=0) for i in range(N)], axis=0)
        expected = reference.crossnobis_of_trials(x[t] - means, condition, fold, precisions)
        np.testing.assert_allclose(squareform(found[0][t]), expected, rtol=1e-9, atol=1e-10)
    assert found[1] == []


@pytest.mark.parametrize("balanced", [True, False])
def test_crossnobis_of_training_noise_and_folds_left_out(rng, balanced):
    condition, fold = unequal(rng)
    if balanced:
        condition, fold = np.tile(np.arange(N), 2 * K), np.repeat(np.arange(K), 2 * N)
    x, matrices = data(rng, len(fold)), covariances(rng, K + 1)
    option = {} if balanced else {"cv": "leave-one-fold-out"}
    values, *_ = distances("crossnobis", x, condition, fold, whitening(matrices), **option)
    for t in range(T):
        expected = reference.crossnobis_leave_one_out(x[t], condition, fold, np.linalg.inv(matrices[:-1, t]))
        expected = (expected + expected.T) / 2
        np.testing.assert_allclose(squareform(values[t]), expected, rtol=1e-9, atol=1e-10)
    assert (values < 0).any()


@pytest.mark.parametrize("complete", [True, False])
def test_crossnobis_of_training_noise_and_pairs_of_folds(rng, complete):
    condition, fold = unequal(rng)
    if not complete:
        keep = ~((condition == 1) & (fold == 0)) & ~((condition == 2) & (fold == 1))
        condition, fold = condition[keep], fold[keep]
    x, matrices = data(rng, len(fold)), covariances(rng, K + 1)
    values, *_ = distances("crossnobis", x, condition, fold, whitening(matrices), cv="fold-pairs")
    for t in range(T):
        expected = reference.crossnobis_fold_pairs(x[t], condition, fold, np.linalg.inv(matrices[:-1, t]))
        expected = (expected + expected.T) / 2
        np.fill_diagonal(expected, 0)
        np.testing.assert_allclose(squareform(values[t]), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("cv", ["leave-one-fold-out", "fold-pairs", "observation-pairs"])
@pytest.mark.parametrize("metric", ["crossnobis", "sqeuclidean_cv", "correlation_cv", "cosine_cv"])
def test_the_same_noise_in_every_fold_is_one_noise(rng, cv, metric):
    """The two paths, by fold and for all, and :func:`rdm` agree where they must."""
    condition, fold = unequal(rng)
    x, matrix = data(rng, len(fold)) + 5 * rng.normal(size=(N, C))[condition], covariances(rng, 1, 1)
    shared, *_ = distances(metric, x, condition, fold, whitening(matrix), cv=cv)
    by_fold, *_ = distances(metric, x, condition, fold, whitening(np.repeat(matrix, K + 1, axis=0)), cv=cv)
    np.testing.assert_allclose(by_fold, shared, rtol=1e-9, atol=1e-10)
    white = x @ fractional_matrix_power(matrix[0, 0], -0.5)
    plain = "sqeuclidean_cv" if metric == "crossnobis" else metric
    rows = np.argsort(condition, kind="stable")
    expected = rdm(white[:, rows], metric=plain, labels=condition[rows], folds=fold[rows], cv=cv).values
    np.testing.assert_allclose(shared, expected / (C if metric == "crossnobis" else 1), rtol=1e-9, atol=1e-10)


def test_correlation_between_folds_is_whitened_symmetrically(rng):
    condition, fold = unequal(rng)
    x, matrices = data(rng, len(fold)) + 5 * rng.normal(size=(N, C))[condition], covariances(rng, K + 1)
    values, *_ = distances("correlation_cv", x, condition, fold, whitening(matrices), cv="leave-one-fold-out")
    for t in range(T):
        roots = [fractional_matrix_power(matrix, -0.5) for matrix in matrices[:-1, t]]
        expected = reference.correlation_between_folds(x[t], condition, fold, roots)
        np.testing.assert_allclose(squareform(values[t]), expected, rtol=1e-8, atol=1e-10)


def test_a_floor_holds_variances_up_where_every_fold_has_its_noise(rng):
    """That of one noise for all folds is the oracle: equal noise in every fold is one noise."""
    condition, fold = unequal(rng)
    x, matrix = data(rng, len(fold)), covariances(rng, 1, 1)
    several = np.repeat(matrix, K + 1, axis=0)
    low, shared, by_fold = (
        distances("correlation_cv", x, condition, fold, whitening(each), variance_floor=floor)[0]
        for each, floor in ((several, 0.1), (matrix, 2.0), (several, 2.0))
    )
    assert not np.isclose(by_fold, low).any()
    np.testing.assert_allclose(by_fold, shared, rtol=1e-9)


@pytest.mark.parametrize("by_fold", [True, False])
@pytest.mark.parametrize("metric", ["crossnobis", "correlation_cv"])
def test_a_condition_of_one_fold_is_undefined_and_named(rng, by_fold, metric):
    condition, fold = unequal(rng)
    keep = (condition != 2) | (fold == 1)
    condition, fold = condition[keep], fold[keep]
    x = data(rng, len(fold)) + 20 * rng.normal(size=(N, C))[condition]
    values, undefined = distances(metric, x, condition, fold, whitening(covariances(rng, K + 1 if by_fold else 1)))
    lost = np.isnan(squareform(values[0])).any(axis=0)
    assert np.isnan(squareform(values[0])[2]).sum() == N - 1
    assert lost.all()
    assert np.isfinite(np.delete(np.delete(squareform(values[0]), 2, 0), 2, 1)).all()
    assert undefined[0].reason == "items that do not occur in two folds"


def test_equal_to_rsatoolbox(rng):
    toolbox = pytest.importorskip("rsatoolbox")
    condition, fold = rng.permutation(np.tile(np.arange(N), 2 * K)), None
    fold = np.empty(len(condition), dtype=int)
    for i in range(N):
        fold[condition == i] = np.repeat(np.arange(K), 2)
    x, precision = data(rng, len(fold)), np.linalg.inv(covariances(rng, 1, 1)[0, 0])
    dataset = toolbox.data.TemporalDataset(
        x.transpose(1, 2, 0),
        obs_descriptors={"condition": condition, "fold": fold},
        time_descriptors={"time": np.arange(T)},
    )
    expected = toolbox.rdm.calc_rdm_movie(
        dataset, method="crossnobis", descriptor="condition", cv_descriptor="fold", noise=precision
    )
    order = [list(expected.pattern_descriptors["condition"]).index(i) for i in range(N)]
    values, *_ = distances("crossnobis", x, condition, fold, whitening(precision[None, None], inverted=True))
    for t in range(T):
        square = squareform(expected.dissimilarities[t])[np.ix_(order, order)]
        np.testing.assert_allclose(squareform(values[t]), square, rtol=0, atol=1e-10)


@pytest.mark.parametrize("metric", ["crossnobis", "correlation_cv", "correlation", "mahalanobis"])
def test_order_of_trials_and_times_is_of_no_account(rng, metric):
    condition, fold = unequal(rng)
    folds = fold if metric.endswith(("_cv", "nobis")) else None
    x = data(rng, len(fold)) + 5 * rng.normal(size=(N, C))[condition]
    noise = covariances(rng, K + 1)
    one, *_ = distances(metric, x, condition, folds, whitening(noise))
    order, times = rng.permutation(len(fold)), rng.permutation(T)
    shuffled = None if folds is None else folds[order]
    other, *_ = distances(metric, x[times][:, order], condition[order], shuffled, whitening(noise[:, times]))
    np.testing.assert_allclose(other, one[times], rtol=1e-10, atol=1e-12)
    codes = rng.permutation(N)
    renamed, *_ = distances(metric, x, codes[condition], folds, whitening(noise))
    np.testing.assert_allclose(squareform(renamed[0])[np.ix_(codes, codes)], squareform(one[0]), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("by_fold", [True, False])
def test_float32_is_near(rng, by_fold):
    condition, fold = unequal(rng)
    x, noise = data(rng, len(fold)), covariances(rng, K + 1 if by_fold else 1)
    exact, *_ = distances("crossnobis", x, condition, fold, whitening(noise))
    single, *_ = distances("crossnobis", x.astype(np.float32), condition, fold, whitening(noise), dtype="float32")
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, exact, atol=1e-5)


def test_noise_alone_has_distances_around_zero(rng):
    condition, fold = np.tile(np.arange(6), 8), np.repeat(np.arange(4), 12)
    x = rng.normal(size=(400, 48, 10))
    for cv in ("leave-one-fold-out", "observation-pairs"):
        engine = Distances.of("crossnobis", design_of(condition, fold), MetricOptions(cv=cv), "float64")
        means = engine(x, None)[0].mean(axis=1)
        assert abs(means.mean()) < 3 * means.std(ddof=1) / np.sqrt(len(means))
        assert (means < 0).mean() > 0.3
