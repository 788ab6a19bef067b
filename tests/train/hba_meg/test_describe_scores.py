"""Scores fit on a screen and become sentences."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from reference.meg_cells import LABELS, N_PAIRS, models, planted, study

from alignkit.rsa import RDM
from alignkit.train.hba_meg._evaluate_cells import evaluate_cells


@pytest.fixture(scope="module")
def scores():
    many = {**models(), **{f"a model with a long name, number {k}": models()["noise"] for k in range(3)}}
    people = RDM(np.random.default_rng(0).normal(size=N_PAIRS), LABELS).take(range(18, 30))
    return evaluate_cells(study(rdm48=people), many, n_bootstrap=100, n_permutations=200)


def test_the_short_form_is_one_screen(scores):
    lines = repr(scores).splitlines()
    assert max(map(len, lines)) <= 100
    assert len(lines) <= 64
    assert lines[0] == "Models and people's RDMs over time: planted"
    assert lines[2] == "held-out items x trained people: 10 items, 6 people, 0 to 400 ms"
    assert lines.count("  and 2 more models") == 1
    assert lines.count("  and 3 more models") == 5 + 2
    assert sum("(in-sample)" in line for line in lines) == 1
    one = scores.cell().model("moving")
    row = next(line for line in lines if line.startswith("  moving "))
    assert f"{one.mean:.3f} [{one.low:.3f}, {one.high:.3f}]" in row
    assert f"{1000 * one.area.integral:.1f}" in row
    assert f"{1000 * one.peak.value:.0f} [" in row


def test_the_long_form_leaves_nothing_out(scores):
    text = scores.to_text()
    assert text.count("mean rho") == 6
    assert text.count("number 2") >= 6
    assert all(note in text for note in scores.notes)
    assert "RDM48, spearman: 12 fully sampled objects, n = 66; chance 0" in text
    assert "people 0.910" in text


def test_undefined_numbers_are_dashes_and_absent_ones_blank(scores):
    cell = scores.cell()
    bare = dataclasses.replace(cell.models[0], mean=np.nan, low=np.nan, high=np.nan, p=np.nan, area=None, onset=None)
    bare = dataclasses.replace(bare, peak=dataclasses.replace(bare.peak, value=np.nan))
    odd = dataclasses.replace(cell, models=(bare,), differences=(), lower=np.nan)
    text = dataclasses.replace(scores, cells=(odd,), behaviour=(), notes=()).to_text()
    row = text.splitlines()[-1].split()
    assert row == ["moving", "-", "-", "-"]
    assert "noise ceiling" not in text


def test_methods_say_what_was_compared_and_what_is_in_sample(scores):
    text = scores.methods_text()
    for part in (
        "Scores on trained items of trained people are in-sample.",
        "For held-out items x trained people: RDMs of 6 participants (10 items",
        "models that unfold over time by their RDM of that time",
        "integrated from 0 to 0.4 s by the trapezoidal rule",
        "formed clusters",
        "Differences between models are within people",
        "people's choice matrix",
    ):
        assert part in text
    assert dataclasses.replace(scores, cells=()).methods_text() == "No cell of items and people could be scored."


def test_the_same_models_under_one_name_only_once():
    movie = planted()
    scores = evaluate_cells(study(held_out_people=0), {"one": movie.take}, n_bootstrap=0, n_permutations=50)
    assert [cell.differences for cell in scores.cells] == [()] * 3
    assert "Differences" not in scores.methods_text()
