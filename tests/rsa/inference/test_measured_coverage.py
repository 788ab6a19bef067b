from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest

from alignkit.rsa import evaluate
from alignkit.rsa._inference import _measured_coverage
from alignkit.rsa._inference._measured_coverage import coverage_note, measured_coverage


@pytest.fixture
def table(monkeypatch):
    """A table with a few cells."""
    common = {"generalize": "items", "interval": "percentile", "method": "spearman"}
    cells = [
        {**common, "n_subjects": s, "n_items": n, "coverage": c}
        for s, n, c in ((4, 20, 0.85), (4, 80, 0.93), (8, 20, 0.90), (30, 200, 0.95))
    ]
    cells.append({**common, "generalize": "subjects", "n_subjects": 4, "n_items": 20, "coverage": 0.8})
    monkeypatch.setattr(_measured_coverage, "_table", lambda: cells)


@pytest.mark.parametrize(
    ("n_subjects", "n_items", "expected"),
    [(4, 20, 0.85), (7, 79, 0.85), (4, 500, 0.93), (8, 79, 0.90), (99, 999, 0.95)],
)
def test_the_nearest_smaller_cell_speaks(table, n_subjects, n_items, expected):
    assert measured_coverage("items", "percentile", "spearman", n_subjects, n_items)["coverage"] == expected


@pytest.mark.parametrize(
    "design",
    [
        ("items", "percentile", "spearman", 3, 20),
        ("items", "percentile", "spearman", 4, 19),
        ("both", "percentile", "spearman", 4, 20),
        ("items", "t", "spearman", 4, 20),
        ("items", "percentile", "pearson", 4, 20),
    ],
)
def test_nothing_is_said_of_what_was_not_measured(table, design):
    assert measured_coverage(*design) is None
    assert coverage_note(*design, 0.95) == ""


def test_a_note_where_intervals_cover_too_little(table):
    note = coverage_note("items", "percentile", "spearman", 5, 30, 0.95)
    assert note == (
        "In simulations with 4 subjects and 20 items the percentile interval covered the truth 85% of the time instead "
        "of 95%."
    )
    assert coverage_note("items", "percentile", "spearman", 5, 30, 0.9) == ""
    assert coverage_note("items", "percentile", "spearman", 4, 80, 0.95) == ""


def test_a_result_says_so(table, rng):
    models, people = rng.random((2, 190)), rng.random((8, 190))
    options = {"generalize": "items", "n_bootstrap": 20, "n_permutations": 20, "rng": 0}
    result = evaluate(models, people, interval="percentile", **options)
    assert result.coverage == 0.90
    assert "covered the truth 90% of the time" in result.note
    assert np.isnan(evaluate(models, people, **options).coverage)


def test_the_table_that_is_shipped_is_one():
    cells = json.loads(files("alignkit.rsa._inference").joinpath("measured_coverage.json").read_text())
    for cell in cells:
        assert {"generalize", "interval", "method", "n_subjects", "n_items", "coverage"} <= set(cell)
        assert 0 < cell["coverage"] <= 1
