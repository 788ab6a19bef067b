from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from matplotlib import pyplot as plt

from alignkit.models import Features
from alignkit.score import ScoreTable, score

ACCURACY = "odd-one-out accuracy"


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def curves(lab):
    rng = np.random.default_rng(0)
    models = []
    for name, noises in (("deep", (2.0, 0.1, 1.0)), ("wide", (1.0, 3.0, 0.5))):
        x = {f"l{k}": lab.embedding + s * rng.normal(size=lab.embedding.shape) for k, s in enumerate(noises)}
        models.append(Features.from_arrays(x, lab.labels, name=name))
    return score(models, lab, layers="all", n_splits=6, n_bootstrap=30, n_shuffles=2)


def renamed(table, names):
    rows = [
        dataclasses.replace(row, layer=names[row.model][int(row.layer[1:])]) if row.role == "layer" else row
        for row in table.rows
    ]
    return dataclasses.replace(table, rows=tuple(rows))


def test_every_model_is_a_line_through_its_layers(curves):
    ax = curves.plot_layers(part="answers")
    lines = {line.get_label(): line for line in ax.lines}
    for model in ("deep", "wide"):
        points = curves.curve(model, "answers")
        assert lines[model].get_xdata().tolist() == [0, 1, 2]
        assert lines[model].get_ydata().tolist() == [row.value for row in points]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["l0", "l1", "l2"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["deep", "wide"]
    assert ax.get_title(loc="left") == "answers (n = 900)"
    assert ax.get_ylabel() == ACCURACY


def test_rings_say_how_often_a_layer_was_chosen(curves):
    ax = curves.plot_layers(part="answers", measure=ACCURACY)
    rings = [points for points in ax.collections if len(points.get_sizes()) and points.get_sizes().max() > 12]
    for ring, model in zip(rings, ("deep", "wide"), strict=True):
        chosen = [row.chosen for row in curves.curve(model, "answers") if row.chosen > 0]
        assert ring.get_sizes().tolist() == pytest.approx([320 * share for share in chosen])


def test_the_ceiling_is_a_band(curves):
    ax = curves.plot_layers(part="repeats")
    row = curves.curve("deep", "repeats")[0]
    (band,) = ax.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((row.ceiling_low, row.ceiling_high))
    assert [text.get_text() for text in ax.texts] == ["noise ceiling"]


def test_different_layers_are_drawn_by_depth(curves):
    names = {"deep": ["a", "b", "c"], "wide": ["l0", "l1", "l2"]}
    ax = renamed(curves, names).plot_layers(part="fMRI")
    assert ax.get_xlabel() == "depth (first to last layer)"
    assert [line.get_xdata().tolist() for line in ax.lines] == [[0.0, 0.5, 1.0]] * 2


def test_it_draws_into_the_axes_given_and_the_first_part_by_default(curves):
    _, ax = plt.subplots()
    assert curves.plot_layers(ax) is ax
    assert ax.get_title(loc="left").startswith("repeats")


def test_curves_are_no_bars(curves):
    with pytest.raises(ValueError, match="no line has part 'answers' and measure 'x'"):
        curves.plot(part="answers", measure="x")
    ax = curves.plot(part="answers", measure=ACCURACY)
    assert {label.get_text() for label in ax.get_yticklabels()} == {"true latents", "chance", "shuffled items"}
    held_out = curves.plot(part="answers")
    assert {label.get_text() for label in held_out.get_yticklabels()} == {"deep", "wide"}


@pytest.mark.parametrize("name", [r"$\frac{1}{2$", "50 $", "x" * 200, "été"])
def test_any_layer_can_be_drawn_and_many(curves, name, tmp_path):
    names = {model: [f"{name}{k}" for k in range(3)] for model in ("deep", "wide")}
    renamed(curves, names).plot_layers().figure.savefig(tmp_path / "x.png")
    points = curves.curve("deep", "answers")[:1] * 150
    many = [dataclasses.replace(row, layer=f"{name}.{k}") for k, row in enumerate(points)]
    ax = ScoreTable("toy", tuple(many), (), (), {}, {}).plot_layers()
    ax.figure.savefig(tmp_path / "x.png")
    assert len(ax.get_xticklabels()) <= 26


def test_undefined_points_are_drawn_as_nothing(curves, tmp_path):
    rows = tuple(
        dataclasses.replace(r, value=math.nan, low=math.nan, high=math.nan, chosen=math.nan) for r in curves.rows
    )
    dataclasses.replace(curves, rows=rows).plot_layers().figure.savefig(tmp_path / "x.png")


def test_what_is_not_there_is_refused_with_what_is(curves, table):
    with pytest.raises(ValueError, match=r"no layer curve has part 'x' and measure None; there are 'repeats: odd-one"):
        curves.plot_layers(part="x")
    with pytest.raises(ValueError, match=r"there are none \(score with layers=\)\.$"):
        table.plot_layers()


def test_long_names_of_layers_are_told_apart(curves):
    names = [f"encoder.layers.{k}.attention.projection" for k in (2, 10, 11)]
    ax = renamed(curves, {"deep": names, "wide": names}).plot_layers(part="fMRI")
    assert [tick.get_text() for tick in ax.get_xticklabels()] == [f"e.l.{k}.a.projection" for k in (2, 10, 11)]
    # a layer without modules around it, and one whose own name is too long
    names = ["norm", "blocks.1." + "a" * 30, "output"]
    ax = renamed(curves, {"deep": names, "wide": names}).plot_layers(part="fMRI")
    shown = [tick.get_text() for tick in ax.get_xticklabels()]
    assert (shown[0], shown[2]) == ("norm", "output")
    assert shown[1].startswith("b.1.aa")
    assert len(shown[1]) == 22
