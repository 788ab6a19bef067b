from __future__ import annotations

import math

import pytest

from alignkit.score import ScoreRow
from alignkit.score._row import rank_key


@pytest.mark.parametrize(("higher", "order"), [(True, [3.0, 2.0, 1.0]), (False, [1.0, 2.0, 3.0])])
def test_the_best_come_first_and_the_undefined_last(higher, order):
    values = [2.0, math.nan, 3.0, 1.0, math.nan]
    rows = [
        ScoreRow(model="m", role="model", part="p", measure="x", value=value, higher_is_better=higher)
        for value in values
    ]
    found = [row.value for row in sorted(rows, key=rank_key)]
    assert found[:3] == order
    assert all(map(math.isnan, found[3:]))


def test_nothing_is_claimed_of_a_models_own_training():
    row = ScoreRow(model="m", role="model", part="p", measure="x", value=0.0)
    assert "nothing was fitted to these data here" in row.split
    assert "not checked" in row.split
