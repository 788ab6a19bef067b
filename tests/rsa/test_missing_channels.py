"""Rows with missing channels, against plain loops over the channels that both rows have."""

from __future__ import annotations

import numpy as np
import pytest
from reference.rdm import over_shared_channels

from alignkit.rsa import rdm

METRICS = ("correlation", "cosine", "euclidean", "sqeuclidean")
ATOL = {"correlation": 1e-12, "cosine": 1e-12, "euclidean": 1e-12, "sqeuclidean": 1e-12}


def patterns(rng, shape=(8, 30), share: float = 0.3) -> np.ndarray:
    x = rng.normal(size=shape) + 2
    x[rng.random(shape) < share] = np.nan
    return x


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_equals_the_plain_loop(metric, share, rng, readonly):
    x = readonly(patterns(rng, share=share))
    result = rdm(x, metric=metric, nan_policy="omit")
    assert np.allclose(result.values, over_shared_channels(x, metric), rtol=1e-12, atol=1e-13)
    valid = np.isfinite(x).astype(int)
    shared = (valid @ valid.T)[np.triu_indices(8, 1)]
    assert result.provenance["n_channels_used"] == [shared.min(), shared.max()]


@pytest.mark.parametrize("metric", METRICS)
def test_nothing_missing_nothing_changed(metric, rng):
    x = rng.normal(size=(12, 9))
    values = rdm(x, metric=metric, nan_policy="omit").values
    assert np.allclose(values, rdm(x, metric=metric).values, rtol=0, atol=1e-13)


def test_equals_scikit_learn(rng):
    nan_euclidean_distances = pytest.importorskip("sklearn.metrics.pairwise").nan_euclidean_distances
    x = patterns(rng)
    expected = nan_euclidean_distances(x)[np.triu_indices(8, 1)]
    assert np.allclose(rdm(x, metric="euclidean", nan_policy="omit").values, expected, rtol=1e-12)


def test_normalized_it_is_the_mean_square_of_the_shared_channels(rng):
    # where a peer gives -21.4 because its three sums run over different channels
    x = patterns(rng, share=0.6)
    values = rdm(x, metric="sqeuclidean", normalize=True, nan_policy="omit").values
    rows, columns = np.triu_indices(8, 1)
    assert np.allclose(values, np.nanmean((x[rows] - x[columns]) ** 2, axis=1), rtol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("offset", [1e3, 1e6])
def test_far_from_the_origin(metric, offset, rng):
    x = patterns(rng) + offset
    expected = over_shared_channels(x, metric)
    values = rdm(x, metric=metric, nan_policy="omit").values
    # cosines of nearly parallel rows are all rounding; the loop is exact but for its last digits
    assert np.allclose(values, expected, rtol=1e-9, atol=1e-14 if metric != "correlation" else 1e-9)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", [1e-200, 1e-13, 1e13, 1e150])
def test_in_any_unit(metric, scale, rng):
    x = patterns(rng)
    expected = rdm(x, metric=metric, nan_policy="omit").values
    values = rdm(x * scale, metric=metric, nan_policy="omit").values
    power = {"euclidean": scale, "sqeuclidean": scale}.get(metric, 1.0)
    values = values / power / (scale if metric == "sqeuclidean" and 0 < scale**2 < np.inf else 1.0)
    if metric != "sqeuclidean" or 1e-150 < scale < 1e150:
        assert np.allclose(values, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("metric", METRICS)
def test_leading_axes_equal_a_loop(metric, rng):
    x = patterns(rng, (3, 6, 10), 0.2)
    batch = rdm(x, metric=metric, nan_policy="omit")
    for one, values in zip(x, batch.values, strict=True):
        assert np.allclose(values, rdm(one, metric=metric, nan_policy="omit").values, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("metric", METRICS)
def test_pairs_that_share_nothing_are_named(metric):
    no = [np.nan] * 3
    x = np.array([[1.0, 2, 4, *no], [*no, 1, 2, 3], [1, 5, 2, 6, 3, 1], [4, 1, 2, 9, 1, 3]])
    with pytest.warns(RuntimeWarning, match="items that share no channel with another: 'a', 'b'") as caught:
        values = rdm(x, metric=metric, labels=list("abcd"), nan_policy="omit").values
    assert len(caught) == 1
    assert np.array_equal(np.isnan(values), [True] + [False] * 5)


def test_rows_that_are_flat_over_shared_channels_are_named():
    nan = np.nan
    x = np.array([[0.1, 0.1, 0.1, 5, nan], [1, 2, 4, nan, 1], [7, 3, 1, 2, 4], [2, 4, nan, 1, 6]])
    with pytest.warns(RuntimeWarning, match="constant over the channels they share with another: 'item 0', 'item 1'"):
        values = rdm(x, nan_policy="omit").values
    assert np.array_equal(np.isnan(values), [True] + [False] * 5)
    x[0, :3] = 0
    with pytest.warns(RuntimeWarning, match="zero over the channels they share with another: 'item 0', 'item 1'"):
        rdm(x, metric="cosine", nan_policy="omit")


def test_one_shared_channel_has_no_correlation(rng):
    x = rng.normal(size=(3, 4))
    x[0, 1:] = np.nan
    with pytest.warns(RuntimeWarning, match="constant over"):
        values = rdm(x, nan_policy="omit").values
    assert np.array_equal(np.isnan(values), [True, True, False])


def test_an_item_without_any_channel(rng):
    x = rng.normal(size=(4, 5))
    x[2] = np.nan
    with pytest.warns(RuntimeWarning, match="share no channel with another: 'item 2'"):
        result = rdm(x, metric="euclidean", nan_policy="omit")
    assert np.isnan(result.values).sum() == 3
    assert result.provenance["n_channels_used"] == [5, 5]


def test_infinite_values_are_missing_too(rng):
    x = patterns(rng)
    other = np.where(np.isnan(x), np.inf, x)
    assert np.array_equal(rdm(x, nan_policy="omit").values, rdm(other, nan_policy="omit").values)


def test_repeats_are_averaged_channel_by_channel(rng):
    trials = patterns(rng, (9, 12), 0.3)
    labels = list("abcabcabc")
    means = np.stack([np.nanmean(trials[i::3], axis=0) for i in range(3)])
    result = rdm(trials, metric="euclidean", labels=labels, nan_policy="omit")
    assert np.allclose(result.values, over_shared_channels(means, "euclidean"), rtol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_ties_of_discrete_patterns_are_ties(metric, rng):
    x = rng.integers(0, 3, size=(40, 6)).astype(float)
    x[:, 0], x[:, 1] = 0, 7
    x[5, 3] = np.nan
    complete = np.delete(np.arange(40), 5)
    some = rdm(x, metric=metric, nan_policy="omit").take(complete).values
    exact = rdm(x[complete], metric=metric).values
    assert len(np.unique(some)) == len(np.unique(exact))


@pytest.mark.parametrize("metric", METRICS)
def test_duplicates(metric, rng):
    base = patterns(rng, (4, 30)) + 100
    square = rdm(np.concatenate([base, base]), metric=metric, nan_policy="omit").squareform()
    copies = np.diagonal(square, 4)
    assert np.all(copies == 0) if "euclidean" in metric else np.all((copies >= 0) & (copies < 1e-14))


def test_float32_states_its_error(rng):
    x = patterns(rng, (60, 100)).astype(np.float32) + 1000
    for metric in METRICS:
        single = rdm(x, metric=metric, nan_policy="omit", dtype="float32")
        assert single.values.dtype == np.float32
        exact = rdm(x, metric=metric, nan_policy="omit").values
        error = np.abs(single.values - exact).max()
        assert error < 1e-3 * max(1.0, exact.max())
        assert single.provenance["float32_error"] > error / 30
