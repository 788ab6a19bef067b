from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.triplets import left_over, similarity

from alignkit.rsa import RDM, Triplets, TwoAFC, similarity_matrix, triplet_similarities
from alignkit.rsa import _similarity_matrix as module

KERNELS = ("dot", "cosine", "euclidean")


def random_triplets(rng, n_items, n):
    return np.array([rng.permutation(n_items)[:3] for _ in range(n)])


@pytest.mark.parametrize("kernel", KERNELS)
def test_matrix_equals_the_loop(kernel, rng, readonly):
    x = readonly(rng.standard_normal((9, 5)))
    expected = [[similarity(x, i, j, kernel) for j in range(9)] for i in range(9)]
    np.testing.assert_allclose(similarity_matrix(x, kernel=kernel), expected, atol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("limit", [5000, 20, 3])
def test_triplets_equal_the_loop_by_matrix_by_used_rows_and_by_gathers(kernel, limit, rng, readonly, monkeypatch):
    monkeypatch.setattr(module, "MATRIX_LIMIT", limit)
    x = readonly(rng.standard_normal((40, 6)))
    triplets = readonly(random_triplets(rng, 15, 30) * 2)
    expected = [left_over(x, t, kernel) for t in triplets]
    np.testing.assert_allclose(triplet_similarities(x, triplets, kernel=kernel), expected, atol=1e-12)


@pytest.mark.parametrize("limit", [5000, 3])
def test_float32_rows_are_computed_in_float64(limit, rng, monkeypatch):
    monkeypatch.setattr(module, "MATRIX_LIMIT", limit)
    x = rng.standard_normal((12, 300)).astype(np.float32)
    triplets = random_triplets(rng, 12, 20)
    np.testing.assert_allclose(
        triplet_similarities(x, triplets), [left_over(x, t, "dot") for t in triplets], rtol=1e-12, atol=1e-12
    )


def test_distances_of_near_duplicates_far_from_the_origin_keep_their_digits():
    x = np.array([[1.0, 0.0], [1.0 + 1e-7, 0.0], [1e3, 5.0], [-1e3, -7.0]])
    matrix = similarity_matrix(x, kernel="euclidean")
    np.testing.assert_allclose(matrix[0, 1], -(x[1, 0] - x[0, 0]), rtol=1e-8)
    assert matrix[2, 2] == 0.0


def test_distances_of_duplicates_are_exactly_zero(rng):
    x = rng.standard_normal((6, 4))
    assert similarity_matrix(x[[0, 1, 0, 2, 1]], kernel="euclidean")[0, 2] == 0.0


def test_cosine_of_huge_and_tiny_rows_neither_overflows_nor_vanishes(monkeypatch):
    x = np.array([[1e200, 1e200], [1e-200, 1e-200], [1e-200, -1e-200]])
    np.testing.assert_allclose(similarity_matrix(x, kernel="cosine"), [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-15)
    monkeypatch.setattr(module, "MATRIX_LIMIT", 2)
    np.testing.assert_allclose(triplet_similarities(x, [[0, 1, 2]], kernel="cosine"), [[0, 0, 1]], atol=1e-15)


@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 1000))
def test_cosine_ignores_positive_scaling(scale, seed):
    x = np.random.default_rng(seed).standard_normal((7, 3))
    np.testing.assert_allclose(
        similarity_matrix(x, kernel="cosine"), similarity_matrix(scale * x, kernel="cosine"), atol=1e-12
    )


@given(seed=st.integers(0, 1000), kernel=st.sampled_from(KERNELS))
def test_relabelling_items_moves_rows_only(seed, kernel):
    rng = np.random.default_rng(seed)
    x, order = rng.standard_normal((8, 3)), rng.permutation(8)
    triplets = random_triplets(rng, 8, 10)
    moved = triplet_similarities(x[order], np.argsort(order)[triplets], kernel=kernel)
    np.testing.assert_allclose(moved, triplet_similarities(x, triplets, kernel=kernel), atol=1e-12)


def test_an_rdm_counts_with_the_sign_turned(rng):
    distances = RDM([1.0, 2.0, 3.0], labels=["a", "b", "c"])
    triplets = Triplets([[0, 1, 2]], labels=["c", "b", "a"])
    # c b a: without c remains b-a (1), without b remains c-a (2), without a remains c-b (3)
    np.testing.assert_array_equal(triplet_similarities(distances, triplets, kernel="precomputed"), [[-1, -2, -3]])


def test_rows_are_found_by_name_whatever_their_order(rng):
    x = rng.standard_normal((5, 3))
    names = ["a", "b", "c", "d", "e"]
    triplets = Triplets([[0, 1, 3], [4, 3, 2]], labels=names)
    order = [3, 0, 4, 2, 1]
    np.testing.assert_allclose(
        triplet_similarities(x[order], triplets, labels=[names[i] for i in order]), triplet_similarities(x, triplets)
    )


def test_labels_that_do_not_fit_name_the_items(rng):
    x = rng.standard_normal((3, 2))
    triplets = Triplets([[0, 1, 2]], labels=["a", "b", "c"])
    with pytest.raises(ValueError, match="x has no row for 'c'"):
        triplet_similarities(x, triplets, labels=["a", "b", "z"])
    with pytest.raises(ValueError, match="but the triplets have none"):
        triplet_similarities(x, [[0, 1, 2]], labels=["a", "b", "c"])
    with pytest.raises(ValueError, match="x has 4 rows, but the triplets name 3 items"):
        triplet_similarities(rng.random((4, 2)), triplets)
    with pytest.raises(ValueError, match=r"the item number 3, but x has 3 rows \(0 to 2\)"):
        triplet_similarities(x, [[1, 2, 3]])


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        (np.ones((3, 4)), "needs a square"),
        ([[1, 2, 3], [2, 1, 4], [3, 5, 1]], r"not symmetric: entries \(1, 2\) and \(2, 1\)"),
        ([[0, 1, 2], [1, 0, 3], [2, 3, 0]], "looks like dissimilarities"),
        (np.ones(3), "must have 2 axes"),
        ([[1, np.inf, 2], [np.inf, 1, 3], [2, 3, 1]], "the similarity matrix x holds infinities"),
    ],
)
def test_bad_matrices_are_refused(matrix, sentence):
    with pytest.raises(ValueError, match=sentence):
        triplet_similarities(matrix, [[0, 1, 2]], kernel="precomputed")


def test_wrong_kinds_are_refused(rng):
    with pytest.raises(ValueError, match="kernel must be one of"):
        similarity_matrix(rng.random((3, 2)), kernel="rbf")
    with pytest.raises(TypeError):
        similarity_matrix([["a", "b"], ["c", "d"]])
    with pytest.raises(ValueError, match="pass kernel='precomputed'"):
        similarity_matrix(RDM([1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match="one RDM is needed"):
        similarity_matrix(RDM([[1.0, 2.0, 3.0]]), kernel="precomputed")


def test_float16_overflow_has_its_own_sentence():
    with pytest.raises(ValueError, match="float16 and holds infinities"):
        triplet_similarities(np.array([[1, np.inf], [1, 2], [3, 4]], dtype=np.float16), [[0, 1, 2]])


@pytest.mark.parametrize("limit", [5000, 3])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_undefined_items_give_nan_and_one_warning_with_their_name(limit, bad, rng, monkeypatch):
    monkeypatch.setattr(module, "MATRIX_LIMIT", limit)
    x = rng.random((5, 2))
    x[3, 1] = bad
    triplets = Triplets([[0, 1, 2], [0, 3, 1], [2, 4, 1]], labels=["a", "b", "c", "d", "e"])
    with pytest.warns(RuntimeWarning, match="1 triplets are undefined.*'d'") as record:
        values = triplet_similarities(x, triplets)
    assert len(record) == 1
    np.testing.assert_array_equal(np.isnan(values), np.repeat([[False], [True], [False]], 3, axis=1))
    with pytest.raises(ValueError, match="'d'"):
        triplet_similarities(x, triplets, nan_policy="raise")
    assert np.isnan(triplet_similarities(x, triplets, nan_policy="omit")[1]).all()


def test_a_zero_vector_has_no_cosine():
    x = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    with pytest.warns(RuntimeWarning, match="all zero: 'item 0'"):
        values = triplet_similarities(x, [[0, 1, 2], [1, 2, 3]], kernel="cosine")
    np.testing.assert_array_equal(np.isnan(values[:, 0]), [True, False])
    with pytest.warns(RuntimeWarning, match="items that are NaN, infinite or all zero: 'item 0'"):
        assert np.isnan(similarity_matrix(x, kernel="cosine")[0]).all()


def test_an_undefined_item_nobody_was_asked_about_does_not_matter(rng):
    x = rng.random((4, 2))
    x[3] = np.nan
    assert np.isfinite(triplet_similarities(x, [[0, 1, 2]])).all()


def test_two_afc_does_not_need_the_similarity_of_left_and_right():
    matrix = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, np.nan], [0.2, np.nan, 1.0]])
    trials = TwoAFC([[0, 1, 2]], [[3, 1]])
    values = module.pair_similarities(matrix, trials, "precomputed", None, "raise")
    np.testing.assert_array_equal(values[1:, 0], [0.2, 0.5])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("which", [[0], [1, 3], [0, 1, 2, 3]])
def test_undefined_rows_of_a_matrix_are_named_once(kernel, which, rng):
    x = rng.standard_normal((4, 3))
    x[which, 1] = np.nan
    with pytest.warns(RuntimeWarning, match=f"'item {which[-1]}'. The values") as record:
        matrix = similarity_matrix(x, kernel=kernel)
    assert len(record) == 1
    np.testing.assert_array_equal(np.isnan(np.diagonal(matrix)), np.isin(np.arange(4), which))
    np.testing.assert_array_equal(similarity_matrix(x, kernel=kernel, nan_policy="omit"), matrix)
    with pytest.raises(ValueError, match=f"'item {which[-1]}'"):
        similarity_matrix(x, kernel=kernel, nan_policy="raise")


def test_a_missing_pair_of_a_ready_matrix_is_named():
    rdm = RDM([1.0, np.nan, 3.0], labels=["a", "b", "c"])
    with pytest.warns(RuntimeWarning, match="items that are without a similarity: 'a', 'c'"):
        similarity_matrix(rdm, kernel="precomputed")
    ready = [[np.nan, 0.5], [0.5, np.nan]]  # nobody uses the diagonal
    np.testing.assert_array_equal(similarity_matrix(ready, kernel="precomputed"), ready)
    assert similarity_matrix([[3.0, 4.0]]) == 25.0


@pytest.mark.parametrize("limit", [5000, 3])
@pytest.mark.parametrize("kernel", ["dot", "euclidean"])
def test_products_beyond_the_range_of_float64_are_refused(kernel, limit, rng, monkeypatch):
    monkeypatch.setattr(module, "MATRIX_LIMIT", limit)
    x = rng.standard_normal((5, 3))
    for scale, sentence in ((1e160, "products overflow; divide x"), (1e-160, "products vanish; multiply x")):
        with pytest.raises(ValueError, match=sentence):
            triplet_similarities(scale * x, [[0, 1, 2], [1, 2, 3]], kernel=kernel)
        with pytest.raises(ValueError, match=sentence):
            similarity_matrix(scale * x, kernel=kernel)
    for scale in (1e140, 1e-140):  # far from usual, yet exact
        large = triplet_similarities(scale * x, [[0, 1, 2], [1, 2, 3], [2, 3, 4]], kernel=kernel)
        unit = scale if kernel == "euclidean" else scale**2
        expected = triplet_similarities(x, [[0, 1, 2], [1, 2, 3], [2, 3, 4]], kernel=kernel)
        np.testing.assert_allclose(large / unit, expected, rtol=1e-11)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_a_matrix_of_nothing(shape):
    with pytest.raises(ValueError, match="x must hold at least one item and one channel"):
        similarity_matrix(np.empty(shape))
    with pytest.raises(ValueError, match="x must hold at least one item and one channel"):
        triplet_similarities(np.empty(shape), [[0, 1, 2]])
