"""Cells are drawn on one scale, with marks only where there is something."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib import pyplot as plt
from reference.meg_cells import models, study

from alignkit.train.hba_meg._draw_cells import plot_cell, plot_cells
from alignkit.train.hba_meg._evaluate_cells import evaluate_cells


@pytest.fixture(scope="module")
def scores():
    return evaluate_cells(study(), models(), n_bootstrap=100, n_permutations=200)


@pytest.fixture(scope="module")
def once():
    times = np.array([0.0])
    return evaluate_cells(study(times=times), models(times), n_bootstrap=100, n_permutations=200)


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def markers(ax, kind):
    return [line for line in ax.lines if line.get_marker() == kind]


def test_marks_are_those_of_curves_above_zero(scores):
    cell = scores.cell("train", "train")
    assert cell.model("moving").p < 0.05 < cell.model("noise").p
    ax = plot_cell(cell)
    assert labels(ax) == ["noise ceiling", "moving", "still", "noise", "significant", "onset", "peak"]
    assert len(markers(ax, "v")) == len(markers(ax, "^")) == sum(one.p < 0.05 for one in cell.models)
    ax.figure.canvas.draw()
    plt.close(ax.figure)


def test_two_people_can_tell_nothing_and_no_latency_is_drawn(scores):
    cell = scores.cell("train", "held_out")
    assert all(np.isfinite(one.peak.value) and one.p > 0.05 for one in cell.models)
    ax = plot_cell(cell)
    assert not markers(ax, "v")
    assert not markers(ax, "^")
    assert labels(ax) == ["noise ceiling", "moving", "still", "noise"]
    plt.close(ax.figure)


def test_chosen_models_alone(scores):
    ax = plot_cell(scores.cell(), plt.subplots()[1], models=["still"])
    assert "moving" not in labels(ax)
    plt.close(ax.figure)


def test_one_time_is_a_point_per_model_with_everybody_beside_it(once):
    cell = once.cell()
    ax = plot_cell(cell)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["moving", "still", "noise"]
    heights = [line.get_ydata()[0] for line in markers(ax, "o")]
    assert heights == [one.mean for one in cell.models]
    assert sorted(markers(ax, ".")[2].get_ydata()) == sorted(cell.models[2].per_person)
    assert labels(ax) == ["noise ceiling"]
    plt.close(ax.figure)
    lone = dataclasses.replace(cell, lower=np.nan, upper=np.nan)
    ax = plot_cell(lone)
    assert ax.get_legend() is None
    plt.close(ax.figure)


@pytest.mark.parametrize("which", ["scores", "once"])
def test_all_cells_share_one_scale_and_one_legend(which, request):
    figure = plot_cells(request.getfixturevalue(which))
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    assert sum(ax.get_legend() is not None for ax in figure.axes) == 1
    assert [bool(ax.get_ylabel()) for ax in figure.axes] == [True, False] * 3
    titles = [ax.get_title(loc="left").splitlines()[0] for ax in figure.axes]
    assert titles == [cell.name for cell in request.getfixturevalue(which).cells]
    figure.canvas.draw()
    plt.close(figure)


def test_a_cell_that_is_not_there_leaves_a_gap(scores):
    part = dataclasses.replace(scores, cells=scores.cells[:3])
    figure = plot_cells(part)
    assert [ax.axison for ax in figure.axes] == [True, True, True, False]
    plt.close(figure)
    with pytest.raises(ValueError, match="hold no cell"):
        plot_cells(dataclasses.replace(scores, cells=()))
