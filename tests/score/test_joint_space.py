"""Hits counted where scores tie, and what is refused before anything is counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.zero_shot import hit

from alignkit.score._joint_space import as_codes, as_unit_rows, check_same_width, expected_hits, in_blocks


@given(st.lists(st.integers(0, 2), min_size=2, max_size=6), st.data())
@pytest.mark.parametrize("ties", ["share", "wrong"])
def test_hits_are_those_of_all_orders(ties, scores, data):
    true = data.draw(st.sets(st.integers(0, len(scores) - 1), min_size=1))
    k = data.draw(st.integers(1, len(scores)))
    best = max(scores[i] for i in true)
    above = sum(score > best for score in scores)
    tied = [i for i, score in enumerate(scores) if score == best]
    counts = (np.array([n]) for n in (above, len(tied), len(true & set(tied))))
    assert expected_hits(*counts, k, ties)[0] == pytest.approx(hit(scores, true, k, ties), abs=1e-12)


def test_blocks_cover_all_rows_once(monkeypatch):
    monkeypatch.setattr("alignkit.score._joint_space._BLOCK", 30)
    seen = np.zeros(101, dtype=int)

    def mark(part):
        seen[part] += 1
        assert len(seen[part]) <= 10

    in_blocks(mark, 101, 3)
    assert (seen == 1).all()


def test_unit_rows_of_any_size():
    unit = as_unit_rows("x", [[3e200, 4e200], [3e-200, -4e-200]])
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0.6, -0.8]], rtol=1e-15)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: as_unit_rows("x", [[1, 0], [0, 0]]), ValueError, r"1 row\(s\) of zeros, the first at 1"),
        (lambda: as_unit_rows("x", np.zeros((0, 3))), ValueError, "at least one row"),
        (lambda: as_unit_rows("x", [[np.nan, 1]]), ValueError, "NaN"),
        (lambda: as_codes("y", [0.0, 1.0]), TypeError, "whole numbers; got dtype float64"),
        (lambda: as_codes("y", [True, False]), TypeError, "whole numbers"),
        (lambda: as_codes("y", [0, -1], 3), ValueError, "between 0 and 2; got -1"),
        (lambda: as_codes("y", [0, 3], 3), ValueError, "between 0 and 2; got 3"),
        (lambda: as_codes("y", [0, 1], n=3), ValueError, r"3 of whole numbers, .*; got shape \(2,\)"),
        (lambda: check_same_width("a", np.ones((1, 2)), "b", np.ones((1, 3))), ValueError, "2 and 3 channels"),
    ],
)
def test_what_cannot_be_compared_is_said(call, error, text):
    with pytest.raises(error, match=text):
        call()
