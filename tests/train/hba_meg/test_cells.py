"""Cells say which items and people were trained on, and leave out what cannot be scored."""

from __future__ import annotations

import dataclasses

import numpy as np
from reference.meg_cells import LABELS, PEOPLE, SPLITS, study

from alignkit.train._splits import Splits
from alignkit.train.hba_meg._cells import cells_of


def test_every_cell_of_items_and_people_held_out_items_first():
    cells, notes = cells_of(study(), seed=0)
    assert [cell.name for cell in cells] == [
        "held-out items x trained people",
        "held-out items x held-out people",
        "validation items (chosen on) x trained people",
        "validation items (chosen on) x held-out people",
        "trained items x trained people (in-sample)",
        "trained items x held-out people",
    ]
    assert [cell.in_sample for cell in cells] == [False] * 4 + [True, False]
    assert notes == []
    assert [LABELS[i] for i in cells[0].rows] == list(SPLITS.held_out)
    assert cells[0].names == PEOPLE[:6]
    assert cells[1].names == PEOPLE[6:]


def test_other_sessions_are_taken_and_named():
    cells, notes = cells_of(study(test=True), seed=0)
    assert all(cell.other_sessions for cell in cells)
    assert cells[4].name == "trained items x trained people (in-sample, other sessions)"
    assert cells[0].names == PEOPLE[1:6]
    assert notes == ["'a': no RDMs of other sessions, and not scored."]


def test_where_nothing_is_held_out_all_is_in_sample_and_said_so():
    cells, notes = cells_of(study(held_out_people=0, splits=Splits(LABELS, ())), seed=0)
    assert [cell.name for cell in cells] == ["trained items x trained people (in-sample)"]
    assert notes == [
        "Every score is in-sample (no person and no item was held out that could be scored): it says how well the "
        "model was fitted."
    ]
    told = study(held_out_people=0, splits=Splits(LABELS, ()), notes=("Scores are in-sample.",))
    assert cells_of(told, seed=0)[1] == []


def test_cells_say_what_the_group_s_model_was_trained_on_before_a_person_s():
    data = study(held_out_people=7, group_people=("a", "c"), group_items=(*LABELS[:14], LABELS[17]))
    assert [cell.known for cell in cells_of(data, seed=0)[0]] == [
        "",
        "people",
        "items",
        "items and people",
        "",
        "people",
    ]
    names = [cell.name for cell in cells_of(data, seed=0)[0]]
    assert names[0] == "held-out items x trained people"
    assert names[3].endswith(" x held-out people (the group's model was trained on such items and people)")
    strangers = dataclasses.replace(data, group_people=("a",), group_items=LABELS[:14])
    assert not any(cell.known for cell in cells_of(strangers, seed=0)[0])


def test_no_person_held_out_and_too_few_items_are_said():
    cells, notes = cells_of(study(held_out_people=0, splits=Splits(LABELS[:22], LABELS[22:28], LABELS[28:])), seed=0)
    assert len(cells) == 2
    assert notes == [
        "No person was held out: people's RDMs are those of people trained on.",
        "held-out items: 2 items, too few to score (there must be 4).",
    ]


def test_of_many_items_some_are_drawn_the_same_for_the_same_seed():
    data = study()
    first, again, other = (cells_of(data, seed=seed, most=6) for seed in (1, 1, 2))
    rows = [cells[-1].rows.tolist() for cells, _ in (first, again, other)]
    assert rows[0] == rows[1] != rows[2]
    assert len(rows[0]) == 6
    assert set(rows[0]) < set(data.train.tolist())
    assert rows[0] == sorted(rows[0])
    # the validation items are six: all of them
    assert first[1] == [
        "held-out items: 6 of 10 are scored, drawn at random (seed 1).",
        "trained items: 6 of 14 are scored, drawn at random (seed 1).",
    ]
    assert [len(cell.rows) for cell in first[0]] == [6] * 6
    np.testing.assert_array_equal(first[0][-2].rows, first[0][-1].rows)
