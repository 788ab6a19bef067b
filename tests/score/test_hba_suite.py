from __future__ import annotations

import shutil

import numpy as np
import pytest
from reference.meg_sets import area, ceilings, spearman_course, upper
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr, spearmanr

from alignkit.data import load_things
from alignkit.models import Features
from alignkit.score import SuiteScores, score_suite

PARTS = {"THINGS-MEG": "things_meg", "Cichy-118": "cichy118", "ds1 (48 objects, clear)": "meg_ds1"}


@pytest.fixture(scope="module")
def scores(meg, static, moving) -> SuiteScores:
    return score_suite([static(), moving], root=meg.root, n_bootstrap=200, n_shuffles=3)


def rows_of(meg, features, name, layer=None):
    """Return a model's features of the items of one data set."""
    start = list(meg.names).index(name)
    first = sum(len(items) for items in list(meg.names.values())[:start])
    return features.array(layer)[first : first + len(meg.names[name])]


@pytest.mark.parametrize("part", PARTS)
def test_areas_of_a_static_model_against_plain_loops(scores, meg, static, part):
    name = PARTS[part]
    people, times = meg.people[name], meg.times[name]
    curves = spearman_course(pdist(rows_of(meg, static(), name), "correlation"), people)
    row = scores.table.value("static", part, "AUC")
    assert row.value == pytest.approx(np.mean([area(curve, times) for curve in curves]), rel=1e-9)
    lower, higher = ceilings(people)
    assert (row.ceiling_low, row.ceiling_high) == pytest.approx((area(lower, times), area(higher, times)), rel=1e-9)
    assert row.percent_of_ceiling == pytest.approx(100 * row.value / row.ceiling_low)
    height = scores.table.value("static", part, "mean spearman")
    assert height.value == pytest.approx(row.value / (1000 * times[-1]))
    assert row.low < row.value < row.high
    np.testing.assert_allclose(scores.courses[part].curves("static"), curves, atol=1e-12)


@pytest.mark.parametrize("part", PARTS)
def test_the_published_way_is_marked_and_has_no_ceiling(scores, meg, static, part):
    name = PARTS[part]
    n = 3 if name == "things_meg" else len(meg.people[name])
    mean = meg.people[name][:n].mean(axis=0)[None]
    curve = spearman_course(pdist(rows_of(meg, static(), name), "correlation"), mean)[0]
    row = scores.table.value("static", part, "as published")
    assert row.measure == f"as published: the same with the mean RDM of {n} people (may pass the ceiling)"
    assert row.value == pytest.approx(area(curve, meg.times[name]), rel=1e-9)
    assert np.isnan([row.ceiling_low, row.ceiling_high, row.percent_of_ceiling]).all()
    # less noise than one person has: this is why it may pass
    assert row.value > scores.table.value("static", part, "AUC").value


@pytest.mark.parametrize("part", PARTS)
def test_a_model_over_time_is_followed_at_its_own_times(scores, meg, moving, part):
    name = PARTS[part]
    own = np.arange(-100, 1010, 10)
    layers = [f"{own[np.abs(own - round(1000 * t)).argmin()]}ms" for t in meg.times[name]]
    model = np.stack([pdist(rows_of(meg, moving, name, layer), "correlation") for layer in layers])
    curves = spearman_course(model, meg.people[name])
    np.testing.assert_allclose(scores.courses[part].curves("moving"), curves, atol=1e-12)
    row = scores.table.value("moving", part, "AUC")
    assert row.value == pytest.approx(np.mean([area(curve, meg.times[name]) for curve in curves]), rel=1e-9)


def test_times_that_a_model_lacks_are_told(scores):
    text = "THINGS-MEG: moving has no times from 1010 to 1300 ms; its nearest stands for them."
    assert text in scores.table.notes
    assert not any("moving has no times" in note and "Cichy" in note for note in scores.table.notes)


def test_windows_and_units_are_said(scores):
    measures = {row.part: row.measure for row in scores.table.rows if row.primary}
    assert measures["THINGS-MEG"] == "AUC of spearman over time, 0 to 1300 ms (rho x ms)"
    assert measures["Cichy-118"] == "AUC of spearman over time, 0 to 1000 ms (rho x ms)"
    assert measures["ds1 (48 objects, clear)"] == "AUC of spearman over time, 0 to 600 ms (rho x ms)"


def test_shuffled_items_have_no_area(scores):
    for part in PARTS:
        row = scores.table.value("shuffled items", part, "AUC")
        assert abs(row.value) < 0.3 * row.ceiling_low
        assert (row.role, row.over) == ("baseline", "shuffles")


def test_models_are_compared_in_pairs_over_people(scores):
    difference = next(d for d in scores.table.differences if d.part == "Cichy-118")
    values = [scores.table.value(name, "Cichy-118", "AUC").value for name in (difference.better, difference.other)]
    assert difference.difference == pytest.approx(values[0] - values[1])
    assert difference.over == "subjects"


def test_what_is_missing_is_told_with_how_to_get_it(scores):
    assert set(scores.missing) == {"RDM48", "ds2 (48 objects, blurred)", "ds3 (36 objects, colour)"}
    assert "alignkit data import meg_ds3 --from PATH" in scores.missing["ds3 (36 objects, colour)"]
    assert "result_dsm (participants x 36 x 36 x 71)" in scores.missing["ds3 (36 objects, colour)"]


def test_what_is_taken_for_granted_is_said(scores):
    assert any("row i of the RDMs is picture i of stimuli/" in note for note in scores.table.notes)
    assert any("is in-sample here" in note for note in scores.table.notes)


def test_inputs_of_other_data_sets_are_none_of_its_business(meg, static):
    """Two sets of the same names: those in a folder of a set's name are that set's alone."""
    x = static()
    names = meg.names["meg_ds1"]
    twice = Features.from_array(
        np.vstack([x.array()[-12:], np.random.default_rng(9).normal(size=(12, 8))]),
        [*(f"pictures/meg_ds1/{name}" for name in names), *(f"pictures/meg_ds2/{name}" for name in names)],
        name="twice",
    )
    part = "ds1 (48 objects, clear)"
    expected = score_suite(x, root=meg.root, n_bootstrap=0, n_shuffles=1).table.value("static", part, "AUC").value
    found = score_suite(twice, root=meg.root, n_bootstrap=0, n_shuffles=1)
    assert found.table.value("twice", part, "AUC").value == pytest.approx(expected)
    assert any(note.startswith("Not scored: Cichy-118: no model has 10 of its 14 items") for note in found.table.notes)


def test_models_of_different_data_sets_stand_side_by_side(meg, static):
    x = static()
    first = Features.from_array(x.array()[:16], x.labels[:16], name="a")
    second = Features.from_array(x.array()[16:], x.labels[16:], name="b")
    table = score_suite([first, second], root=meg.root, n_bootstrap=0, n_shuffles=1).table
    assert {row.part for row in table.rows if row.model == "a"} == {"THINGS-MEG"}
    assert {row.part for row in table.rows if row.model == "b"} == {"Cichy-118", "ds1 (48 objects, clear)"}
    assert "THINGS-MEG: 'b' has fewer than 10 of its items and is left out." in table.notes


def test_nothing_at_hand_is_one_error_that_names_all(static, tmp_path):
    with pytest.raises(FileNotFoundError, match="none of the data sets of the suite is at hand") as caught:
        score_suite(static(), root=tmp_path)
    for name in ("things", "things_meg", "cichy118", "meg_ds1", "meg_ds2", "meg_ds3"):
        (line,) = [note for note in caught.value.__notes__ if f"alignkit data import {name} --from PATH`." in note]
        assert line.startswith("  Get it from ")
    assert len(caught.value.__notes__) == 2 * 6 + 1
    assert "RDM48: the data set 'things' needs things_concepts.tsv, which is not at " in caught.value.__notes__[0]
    assert max(map(len, [str(caught.value), *caught.value.__notes__])) < 300
    with pytest.raises(FileNotFoundError, match=r"in .*nowhere, which does not exist; one of them is enough\."):
        score_suite(static(), root=tmp_path / "nowhere")


def test_features_of_other_images_are_refused(meg):
    features = Features.from_array(np.eye(12), [f"x{i}" for i in range(12)], name="others")
    with pytest.raises(ValueError, match=r"too few items of every data set at hand\.") as caught:
        score_suite(features, root=meg.root)
    assert caught.value.__notes__[0].startswith("THINGS-MEG: no model has 10 of its 16")


def test_pairs_without_a_number_are_left_out(meg, static, tmp_path):
    from scipy.io import loadmat, savemat

    folder = shutil.copytree(meg.root / "meg_ds1", tmp_path / "meg_ds1")
    content = loadmat(folder / "ds1.mat")["result_dsm"]
    content[0, 2, 5, :] = content[0, 5, 2, :] = np.nan
    savemat(folder / "ds1.mat", {"result_dsm": content})
    scores = score_suite(static(), root=tmp_path, n_bootstrap=0, n_shuffles=1)
    model = pdist(rows_of(meg, static(), "meg_ds1"), "correlation")
    person = content.transpose(0, 3, 1, 2)[0, 40]
    kept = np.isfinite(upper(person))
    expected = spearmanr(model[kept], upper(person)[kept]).statistic
    course = scores.courses["ds1 (48 objects, clear)"]
    assert course.curves("static")[0, 40] == pytest.approx(expected)
    assert np.isfinite(course.lower).all()


def test_a_model_without_a_response_is_one_warning(meg, static):
    x = static()
    arrays = {"0ms": np.ones_like(x.array()), "100ms": x.array(), "200ms": x.array()}
    flat = Features.from_arrays(arrays, x.labels, name="flat")
    with pytest.warns(RuntimeWarning, match=r"undefined at some times \(how many\): flat \(\d+\)") as caught:
        scores = score_suite(flat, root=meg.root, n_bootstrap=0, n_shuffles=1)
    assert len(caught) == len(scores.courses)
    assert np.isnan(scores.table.value("flat", "Cichy-118", "AUC").value)


# --- the 48 objects


@pytest.fixture(scope="module")
def things(root):
    return load_things(root)


@pytest.fixture(scope="module")
def scores48(things, root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("things")
    (folder / "things").symlink_to(root / "things")
    rng = np.random.default_rng(3)
    arrays = {f"{ms}ms": things.spose66 + rng.normal(size=things.spose66.shape) * 0.02 * ms for ms in (-10, 0, 10, 20)}
    over_time = Features.from_arrays({**arrays, "output": things.spose49}, things.labels, name="over time")
    spose = Features.from_array(things.spose66, things.labels, name="spose")
    return score_suite([spose, over_time], root=folder, n_bootstrap=0)


def test_both_correlations_with_the_48_objects(scores48):
    """Published data: 1 - Pearson between rows of SPoSE-66 and SPoSE-49, in the order that agrees with the answers."""
    values = [scores48.table.value("spose", "RDM48", f"{m} with people").value for m in ("pearson", "spearman")]
    assert values == pytest.approx([0.8660, 0.8648], abs=5e-5)
    values = [scores48.table.value("over time", "RDM48", f"{m} with people").value for m in ("pearson", "spearman")]
    assert values == pytest.approx([0.8484, 0.8440], abs=5e-5)
    assert scores48.table.value("SPoSE-66", "RDM48", "pearson with people").value == pytest.approx(0.9060, abs=5e-5)


def test_the_best_time_says_that_it_was_chosen_here(scores48, things):
    row = scores48.table.value("over time", "RDM48", "pearson, best of its times")
    assert row.split == "the time (0ms) was chosen on these very pairs: optimistic"
    place = {label: i for i, label in enumerate(things.labels)}
    x = things.spose66[[place[label] for label in things.rdm48.labels]]
    assert row.value == pytest.approx(pearsonr(pdist(x, "correlation"), things.rdm48.values).statistic)
    assert np.isnan([row.ceiling_low, row.percent_of_ceiling]).all()
    assert len([row for row in scores48.table.rows if "best of its times" in row.measure]) == 2
