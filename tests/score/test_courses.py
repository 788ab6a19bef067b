from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from alignkit.meg import timecourse
from alignkit.rsa import RDM
from alignkit.score import _meg_sets
from alignkit.score._courses import follow
from alignkit.score._meg_sets import MEG_SETS, open_movie
from alignkit.score._row import Settings

ONE = MEG_SETS[1]


@pytest.fixture(scope="module")
def models(meg):
    rng = np.random.default_rng(0)
    truth = meg.truth["cichy118"]
    labels = meg.names["cichy118"]
    return {
        name: RDM(pdist(truth + noise * rng.normal(size=truth.shape), "correlation"), labels)
        for name, noise in {"good": 0.3, "bad": 2.0}.items()
    }


def test_it_is_the_time_course_of_all_people(meg, models):
    labels = tuple(meg.names["cichy118"])
    settings = Settings(n_bootstrap=100, confidence=0.9, seed=4)
    with open_movie(ONE, meg.root) as movie:
        found = follow(models, movie, labels, None, settings)
    people = RDM(meg.people["cichy118"], labels, dims=("subject", "time"), coords={"time": meg.times["cichy118"]})
    expected = timecourse(models, people, n_bootstrap=100, confidence=0.9, rng=4)
    for name in ("similarity", "mean", "lower", "upper", "interval", "lower_per_subject"):
        np.testing.assert_allclose(getattr(found.course, name), getattr(expected, name), atol=1e-12)
    assert found.course.models == ("good", "bad")
    assert found.course.subjects == tuple(f"subject {k}" for k in range(1, 6))
    mean = timecourse(models, people.mean("subject"), n_bootstrap=0)
    np.testing.assert_allclose(found.group, mean.similarity[:, 0], atol=1e-12)


def test_stretches_make_no_difference(meg, models, monkeypatch):
    labels = tuple(meg.names["cichy118"])
    with open_movie(ONE, meg.root) as movie:
        whole = follow(models, movie, labels, 2, Settings(n_bootstrap=0))
        monkeypatch.setattr("alignkit.meg._rdm_array._BLOCK", 7 * 10 * 14 * 14 * 8)
        monkeypatch.setattr(_meg_sets, "_STRETCH", 1)
        object.__setattr__(movie.source, "data", np.asarray(movie.source.data))
        parts = follow(models, movie, labels, 2, Settings(n_bootstrap=0))
    np.testing.assert_allclose(parts.course.similarity, whole.course.similarity, atol=1e-12)
    np.testing.assert_allclose(parts.course.upper, whole.course.upper, atol=1e-12)
    np.testing.assert_allclose(parts.group, whole.group, atol=1e-12)


def test_some_models_alone(meg, models):
    with open_movie(ONE, meg.root) as movie:
        found = follow(models, movie, tuple(meg.names["cichy118"]), None, Settings(n_bootstrap=20))
    alone = found.only(["bad"])
    assert alone.models == ("bad",)
    np.testing.assert_array_equal(alone.curves(), found.course.curves("bad"))
    assert alone.interval.shape == (2, 1, 221)
