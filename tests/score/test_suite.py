from __future__ import annotations

import numpy as np

from alignkit.score import ScoreRow
from alignkit.score._row import Scored, Unit
from alignkit.score._suite import Candidate, join_scored


def test_rows_are_taken_by_name():
    model = Candidate("model", np.array([[1.0], [2.0], [3.0]]), ("a", "b", "c"))
    assert model.take(["c", "a"]).ravel().tolist() == [3.0, 1.0]


def test_parts_are_joined_in_order():
    rows = [ScoreRow(model="m", role="model", part=part, measure="x", value=0.0) for part in "ab"]
    units = [Unit(row, np.zeros(1)) for row in rows]
    joined = join_scored(Scored((row,), (unit,)) for row, unit in zip(rows, units, strict=True))
    assert joined.rows == tuple(rows)
    assert joined.units == tuple(units)
