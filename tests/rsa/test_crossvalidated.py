"""Dissimilarities between folds, against plain loops over folds and rows."""

from __future__ import annotations

import warnings
from fractions import Fraction
from itertools import combinations, permutations

import numpy as np
import pytest
from reference.rdm import (
    crossvalidated_angle,
    fold_pairs,
    leave_one_fold_out,
    mean_over_items,
    observation_pairs,
    poisson_of_folds,
)
from reference.rsa import crossnobis

from alignkit.rsa import rdm

METRICS = ("crossnobis", "sqeuclidean_cv", "correlation_cv", "cosine_cv", "poisson_cv")
CV = ("leave-one-fold-out", "fold-pairs", "observation-pairs")


def design(rng, *, n_items: int = 5, n_folds: int = 4, low: int = 1, high: int = 4, n_channels: int = 7):
    labels, folds = [], []
    for i in range(n_items):
        for f in range(n_folds):
            n = int(rng.integers(max(low, f < 2), high))  # two folds hold all items
            n = 0 if low == 0 and f == n_folds - 1 and i in (1, 2) else n  # whatever is drawn
            labels += [f"c{i}"] * n
            folds += [f"run{f}"] * n
    order = rng.permutation(len(labels))
    base = 3 * rng.normal(size=(n_items, n_channels))
    x = np.stack([base[int(label[1:])] for label in labels]) + 0.5 * rng.normal(size=(len(labels), n_channels))
    return x[order], [labels[i] for i in order], [folds[i] for i in order]


def product(precision: np.ndarray | None = None):
    def compare(train_a, train_b, test_a, test_b) -> float:
        weight = np.eye(len(train_a)) if precision is None else precision
        return float((train_a - train_b) @ weight @ (test_a - test_b))

    return compare


def precision_of(rng, p: int = 7) -> np.ndarray:
    root = rng.normal(size=(p, 2 * p))
    return root @ root.T / p


# ---- each metric against its loop ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_items", [3, 5])
def test_squared_euclidean_is_p_times_crossnobis(n_items, rng, readonly):
    x, labels, folds = design(rng, n_items=n_items)
    options = {"labels": labels, "folds": folds}
    values = rdm(readonly(x), metric="sqeuclidean_cv", **options).values
    assert np.allclose(values, leave_one_fold_out(x, labels, folds, product()), rtol=1e-10, atol=1e-12)
    assert np.allclose(values, 7 * crossnobis(x, labels, folds), rtol=1e-10, atol=1e-12)
    assert np.allclose(values, 7 * rdm(x, metric="crossnobis", **options).values, rtol=1e-12, atol=1e-12)
    per_channel = rdm(x, metric="sqeuclidean_cv", normalize=True, **options).values
    assert np.allclose(per_channel, crossnobis(x, labels, folds), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("with_precision", [False, True])
@pytest.mark.parametrize("missing", [False, True])
def test_fold_pairs(with_precision, missing, rng):
    x, labels, folds = design(rng, low=0 if missing else 1, n_folds=5)
    precision = precision_of(rng) if with_precision else None
    expected = fold_pairs(x, labels, folds, product(precision)) / 7
    result = rdm(x, metric="crossnobis", labels=labels, folds=folds, noise=precision, cv="fold-pairs")
    assert np.isfinite(expected).all()
    assert np.allclose(result.values, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("with_precision", [False, True])
def test_observation_pairs(with_precision, rng):
    x, labels, folds = design(rng, low=0)
    x += 40
    precision = precision_of(rng) if with_precision else None
    expected = observation_pairs(x - mean_over_items(x, labels), labels, folds, precision)
    options = {"labels": labels, "folds": folds, "cv": "observation-pairs"}
    result = rdm(x, metric="crossnobis", noise=precision, **options)
    assert np.allclose(result.values, expected, rtol=1e-11, atol=1e-11)
    if not with_precision:
        assert np.allclose(rdm(x, metric="sqeuclidean_cv", **options).values, 7 * expected, rtol=1e-11, atol=1e-10)


@pytest.mark.parametrize("missing", [False, True])
def test_observation_pairs_with_noise_per_fold(missing, rng):
    x, labels, folds = design(rng, low=0 if missing else 1, n_folds=3)
    names = list(dict.fromkeys(folds))
    covariances = {name: precision_of(rng) for name in names}
    options = {"metric": "crossnobis", "labels": labels, "folds": folds, "cv": "observation-pairs"}
    result = rdm(x, noise=covariances, noise_kind="covariance", **options)
    centred = x - mean_over_items(x, labels)
    items = list(dict.fromkeys(labels))
    kernel, number = np.zeros((5, 5)), np.zeros((5, 5))
    for k in range(len(x)):
        for m in range(len(x)):
            if folds[k] != folds[m]:
                between = np.linalg.inv((covariances[folds[k]] + covariances[folds[m]]) / 2)
                i, j = items.index(labels[k]), items.index(labels[m])
                kernel[i, j] += centred[k] @ between @ centred[m]
                number[i, j] += 1
    kernel /= number
    rows, columns = np.triu_indices(5, 1)
    expected = (kernel[rows, rows] + kernel[columns, columns] - 2 * kernel[rows, columns]) / 7
    assert np.allclose(result.values, expected, rtol=1e-10, atol=1e-12)
    same = rdm(x, noise={name: np.eye(7) for name in names}, **options)
    assert np.allclose(same.values, rdm(x, **options).values, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("floor", [0.0, 0.25, 2.0])
@pytest.mark.parametrize("metric", ["correlation_cv", "cosine_cv"])
def test_crossvalidated_angles(metric, floor, rng):
    x, labels, folds = design(rng)
    x += 3 * rng.normal(size=(len(x), 1))
    result = rdm(x, metric=metric, labels=labels, folds=folds, variance_floor=floor)
    expected = crossvalidated_angle(x, labels, folds, centred=metric == "correlation_cv", floor=floor)
    assert np.allclose(result.values, expected, rtol=0, atol=1e-11)


def test_correlation_with_two_folds_is_the_published_one(rng):
    # Guggenmos et al. (2018) take the ratio in every fold; with two folds all folds have the same
    x, labels, folds = design(rng, n_folds=2)
    a, b = (
        np.stack(
            [
                x[[(lab, f) == (name, fold) for lab, f in zip(labels, folds, strict=True)]].mean(0)
                for name in dict.fromkeys(labels)
            ]
        )
        for fold in ("run0", "run1")
    )
    expected = []
    for i, j in zip(*np.triu_indices(5, 1), strict=True):
        covariance = (np.cov(a[i], b[j])[0, 1] + np.cov(a[j], b[i])[0, 1]) / 2
        expected.append(1 - covariance / np.sqrt(np.cov(a[i], b[i])[0, 1] * np.cov(a[j], b[j])[0, 1]))
    assert np.allclose(rdm(x, metric="correlation_cv", labels=labels, folds=folds).values, expected, atol=1e-12)


def test_crossvalidated_correlation_is_not_lowered_by_noise(rng):
    labels, folds = list("abc") * 40, list(np.repeat(np.arange(40), 3))
    base = rng.normal(size=(3, 400))
    truth = rdm(base).values
    x = np.tile(base, (40, 1)) + 3 * rng.normal(size=(120, 400))
    plain = rdm(x[:3], labels=list("abc")).values
    found = rdm(x, metric="correlation_cv", labels=labels, folds=folds).values
    assert np.abs(found - truth).max() < 0.1
    assert np.abs(1 - plain).max() < 0.2  # one noisy run sees next to nothing


@pytest.mark.parametrize("cv", ["leave-one-fold-out", "fold-pairs"])
@pytest.mark.parametrize("prior", [{}, {"prior_lambda": 2.0, "prior_weight": 0.5}])
def test_poisson_cv(cv, prior, rng):
    x, labels, folds = design(rng)
    counts = rng.poisson(np.exp(x)).astype(float)
    loop = leave_one_fold_out if cv == "leave-one-fold-out" else fold_pairs
    # rates are affine in the counts: the mean of rates is the rate of the mean
    expected = loop(counts, labels, folds, poisson_of_folds(**prior))
    values = rdm(counts, metric="poisson_cv", labels=labels, folds=folds, cv=cv, **prior).values
    assert np.allclose(values, expected, rtol=1e-11, atol=1e-13)


def test_poisson_cv_with_missing_items(rng):
    x, labels, folds = design(rng, low=0, n_folds=5)
    counts = rng.poisson(np.exp(x)).astype(float)
    expected = fold_pairs(counts, labels, folds, poisson_of_folds(prior_weight=0.5))
    values = rdm(counts, metric="poisson_cv", labels=labels, folds=folds, cv="fold-pairs", prior_weight=0.5).values
    assert np.allclose(values, expected, rtol=1e-11, atol=1e-13)


# ---- what all share --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
def test_all_estimators_agree_on_balanced_designs(metric, rng):
    x, labels, folds = design(rng, low=2, high=3)
    x = np.abs(x) if metric == "poisson_cv" else x
    wanted = CV[:2] if metric == "poisson_cv" else CV
    results = {cv: rdm(x, metric=metric, labels=labels, folds=folds, cv=cv) for cv in wanted}
    for cv, result in results.items():
        assert result.provenance["cv"] == cv
        assert result.provenance["n_folds"] == 4
        assert np.allclose(result.values, results["leave-one-fold-out"].values, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("cv", CV)
def test_leading_axes_equal_a_loop(metric, cv, rng):
    if (metric, cv) == ("poisson_cv", "observation-pairs"):
        return
    x, labels, folds = design(rng, low=0 if cv != CV[0] else 1, n_folds=5)
    stack = np.abs(np.stack([[x, 2 * x], [x + 0.3 * rng.normal(size=x.shape), x[:, ::-1]]]))
    options = {"metric": metric, "labels": labels, "folds": folds, "cv": cv}
    batch = rdm(stack, **options)
    assert batch.shape == (2, 2)
    for i in np.ndindex(2, 2):
        assert np.allclose(batch.values[i], rdm(stack[i], **options).values, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cv", CV[:2])
def test_what_is_added_to_a_fold_cancels(cv, rng):
    # as many rows of every item: else the means over the other folds weigh these differently
    x, labels, folds = design(rng, low=0, n_folds=5) if cv == "fold-pairs" else design(rng, low=2, high=3, n_folds=5)
    drift = {f"run{k}": 1e5 * rng.normal(size=7) for k in range(5)}
    moved = x + np.stack([drift[fold] for fold in folds])
    options = {"metric": "crossnobis", "labels": labels, "folds": folds, "cv": cv}
    assert np.allclose(rdm(moved, **options).values, rdm(x, **options).values, rtol=0, atol=1e-8)


@pytest.mark.parametrize("cv", CV)
@pytest.mark.parametrize("metric", ["crossnobis", "sqeuclidean_cv"])
def test_noise_makes_negative_values_which_are_kept(metric, cv, rng):
    labels, folds = list("abcdefghij") * 4, list(np.repeat(np.arange(4), 10))
    values = rdm(rng.normal(size=(40, 50)), metric=metric, labels=labels, folds=folds, cv=cv).values
    assert 0.2 < np.mean(values < 0) < 0.8


@pytest.mark.parametrize(
    ("cv", "reason"),
    [
        ("fold-pairs", "do not occur together in two folds: 'a'"),
        ("observation-pairs", "do not occur in two folds: 'a'"),
    ],
)
@pytest.mark.parametrize("metric", ["crossnobis", "correlation_cv"])
def test_items_that_never_meet_are_named(cv, reason, metric, rng):
    labels = ["a", "b", "c", "d", "b", "c", "d", "b", "c", "d"]
    folds = [1, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    x = np.tile(rng.normal(size=(1, 6)), (10, 1)) + rng.normal(size=(10, 6)) * 0.1 + np.eye(10, 6)
    options = {"metric": metric, "labels": labels, "folds": folds}
    with pytest.raises(ValueError, match=r"missing: 'a in fold 2', 'a in fold 3'. Pass cv='fold-"):
        rdm(x, **options)
    with pytest.warns(RuntimeWarning, match=reason) as caught:
        result = rdm(x, cv=cv, **options)
    assert len(caught) == 1
    assert np.array_equal(np.isnan(result.values), [True] * 3 + [False] * 3)
    with pytest.raises(ValueError, match=reason):
        rdm(x, cv=cv, nan_policy="raise", **options)


def test_items_without_variance_across_folds_are_named():
    x = np.array([[1.0, 2, 4], [3, 1, 1], [0, 5, 1], [-1, -2, -4.0], [3, 1, 1], [0, 5, 1]])
    with pytest.warns(RuntimeWarning, match="variance is not positive: 'a'") as caught:
        result = rdm(x, metric="correlation_cv", labels=list("abcabc"), folds=[1] * 3 + [2] * 3)
    assert len(caught) == 1
    assert np.array_equal(np.isnan(result.values), [True, True, False])
    rescued = rdm(x, metric="correlation_cv", labels=list("abcabc"), folds=[1] * 3 + [2] * 3, variance_floor=0.5)
    assert np.isfinite(rescued.values).all()


def test_constant_rows_have_no_crossvalidated_correlation(rng):
    x = rng.normal(size=(3, 4))
    x[1] = 0.1
    with pytest.warns(RuntimeWarning, match="variance is not positive: 'b'"):
        rdm(np.tile(x, (2, 1)), metric="correlation_cv", labels=list("abcabc"), folds=[1] * 3 + [2] * 3)


@pytest.mark.parametrize("metric", METRICS)
def test_nan_in_one_row_spoils_its_item_only(metric, rng):
    x, labels, folds = design(rng)
    x = np.abs(x)
    options = {"metric": metric, "labels": labels, "folds": folds}
    expected = rdm(x, **options)
    x[labels.index("c2"), 0] = np.nan
    with pytest.warns(RuntimeWarning, match="NaN or infinite values: 'c2'") as caught:
        result = rdm(x, **options)
    assert len(caught) == 1
    others = [name for name in expected.labels if name != "c2"]
    assert np.allclose(result.select(others).values, expected.select(others).values, rtol=1e-11, atol=1e-13)
    assert np.isnan(result.values).sum() == 4


def test_options_that_do_not_go_together(rng):
    x, labels, folds = design(rng)
    options = {"labels": labels, "folds": folds}
    with pytest.raises(ValueError, match="logarithms of single rows are biased; use cv='fold-pairs'"):
        rdm(np.abs(x), metric="poisson_cv", cv="observation-pairs", **options)
    with pytest.raises(ValueError, match="cv must be one of 'leave-one-fold-out'"):
        rdm(x, metric="crossnobis", cv="loo", **options)
    with pytest.raises(ValueError, match="noise per fold is for cv='fold-pairs' or"):
        rdm(x, metric="crossnobis", cv="leave-one-fold-out", noise=[np.eye(7)] * 4, **options)
    with pytest.raises(ValueError, match="one noise matrix per fold is for cross-validated metrics"):
        rdm(x, metric="mahalanobis", noise=[np.eye(7)] * 4)


def test_noise_in_any_unit(rng):
    # magnetometers measure in units of 1e-13 tesla: the precision is 1e26
    x, labels, folds = design(rng)
    precision = precision_of(rng)
    options = {"metric": "crossnobis", "labels": labels, "folds": folds}
    expected = rdm(x, noise=precision, **options).values
    tiny = rdm(x * 1e-13, noise=precision * 1e26, **options).values
    assert np.allclose(tiny, expected, rtol=1e-11, atol=1e-12)
    mixed = np.array([1e-13, 1e-11, 1.0, 1e-13, 1e-11, 1e3, 1.0])
    covariance = np.linalg.inv(precision) * np.outer(mixed, mixed)
    both = rdm(x * mixed, noise=covariance, noise_kind="covariance", **options).values
    assert np.allclose(both, expected, rtol=1e-9, atol=1e-10)


# ---- discrete patterns: what is equal, or zero, in exact arithmetic --------------------------------------------------


def fractions_of_folds(whole: np.ndarray, *, centred: bool) -> list[list[list[Fraction]]]:
    """Return folds of items of channels, shape of ``whole``, as exact numbers, less each row's mean if ``centred``."""
    exact = [[[Fraction(int(value)) for value in row] for row in fold] for fold in whole]
    return [[[v - sum(row) / len(row) * centred for v in row] for row in fold] for fold in exact]


def dot(a, b) -> Fraction:
    return sum((p * q for p, q in zip(a, b, strict=True)), Fraction(0))


def exact_keys(whole: np.ndarray, metric: str) -> list[object]:
    """Return, for every pair of items, what is equal just when the exact values are; None where there is none."""
    folds = fractions_of_folds(whole, centred=metric == "correlation_cv")
    n_items = len(folds[0])

    def product(i: int, j: int) -> Fraction:
        return sum((dot(f[i], g[j]) for f, g in permutations(folds, 2)), Fraction(0))

    keys: list[object] = []
    for i, j in combinations(range(n_items), 2):
        own, other, cross = product(i, i), product(j, j), product(i, j)
        if metric in ("crossnobis", "sqeuclidean_cv"):
            keys.append(own + other - 2 * cross)
        elif own > 0 and other > 0:
            keys.append(((cross > 0) - (cross < 0), cross**2 / (own * other)))
        else:
            keys.append(None)
    return keys


@pytest.mark.parametrize("kind", ["array", "tensor"])
@pytest.mark.parametrize("cv", CV)
@pytest.mark.parametrize("metric", METRICS[:4])
@pytest.mark.parametrize("patterns", ["one-hot", "ratings in tenths"])
def test_discrete_patterns_tie_and_vanish_exactly(patterns, metric, cv, kind, rng):
    n_folds, n_items, n_channels = 4, 20, 6
    # means of 1/6: one pair of equal rows among the six pairs of folds makes a covariance of zero
    whole = np.eye(n_channels, dtype=int)[rng.integers(n_channels, size=(n_folds, n_items))]
    whole[2:, ::2] = whole[:2, ::2]
    if patterns == "ratings in tenths":
        whole = 1 + 2 * whole
    keys = exact_keys(whole, metric)
    x = (whole if patterns == "one-hot" else whole / 10).reshape(-1, n_channels).astype(float)
    if kind == "tensor":
        x = pytest.importorskip("torch").from_numpy(x)
    labels, folds = [f"c{i}" for i in range(n_items)] * n_folds, np.repeat(range(n_folds), n_items)
    options = {"metric": metric, "labels": labels, "folds": folds, "cv": cv}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        values = np.asarray(rdm(x, **options).values)
        single = np.asarray(rdm(x, dtype="float32", **options).values)
    undefined = np.array([key is None for key in keys])
    assert np.array_equal(np.isnan(values), undefined)
    assert np.array_equal(np.isnan(single), undefined)
    known = [(key, value) for key, value in zip(keys, values.tolist(), strict=True) if key is not None]
    assert len(set(known)) == len({key for key, _ in known}) < len(known)
    assert np.array_equal(single, values.astype(np.float32), equal_nan=True)


def test_items_of_all_sizes_keep_their_digits(rng):
    # no tie is made of values that the unit of other items makes look alike
    x, labels, folds = design(rng, n_items=6)
    units = {f"c{i}": 10.0 ** (-2 * i) for i in range(6)}
    x = x * np.array([units[label] for label in labels])[:, None]
    values = rdm(x, metric="sqeuclidean_cv", labels=labels, folds=folds).values
    expected = leave_one_fold_out(x, labels, folds, product())
    assert np.allclose(values, expected, rtol=1e-11, atol=1e-13 * np.abs(expected).max())
    small = [i for i, label in enumerate(labels) if label in ("c3", "c4", "c5")]
    alone = leave_one_fold_out(x[small], [labels[i] for i in small], [folds[i] for i in small], product())
    result = rdm(x, metric="sqeuclidean_cv", labels=labels, folds=folds).select(
        [label for label in dict.fromkeys(labels) if label in ("c3", "c4", "c5")]
    )
    assert np.allclose(result.values, alone, rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-13, 1.0, 1e13])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("cv", CV[1:])
@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_noise_per_fold_in_any_unit_and_precision(kind, cv, dtype, unit, rng):
    x, labels, folds = design(rng, low=0)
    covariances = {fold: np.linalg.inv(precision_of(rng)) for fold in sorted(set(folds))}
    options = {"metric": "crossnobis", "labels": labels, "folds": folds, "cv": cv, "noise_kind": "covariance"}
    expected = rdm(x, noise=covariances, **options).values
    assert len(set(expected.tolist())) == len(expected)
    scaled = pytest.importorskip("torch").from_numpy(x * unit) if kind == "tensor" else x * unit
    noise = {fold: covariance * unit**2 for fold, covariance in covariances.items()}
    result = rdm(scaled, noise=noise, dtype=dtype, **options)
    limit = 1e-11 if dtype == "float64" else 1e-5
    assert np.allclose(np.asarray(result.values), expected, rtol=0, atol=limit * np.abs(expected).max())
    if dtype == "float32":
        assert result.provenance["float32_error"] < limit * np.abs(expected).max()


def test_poisson_cv_without_a_prior_leaves_missing_items_out(rng):
    # the zeros that stand in for an item in a fold that lacks it are no rates
    x, labels, folds = design(rng, low=0)
    rates = np.exp(x / 3)
    options = {"metric": "poisson_cv", "labels": labels, "folds": folds, "cv": "fold-pairs", "prior_weight": 0.0}
    expected = fold_pairs(rates, labels, folds, poisson_of_folds(prior_weight=0.0))
    assert len(set(zip(labels, folds, strict=True))) < len(set(labels)) * len(set(folds))
    assert np.allclose(rdm(rates, **options).values, expected, rtol=1e-11, atol=1e-13)


def test_single_rows_in_any_order(rng):
    cells = [(f"c{i}", f"run{f}") for i in range(4) for f in range(3)]
    x, order = rng.normal(size=(12, 5)), rng.permutation(12)
    labels, folds = ([cells[k][side] for k in order] for side in (0, 1))
    expected = crossnobis(x[order], labels, folds)
    assert np.allclose(rdm(x[order], metric="crossnobis", labels=labels, folds=folds).values, expected, rtol=1e-11)
    tensor = pytest.importorskip("torch").from_numpy(x[order])
    assert np.allclose(rdm(tensor, metric="crossnobis", labels=labels, folds=folds).values, expected, rtol=1e-11)
