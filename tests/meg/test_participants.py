"""Participants by name, with what their trials show, and what they must have in common."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.meg._participants import check_alike, participants_of


def test_one_or_several():
    (one,) = participants_of("data", "word", "session")
    assert (one.name, one.data, one.by, one.folds) == ("subject", "data", "word", "session")
    found = participants_of({"a": 1, 2: 3}, "word", {"a": [1], 2: [2]})
    assert [(one.name, one.data, one.by, one.folds) for one in found] == [("a", 1, "word", [1]), ("2", 3, "word", [2])]
    assert found[0].called() == "the data of 'a'"


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="data is empty"):
        participants_of({}, None, None)
    with pytest.raises(ValueError, match="folds names no trials of 'b'"):
        participants_of({"a": 1, "b": 2}, None, {"a": []})


def test_conditions_and_times_must_be_the_same():
    times = np.arange(3) / 10
    check_alike(("one", ("a", "b"), times), ("two", ("a", "b"), times + 1e-9))
    with pytest.raises(ValueError, match="one and two do not hold the same items"):
        check_alike(("one", ("a", "b"), times), ("two", ("a", "c"), times))
    with pytest.raises(ValueError, match="different times: 3 samples from 0 to"):
        check_alike(("one", ("a", "b"), times), ("two", ("a", "b"), times[:2]))
