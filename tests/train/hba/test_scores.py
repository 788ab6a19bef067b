from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib import pyplot as plt

from alignkit.score import ScoreTable
from alignkit.train import HBAScores
from alignkit.train.hba._dimension_scores import DimensionScore
from alignkit.train.hba._scores import SelectionCurves


def dimension(name, before, after):
    return DimensionScore(
        dimension=name,
        before=before,
        before_low=before - 0.1,
        before_high=before + 0.1,
        after=after,
        after_low=after - 0.1,
        after_high=after + 0.1,
        difference=after - before,
        difference_low=after - before - 0.1,
        difference_high=after - before + 0.1,
    )


@pytest.fixture
def scores():
    table = ScoreTable("toy", (), (), ("a note",), {}, {})
    rows = (dimension("red", 0.1, 0.5), dimension("$costly$", 0.3, math.nan), dimension("round" * 12, 0.2, 0.8))
    curves = SelectionCurves(np.arange(3.0), np.array([0.1, 0.5, 0.4]), np.array([9.0, 5.0, 4.0]), "val_mse", 2)
    return HBAScores("mine", table, rows, 10, curves)


def test_dimensions_are_drawn_best_first_undefined_last(scores):
    ax = scores.plot()
    names = [label.get_text() for label in ax.get_yticklabels()]
    places = ax.get_yticks()
    ordered = [name for _, name in sorted(zip(places, names, strict=True), reverse=True)]
    assert [name[:5] for name in ordered] == ["round", "red", r"\$cos"]
    assert max(map(len, names)) <= 36
    ax.figure.canvas.draw()
    plt.close(ax.figure)


def test_curves_are_drawn_with_the_best_of_each_and_what_was_kept(scores):
    ax = scores.plot_curves()
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["RDM (Spearman)", "kept (by val_mse)", "squared error"]
    rings = [line.get_xydata()[0].tolist() for one in ax.figure.axes for line in one.lines if line.get_markersize() > 5]
    assert rings[0] == [1.0, 0.5]
    assert [2.0, 4.0] in rings
    plt.close(ax.figure)


def test_one_line_says_what_became_of_the_dimensions(scores):
    text = repr(scores)
    assert "Dimensions over 10 held-out objects: median r 0.200 before, 0.650 after; 2 of 3 better" in text
    assert "1 note in table.notes" in text


def test_frames(scores):
    frame = scores.dimensions_to_dataframe()
    assert frame.dimension.tolist() == ["red", "$costly$", "round" * 12]
    assert frame.difference[0] == pytest.approx(0.4)
    assert scores.curves_to_dataframe().step.dtype == np.int64
