"""Scores become tables, files and figures, one cell or all."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt
from reference.meg_cells import LABELS, N_PAIRS, models, study

from alignkit.rsa import RDM
from alignkit.train.hba_meg._evaluate_cells import evaluate_cells
from alignkit.train.hba_meg._scores import HBAMEGScores


def make(**options):
    people = RDM(np.random.default_rng(0).normal(size=N_PAIRS), LABELS).take(range(18, 30))
    data = study(rdm48=people, name="planted")
    return evaluate_cells(data, models(), n_bootstrap=100, n_permutations=200, seed=2, **options)


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(1)
    return make(weights=(rng.random((51, 3)), ["early", "$mid$", "late"]))


def test_cells_are_found_held_out_ones_first(scores):
    assert scores.cell().name == "held-out items x trained people"
    assert scores.cell(people="held_out").name == "held-out items x held-out people"
    assert scores.cell("train", "train").in_sample
    with pytest.raises(ValueError, match="items"):
        scores.cell("test")


def test_no_such_cell(scores):
    lone = HBAMEGScores(**{name: getattr(scores, name) for name in scores.__slots__} | {"cells": scores.cells[:1]})
    with pytest.raises(ValueError, match="there is no such cell; there are: 'held-out items x trained people'"):
        lone.cell("train")


def test_the_table_has_a_row_per_cell_model_and_quantity(scores):
    table = scores.to_dataframe()
    assert not table.duplicated(["cell", "model", "quantity"]).any()
    cell = scores.cell()
    rows = table[(table.cell == cell.name)].set_index(["model", "quantity"])
    one = cell.model("moving")
    assert rows.value["moving", "mean"] == one.mean
    assert rows.value["moving", "AUC"] == pytest.approx(1000 * one.area.integral)
    assert rows.unit["moving", "AUC"] == "rho ms"
    assert rows.value["moving", "AUC"] / 400 == pytest.approx(one.mean)
    assert rows.low["moving", "peak"] == 1000 * one.peak.interval[0]
    assert rows.value["moving", "peak height"] == one.peak.amplitude
    assert rows.p["moving", "above 0 over time"] == one.p
    assert rows.value["noise ceiling", "mean of upper bound"] == cell.upper
    assert rows.value["moving - still", "difference of means"] == cell.differences[0].difference
    assert rows.tmax["moving", "mean"] == 0.4
    assert set(table[table.in_sample].cell) == {"trained items x trained people (in-sample)"}
    behaviour = table[table.cell.str.startswith("behaviour")]
    assert len(behaviour) == 2 * (2 + 1 + 2)
    assert len(scores.behaviour_to_dataframe()) == 2 * (51 + 1 + 51)


def test_scores_come_back_from_their_file(scores, tmp_path):
    scores.save(tmp_path / "scores.json")
    again = HBAMEGScores.load(tmp_path / "scores.json")
    assert repr(again) == repr(scores)
    assert again.methods_text() == scores.methods_text()
    assert again.to_dataframe().equals(scores.to_dataframe())
    np.testing.assert_array_equal(again.cells[0].course.similarity, scores.cells[0].course.similarity)
    np.testing.assert_array_equal(again.weights, scores.weights)
    scores.save(tmp_path / "scores.csv")
    assert (tmp_path / "scores.csv").read_text().count("\n") == len(scores.to_dataframe()) + 1
    assert (tmp_path / "scores.json").stat().st_size < 1_000_000


def test_one_time_comes_back_as_well(tmp_path):
    times = np.array([0.0])
    scores = evaluate_cells(study(times=times), models(times), n_bootstrap=50, n_permutations=100)
    scores.save(tmp_path / "scores.json")
    again = HBAMEGScores.load(tmp_path / "scores.json")
    assert repr(again) == repr(scores)
    assert "AUC" not in set(scores.to_dataframe().quantity)
    means = scores.to_dataframe()[lambda table: (table.quantity == "mean") & (table.people == "train")]
    assert means.p.notna().all()
    assert not scores.methods_text().count("area under")


def test_figures(scores):
    ax = scores.plot(items="train", models=["moving", "noise"])
    assert ax.get_title(loc="left").startswith("trained items x trained people (in-sample)")
    plt.close(ax.figure)
    figure = scores.plot_cells()
    assert sum(ax.has_data() for ax in figure.axes) == 6
    plt.close(figure)
    for ax in (scores.plot_weights(), scores.plot_behaviour(measure="RDM48, pearson")):
        ax.figure.canvas.draw()
        plt.close(ax.figure)


def test_figures_of_what_is_not_there(scores):
    bare = evaluate_cells(study(), models(), n_bootstrap=0, n_permutations=50)
    with pytest.raises(ValueError, match="hold no weights of layers"):
        bare.plot_weights()
    with pytest.raises(ValueError, match="hold no behaviour"):
        bare.plot_behaviour()
    with pytest.raises(ValueError, match="measure"):
        scores.plot_behaviour(measure="taste")
    with pytest.raises(ValueError, match="models"):
        scores.plot(models=["absent"])
