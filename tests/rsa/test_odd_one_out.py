from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.triplets import leaders, left_over

from alignkit.rsa import Triplets, odd_one_out


@pytest.mark.parametrize("kernel", ["dot", "cosine", "euclidean"])
def test_equals_the_loop_with_ties(kernel, rng, readonly):
    x = readonly(rng.integers(0, 3, (12, 3)) + 0.0)
    x = readonly(np.where(x.any(axis=1, keepdims=True), x, 1.0))
    triplets = readonly(np.array([rng.permutation(12)[:3] for _ in range(200)]))
    expected = [best[0] if len(best := leaders(left_over(x, t, kernel))) == 1 else -1 for t in triplets]
    assert -1 in expected
    np.testing.assert_array_equal(odd_one_out(x, triplets, kernel=kernel), expected)


@given(seed=st.integers(0, 1000))
def test_rounding_decides_no_tie(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, 50))
    x = np.vstack([x, x[0] @ np.eye(50)])
    # items 0 and 3 are the same: with item 1 or 2 between them nothing tells them apart
    choice = odd_one_out(x, [[0, 3, 1], [1, 0, 3]], kernel="cosine")
    np.testing.assert_array_equal(choice, [2, 0])
    assert odd_one_out(np.vstack([x[0]] * 3), [[0, 1, 2]], kernel="euclidean") == -1


@given(seed=st.integers(0, 1000), kernel=st.sampled_from(["dot", "cosine", "euclidean"]))
def test_duplicated_rows_answer_like_their_originals(seed, kernel):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((9, 20))
    triplets = np.array([rng.permutation(9)[:3] for _ in range(20)])
    twice = np.vstack([x, x])
    copies = triplets + 9 * rng.integers(0, 2, triplets.shape)
    np.testing.assert_array_equal(odd_one_out(twice, copies, kernel=kernel), odd_one_out(x, triplets, kernel=kernel))


@given(seed=st.integers(0, 1000))
def test_moves_with_the_columns(seed):
    rng = np.random.default_rng(seed)
    x, order = rng.standard_normal((6, 4)), rng.permutation(3)
    triplets = np.array([rng.permutation(6)[:3] for _ in range(20)])
    moved = odd_one_out(x, triplets[:, order])
    np.testing.assert_array_equal(order[moved], odd_one_out(x, triplets))


def test_random_ties_fall_on_each_tied_position_alike():
    x = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.1]])
    triplets = np.tile([[0, 1, 2], [0, 3, 1]], (3000, 1))
    choice = odd_one_out(x, triplets, ties="random", rng=0)
    counts = np.bincount(choice[::2], minlength=3)
    assert (np.abs(counts - 1000) < 4 * np.sqrt(3000 * 2 / 9)).all()
    np.testing.assert_array_equal(choice[1::2], 1)
    np.testing.assert_array_equal(choice, odd_one_out(x, triplets, ties="random", rng=0))


def test_undefined_triplets_are_minus_one(rng):
    x = rng.random((4, 2))
    x[3] = np.nan
    with pytest.warns(RuntimeWarning, match="'bus'"):
        choice = odd_one_out(x, Triplets([[0, 1, 3], [0, 1, 2]], labels=["cat", "dog", "car", "bus"]))
    assert choice[0] == -1
    assert choice[1] >= 0


def test_refuses_unknown_options(rng):
    with pytest.raises(ValueError, match="ties must be one of"):
        odd_one_out(rng.random((3, 2)), [[0, 1, 2]], ties="first")


def test_cosines_of_zero_tie_whatever_their_rounding(rng):
    rotation = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    cosines = rotation @ rotation.T
    assert len(np.unique(np.abs(cosines[np.triu_indices(40, k=1)]))) > 100, "all should be 0 but for their rounding"
    triplets = np.array([rng.permutation(40)[:3] for _ in range(200)])
    assert (odd_one_out(rotation, triplets, kernel="cosine") == -1).all()
