"""Answers are read from what people have, and those to the same three items stay on one side."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa import Triplets
from alignkit.train.embedding._data import read_data, split_data
from alignkit.train.embedding.config import SPoSEConfig


def test_the_same_three_items_are_on_one_side(rng):
    items = rng.permuted(np.tile(np.arange(8), (600, 1)), axis=1)[:, :3]
    data = split_data(Triplets(items), SPoSEConfig(val_share=0.2, test_share=0.3))
    sides = [{tuple(sorted(row)) for row in items[rows]} for rows in (data.train, data.val, data.test)]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 56
    assert [len(side) for side in sides] == [28, 11, 17]
    assert sorted(np.concatenate([data.train, data.val, data.test])) == list(range(600))
    other = split_data(Triplets(items), SPoSEConfig(val_share=0.2, test_share=0.3, split_seed=2))
    assert other.to_splits() != data.to_splits()


def test_numbers_tables_and_archives_are_the_same_answers(tmp_path, answers):
    few = answers.take(np.arange(3000))
    names = tmp_path / "items.txt"
    names.write_text("\n".join(few.labels))
    np.savetxt(tmp_path / "a.txt", few.items + 1, fmt="%d")
    few.save(tmp_path / "a.npz")
    table = few.to_dataframe().rename(columns={"similar_a": "first", "similar_b": "second", "odd_one": "odd"})
    table.to_csv(tmp_path / "a.csv", index=False)
    one = read_data(SPoSEConfig(triplets=tmp_path / "a.txt", labels=names, base=1))
    two = read_data(SPoSEConfig(triplets=tmp_path / "a.npz"))
    three = read_data(SPoSEConfig(triplets=tmp_path / "a.csv"))
    assert one.to_splits() == two.to_splits()
    assert one.labels == two.labels == few.labels
    shown = [np.array(data.labels)[data.triplets.items] for data in (two, three)]
    assert np.array_equal(*shown)
    assert read_data(SPoSEConfig(triplets=tmp_path / "a.txt", base=1)).labels[:2] == ("item 0", "item 1")


def test_items_that_nobody_was_shown_are_named():
    items = [[0, 1, 2], [1, 0, 3], [0, 2, 3], [1, 2, 3]] * 5
    with pytest.warns(
        UserWarning, match=r"^no answer that is trained on shows 'bus'; nothing is learnt of them\. Add answers"
    ):
        split_data(Triplets(items, ["cat", "dog", "car", "van", "bus"]), SPoSEConfig(val_share=0.3, test_share=0.0))


def test_too_few_answers_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^1 different triples of items are too few to choose on 0.1"):
        split_data(Triplets([[0, 1, 2]]), SPoSEConfig())
    with pytest.raises(FileNotFoundError):
        read_data(SPoSEConfig(triplets=tmp_path / "none.npz"))
    (tmp_path / "study.json").write_text("[]")
    with pytest.raises(ValueError, match=r"^labels is needed to read"):
        read_data(SPoSEConfig(triplets=tmp_path / "study.json"))


def test_answers_of_things(shared_data):
    root = shared_data("things", "triplets_test10.txt").parents[1]
    data = read_data(SPoSEConfig(root=root, test_share=0.0))
    assert len(data.triplets) == 146_168
    assert len(data.test) == 0
    assert abs(len(data.val) - 14_617) < 100
