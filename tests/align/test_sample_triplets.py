"""Triplets drawn by groups: the rules, the chances, and what depends on the seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from alignkit.align import sample_triplets
from alignkit.align._sample_triplets import BLOCK, as_groups, sample_block

GROUPS = np.repeat([4, 0, 7, 2], [5, 3, 2, 6])
RULES = ("cluster_border", "class_border", "between_class", "within_class")


def same(groups, triplets):
    a, b, c = np.asarray(groups)[triplets].T
    return a == b, a == c, b == c


@pytest.mark.parametrize("weight", ["group", "item"])
@pytest.mark.parametrize("sampling", RULES)
def test_every_triplet_keeps_the_rule(sampling, weight):
    triplets = sample_triplets(GROUPS, 5000, sampling=sampling, weight=weight)
    assert triplets.shape == (5000, 3)
    assert triplets.dtype == np.int64
    assert triplets.min() >= 0
    assert triplets.max() < len(GROUPS)
    assert all(len(set(row)) == 3 for row in triplets.tolist())
    expected = {"between_class": (False, False, False), "within_class": (True, True, True)}
    for found, wanted in zip(same(GROUPS, triplets), expected.get(sampling, (True, False, False)), strict=True):
        assert np.all(found == wanted)


@given(st.lists(st.integers(1, 5), min_size=3, max_size=6), st.sampled_from(RULES), st.integers(0, 2**32))
def test_rules_hold_for_any_groups(sizes, sampling, seed):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    needed = {"between_class": 1, "within_class": 3}.get(sampling, 2)
    if max(sizes) < needed:
        with pytest.raises(ValueError, match=f"{sampling} needs"):
            sample_triplets(groups, 10, sampling=sampling, seed=seed)
        return
    for weight in ("group", "item"):
        triplets = sample_triplets(groups, 50, sampling=sampling, weight=weight, seed=seed)
        first, second, third = same(groups, triplets)
        if sampling == "within_class":
            assert first.all()
            assert second.all()
        else:
            assert not second.any()
            assert not third.any()
            assert first.all() if "border" in sampling else not first.any()


def test_each_group_or_each_item_has_the_same_chance():
    n = 40_000
    by_group = GROUPS[sample_triplets(GROUPS, n, sampling="class_border", weight="group")]
    # a pair's group: one of four; the other image's: one of the three that are left
    for column in (0, 2):
        assert chisquare(np.bincount(by_group[:, column])[[0, 2, 4, 7]]).pvalue > 1e-4
    by_item = sample_triplets(GROUPS, n, sampling="class_border", weight="item")
    assert chisquare(np.bincount(by_item[:, 0], minlength=len(GROUPS))).pvalue > 1e-4
    between = sample_triplets(GROUPS, n, sampling="between_class", weight="group")
    assert chisquare(np.bincount(GROUPS[between[:, 1]])[[0, 2, 4, 7]]).pvalue > 1e-4


def test_pairs_within_a_group_are_all_drawn_equally_often():
    groups = [0, 0, 0, 0, 1]
    triplets = sample_triplets(groups, 24_000, sampling="cluster_border")
    counts = np.unique(triplets[:, :2], axis=0, return_counts=True)[1]
    assert len(counts) == 12
    assert chisquare(counts).pvalue > 1e-4
    within = sample_triplets(groups, 24_000, sampling="within_class")
    counts = np.unique(within, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert chisquare(counts).pvalue > 1e-4


def test_the_other_image_by_item_is_any_item_of_another_group():
    groups = [0, 0, 1, 2, 2, 2]
    triplets = sample_triplets(groups, 30_000, sampling="cluster_border", weight="item")
    others = triplets[np.isin(triplets[:, 0], (0, 1)), 2]
    assert chisquare(np.bincount(others, minlength=6)[2:]).pvalue > 1e-4


def test_more_triplets_begin_with_the_same_ones_and_blocks_stand_alone():
    few = sample_triplets(GROUPS, 100, seed=5)
    many = sample_triplets(GROUPS, BLOCK + 100, seed=5)
    np.testing.assert_array_equal(many[:100], few)
    alone = sample_block(as_groups(GROUPS), 1, 100, ("cluster_border",), "group", 5)
    np.testing.assert_array_equal(many[BLOCK:], alone)
    assert not np.array_equal(many[:100], many[BLOCK:])
    assert not np.array_equal(few, sample_triplets(GROUPS, 100, seed=6))


def test_groups_may_be_names_and_items_may_have_none():
    names = np.array(["cat", "cat", "dog", "dog"])
    np.testing.assert_array_equal(sample_triplets(names, 50), sample_triplets([0, 0, 1, 1], 50))
    triplets = sample_triplets([0, 0, -1, 1, -1], 500)
    assert set(np.unique(triplets)) == {0, 1, 3}


@pytest.mark.parametrize(
    ("groups", "options", "words"),
    [
        ([0, 0, 0], {}, "cluster_border needs two groups, one of them of two items; got 1 group"),
        ([0, 1, 2], {"sampling": "within_class"}, "a group of three items; got 3 groups, the largest of 1 item"),
        ([0, 0, 1], {"sampling": "between_class"}, "needs three groups"),
        ([-1, -1], {}, "got 0 groups"),
        ([[0, 1]], {}, "shape"),
        ([0, 0, 1], {"sampling": "border"}, "sampling must be one of"),
        ([0, 0, 1], {"weight": "size"}, "weight must be one of"),
        ([0, 0, 1], {"seed": -1}, "seed must be at least 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(groups, options, words):
    with pytest.raises(ValueError, match=words):
        sample_triplets(groups, 10, **options)


def test_numbers_of_groups_must_be_whole():
    with pytest.raises(TypeError, match="whole numbers or names"):
        sample_triplets([0.5, 0.5, 1.0], 10)
    with pytest.raises(ValueError, match="n must be at least 1"):
        sample_triplets([0, 0, 1], 0)


def test_rules_take_turns():
    groups = np.repeat(np.arange(6), 5)
    rules = ("cluster_border", "within_class", "between_class")
    drawn = groups[sample_triplets(groups, 3001, sampling=rules, seed=3)]
    n_groups = np.array([len(set(row)) for row in drawn.tolist()])
    assert n_groups.tolist() == ([2, 1, 3] * 1001)[:3001]
    with pytest.raises(ValueError, match="sampling must be different rules, at least one; got none"):
        sample_triplets(groups, 9, sampling=())
    with pytest.raises(ValueError, match="within_class, within_class"):
        sample_triplets(groups, 9, sampling=("within_class", "within_class"))
