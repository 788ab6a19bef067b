from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa import Triplets, TwoAFC


def test_conventions_are_converted_row_by_row():
    shown = [[5, 6, 7], [5, 6, 7], [5, 6, 7]]
    by_row = Triplets.from_columns(shown, odd=[1, 2, 3], base=1)
    np.testing.assert_array_equal(by_row.items[:, 2], [4, 5, 6])
    np.testing.assert_array_equal(np.sort(by_row.items, axis=1), np.array(shown) - 1)
    for word, column in (("first", 0), ("second", 1), ("third", 2)):
        np.testing.assert_array_equal(
            Triplets.from_columns(shown, odd=word, base=0).items[:, 2], np.array(shown)[:, column]
        )


def test_soft_labels_move_with_their_columns():
    made = Triplets.from_columns([[3, 4, 5]], odd="first", base=0, soft=[[0.7, 0.2, 0.1]])
    np.testing.assert_array_equal(made.items, [[4, 5, 3]])
    np.testing.assert_array_equal(made.soft, [[0.2, 0.1, 0.7]])


def test_restrict_renumbers_and_keeps_the_columns():
    triplets = Triplets(
        [[0, 1, 2], [1, 2, 3]], labels=["a", "b", "c", "d"], participant=["x", "y"], response_time=[1.0, 2.0]
    )
    kept = triplets.restrict(["d", "c", "b"])
    np.testing.assert_array_equal(kept.items, [[2, 1, 0]])
    assert kept.participant.tolist() == ["y"]
    assert kept.response_time.tolist() == [2.0]
    with pytest.raises(ValueError, match="none of the 2 triplets"):
        triplets.restrict(["a", "b", "d"])
    with pytest.raises(ValueError, match="no labels"):
        Triplets([[0, 1, 2]]).restrict(["a"])


@pytest.mark.parametrize(
    ("items", "error", "sentence"),
    [
        (np.empty((0, 3), dtype=int), ValueError, "n >= 1"),
        ([[0, 1]], ValueError, "shape"),
        ([[0, 1, 1]], ValueError, "same item twice"),
        ([[0, -1, 2]], ValueError, "below 0"),
        ([[0.5, 1, 2]], TypeError, "whole item numbers"),
        ([["a", "b", "c"]], TypeError, "whole item numbers"),
    ],
)
def test_bad_items_are_refused(items, error, sentence):
    with pytest.raises(error, match=sentence):
        Triplets(items)


def test_bad_columns_are_refused():
    for bad, sentence in (
        ({"labels": ["a", "b"]}, "there are 2 labels"),
        ({"participant": [1, 2]}, "one per answer"),
        ({"soft": [[0.5, 0.6, 0.1]]}, "sum to 1"),
    ):
        with pytest.raises(ValueError, match=sentence):
            Triplets([[0, 1, 2]], **bad)
    with pytest.raises(ValueError, match="base must be 0 or 1"):
        Triplets.from_columns([[0, 1, 2]], odd="third", base=2)
    with pytest.raises(ValueError, match="odd must be"):
        Triplets.from_columns([[0, 1, 2]], odd=[0], base=0)
    with pytest.raises(ValueError, match="below 1"):
        Triplets.from_columns([[0, 1, 2]], odd="third", base=1)


def test_two_afc_choices():
    trials = TwoAFC([[0, 1, 2], [0, 2, 1], [1, 0, 2]], [[3, 1], [2, 2], [0, 1]])
    np.testing.assert_array_equal(trials.choice, [0, -1, 1])
    np.testing.assert_array_equal(trials.tied, [False, True, False])
    assert len(trials.take(~trials.tied)) == 2
    for votes, sentence in (([[0, 0]], "at least one vote"), ([[-1, 2]], "negative"), ([[0.5, 1]], "whole numbers")):
        with pytest.raises(ValueError, match=sentence):
            TwoAFC([[0, 1, 2]], votes)
