"""Behaviour over time: curves of models that unfold, levels of those that do not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib import pyplot as plt
from reference.meg_cells import LABELS, N_PAIRS, models, study

from alignkit.rsa import RDM
from alignkit.train.hba_meg._draw_behaviour import plot_behaviour
from alignkit.train.hba_meg._evaluate_cells import evaluate_cells


@pytest.fixture(scope="module")
def scores():
    people = RDM(np.random.default_rng(0).normal(size=N_PAIRS), LABELS).take(range(18, 30))
    return evaluate_cells(study(rdm48=people), models(), n_bootstrap=0, n_permutations=50)


def test_curves_and_levels(scores):
    ax = plot_behaviour(scores, measure="RDM48, pearson")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["moving", "still", "noise", "people", "chance"]
    moving = next(one for one in scores.behaviour if one.measure == "RDM48, pearson")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), moving.values)
    np.testing.assert_allclose(ax.lines[0].get_xdata(), 1000 * scores.times)
    assert len(set(ax.lines[1].get_ydata())) == 1
    assert ax.get_title(loc="left") == "12 fully sampled objects, n = 66"
    ax.figure.canvas.draw()
    plt.close(ax.figure)


def test_models_that_do_equally_well_are_all_seen(scores):
    moving, still = (next(one for one in scores.behaviour if one.model == name) for name in ("moving", "still"))
    start = dataclasses.replace(moving, model="start")
    level = dataclasses.replace(still, model="level")
    ax = plot_behaviour(dataclasses.replace(scores, behaviour=(moving, start, still, level)))
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names[:4] == ["moving", "start (equal to moving)", "still", "level (equal to still)"]
    assert [line.is_dashed() for line in ax.lines[:4]] == [False, True, True, True]
    plt.close(ax.figure)


def test_the_first_measure_by_default(scores):
    ax = plot_behaviour(scores)
    assert ax.get_ylabel() == "RDM48, spearman"
    plt.close(ax.figure)


def test_one_time_is_a_level():
    times = np.array([0.0])
    people = RDM(np.random.default_rng(0).normal(size=N_PAIRS), LABELS).take(range(18, 30))
    ax = plot_behaviour(evaluate_cells(study(times=times, rdm48=people), models(times), n_bootstrap=0))
    ax.figure.canvas.draw()
    plt.close(ax.figure)


def test_nothing_to_draw(scores):
    with pytest.raises(ValueError, match="hold no behaviour"):
        plot_behaviour(dataclasses.replace(scores, behaviour=()))
