"""Models that unfold over time, each followed at its own time, stand beside models that do not."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest

from alignkit.meg import TimeCourse, auc, cluster_test, onset, peak, timecourse
from alignkit.rsa import RDM, compare

TIMES = np.arange(-10, 20) / 100


def movie(rng, *shape, dims, **coords):
    return RDM(rng.normal(size=(*shape, 45)), dims=dims, coords={"time": TIMES, **coords})


@pytest.fixture
def people(rng):
    return movie(rng, 5, 30, dims=["subject", "time"], subject=list("abcde"))


@pytest.fixture
def moving(rng, people):
    own = RDM(people.values.mean(axis=0) + rng.normal(size=(30, 45)) / 10, dims=["time"], coords={"time": TIMES})
    return {"moving": own, "noise": movie(rng, 30, dims=["time"])}


@pytest.fixture
def still(rng):
    return {"still": rng.normal(size=45)}


def test_each_time_of_a_model_meets_that_time_of_the_data(people, moving):
    course = timecourse(moving, people, n_bootstrap=40, rng=0)
    found = course.at_same_times()
    assert found.model_times is None
    assert found.dims == ("model", "subject", "time")
    for k, name in enumerate(moving):
        for subject in range(5):
            for t in (0, 7, 29):
                one, other = moving[name].isel(time=t), people.isel(subject=subject, time=t)
                assert found.similarity[k, subject, t] == pytest.approx(float(compare(one, other, method="spearman")))
    np.testing.assert_array_equal(found.mean, found.similarity.mean(axis=1))
    np.testing.assert_array_equal(found.interval[:, 1, 4], course.interval[:, 1, 4, 4])
    np.testing.assert_array_equal(found.lower, course.lower)


def test_models_without_a_time_axis_stay_as_they_are(people, still):
    course = timecourse(still, people, n_bootstrap=0)
    assert course.at_same_times() is course


def test_grids_that_differ_are_refused(people, rng):
    later = RDM(rng.normal(size=(30, 45)), dims=["time"], coords={"time": TIMES + 0.005})
    course = timecourse(later, people, n_bootstrap=0)
    with pytest.raises(ValueError, match=r"models and that of the data have different times: -0.095 and -0.1 s"):
        course.at_same_times()
    assert course.at_same_times(tolerance=0.006).model_times is None
    short = timecourse(later.isel(time=slice(0, 9)), people, n_bootstrap=0)
    with pytest.raises(ValueError, match="the axis of the models has 9 times and that of the data 30"):
        short.at_same_times(tolerance=1)
    with pytest.raises(ValueError, match="tolerance"):
        course.at_same_times(tolerance=-1)


def test_joined_models_have_one_ceiling_and_go_through_every_summary(people, moving, still):
    moved = timecourse(moving, people, n_bootstrap=40, rng=0).at_same_times()
    stood = timecourse(still, people, n_bootstrap=40, rng=0, ceiling=False)
    for course in (moved.join(stood), stood.join(moved)):
        assert set(course.models) == {"moving", "noise", "still"}
        np.testing.assert_array_equal(course.lower, moved.lower)
        assert course.pooling == "rank"
        k = course.models.index("still")
        np.testing.assert_array_equal(course.similarity[k], stood.similarity[0])
        np.testing.assert_array_equal(course.interval[:, k], stood.interval[:, 0])
        assert "models that unfold over time by their RDM of that time" in course.methods_text()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            assert auc(course, model="moving", n_bootstrap=0).mean > auc(course, model="noise", n_bootstrap=0).mean
            assert onset(course, model="moving", n_bootstrap=0).name == "moving"
            assert peak(course, model="still", n_bootstrap=0).name == "still"
            assert cluster_test(course, model="moving", tail="greater").p_cluster.min() == 1 / 32


def test_a_joined_time_course_comes_back_from_its_file(people, moving, still, tmp_path):
    course = timecourse(moving, people, n_bootstrap=0).at_same_times().join(timecourse(still, people, n_bootstrap=0))
    course.save(tmp_path / "course.json")
    again = TimeCourse.load(tmp_path / "course.json")
    np.testing.assert_array_equal(again.similarity, course.similarity)
    assert again.models == course.models
    assert len(again.to_dataframe()) == 3 * 5 * 30


def test_what_does_not_belong_together_is_not_joined(people, moving, still, rng):
    matrix = timecourse(moving, people, n_bootstrap=0)
    stood = timecourse(still, people, n_bootstrap=0)
    with pytest.raises(ValueError, match="at_same_times"):
        stood.join(matrix)
    with pytest.raises(ValueError, match="different names; repeated: 'still'"):
        stood.join(stood)
    with pytest.raises(ValueError, match="agree in method; got 'spearman' and 'pearson'"):
        stood.join(timecourse({"other": still["still"]}, people, method="pearson", n_bootstrap=0))
    with pytest.raises(ValueError, match="agree in subjects"):
        stood.join(timecourse({"other": still["still"]}, people.isel(subject=slice(0, 4)), n_bootstrap=0))
    with pytest.raises(ValueError, match="different times"):
        stood.join(dataclasses.replace(stood, times=stood.times + 1, models=("other",)))
