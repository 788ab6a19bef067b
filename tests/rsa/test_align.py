from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit.rsa import RDM
from alignkit.rsa._align import align, as_rdm

LABELS = ["ant", "bee", "cat", "dog"]


@pytest.fixture
def labelled(rng) -> RDM:
    return RDM(rng.random(6), LABELS)


def test_labels_decide_the_order(labelled):
    shuffled = labelled.select(["dog", "ant", "cat", "bee"])
    a, b = align(labelled, shuffled)
    assert a is labelled
    assert b.labels == labelled.labels
    assert np.array_equal(b.values, labelled.values)


def test_same_order_costs_nothing(labelled):
    other = RDM(labelled.values * 2, LABELS)
    assert align(labelled, other)[1] is other


def test_items_that_one_side_lacks_are_named(labelled, rng):
    other = RDM(rng.random(10), ["elk", "cat", "bee", "ant", "fox"])
    with pytest.raises(ValueError, match=r"only in the first RDM: 'dog'; only in the second RDM: 'elk', 'fox'.*inter"):
        align(labelled, other)
    a, b = align(labelled, other, on_mismatch="intersect")
    assert a.labels == b.labels == ("ant", "bee", "cat")
    assert np.array_equal(a.values, labelled.select(["ant", "bee", "cat"]).values)
    assert np.array_equal(b.values, other.select(["ant", "bee", "cat"]).values)


def test_too_few_shared_items(labelled, rng):
    other = RDM(rng.random(3), ["ant", "bee", "elk"])
    with pytest.raises(ValueError, match="the set of shared items has 2 item"):
        align(labelled, other, on_mismatch="intersect")


def test_unlabelled_sides_go_by_position(labelled, rng):
    bare = RDM(rng.random(6))
    assert align(labelled, bare) == (labelled, bare)
    with pytest.raises(ValueError, match="the RDMs have 4 and 5 items; give both of them labels"):
        align(labelled, RDM(rng.random(10)))


def test_unknown_policy(labelled):
    with pytest.raises(ValueError, match="on_mismatch must be one of 'raise', 'intersect'; got 'drop'"):
        align(labelled, labelled, on_mismatch="drop")


def test_as_rdm_takes_arrays_without_touching_them(rng):
    values = rng.random(6)
    a = as_rdm("a", values)
    assert np.shares_memory(a.values, values)
    assert values.flags.writeable
    assert as_rdm("a", a) is a


def test_as_rdm_keeps_the_labels_of_tables(labelled):
    for table in (labelled.to_dataframe(), pd.DataFrame(labelled.squareform(), LABELS, LABELS), labelled.to_xarray()):
        back = as_rdm("a", table)
        assert back.labels == labelled.labels
        assert np.array_equal(back.values, labelled.values)


def test_as_rdm_takes_tables_without_item_names_as_arrays(rng):
    values = rng.random((2, 6))
    assert np.array_equal(as_rdm("a", pd.DataFrame(values)).values, values)
    assert np.array_equal(as_rdm("a", pd.Series(values[0])).values, values[0])


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match=r"^the first RDM has 4 values in its last axis"):
        as_rdm("the first RDM", np.ones(4))
    with pytest.raises(TypeError, match=r"^the first RDM must hold real numbers"):
        as_rdm("the first RDM", ["a", "b", "c"])
    with pytest.raises(ValueError, match=r"^the first RDM holds infinities"):
        as_rdm("the first RDM", [1.0, np.inf, 2.0])
