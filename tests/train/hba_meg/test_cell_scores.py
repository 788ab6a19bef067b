"""A cell's numbers are found by name, and make a row each."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from reference.meg_cells import models, study

from alignkit.train.hba_meg._cells import cells_of
from alignkit.train.hba_meg._score_cell import Notes, Numbers, score_cell


@pytest.fixture(scope="module")
def cell():
    data = study()
    return score_cell(data, cells_of(data, seed=0)[0][4], models(), Numbers(None, 50, 100, 0), Notes())


def rows_of(cell):
    return {(row["model"], row["quantity"]): row for row in cell.rows()}


def test_models_are_found_by_name(cell):
    assert cell.model("still") is cell.models[1]
    assert cell.n_people == 6
    assert cell.timed
    with pytest.raises(ValueError, match="absent"):
        cell.model("absent")


def significant(one, times, *, p=0.01):
    """Return a model's scores whose curve the test tells from zero at these times."""
    test = one.test
    mask = np.isclose(test.times[:, None], times).any(axis=1)
    return dataclasses.replace(one, p=p, test=dataclasses.replace(test, significant=mask))


@pytest.mark.parametrize(
    ("times", "p", "onset", "peak"),
    [
        ([0.1, 0.15, 0.2], 0.01, True, True),
        ([0.1, 0.15, 0.2], 0.69, False, False),
        ([0.25], 0.01, True, False),  # the peak is where nothing is told
        ([-0.05], 0.01, False, False),  # nothing after the onset
        ([0.02], 0.01, False, False),
        ([], 1.0, False, False),
    ],
)
def test_latencies_count_where_the_test_tells_the_curve_from_zero(cell, times, p, onset, peak):
    one = significant(cell.model("moving"), times, p=p)
    one = dataclasses.replace(
        one, onset=dataclasses.replace(one.onset, value=0.06), peak=dataclasses.replace(one.peak, value=0.15)
    )
    assert (one.onset_told, one.peak_told) == (onset, peak)
    undefined = dataclasses.replace(one, onset=dataclasses.replace(one.onset, value=np.nan), peak=None)
    assert not undefined.onset_told
    assert not undefined.peak_told
    untested = dataclasses.replace(one, test=None)
    assert [untested.above_zero, untested.onset_told, untested.peak_told] == [False] * 3


def test_a_row_per_quantity_with_its_unit(cell):
    rows = rows_of(cell)
    assert len(rows) == len(list(cell.rows())) == 2 + 3 * 8 + 3 * 2
    units = {quantity: row["unit"] for (model, quantity), row in rows.items() if model == "moving"}
    assert units == {
        "mean": "rho",
        "AUC": "rho ms",
        "share of the ceiling's lower bound": "",
        "share of the ceiling's upper bound": "",
        "onset": "ms",
        "peak": "ms",
        "peak height": "rho",
        "above 0 over time": "cluster",
    }
    one = cell.model("moving")
    onset = rows["moving", "onset"]
    np.testing.assert_allclose([onset["low"], onset["high"]], 1000 * one.onset.interval)
    assert rows["moving - noise", "difference over time"]["p"] == cell.differences[1].p_cluster
    assert all(row["in_sample"] and row["n_items"] == 14 for row in rows.values())


def test_what_is_not_there_has_no_row(cell):
    one = dataclasses.replace(cell.models[0], area=None, onset=None, peak=None, test=None, p=0.25)
    gap = dataclasses.replace(cell.differences[0], p_cluster=np.nan)
    rows = rows_of(dataclasses.replace(cell, models=(one,), differences=(gap,)))
    assert [key for key in rows if key[0] == "moving"] == [("moving", "mean")]
    assert rows["moving", "mean"]["p"] == 0.25
    assert ("moving - still", "difference over time") not in rows
    assert rows["moving - still", "difference of means"]["value"] == gap.difference
