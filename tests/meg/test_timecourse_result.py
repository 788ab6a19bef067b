"""A time course becomes tables, Datasets, Evokeds and sentences, and comes back from JSON."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from alignkit.meg import TimeCourse, timecourse
from alignkit.rsa import RDM

TIMES = np.array([-0.1, 0.0, 0.1, 0.2])


@pytest.fixture
def result(rng) -> TimeCourse:
    people = RDM(
        rng.normal(size=(3, 4, 10)),
        dims=["subject", "time"],
        coords={"subject": ["ann", "bob", "cat"], "time": TIMES},
        metric="crossnobis",
    )
    models = {"animacy": rng.normal(size=10), "size": rng.normal(size=10)}
    return timecourse(models, people, n_bootstrap=50, rng=0)


@pytest.fixture
def timed(rng) -> TimeCourse:
    models = RDM(rng.normal(size=(2, 3, 10)), dims=["model", "time"], coords={"time": [0.0, 0.5, 1.0]})
    return timecourse(models, RDM(rng.normal(size=(4, 10)), dims=["time"], coords={"time": TIMES}))


def test_tables_are_long(result, timed):
    table = result.to_dataframe()
    assert list(table.columns) == [
        "model", "participant", "time", "similarity", "lower", "upper", "method", "pooling",
    ]  # fmt: skip
    assert len(table) == 2 * 3 * 4
    row = table[(table.model == "size") & (table.participant == "bob") & (table.time == 0.1)]
    assert row.similarity.item() == result.similarity[1, 1, 2]
    assert row.lower.item() == result.lower[2]
    assert row.upper.item() == result.upper[2]
    matrix = timed.to_dataframe()
    assert len(matrix) == 2 * 3 * 4
    row = matrix[(matrix.model == "model 1") & (matrix.model_time == 0.5) & (matrix.time == 0.2)]
    assert row.similarity.item() == timed.similarity[1, 0, 1, 3]


def test_datasets_hold_everything_by_name(result, timed):
    pytest.importorskip("xarray")
    dataset = result.to_xarray()
    assert dataset.similarity.sel(model="size", subject="cat", time=0.2).item() == result.similarity[1, 2, 3]
    assert dataset.interval.sel(bound="high", model="animacy", time=0.0).item() == result.interval[1, 0, 1]
    assert dataset.upper_per_subject.sel(subject="ann", time=0.1).item() == result.upper_per_subject[0, 2]
    assert timed.to_xarray().similarity.dims == ("model", "subject", "model_time", "time")


def test_evokeds_hold_one_channel_per_model(result, timed):
    mne = pytest.importorskip("mne")
    evoked = result.to_evoked()
    assert evoked.ch_names == ["animacy", "size"]
    assert evoked.get_channel_types() == ["misc", "misc"]
    assert np.array_equal(evoked.data, result.mean)
    assert np.allclose(evoked.times, TIMES)
    assert evoked.nave == 3
    assert np.array_equal(result.to_evoked("bob").data, result.similarity[:, 1])
    people = [result.to_evoked(name) for name in result.subjects]
    (figure,) = mne.viz.plot_compare_evokeds(people, picks=["size"], show=False, show_sensors=False)
    assert figure.axes
    with pytest.raises(ValueError, match="subject must be one of 'ann', 'bob', 'cat'"):
        result.to_evoked("dan")
    with pytest.raises(ValueError, match="one time axis"):
        timed.to_evoked()
    with pytest.raises(ValueError, match="evenly spaced"):
        dataclasses.replace(result, times=np.array([0.0, 0.1, 0.3, 0.4])).to_evoked()


@pytest.mark.parametrize("name", ["result", "timed"])
def test_results_come_back_from_json(name, request, tmp_path):
    result = request.getfixturevalue(name)
    result.save(tmp_path / "a.json")
    again = TimeCourse.load(tmp_path / "a.json")
    for field in dataclasses.fields(result):
        before, after = getattr(result, field.name), getattr(again, field.name)
        if isinstance(before, np.ndarray):
            assert np.array_equal(before, after, equal_nan=True)
            assert after.dtype == np.float64
        else:
            assert before == after
    result.save(tmp_path / "a.csv")
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 25


def test_the_repr_is_one_screen_and_says_where_models_peak(result, timed, rng):
    text = repr(result)
    best = result.mean[0].argmax()
    low, high = result.interval[:, 0, best]
    assert text.startswith("<TimeCourse spearman, 3 participants, 5 items, 4 samples from -0.1 to 0.2 s; ceiling ")
    assert f"animacy: highest mean {result.mean[0, best]:.4f} [{low:.4f}, {high:.4f}] at {TIMES[best]:g} s" in text
    assert "(model: " in repr(timed)
    many = timecourse(rng.normal(size=(40, 10)), rng.normal(size=(4, 10)), n_bootstrap=0)
    assert len(repr(many).splitlines()) < 12
    assert "and 34 more models" in repr(many)


def test_sentences_say_what_was_done(result, timed):
    text = result.methods_text()
    for part in (
        "RDMs of crossnobis dissimilarities of 3 participants (5 items, 10 item pairs; 4 samples from -0.1 to 0.2 s)",
        "compared with 2 model RDMs at each time by Spearman's rank correlation",
        "items matched by position",
        "95% expanded percentile intervals (Hesterberg, 2015) by bootstrap over participants, 50 resamples",
        "averaged on the scale of the comparison (ranks)",
    ):
        assert part in text
    assert "each time of the model with each time of the data" in timed.methods_text()
    assert "Noise ceilings" not in timed.methods_text()


def test_curves_of_one_model(result, timed):
    assert np.array_equal(result.curves("size"), result.similarity[1])
    assert np.array_equal(result.curves(-1), result.similarity[1])
    assert result.position(np.int64(0)) == 0
    assert timed.curves(0).shape == (1, 3, 4)
    with pytest.raises(ValueError, match="holds 2 models; name one of 'animacy', 'size'"):
        result.curves()
    with pytest.raises(ValueError, match="model must be one of 'animacy', 'size'; got 'colour'"):
        result.curves("colour")
    with pytest.raises(ValueError, match="position below 2; got 2"):
        result.curves(2)
    with pytest.raises(TypeError, match=r"name or a position; got 1\.5"):
        result.curves(1.5)
    single = dataclasses.replace(result, models=("size",), similarity=result.similarity[1:])
    assert np.array_equal(single.curves(), result.similarity[1])


def test_what_is_drawn_goes_into_a_report(result, tmp_path):
    mne = pytest.importorskip("mne")
    from matplotlib import pyplot as plt

    before = plt.get_fignums()
    report = mne.Report(verbose=False)
    result.add_to_report(report, title="Models over time", tags=("rsa",))
    assert plt.get_fignums() == before
    assert "Models over time" in report.html[0]
    assert "Noise ceilings at each time" in report.html[0]
