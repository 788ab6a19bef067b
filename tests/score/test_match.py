from __future__ import annotations

import warnings

import numpy as np
import pytest

from alignkit.score._match import match_items, share_items, shared_labels, spell_labels, told_once
from alignkit.score._row import Settings
from alignkit.score._suite import Candidate


def candidate(labels, name="model", x=None):
    rows = np.arange(1.0, 2 * len(labels) + 1).reshape(-1, 2) if x is None else np.asarray(x, dtype=float)
    return Candidate(name, rows, tuple(labels))


@pytest.mark.parametrize(
    ("label", "spelled"),
    [
        ("cat", "cat"),
        ("cat.png", "cat"),
        ("a/b/cat.jpeg", "cat"),
        ("a\\b\\cat.png", "cat"),
        ("cat/001.png", "cat"),
        ("photos/cat/001.png", "cat"),
        ("cat/dog.png", "dog"),  # the file says more than its folder
        ("alum.jpg", "alum.jpg"),
        ("alum", "alum.jpg"),  # the data set's own labels may be file names
        ("alum.png", "alum.jpg"),
        ("twin.jpg", "twin.jpg"),
        ("twin", "twin"),  # two items have this stem: it names neither
        ("Cat", "Cat"),
        ("cats", "cats"),
        ("cat/sub/1.png", "cat/sub/1.png"),
        ("größe.png", "größe"),
        ("v1.5", "v1.5"),
    ],
)
def test_labels_are_spelled_as_the_data_set_does(label, spelled):
    known = ["cat", "dog", "alum.jpg", "twin.jpg", "twin.png", "größe", "v1.5"]
    assert spell_labels([label], known) == (spelled,)


def test_shared_labels_come_in_the_order_of_the_data_set():
    both = [candidate("edcba"), candidate("bcdxe")]
    assert shared_labels(both, "abcdef", "toy") == ("b", "c", "d", "e")


def test_too_few_shared_labels_are_refused():
    with pytest.raises(ValueError, match=r"the labels of 'b' \('x', 'y', 'z'\) are not those of toy \('a', 'b', 'c'\)"):
        shared_labels([candidate("abc"), candidate("xyz", "b")], "abc", "toy")
    with pytest.raises(ValueError, match="the models share fewer than 3 items of toy; score them one by one"):
        shared_labels([candidate("abcd"), candidate("cdef")], "abcdef", "toy")


def test_notes_say_who_was_matched_how():
    models = [candidate([*"abc", "x.png"], "one"), candidate("abcd", "two"), candidate([*"abc", "x.png"], "three")]
    matched = match_items(models, "abcd", "toy", set(), Settings())
    assert matched.shared == ("a", "b", "c")
    assert matched.notes == (
        "one, three: 3 inputs stand for 3 items; 1 matched none ('x.png').",
        "Scored on the 3 of 4 items of toy that every model has.",
    )
    assert match_items(models[1:2], "abcd", "toy", set(), Settings()).notes == ()
    assert match_items(models[1:2], "abcde", "toy", set(), Settings()).notes == (
        "Scored on the 4 of 5 items of toy that the model has.",
    )


@pytest.mark.parametrize(
    ("measures", "named"),
    [
        ({"dot", "euclidean"}, None),
        ({"cosine"}, "'b'"),
        ({"correlation"}, "'b', 'c'"),
        ({"dot", "correlation"}, "'b', 'c'"),
    ],
)
def test_items_without_a_similarity_are_named_where_it_matters(measures, named):
    model = candidate("abcd", x=[[1, 2], [0, 0], [3, 3], [4, 1]])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        share_items([model], "abcd", "toy", measures, [""])
    found = [str(one.message) for one in caught]
    assert len(found) == (named is not None)
    assert not found or f"constant or all zero for {named}:" in found[0]


def test_items_that_are_not_scored_are_not_named():
    model = candidate("abcd", x=[[1, 2], [2, 1], [3, 5], [0, 0]])
    assert match_items([model], "abc", "toy", {"cosine"}, Settings()).shared == ("a", "b", "c")


def test_only_what_was_told_is_silenced():
    from alignkit.rsa import Triplets, rdm, triplet_accuracy

    dead = np.array([[1.0, 2.0], [0.0, 0.0], [2.0, 1.0]])
    with told_once():
        rdm(dead)
        rdm(dead, metric="cosine")
        triplet_accuracy(dead, Triplets([[0, 1, 2]]), kernel="cosine")
        with pytest.warns(UserWarning, match="something else"):
            warnings.warn("something else", UserWarning, stacklevel=1)
