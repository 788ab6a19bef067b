from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa import RDM
from alignkit.rsa._align_all import align_all, as_rdms


def test_one_stack_or_a_sequence(rng):
    values = rng.random((2, 6))
    assert [one.shape for one in as_rdms("x", values)] == [(2,)]
    assert [one.shape for one in as_rdms("x", values.tolist())] == [(2,)]
    assert [one.shape for one in as_rdms("x", list(values))] == [(), ()]
    square = RDM(values[0]).squareform()
    assert [one.shape for one in as_rdms("x", square.tolist())] == [()]
    assert [one.shape for one in as_rdms("x", [square, RDM(values), values[1]])] == [(), (2,), ()]
    with pytest.raises(ValueError, match="the controls is empty"):
        as_rdms("the controls", [])


def test_everything_follows_the_first(rng):
    values = rng.random((3, 10))
    a, b, c = (RDM(row, list("abcde")) for row in values)
    found = align_all([("a", a), ("b", b.select(list("edcba"))), ("c", c.select(list("badec")))], "raise")
    assert all(one.labels == tuple("abcde") for one in found)
    assert np.array_equal([one.values for one in found], values)


@pytest.mark.parametrize("bare", range(3))
def test_positions_are_not_guessed_beside_different_orders(bare, rng):
    rdms = [("the data", RDM(rng.random(10), list("abcde"))), ("the models", RDM(rng.random(10), list("edcba")))]
    rdms.insert(bare, ("the controls", RDM(rng.random(10))))
    sentence = "the data and the models hold their items in different orders, .* that of the controls; give it labels"
    with pytest.raises(ValueError, match=sentence):
        align_all(rdms, "raise")
    same = [(name, RDM(one.values, one.labels and list("abcde"))) for name, one in rdms]
    assert [one.labels for _, one in same] == [one.labels for one in align_all(same, "raise")]


def test_items_that_all_share(rng):
    a, b, c = (RDM(rng.random(10), list(names)) for names in ("abcde", "fbcde", "edcba"))
    found = align_all([("a", a), ("b", b), ("c", c)], "intersect")
    assert [one.labels for one in found] == [tuple("bcde")] * 3
    with pytest.raises(ValueError, match=r"the base and the other do not hold the same items .only in the base: 'a'"):
        align_all([("the base", a), ("the other", b)], "raise")


def test_different_items_are_named_beside_positions(rng):
    some = [("data[0]", RDM(rng.random(3), list("abc"))), ("data[1]", RDM(rng.random(3), list("abd")))]
    sentence = (
        r"data\[0\] and data\[1\] hold different items \(only in data\[0\]: 'c'; only in data\[1\]: 'd'\), .* give it"
    )
    with pytest.raises(ValueError, match=sentence):
        align_all([*some, ("the model", RDM(rng.random(3)))], "error")
