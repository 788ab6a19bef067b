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
        ([[0, 1, 2], [3]], TypeError, "different lengths"),
        (np.ma.array([[0, 1, 2]], mask=[[False, True, False]]), TypeError, "whole item numbers"),
        ([[0, 1, np.nan]], TypeError, "whole item numbers"),
        ([[0, 1, np.inf]], ValueError, "which no list of items reaches"),
        ([[0, 1, 1e300]], ValueError, "which no list of items reaches"),
        (np.array([[0, 1, 2**63 + 5]], dtype=np.uint64), ValueError, "9223372036854775813, which no list"),
        ([[0, 1, 1_700_000_000_000]], ValueError, "check which columns hold items"),
    ],
)
def test_bad_items_are_refused(items, error, sentence):
    with pytest.raises(error, match=sentence):
        Triplets(items)


def test_bad_columns_are_refused():
    for bad, sentence in (
        ({"labels": ["a", "b"]}, "there are 2 labels"),
        ({"participant": [1, 2]}, "one per answer"),
        ({"participant": [np.nan]}, "participant is missing at position 0"),
        ({"participant": [""]}, "participant is missing at position 0"),
        ({"response_time": [[1.0]]}, "one per answer"),
        ({"repeat": [np.inf]}, "repeat must hold whole numbers"),
        ({"repeat": [0.5]}, "repeat must hold whole numbers"),
        ({"soft": [[0.5, 0.6, 0.1]]}, "sum to 1"),
    ):
        with pytest.raises(ValueError, match=sentence):
            Triplets([[0, 1, 2]], **bad)
    for bad in ({"participant": [{}]}, {"response_time": ["fast"]}, {"repeat": ["a"]}, {"soft": [["a", "b", "c"]]}):
        with pytest.raises(TypeError, match=f"{next(iter(bad))} must hold"):
            Triplets([[0, 1, 2]], **bad)
    for bad in (2, True, "1", [0]):
        with pytest.raises(ValueError, match="base must be 0 or 1"):
            Triplets.from_columns([[0, 1, 2]], odd="third", base=bad)
    with pytest.raises(ValueError, match="soft must hold 1 rows"):
        Triplets.from_columns([[0, 1, 2]], odd="third", base=0, soft=[[0.5, 0.5]])
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


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, ">i2", np.uint64, np.float16, object])
def test_numbers_of_any_kind_count_the_same_items(dtype):
    shown = np.array([[100, 50, 120], [1, 2, 3]])
    if dtype is object:
        with pytest.raises(TypeError, match="whole item numbers"):
            Triplets(shown.astype(object))
        return
    made = Triplets.from_columns(np.asfortranarray(shown.astype(dtype)), odd="first", base=1)
    np.testing.assert_array_equal(made.items, [[49, 119, 99], [1, 2, 0]])
    assert made.items.dtype == np.int64


def test_people_named_in_a_table_are_texts():
    pd = pytest.importorskip("pandas")
    for names in (pd.Series(["ann", "bob"]), pd.Series(["ann", "bob"], dtype=object), np.array(["ann", "bob"])):
        assert Triplets([[0, 1, 2], [1, 2, 0]], participant=names).participant.tolist() == ["ann", "bob"]


def test_large_numbers_need_no_list_of_as_many_items():
    table = Triplets([[0, 1, 2_000_000_000]]).to_dataframe()
    assert table["odd_one"].tolist() == [2_000_000_000]


@pytest.mark.parametrize(
    ("rows", "error", "sentence"),
    [
        ([2], ValueError, "rows must lie between 0 and 1; got 2"),
        ([], ValueError, "rows: the selection is empty"),
        ([False, False], ValueError, "rows: the selection is empty"),
        ([0.5], TypeError, "whole-number positions, or a mask of 2"),
        ([True], TypeError, "a mask of 2 booleans"),
        (1, TypeError, "must be a sequence of positions"),
    ],
)
def test_no_such_answers(rows, error, sentence):
    for trials in (Triplets([[0, 1, 2], [1, 2, 0]]), TwoAFC([[0, 1, 2], [1, 2, 0]], [[1, 2], [3, 4]])):
        with pytest.raises(error, match=sentence):
            trials.take(rows)


def test_positions_on_the_screen_go_with_their_answers(tmp_path):
    answers = Triplets([[0, 1, 2], [1, 2, 3], [3, 0, 1]], list("abcd"), position=[3, 1, 2])
    assert answers.take([2, 0]).position.tolist() == [2, 3]
    assert answers.restrict(["d", "c", "b"]).position.tolist() == [1]
    answers.save(tmp_path / "t.npz")
    assert Triplets.load(tmp_path / "t.npz").position.tolist() == [3, 1, 2]
    assert answers.to_dataframe()["position"].tolist() == [3, 1, 2]
    for wrong in ([0, 1, 2], [1, 2], [1.0, 2.0, 3.0], [1, 2, 4]):
        with pytest.raises(ValueError, match="position must hold 3 positions from 1 to 3"):
            Triplets(answers.items, position=wrong)
