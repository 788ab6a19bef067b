"""Layer curves by the front door: what is scored on what, planted truths, and noise without anything to find."""

from __future__ import annotations

import csv
import math
import warnings

import numpy as np
import pytest

from alignkit.models import Features, Transform
from alignkit.score import ScoreTable, score
from alignkit.score._rdms import layer_task as rdm_task
from alignkit.score._rdms import make_target
from alignkit.score._row import Settings
from alignkit.score._triplets import Answers, Battery
from alignkit.score._triplets import layer_task as answer_task

PARTS = {
    "repeats": "odd-one-out accuracy",
    "answers": "odd-one-out accuracy",
    "fMRI": "spearman with people's RDMs",
}
NOISE = (3.0, 0.8, 0.1, 1.5)


@pytest.fixture(scope="module")
def network(lab):
    """A network of four layers; the third carries people's dimensions best."""
    rng = np.random.default_rng(0)
    x = {f"b{k}": lab.embedding + noise * rng.normal(size=lab.embedding.shape) for k, noise in enumerate(NOISE)}
    return Features.from_arrays(x, lab.labels, name="net")


@pytest.fixture(scope="module")
def curves(lab, network):
    return score(network, lab, layers="all", n_splits=10, n_bootstrap=50, n_shuffles=3)


def test_every_layer_is_scored_as_it_is_alone(lab, network, quick, curves):
    for layer in network.layers:
        alone = quick(network, lab, layer=layer)
        for part, measure in PARTS.items():
            expected = alone.value(f"net [{layer}]", part, measure)
            found = curves.value("net", part, measure, layer=layer)
            assert found.value == pytest.approx(expected.value, abs=1e-12)
            assert found.percent_of_ceiling == pytest.approx(expected.percent_of_ceiling, nan_ok=True)
            same = ("n", "n_items", "ceiling", "ceiling_low", "ceiling_high", "over", "split", "primary")
            assert [getattr(found, name) for name in same] == [getattr(expected, name) for name in same]
            assert (found.role, found.layer) == ("layer", layer)
            assert found.low < found.value < found.high


def test_the_curve_is_in_the_order_of_the_layers(curves):
    for part, measure in PARTS.items():
        assert [row.layer for row in curves.curve("net", part)] == ["b0", "b1", "b2", "b3"]
        assert [row.layer for row in curves.curve("net", part, measure)] == ["b0", "b1", "b2", "b3"]
    with pytest.raises(
        ValueError, match=r"no layer curve of model 'net' on part 'x'; there are 'net, repeats, odd-one"
    ):
        curves.curve("net", "x")


def test_the_planted_layer_is_chosen_and_its_score_is_that_of_other_items(curves):
    for part, measure in PARTS.items():
        shares = {row.layer: row.chosen for row in curves.curve("net", part)}
        assert sum(shares.values()) == pytest.approx(1)
        assert max(shares, key=shares.get) == "b2"
        assert shares["b2"] >= 0.6
        row = curves.value("net", part, f"{measure}, held-out items")
        assert row.role == "model"
        assert row.split.startswith("layer chosen on other items: nested 2 x 10 (items halved 10 times; chosen on the ")
        best = curves.value("net", part, measure, layer="b2")
        assert row.value == pytest.approx(best.value, abs=0.08)
        assert row.low < row.value < row.high
        if part == "fMRI":  # four people who may not agree: no per cent of their ceiling
            assert math.isnan(row.percent_of_ceiling)
        else:
            expected = 100 * (row.value - 1 / 3) / (row.ceiling_low - 1 / 3)
            assert row.percent_of_ceiling == pytest.approx(expected)


def test_no_line_of_a_model_was_picked_on_what_it_is_scored_on(curves):
    models = [row for row in curves.rows if row.role == "model"]
    assert {row.measure for row in models} == {f"{measure}, held-out items" for measure in PARTS.values()}
    assert all("layer chosen on other items" in row.split for row in models)


def noise_layers(lab, rng, n_layers=10):
    return [rng.normal(size=(len(lab.labels), 6)) for _ in range(n_layers)]


def nested_and_highest(task, layers):
    names = [f"l{k}" for k in range(len(layers))]
    rows = task.scored("net", names, np.stack([task.measure(x) for x in layers])).rows
    nested = [row.value for row in rows if row.role == "model"]
    curve = [row.value for row in rows if row.role == "layer"]
    return nested[0], max(curve[: len(layers)])


@pytest.mark.parametrize("kind", ["answers", "rdms"])
def test_noise_layers_show_no_optimism_but_their_maximum_does(lab, kind):
    settings = Settings(n_bootstrap=0, n_splits=6)
    if kind == "answers":
        task, chance = answer_task(Battery.of([Answers("answers", lab.triplets, None)]), 24, settings), 1 / 3
    else:
        task, chance = rdm_task(make_target("fMRI", lab.fmri, settings, lab.labels), settings), 0.0
    rng = np.random.default_rng(1)
    found = np.array([nested_and_highest(task, noise_layers(lab, rng)) for _ in range(40)])
    (nested, highest), error = found.mean(axis=0), found[:, 0].std() / math.sqrt(len(found))
    assert abs(nested - chance) < 3.5 * error
    assert error < 0.02
    assert highest - chance > 4 * error
    assert (found[:, 1] > chance).all()


def test_models_of_one_layer_are_compared_on_the_same_parts(lab, network, make, quick):
    table = quick([network, make("plain", noise=1.0)], lab, layers="all")
    for part, measure in PARTS.items():
        # what is scored by every measure stays
        assert table.value("plain", part, measure).role == "model"
        held_out = table.value("plain", part, f"{measure}, held-out items")
        assert held_out.split.startswith("one layer, nothing chosen; scored on the same parts")
        assert held_out.n == table.value("net", part, f"{measure}, held-out items").n
    assert not [row for row in table.rows if row.role == "layer" and row.model == "plain"]
    differences = [d for d in table.differences if {d.better, d.other} == {"net", "plain"}]
    assert {d.measure for d in differences} == {f"{measure}, held-out items" for measure in PARTS.values()}
    for d in differences:
        better, other = (table.value(name, d.part, d.measure).value for name in (d.better, d.other))
        assert d.difference == pytest.approx(better - other)


def test_some_layers_may_be_named(lab, network, quick):
    table = quick(network, lab, layers=["b3", "b1"])
    assert [row.layer for row in table.curve("net", "fMRI")] == ["b3", "b1"]
    assert table.settings["layers"] == "b3, b1"
    assert table.models["net"]["layer"] == ["b3", "b1"]
    one = quick(network, lab, layers=["b1"])
    assert {row.model for row in one.rows if row.role == "model"} == {"net [b1]"}
    assert not [row for row in one.rows if row.role == "layer"]


def test_layers_do_not_change_without_being_asked_for(lab, network, quick):
    assert not [row for row in quick(network, lab).rows if row.role == "layer"]


def test_the_layers_are_compared_with_all_people_at_once(lab, network, quick, monkeypatch):
    from alignkit.score import _layer_rdms

    shapes = []
    true = _layer_rdms.compare

    def compare(a, b, **options):
        shapes.append((a.shape, b.shape, a.n_items))
        return true(a, b, **options)

    monkeypatch.setattr(_layer_rdms, "compare", compare)
    quick(network, lab, layers="all", n_splits=2)
    people = lab.fmri.shape
    assert shapes == [((4,), people, 24), *[((4,), people, 12)] * 4]


def test_layers_are_read_one_at_a_time(lab, quick):
    reads = []

    def read(layer):
        reads.append(layer)
        return np.random.default_rng(int(layer[1:])).normal(size=(24, 5))

    layers = tuple(f"l{k}" for k in range(6))
    features = Features("lazy", tuple(lab.labels), layers, {}, 24, read)
    quick(features, lab, layers="all")
    # the last one is also the model that is shuffled
    assert reads == ["l5", *layers]


def test_the_same_seed_gives_the_same_choice(lab, network, quick):
    a, b = (quick(network, lab, layers="all", seed=3).to_dict() for _ in range(2))
    assert a == b
    assert quick(network, lab, layers="all", seed=4).to_dict()["rows"] != a["rows"]


def test_curves_are_kept_in_files(curves, tmp_path):
    curves.save(tmp_path / "t.json")
    loaded = ScoreTable.load(tmp_path / "t.json")
    assert loaded.to_dict() == curves.to_dict()
    curves.save(tmp_path / "t.csv")
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["role"] == "layer"]
    assert [row["layer"] for row in rows] == ["b0", "b1", "b2", "b3"] * 3
    assert [float(row["chosen"]) for row in rows] == [row.chosen for row in curves.rows if row.role == "layer"]


def test_the_methods_text_says_how_the_layer_was_chosen(curves, lab, make, quick):
    assert "nested cross-validation over items: in each of 10 random halvings" in curves.methods_text()
    assert "nested" not in quick(make(), lab).methods_text()


# --- what is undefined


def test_a_dead_item_of_one_layer_is_named_once_and_the_layer_not_chosen(lab, quick):
    rng = np.random.default_rng(0)
    x = {name: lab.embedding + 0.1 * rng.normal(size=lab.embedding.shape) for name in ("good", "dead")}
    x["dead"][5] = 0.0
    x["last"] = lab.embedding + rng.normal(size=lab.embedding.shape)
    with pytest.warns(RuntimeWarning) as caught:
        table = quick(Features.from_arrays(x, lab.labels, name="net"), lab, layers="all")
    assert [str(one.message) for one in caught] == [
        f"the features of 'net [dead]' are constant or all zero for '{lab.labels[5]}': their similarities are "
        "undefined, and scores that depend on them are NaN. Leave these items out, or extract them again."
    ]
    for part, measure in PARTS.items():
        assert math.isnan(table.value("net", part, measure, layer="dead").value)
        assert table.value("net", part, f"{measure}, held-out items").value > 0.4 * (part != "fMRI")
        assert table.value("net", part, measure, layer="dead").chosen == 0.0
    assert "nan" not in table.to_text()


def test_too_few_items_to_halve_is_said_and_no_number(lab, network, quick):
    some = network.select(lab.labels[:14])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = quick(some, lab, layers="all")
    row = table.value("net", "fMRI", f"{PARTS['fMRI']}, held-out items")
    assert math.isnan(row.value)
    assert "not done: 14 items are too few to halve" in row.split
    assert all(math.isnan(point.chosen) for point in table.curve("net", "fMRI"))
    assert all(math.isfinite(point.value) for point in table.curve("net", "fMRI"))
    assert "* chosen in" in table.to_text()


# --- what is refused


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"layers": "head"}, r"^the features 'net' hold the layers 'b0', 'b1', 'b2', 'b3', not 'head'\.$"),
        ({"layers": ["b0", "head"]}, "not 'head'"),
        ({"layers": ["b0", "b1", "b0"]}, r"^layers names 'b0' more than once\.$"),
        ({"layers": "all", "layer": "b0"}, r"^give either layer='b0' \(one layer by every measure\) or layers="),
        ({"layers": "all", "transform": "t"}, "^the transform 't' was fitted to one layer; name it with layer="),
        ({"n_splits": 0}, "^n_splits must be at least 1; got 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(lab, network, options, sentence):
    if "transform" in options:
        options = {**options, "transform": Transform(np.eye(12), name="t")}
    with pytest.raises(ValueError, match=sentence):
        score(network, lab, **options)
    with pytest.raises(TypeError, match=r"^layers must be a list of names; got 3\.$"):
        score(network, lab, layers=3)


def test_a_broken_layer_is_named(lab, network):
    x = {name: network.array(name).copy() for name in network.layers}
    x["b1"][3, 0] = np.nan
    with pytest.raises(ValueError, match=rf"^the features of 'net \[b1\]' hold NaN or infinity for '{lab.labels[3]}'"):
        score(Features.from_arrays(x, lab.labels, name="net"), lab, layers="all")
