from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignkit.align._answer_splits import split_answers
from tests.reference.teachers import sides

HOW = {"by": "items", "n_folds": None, "test_share": 0.3, "repeats": 2, "pooled": False, "groups": None}


def answers(rng, n_items=40, n=3000):
    return np.array([rng.permutation(n_items)[:3] for _ in range(n)])


@settings(max_examples=10)
@given(seed=st.integers(0, 50), n_folds=st.sampled_from([None, 2, 3]))
def test_no_item_is_on_both_sides(seed, n_folds):
    rng = np.random.default_rng(seed)
    items = answers(rng, n=800)
    for split in split_answers(items, 40, None, **{**HOW, "n_folds": n_folds}, rng=rng):
        train, test = sides(items, split.test_items)
        assert split.train.tolist() == train
        assert split.test.tolist() == test
        assert not set(split.train_items) & set(split.test_items)
        assert len(split.train_items) + len(split.test_items) == 40


def test_a_share_of_the_items_is_held_out(rng):
    splits = split_answers(answers(rng), 40, None, **HOW, rng=rng)
    assert [len(split.test_items) for split in splits] == [12, 12]
    assert splits[0].test_items.tolist() != splits[1].test_items.tolist()


def test_folds_hold_every_item_out_once(rng):
    splits = split_answers(answers(rng), 40, None, **{**HOW, "n_folds": 3}, rng=rng)
    for repeat in range(2):
        out = np.concatenate([split.test_items for split in splits if split.repeat == repeat])
        assert sorted(out.tolist()) == list(range(40))


def test_pooled_folds_score_everything_and_learn_without_the_fold(rng):
    items = answers(rng)
    for split in split_answers(items, 40, None, **{**HOW, "n_folds": 4, "pooled": True}, rng=rng):
        assert len(split.test) == len(items)
        assert not np.isin(items[split.train], split.test_items).any()


@pytest.mark.parametrize("by", ["participants", "both"])
def test_nobody_is_on_both_sides(rng, by):
    items, people = answers(rng), rng.integers(100, 120, 3000)
    for split in split_answers(items, 40, people, **{**HOW, "by": by, "n_folds": 2}, rng=rng):
        assert not set(people[split.train]) & set(people[split.test])
        shared = set(items[split.train].ravel()) & set(items[split.test].ravel())
        assert bool(shared) == (by == "participants")


def test_groups_stay_on_one_side(rng):
    groups = np.repeat(np.arange(20), 2)
    for n_folds in (None, 3):
        for split in split_answers(answers(rng), 40, None, **{**HOW, "n_folds": n_folds, "groups": groups}, rng=rng):
            assert not set(groups[split.train_items]) & set(groups[split.test_items])


def test_what_cannot_be_divided_is_refused(rng):
    items = answers(rng)
    with pytest.raises(ValueError, match="do not say who gave them"):
        split_answers(items, 40, None, **{**HOW, "by": "both"}, rng=rng)
    with pytest.raises(ValueError, match="of 30 answers to learn from"):
        split_answers(items[:30], 40, None, **HOW, rng=rng)
