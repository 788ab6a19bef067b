"""What is said of pairs without a number is what was left out."""

from __future__ import annotations

import numpy as np

from alignkit.rsa import RDM, rdm
from alignkit.train.hba_meg._missing_pairs import count_missing, told_blank, told_missing


def test_pairs_are_counted_once_whenever_they_have_no_number():
    values = np.zeros((3, 4, 6))
    values[0, :, 2] = np.nan
    values[0, 1, 3] = np.nan
    values[2] = np.nan
    assert count_missing(values, ["a", "b", "c"]) == {"a": 2, "b": 0, "c": 6}
    assert told_missing({"a": 2, "b": 0, "c": 6}, 6) == "'a': 2 of 6 pairs have no number at some time; 'c': 6."
    assert told_missing({"b": 1}, 1200) == "'b': 1 of 1,200 pairs has no number at some time."
    assert told_missing({"b": 0}, 6) == ""
    assert told_missing({str(i): 1 for i in range(30)}, 6).endswith("'20': 1; and 9 more people.")


def test_only_items_whose_own_dimensions_are_alike_are_named(recwarn):
    x = np.random.default_rng(1).random((3, 5, 4))
    assert told_blank(of(x)) == ""
    x[1, 2] = 0.0
    x[2, 4] = 7.0
    assert told_blank(of(x)).startswith("all dimensions of 'c', 'e' are alike at some time, so that pairs with them")
    still = RDM([np.nan, np.nan, 0.3], ["a", "b", "c"])
    assert told_blank(still).startswith("all dimensions of 'a' are alike, so that")
    assert told_blank(RDM([np.nan, 0.1, 0.3], ["a", "b", "c"])) == "some pairs have no number and are left out."


def of(x):
    return rdm(x, metric="correlation", labels=list("abcde"), dims=("time",), coords={"time": [0.0, 0.1, 0.2]})
