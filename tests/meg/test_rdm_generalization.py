"""RDMs across times equal loops of scipy and of compare, and the ceiling where the times are the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from alignkit.meg import RDMStore, rdm_generalization, timecourse
from alignkit.rsa import RDM, compare
from alignkit.rsa._matrix_methods import COMPARISON_METHODS

TIMES = np.arange(5) / 10


@pytest.fixture
def movie(rng) -> np.ndarray:
    places = rng.normal(size=(4, 5, 6, 3)) + 2 * rng.normal(size=(6, 3))
    first, second = np.triu_indices(6, k=1)
    return np.square(places[..., first, :] - places[..., second, :]).sum(axis=-1)


def stacked(values, **options) -> RDM:
    return RDM(values, dims=["subject", "time"], coords={"time": TIMES}, **options)


def test_equals_a_loop_of_scipy(movie):
    found = rdm_generalization(stacked(movie), n_bootstrap=100, rng=0)
    for s, t, u in np.ndindex(4, 5, 5):
        assert found.values[s, t, u] == pytest.approx(spearmanr(movie[s, t], movie[s, u]).statistic, abs=1e-14)
    np.testing.assert_allclose(found.mean, found.values.mean(axis=0))
    assert np.isfinite(found.interval).all()
    np.testing.assert_array_equal(found.values, found.values.swapaxes(1, 2))


@pytest.mark.parametrize("method", COMPARISON_METHODS)
def test_equals_compare(movie, method):
    found = rdm_generalization(stacked(movie), method=method, n_bootstrap=0)
    for s in range(4):
        expected = compare(RDM(movie[s], dims=["a"]), RDM(movie[s], dims=["b"]), method=method).values
        np.testing.assert_allclose(found.values[s], expected, rtol=0, atol=1e-10)


def test_others_equal_a_loop_of_mean_ranks(movie):
    found = rdm_generalization(stacked(movie), reference="others", n_bootstrap=0)
    ranks = rankdata(movie, axis=-1)
    for s, t, u in np.ndindex(4, 5, 5):
        mean = np.delete(ranks[:, t], s, axis=0).sum(axis=0)
        assert found.values[s, t, u] == pytest.approx(spearmanr(mean, movie[s, u]).statistic, abs=1e-14)


@pytest.mark.parametrize("pooling", ["rank", "raw", "rsatoolbox"])
@pytest.mark.parametrize("method", ["spearman", "pearson", "cosine", "kendall-tau-a", "whitened-cosine"])
def test_the_diagonal_of_others_is_the_lower_ceiling(movie, method, pooling):
    found = rdm_generalization(stacked(movie), method=method, reference="others", pooling=pooling, n_bootstrap=0)
    course = timecourse(movie[0, 0], stacked(movie), method=method, pooling=pooling, n_bootstrap=0)
    np.testing.assert_allclose(found.diagonal, course.lower_per_subject, rtol=0, atol=1e-10)


@pytest.mark.parametrize("reference", ["self", "others"])
def test_little_memory_and_separate_participants_give_the_same(rng, reference):
    values = rng.normal(size=(3, 32, 45 * 44 // 2)) ** 2  # in 1 MB: 15 times of one, or 5 of all
    whole = rdm_generalization(RDM(values, dims=["subject", "time"]), reference=reference, n_bootstrap=0)
    parts = [RDM(one, dims=["time"]) for one in values]
    found = rdm_generalization(parts, reference=reference, n_bootstrap=0, memory="1 MB")
    np.testing.assert_allclose(found.values, whole.values, rtol=0, atol=1e-14)


def test_sigma_k_follows_the_items_that_are_shared(movie, rng):
    """It is in the order of the first data; items that only these hold are left out of it."""
    root = rng.normal(size=(6, 6))
    sigma = root @ root.T + np.eye(6)
    first = RDM(movie[0], dims=["time"], coords={"time": TIMES}, labels=list("abcdef"))
    second = RDM(movie[1], dims=["time"], coords={"time": TIMES}, labels=list("gfedcb"))
    options = {"method": "whitened-cosine", "n_bootstrap": 0}
    found = rdm_generalization([first, second], sigma_k=sigma, on_mismatch="intersect", **options)
    for s, one in enumerate((first, second)):
        own = rdm_generalization(one.select(list("bcdef")), sigma_k=sigma[1:, 1:], **options)
        np.testing.assert_allclose(found.values[s], own.values[0], rtol=0, atol=1e-12)


def test_counts_of_decisions_are_ranked_as_they_are(rng, tmp_path):
    counts = rng.integers(0, 13, size=(5, 15)).astype(np.uint8)
    options = {"labels": list("abcdef"), "times": TIMES, "metric": "decoding", "provenance": {}, "dtype": "float64"}
    with RDMStore.create(tmp_path / "one.zarr", n_decisions=6, **options) as store:
        store.write(0, counts)
    found = rdm_generalization(tmp_path / "one.zarr", n_bootstrap=0)
    for t, u in np.ndindex(5, 5):
        assert found.values[0, t, u] == pytest.approx(spearmanr(counts[t], counts[u]).statistic, abs=1e-14)


def test_items_are_matched_by_label(movie):
    order = [3, 1, 5, 0, 2, 4]
    one = RDM(movie[0], labels=list("abcdef"), dims=["time"], coords={"time": TIMES})
    other = RDM(movie[1], labels=list("abcdef"), dims=["time"], coords={"time": TIMES})
    found = rdm_generalization([one, other.take(order)], reference="others", n_bootstrap=0)
    expected = rdm_generalization(stacked(movie[:2]), reference="others", n_bootstrap=0)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-14)


@pytest.mark.parametrize("reference", ["self", "others"])
def test_missing_values(movie, reference):
    movie[1, 2, 3] = np.nan
    with pytest.warns(RuntimeWarning, match=r"at 0.2 s|: '0.2 s'"):
        found = rdm_generalization(stacked(movie), reference=reference, n_bootstrap=0)
    assert np.isnan(found.values[1, 1, 2])
    assert np.isfinite(found.values[1, 1, 1])
    with pytest.raises(ValueError, match="hold NaN"):
        rdm_generalization(stacked(movie), reference=reference, nan_policy="raise")
    found = rdm_generalization(stacked(movie), reference=reference, nan_policy="omit", n_bootstrap=0)
    assert np.isfinite(found.values).all()
    if reference == "self":
        keep = np.arange(15) != 3
        assert found.values[1, 2, 4] == pytest.approx(spearmanr(movie[1, 2, keep], movie[1, 4, keep]).statistic)


def test_it_is_told_and_drawn(movie):
    plt = pytest.importorskip("matplotlib.pyplot")
    found = rdm_generalization(stacked(movie, metric="crossnobis"), reference="others", n_bootstrap=0)
    assert "mean of all others" in found.methods_text()
    assert found.plot().get_ylabel() == "others' time (ms)"
    own = rdm_generalization(stacked(movie), n_bootstrap=0)
    off = np.abs(own.mean[~np.eye(5, dtype=bool)]).max()
    assert own.plot().collections[0].get_clim() == pytest.approx((-off, off))
    plt.close("all")


def test_what_cannot_be_done_is_said(movie):
    with pytest.raises(ValueError, match="there is one"):
        rdm_generalization(stacked(movie[:1]), reference="others")
    with pytest.raises(ValueError, match="no mean RDM"):
        rdm_generalization(stacked(movie), reference="others", method="bures")
    with pytest.raises(ValueError, match="sigma_k is for"):
        rdm_generalization(stacked(movie), sigma_k=np.ones(6))
    with pytest.raises(ValueError, match="raise memory"):
        rdm_generalization(np.zeros((1, 300, 300)) + 1 - np.eye(300), memory="1 MB")
