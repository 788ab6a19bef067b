from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from alignkit.rsa._nan import items_of_pairs, name_items, report_all, report_undefined


def test_nothing_to_say(recwarn):
    report_undefined("bad", [], "propagate")
    report_all({"bad": [], "worse": []}, "raise")
    assert not recwarn.list


def test_one_warning_at_the_callers_line():
    def public():
        report_all({"bad items": ["a", "b"], "fine": [], "constant items": iter(["c"])}, "propagate")

    expected = "bad items: 'a', 'b'; constant items: 'c'. The values that depend on them are NaN: "
    expected += "mend them, or leave them out."
    with pytest.warns(RuntimeWarning) as caught:
        public()
    assert [str(w.message) for w in caught] == [expected]
    assert caught[0].filename == __file__


def test_raise():
    with pytest.raises(ValueError, match=r"^bad items: 'a'\.$"):
        report_undefined("bad items", ["a"], "raise")


def test_names():
    assert name_items(("x", "y", "z"), [2, 0]) == ["z", "x"]
    assert name_items(None, [2, 0]) == ["item 2", "item 0"]


def pairs_with(items: list[int], n: int) -> np.ndarray:
    return np.array([i in items or j in items for i, j in combinations(range(n), 2)])


@pytest.mark.parametrize("items", [[], [0], [4], [1, 3], [0, 1, 2, 3, 4]])
def test_items_whose_every_pair_is_bad_are_the_culprits(items):
    assert items_of_pairs(pairs_with(items, 5), 5) == items


def test_single_bad_pairs_name_both_items():
    pairs = np.array([(i, j) == (1, 3) for i, j in combinations(range(5), 2)])
    assert items_of_pairs(pairs, 5) == [1, 3]
    assert items_of_pairs(pairs | pairs_with([0], 5), 5) == [0, 1, 3]
