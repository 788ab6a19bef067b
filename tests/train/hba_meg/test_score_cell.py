"""Scores of a cell are those of plain loops, and what is undefined is said."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
from reference.meg_cells import LABELS, PEOPLE, TIMES, curve, models, planted, slices, study
from scipy.integrate import trapezoid
from scipy.stats import spearmanr

from alignkit.meg import cluster_test
from alignkit.rsa import RDM
from alignkit.train.hba_meg._cells import cells_of
from alignkit.train.hba_meg._score_cell import Notes, Numbers, _p_of_mean, height, score_cell, within

NUMBERS = Numbers((0.0, 0.3), 200, 500, 3)


def scored(data, predictors=None, number=0, numbers=NUMBERS):
    notes = Notes()
    return score_cell(data, cells_of(data, seed=0)[0][number], predictors or models(), numbers, notes), list(notes)


@pytest.fixture(scope="module")
def data():
    return study(test=True)


@pytest.fixture(scope="module")
def cell(data):
    return scored(data)[0]


def test_curves_are_those_of_single_comparisons(data, cell):
    assert cell.course.models == ("moving", "still", "noise")
    assert cell.course.subjects == PEOPLE[1:6]
    for name, predict in models().items():
        for person in PEOPLE[1:3]:
            expected = curve(data, predict, data.held_out, person, test=True)
            found = cell.course.curves(name)[cell.course.subjects.index(person)]
            np.testing.assert_allclose(found, expected, atol=1e-12)


def test_means_and_areas_are_trapezoids_of_these_curves(cell):
    inside = (TIMES >= 0) & (TIMES <= 0.3)
    for one in cell.models:
        curves = cell.course.curves(one.model)[:, inside]
        areas = trapezoid(curves, TIMES[inside], axis=1)
        assert one.area.integral == pytest.approx(areas.mean())
        assert one.mean == pytest.approx(areas.mean() / 0.3)
        np.testing.assert_allclose(one.per_person, areas / 0.3)
        assert one.low < one.mean < one.high
        assert one.area.share_upper == pytest.approx(one.mean / cell.upper)
    assert cell.window == (0.0, 0.3)
    assert cell.lower == pytest.approx(trapezoid(cell.course.lower[inside], TIMES[inside]) / 0.3)


def test_tests_are_those_of_the_time_course(cell):
    test = cluster_test(cell.course, model="moving", tail="greater", n_permutations=500, rng=3)
    assert cell.model("moving").p == test.p_cluster.min() == 1 / 32
    assert cell.model("moving").test.null is None


def test_differences_are_within_people(cell):
    names = [(gap.model, gap.other) for gap in cell.differences]
    assert names == [("moving", "still"), ("moving", "noise"), ("still", "noise")]
    gap = cell.differences[1]
    per_person = cell.model("moving").per_person - cell.model("noise").per_person
    assert gap.difference == pytest.approx(per_person.mean())
    # all five differences are above zero: of 32 patterns of signs two are as extreme
    assert (per_person > 0).all()
    assert gap.p == 2 / 32


def test_models_that_are_equal_are_named_and_have_no_difference(data):
    moving, still, _ = models().values()
    cell, notes = scored(data, {"trained": moving, "start": moving, "still": still})
    gap = cell.differences[0]
    assert (gap.difference, gap.low, gap.high) == (0, 0, 0)
    assert np.isnan([gap.p, gap.p_cluster]).all()
    assert not np.isnan([one.p for one in cell.differences[1:]]).any()
    (said,) = [note for note in notes if "equal" in note]
    assert said.startswith("Trained and start are equal at every time for everybody: their difference has no p (")


def test_models_that_are_equal_at_some_times_are_named(data):
    movie = models()["moving"](data.held_out)
    values = movie.values.copy()
    values[5] = np.random.default_rng(0).normal(size=values.shape[1])
    other = RDM(values, movie.labels, dims=["time"], coords={"time": movie.coords["time"]})
    cell, notes = scored(data, {"a": lambda rows: movie, "b": lambda rows: other})
    assert np.isfinite(cell.differences[0].p_cluster)
    (said,) = [note for note in notes if "equal" in note]
    assert said.startswith("All subjects are equal with 'a - b' at: ")


def test_one_mean_for_everybody_has_no_p_and_is_named():
    notes = Notes()
    assert np.isnan(_p_of_mean(np.full(6, 0.2), "greater", NUMBERS, notes, "m: a cell"))
    assert list(notes) == ["All people have the same mean: it has no p ('m: a cell')"]


def test_onset_and_peak_are_where_they_were_planted():
    clear = study(rdms=slices(PEOPLE, 5, noise=0.8))
    moving = scored(clear, number=4)[0].model("moving")
    assert moving.peak.value == pytest.approx(0.15, abs=0.011)
    assert moving.onset.value == pytest.approx(0.06, abs=0.021)
    assert moving.p == 1 / 64


def test_a_perfect_model_lies_within_the_band_and_a_moving_one_needs_its_own_times():
    clear = study(rdms=slices(PEOPLE, 6, noise=2.0), held_out_people=0)
    movie = planted()
    backwards = RDM(movie.values[::-1], LABELS, dims=["time"], coords={"time": TIMES})
    found, _ = scored(clear, {"planted": movie.take, "backwards": backwards.take}, number=2)
    mean = found.model("planted").mean
    assert found.lower - 0.02 < mean < found.upper
    assert mean > found.model("backwards").mean
    assert found.differences[0].p < 0.05


def test_missing_pairs_are_left_out_and_people_without_rdms_are_named():
    values = np.array(slices(PEOPLE, 1).read(0, len(TIMES)), dtype=np.float64)
    values[0, :, :5] = np.nan
    values[2, 7] = np.nan
    values[4, 9] = 0.5
    holes = study(rdms=slices(PEOPLE, 1, values=values))
    found, notes = scored(holes, number=4)
    assert found.course.subjects == ("a", "b", "d", "f")
    assert found.course.nan_policy == "omit"
    assert np.isfinite(found.course.similarity).all()
    assert any("'c', 'e': fewer than 6 pairs, or only equal ones, at some time" in note for note in notes)
    n = int(np.isnan(holes.movie(holes.train, ["a"]).values).any(axis=1).sum())
    assert 0 < n <= 5
    assert any(note.startswith(f"'a': {n} of 91 pairs have no number at some time. ('trained items") for note in notes)
    values[:, 7] = np.nan
    assert scored(study(rdms=slices(PEOPLE, 1, values=values)), number=4)[0] is None


def test_an_item_whose_dimensions_are_alike_is_named_once_and_its_pairs_are_left_out(data):
    labels = [data.labels[i] for i in data.held_out]
    rng = np.random.default_rng(5)
    values = rng.random((len(labels), len(TIMES), 4))
    values[3, 20:] = 0.0  # nothing is left of one item
    movie = rdm_of(values, labels).values
    found, notes = scored(data, {**models(), "ours": lambda rows: rdm_of(values, labels)})
    said = [note for note in notes if "are left out" in note]
    assert len(said) == 1
    assert said[0].startswith(f"All dimensions of {labels[3]!r} are alike at some time, so that pairs with them have")
    assert said[0].endswith("('ours: held-out items x trained people (other sessions)')")
    people = data.movie(data.held_out, found.course.subjects, test=True).values
    for person, own in zip(people, found.course.curves("ours"), strict=True):
        for t in (0, 19, 20, 50):
            there = ~np.isnan(movie[t])
            assert there.sum() == (45 if t < 20 else 36)
            assert own[t] == pytest.approx(spearmanr(movie[t][there], person[t][there]).statistic)
    # the others are compared by all pairs
    without = scored(data)[0]
    np.testing.assert_allclose(found.course.curves("moving"), without.course.curves("moving"), atol=1e-12)
    assert found.lower == pytest.approx(without.lower)


def rdm_of(values, labels):
    """Return 1 - r between items at every time, as an RDM, by a plain loop."""
    n = len(labels)
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    with np.errstate(invalid="ignore"):
        rows = [[1 - np.corrcoef(values[i, t], values[j, t])[0, 1] for i, j in pairs] for t in range(len(TIMES))]
    return RDM(np.array(rows), labels, dims=["time"], coords={"time": TIMES})


def test_a_model_without_an_rdm_at_some_time_has_no_curve_summaries(data):
    values = np.array(planted().values)
    values[:10] = 1.0
    flat = RDM(values, LABELS, dims=["time"], coords={"time": TIMES})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, notes = scored(data, {"flat": flat.take, **models()})
    one = found.model("flat")
    assert one.area is one.onset is one.peak is one.test is None
    assert np.isfinite(one.mean)
    assert 0 < one.p <= 1
    assert found.model("moving").test is not None
    assert any("Undefined at 10 times" in note for note in notes)


def test_one_person_has_no_test_and_no_interval(data):
    found, _ = scored(dataclasses.replace(data, held_out_people=("h",)), number=1)
    assert found.n_people == 1
    one = found.model("moving")
    assert one.test is None
    assert np.isnan([one.p, one.low, one.high]).all()
    assert np.isfinite(one.mean)
    assert one.peak is not None
    assert np.isnan(found.differences[0].p)


def test_no_onset_without_a_baseline():
    times = np.arange(1, 12) / 100
    found, notes = scored(study(times=times), models(times), numbers=dataclasses.replace(NUMBERS, window_s=None))
    assert found.model("moving").onset is None
    assert found.model("moving").peak is not None
    assert found.window == (0.01, 0.11)
    assert any("No onset: there must be two samples up to 0 s" in note for note in notes)


@pytest.mark.parametrize("times", [np.array([0.0]), np.array([0.0, 0.1])])
def test_one_time_has_means_and_differences_but_no_curve(times):
    found, _ = scored(study(times=times), models(times), numbers=dataclasses.replace(NUMBERS, window_s=None))
    assert not found.timed
    one = found.model("moving")
    assert one.area is one.onset is one.peak is one.test is None
    assert one.mean == pytest.approx(found.course.curves("moving").mean())
    assert 0 < one.p <= 1
    assert one.low < one.high
    assert np.isfinite([found.lower, found.upper]).all()
    assert np.isnan(found.differences[1].p_cluster)


def test_windows():
    assert within(TIMES, None) == slice(10, 51)
    assert within(TIMES, (0.1, 0.2)) == slice(20, 31)
    assert within(TIMES - 1, None) == slice(0, 51)
    assert within(np.array([0.0]), (-1, 1)) == slice(0, 1)
    with pytest.raises(ValueError, match="holds no sample"):
        within(TIMES, (0.5, 0.6))
    with pytest.raises(ValueError, match="the only one is at 0 s"):
        within(np.array([0.0]), (0.5, 0.6))
    assert height(np.array([1.0, 3.0, 4.0]), np.array([0.0, 1.0, 3.0]), slice(0, 3)) == pytest.approx(3.0)


def test_warnings_that_are_none_about_numbers_are_still_warned_of():
    notes = Notes()

    def warn():
        with notes.warned("cell"):
            warnings.warn("something else", UserWarning, stacklevel=1)
            for _ in range(2):
                warnings.warn("a number is NaN", RuntimeWarning, stacklevel=1)

    with pytest.warns(UserWarning, match="something else"):
        warn()
    assert list(notes) == ["A number is NaN ('cell')"]
