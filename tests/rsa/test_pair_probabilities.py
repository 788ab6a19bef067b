from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.triplets import pair_probabilities as loop
from scipy.io import loadmat

from alignkit.rsa import _pair_probabilities as module
from alignkit.rsa import pair_probabilities, similarity_matrix

KERNELS = ("dot", "cosine", "euclidean")


@pytest.mark.parametrize("rows", [64, 5, 1])
@pytest.mark.parametrize("kernel", KERNELS)
def test_equals_the_triple_loop(kernel, rows, rng, readonly, monkeypatch):
    monkeypatch.setattr(module, "_ROWS", rows)
    x = readonly(rng.standard_normal((13, 4)))
    np.testing.assert_allclose(
        pair_probabilities(x, kernel=kernel, temperature=0.7), loop(x, kernel, 0.7), rtol=0, atol=1e-12
    )


@given(seed=st.integers(0, 1000), n=st.integers(3, 40), size=st.sampled_from([0.01, 1.0, 5.0, 30.0, 1000.0]))
def test_off_diagonal_mean_is_a_third(seed, n, size):
    x = size * np.random.default_rng(seed).standard_normal((n, 3))
    p = pair_probabilities(x)
    assert p[~np.eye(n, dtype=bool)].mean() == pytest.approx(1 / 3, abs=1e-12)
    np.testing.assert_array_equal(np.diagonal(p), 1)
    np.testing.assert_array_equal(p, p.T)


@pytest.mark.parametrize("size", [20.0, 300.0])
def test_logits_of_any_range_stay_finite_and_exact(size, rng):
    x = size * rng.standard_normal((9, 2))
    assert np.ptp(similarity_matrix(x)) > (200 if size == 20.0 else 1200)
    np.testing.assert_allclose(pair_probabilities(x), loop(x, "dot", 1.0), rtol=0, atol=1e-12)


@given(seed=st.integers(0, 1000), shift=st.floats(-500, 500))
def test_a_constant_added_to_every_similarity_changes_nothing(seed, shift):
    matrix = similarity_matrix(np.random.default_rng(seed).standard_normal((8, 3)))
    np.testing.assert_allclose(
        pair_probabilities(matrix + shift - 1e-3, kernel="precomputed"),
        pair_probabilities(matrix - 1e-3, kernel="precomputed"),
        atol=1e-11,
    )


def test_both_ranges_meet(rng, monkeypatch):
    x = 3 * rng.standard_normal((20, 4))
    narrow = pair_probabilities(x)
    monkeypatch.setattr(module, "_SAFE_RANGE", 0.0)
    np.testing.assert_allclose(pair_probabilities(x), narrow, rtol=0, atol=1e-13)


def test_a_subset_knows_nothing_of_the_others(rng):
    x = rng.standard_normal((12, 3))
    items = [7, 2, 11, 4]
    np.testing.assert_allclose(pair_probabilities(x, items=items), loop(x[items], "dot", 1.0), atol=1e-12)


@given(seed=st.integers(0, 300))
def test_relabelling_moves_rows_and_columns(seed):
    rng = np.random.default_rng(seed)
    x, order = rng.standard_normal((9, 3)), rng.permutation(9)
    np.testing.assert_allclose(pair_probabilities(x[order]), pair_probabilities(x)[np.ix_(order, order)], atol=1e-12)


def test_equals_rdm48_as_published_and_with_the_right_camera(spose66, shared_data):
    spose49 = np.loadtxt(shared_data("things", "spose_embedding_49d_sorted.txt"))
    measured = loadmat(shared_data("things", "RDM48_triplet.mat"))["RDM48_triplet"]
    fixed = np.loadtxt(shared_data("things", "things_row_of_words48.txt"), dtype=int)
    published = np.where(fixed == 247, 246, fixed)
    upper = np.triu_indices(48, k=1)
    for x, items, expected in (
        (spose49, published, 0.8982),
        (spose66, published, 0.9039),
        (spose49, fixed, 0.8996),
        (spose66, fixed, 0.9060),
    ):
        predicted = 1 - pair_probabilities(x, items=items)
        assert np.corrcoef(predicted[upper], measured[upper])[0, 1] == pytest.approx(expected, abs=5e-5)


def test_undefined_items_follow_the_policy(rng):
    x = rng.standard_normal((6, 3))
    x[2] = np.nan
    good = [0, 1, 3, 4, 5]
    with pytest.warns(RuntimeWarning, match="'item 2'"):
        p = pair_probabilities(x)
    assert np.isnan(p[~np.eye(6, dtype=bool)]).all()
    omitted = pair_probabilities(x, nan_policy="omit")
    np.testing.assert_allclose(omitted[np.ix_(good, good)], pair_probabilities(x, items=good), atol=1e-15)
    assert np.isnan(omitted[2, good]).all()
    with pytest.raises(ValueError, match="'item 2'"):
        pair_probabilities(x, nan_policy="raise")


def test_shows_progress_on_request(rng, capsys):
    pair_probabilities(rng.random((5, 2)), progress=True)
    assert "third items" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("items", "error", "sentence"),
    [
        ([0, 1], ValueError, "at least 3"),
        ([0, 1, 9], ValueError, "must lie between 0 and 4"),
        ([0, 1, 1], ValueError, "must not repeat"),
        ([0.0, 1.0, 2.0], TypeError, "whole item numbers"),
    ],
)
def test_refuses_bad_items(items, error, sentence, rng):
    with pytest.raises(error, match=sentence):
        pair_probabilities(rng.random((5, 2)), items=items)


def test_refuses_two_items(rng):
    with pytest.raises(ValueError, match="at least 3"):
        pair_probabilities(rng.random((2, 2)))
