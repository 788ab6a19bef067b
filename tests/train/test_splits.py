from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alignkit.train._splits import Splits, fold_objects, hold_out_objects, linked_objects, split_objects

NAMES = [f"object_{i:02d}" for i in range(40)]


def test_a_split_is_disjoint_complete_and_the_same_for_the_same_seed():
    first = split_objects(NAMES, held_out=NAMES[:5], val_share=0.2, seed=3)
    again = split_objects(NAMES, held_out=NAMES[:5], val_share=0.2, seed=3)
    other = split_objects(NAMES, held_out=NAMES[:5], val_share=0.2, seed=4)
    assert first == again
    assert first != other
    assert first.held_out == tuple(NAMES[:5])
    assert sorted([*first.train, *first.val, *first.held_out]) == sorted(NAMES)
    assert (len(first.train), len(first.val)) == (28, 7)


def test_published_sizes_are_met():
    # CLIP-HBA trains on 1,444 of 1,806 objects
    splits = split_objects([str(i) for i in range(1806)], val_share=0.2, seed=1)
    assert (len(splits.train), len(splits.val)) == (1444, 362)


@given(st.integers(0, 2**16), st.floats(0.1, 0.9))
def test_objects_that_share_a_photo_stay_together(seed, share):
    rng = np.random.default_rng(seed)
    sources = [{int(p) for p in rng.integers(0, 60, size=2)} for _ in NAMES]
    try:
        splits = split_objects(NAMES, held_out=NAMES[:2], val_share=share, seed=seed, sources=sources)
    except ValueError:  # everything hangs together
        assume(False)
    parts = [splits.train, splits.val, splits.held_out]
    photos = [{p for name in part for p in sources[NAMES.index(name)]} for part in parts]
    assert not photos[0] & photos[1]
    assert not photos[0] & photos[2]
    assert not photos[1] & photos[2]
    assert set(NAMES[:2]) <= set(splits.held_out)


def test_held_out_names_that_are_not_there_are_no_matter():
    assert split_objects(NAMES, held_out=["pizza"], seed=1).held_out == ()


@pytest.mark.parametrize("n", [2, 4])
def test_too_few_objects_are_refused(n):
    with pytest.raises(ValueError, match="each needs at least 3"):
        split_objects(NAMES[:n], val_share=0.5)


def test_repeated_names_are_refused():
    with pytest.raises(ValueError, match="unique"):
        split_objects(["cat", "cat", "dog"])


@given(st.integers(2, 6), st.integers(0, 2**16))
def test_folds_are_disjoint_even_and_share_no_photo(n_folds, seed):
    sources = [{i // 2} for i in range(len(NAMES))]
    folds = fold_objects(NAMES, n_folds=n_folds, seed=seed, sources=sources)
    assert sorted(set(folds.tolist())) == list(range(n_folds))
    assert np.ptp(np.bincount(folds)) <= 2
    assert (folds[::2] == folds[1::2]).all()


def test_too_many_folds_are_refused():
    with pytest.raises(ValueError, match="too few for 3 folds"):
        fold_objects(NAMES[:4], n_folds=3, sources=[{0}, {0}, {1}, {1}])


def test_links_reach_through_others():
    assert linked_objects(list("abcd"), [{1}, {2}, {1, 3}, {3}]).tolist() == [0, 1, 0, 0]
    with pytest.raises(ValueError, match="expected 2, got 1"):
        linked_objects(["a", "b"], [{1}])


def test_splits_come_back_from_their_file(tmp_path):
    splits = split_objects(NAMES, held_out=NAMES[:5], seed=3)
    splits.save(tmp_path / "splits.json")
    assert Splits.load(tmp_path / "splits.json") == splits
    assert splits.index("val", NAMES).tolist() == [NAMES.index(name) for name in splits.val]


@pytest.mark.parametrize("content", ["[]", "{}", '{"schema": "alignkit.splits/1"}', '{"schema": "other"}'])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "splits.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="does not hold splits"):
        Splits.load(path)


def test_an_object_on_two_sides_is_refused(tmp_path):
    with pytest.raises(ValueError, match="unique"):
        Splits(("a", "b"), ("b",))
    content = {**Splits(("a",), ("b",)).to_dict(), "val": ["a"]}
    (tmp_path / "splits.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="unique"):
        Splits.load(tmp_path / "splits.json")


def test_all_that_is_not_held_out_may_be_trained_on():
    sources = [{"a"}, {"b"}, {"c"}, {"d"}, {"a", "e"}]
    found = hold_out_objects(["v", "w", "x", "y", "z"], held_out=["z", "nobody"], seed=3, sources=sources)
    assert found == Splits(("w", "x", "y"), (), ("v", "z"), 3)
    with pytest.raises(ValueError, match="2 of 3 objects are not held out; training needs at least 3"):
        hold_out_objects(["a", "b", "c"], held_out=["a"])
