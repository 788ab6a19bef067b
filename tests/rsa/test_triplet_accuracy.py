from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.triplets import credits

from alignkit.rsa import TripletAccuracy, Triplets, similarity_matrix, triplet_accuracy


@pytest.mark.parametrize("ties", ["wrong", "share"])
@pytest.mark.parametrize("kernel", ["dot", "cosine", "euclidean", "precomputed"])
def test_equals_the_loop_with_ties(kernel, ties, rng, readonly):
    x = readonly(rng.integers(0, 3, (12, 4)) + 0.5)
    if kernel == "precomputed":
        x = readonly(similarity_matrix(x))
    triplets = np.array([rng.permutation(12)[:3] for _ in range(300)])
    expected = credits(x, triplets, kernel, ties)
    result = triplet_accuracy(x, triplets, kernel=kernel, ties=ties, n_bootstrap=0)
    np.testing.assert_allclose(result.per_triplet, expected, atol=1e-15)
    assert result.accuracy == pytest.approx(np.mean(expected), abs=1e-15)
    assert result.n_ties > 0
    assert result.n == 300


def test_random_ties_average_to_shared_ones(rng):
    x = rng.integers(0, 2, (10, 3)) + 0.0
    triplets = np.array([rng.permutation(10)[:3] for _ in range(4000)])
    shared = triplet_accuracy(x, triplets, ties="share", n_bootstrap=0)
    drawn = triplet_accuracy(x, triplets, ties="random", n_bootstrap=0, rng=1)
    assert set(drawn.per_triplet) == {0.0, 1.0}
    assert drawn.accuracy == pytest.approx(shared.accuracy, abs=4 * 0.5 / np.sqrt(4000))


def test_three_tied_answers_are_right_a_third_of_the_time():
    triplets = np.tile([[0, 1, 2]], (6000, 1))
    result = triplet_accuracy(np.ones((3, 2)), triplets, ties="random", n_bootstrap=0, rng=3)
    assert result.n_ties == 6000
    assert result.accuracy == pytest.approx(1 / 3, abs=4 * np.sqrt(2 / 9 / 6000))


@given(seed=st.integers(0, 500), kernel=st.sampled_from(["dot", "cosine", "euclidean"]))
def test_item_order_and_duplicated_rows_change_nothing(seed, kernel):
    rng = np.random.default_rng(seed)
    x = rng.integers(-2, 3, (8, 3)) + 0.25
    triplets = np.array([rng.permutation(8)[:3] for _ in range(40)])
    order = rng.permutation(8)
    options = {"kernel": kernel, "ties": "share", "n_bootstrap": 0}
    accuracy = triplet_accuracy(x, triplets, **options).accuracy
    assert triplet_accuracy(x[order], np.argsort(order)[triplets], **options).accuracy == accuracy
    copies = triplets + 8 * rng.integers(0, 2, triplets.shape)
    assert triplet_accuracy(np.vstack([x, x]), copies, **options).accuracy == accuracy


def test_the_kept_pair_has_no_order(rng):
    x = rng.standard_normal((9, 3))
    triplets = np.array([rng.permutation(9)[:3] for _ in range(50)])
    one = triplet_accuracy(x, triplets, rng=0)
    other = triplet_accuracy(x, triplets[:, [1, 0, 2]], rng=0)
    assert (one.accuracy, one.low, one.high) == (other.accuracy, other.low, other.high)


def test_interval_over_triplets_is_that_of_the_binomial(rng):
    x = rng.standard_normal((200, 3))
    triplets = np.unique(np.sort([rng.permutation(200)[:3] for _ in range(4000)], axis=1), axis=0)
    result = triplet_accuracy(x, triplets, n_bootstrap=4000, rng=0)
    p, n = result.accuracy, result.n
    half = 1.96 * np.sqrt(p * (1 - p) / n)
    assert result.n_triplets == n
    np.testing.assert_allclose([result.low, result.high], [p - half, p + half], atol=0.12 * half)


def test_repeated_answers_are_drawn_together():
    # 40 triplets answered 50 times, each always right or always wrong: 40 independent values, not 2,000
    x = np.random.default_rng(0).standard_normal((120, 2))
    rows = np.arange(120).reshape(40, 3)
    right = np.array([np.roll(row, 2 - int(np.argmax(_left(x, row)))) for row in rows])
    right[::2] = np.roll(right[::2], 1, axis=1)
    triplets = np.repeat(right, 50, axis=0)
    result = triplet_accuracy(x, triplets, n_bootstrap=2000, rng=0)
    assert result.accuracy == 0.5
    half = 1.96 * np.sqrt(0.25 / 40)
    np.testing.assert_allclose([result.low, result.high], [0.5 - half, 0.5 + half], atol=0.03)
    assert result.n_triplets == 40


def _left(x, row):
    from reference.triplets import left_over

    return left_over(x, row, "dot")


def test_interval_over_people_is_that_of_their_means(rng):
    # 30 people of 20 answers each; people are all right or all wrong
    x = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    people = np.repeat(np.arange(30), 20)
    triplets = np.where((people % 3 == 0)[:, None], [[0, 1, 2]], [[0, 2, 1]])
    result = triplet_accuracy(x, Triplets(triplets, participant=people), n_bootstrap=4000, rng=0)
    half = 1.96 * np.sqrt(2 / 9 / 30)
    np.testing.assert_allclose([result.people_low, result.people_high], [1 / 3 - half, 1 / 3 + half], atol=0.03)
    assert result.n_people == 30


def test_same_seed_same_bits_and_people_do_not_move_the_triplets(things_repeats, spose66_files):
    one = triplet_accuracy(spose66_files, things_repeats, n_bootstrap=200, rng=7)
    two = triplet_accuracy(spose66_files, things_repeats, n_bootstrap=200, rng=7)
    bare = triplet_accuracy(spose66_files, things_repeats.items, n_bootstrap=200, rng=7)
    assert (one.low, one.high, one.people_low) == (two.low, two.high, two.people_low)
    assert (one.low, one.high) == (bare.low, bare.high)
    assert np.isnan(bare.people_low)


def test_known_answers_on_things(things_repeats, things_test10, spose66, spose66_files):
    for x, triplets, percent in (
        (spose66_files, things_repeats, 64.26),
        (spose66, things_repeats, 63.64),
        (spose66_files, things_test10, 65.68),
    ):
        result = triplet_accuracy(x, triplets, n_bootstrap=0)
        assert 100 * result.accuracy == pytest.approx(percent, abs=0.01)
        assert result.n == len(triplets)


def test_the_last_column_is_the_odd_one(things_repeats, spose66_files):
    for order in ([1, 2, 0], [0, 2, 1]):
        swapped = triplet_accuracy(spose66_files, things_repeats.items[:, order], n_bootstrap=0)
        assert swapped.accuracy == pytest.approx(0.18, abs=0.01)


def test_undefined_answers_follow_the_policy(rng):
    x = rng.standard_normal((6, 3))
    x[5] = np.nan
    triplets = np.array([rng.permutation(6)[:3] for _ in range(60)])
    touched = (triplets == 5).any(axis=1)
    with pytest.warns(RuntimeWarning, match="'item 5'"):
        result = triplet_accuracy(x, triplets, n_bootstrap=10)
    assert np.isnan(result.accuracy)
    assert np.isnan(result.low)
    assert result.n_undefined == touched.sum()
    omitted = triplet_accuracy(x, triplets, nan_policy="omit", n_bootstrap=0)
    assert omitted.accuracy == triplet_accuracy(x[:5], triplets[~touched], n_bootstrap=0).accuracy
    assert (omitted.n, omitted.n_undefined) == ((~touched).sum(), touched.sum())
    np.testing.assert_array_equal(np.isnan(omitted.per_triplet), touched)
    with pytest.raises(ValueError, match="item 5"):
        triplet_accuracy(x, triplets, nan_policy="raise")


def test_all_undefined_is_nan():
    with pytest.warns(RuntimeWarning, match="1 triplets are undefined"):
        assert np.isnan(triplet_accuracy(np.zeros((3, 2)), [[0, 1, 2]], kernel="cosine").accuracy)
    with pytest.warns(RuntimeWarning, match="1 triplets are undefined"):  # nothing is left: not in silence
        empty = triplet_accuracy(np.zeros((3, 2)), [[0, 1, 2]], kernel="cosine", nan_policy="omit")
    assert np.isnan(empty.accuracy)
    assert empty.n == 0


def test_result_saves_loads_and_speaks(rng, tmp_path):
    triplets = np.array([rng.permutation(9)[:3] for _ in range(50)])
    result = triplet_accuracy(rng.random((9, 3)), triplets, n_bootstrap=50, rng=0)
    result.save(tmp_path / "a.json")
    back = TripletAccuracy.load(tmp_path / "a.json")
    assert (back.accuracy, back.low, back.kernel, back.per_triplet) == (result.accuracy, result.low, "dot", None)
    assert len(result.to_dataframe()) == 1
    assert "dot similarity" in result.methods_text()
    assert "50 answers" in repr(result)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ties": "half"}, "ties must be one of"),
        ({"n_bootstrap": -1}, "n_bootstrap must be at least 0"),
        ({"confidence": 1.0}, "confidence must lie between"),
        ({"nan_policy": "drop"}, "nan_policy must be one of"),
    ],
)
def test_refuses_unknown_options(options, sentence, rng):
    with pytest.raises(ValueError, match=sentence):
        triplet_accuracy(rng.random((3, 2)), [[0, 1, 2]], **options)
