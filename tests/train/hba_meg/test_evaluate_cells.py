"""The whole evaluation: every cell, behaviour beside, notes once, and plain refusals."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from reference.meg_cells import LABELS, TIMES, models, planted, study

from alignkit.rsa import RDM
from alignkit.train.hba_meg._evaluate_cells import evaluate_cells

FEW = {"n_bootstrap": 100, "n_permutations": 200}


def test_every_cell_is_scored_without_a_warning_and_the_same_for_the_same_seed():
    data = study(notes=("a note of the data",))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, again = (evaluate_cells(data, models(), seed=1, **FEW) for _ in range(2))
    assert [cell.n_items for cell in first.cells] == [10, 10, 6, 6, 14, 14]
    assert [cell.n_people for cell in first.cells] == [6, 2] * 3
    assert first.notes[0] == "a note of the data"
    assert len(set(first.notes)) == len(first.notes)
    assert any(note.startswith("2 subjects have 4 sign patterns") for note in first.notes)
    assert first.to_dataframe().equals(again.to_dataframe())


def test_a_window_is_that_of_all_scores():
    found = evaluate_cells(study(), models(), window_s=(0.1, 0.2), **FEW)
    assert {cell.window for cell in found.cells} == {(0.1, 0.2)}


def test_at_most_so_many_items_of_every_side_and_said_so():
    found = evaluate_cells(study(), models(), max_items=5, seed=3, **FEW)
    assert [cell.n_items for cell in found.cells] == [5] * 6
    assert "held-out items: 5 of 10 are scored, drawn at random (seed 3)." in found.notes


def test_weights_are_kept_with_their_layers():
    matrix = np.ones((51, 2))
    found = evaluate_cells(study(), models(), weights=(matrix, ["a", "b"]), **FEW)
    np.testing.assert_array_equal(found.weights, matrix)
    assert found.layers == ("a", "b")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": {}}, "models is empty"),
        ({"window_s": (0.2, 0.1)}, "window_s must give the first and the last second"),
        ({"window_s": (0.0, np.inf)}, "window_s must give"),
        ({"window_s": (7.0, 8.0)}, "holds no sample"),
        ({"n_bootstrap": -1}, "n_bootstrap"),
        ({"n_permutations": 0}, "n_permutations"),
        ({"max_items": 3}, "max_items"),
        ({"weights": (np.ones((4, 2)), ["a", "b"])}, "a row per time, 51; got shape"),
        ({"weights": (np.ones((51, 2)), ["a"])}, "the layers"),
        ({"models": {"late": lambda rows: late().take(rows)}}, "different times"),
        ({"models": {"other": lambda rows: planted().take(rows[::-1][:4])}}, "do not hold the same items"),
    ],
)
def test_refusals(options, message):
    given = {"models": models(), **FEW, **options}
    with pytest.raises(ValueError, match=message):
        evaluate_cells(study(), given.pop("models"), **given)


def late():
    return RDM(planted().values, LABELS, dims=["time"], coords={"time": TIMES + 0.02})
