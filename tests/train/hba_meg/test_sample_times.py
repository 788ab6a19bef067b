from __future__ import annotations

import numpy as np
import pytest

from alignkit.meg import average_times
from alignkit.meg._slices import as_sources
from alignkit.rsa import RDM
from alignkit.train.hba_meg._sample_times import sample_times


def movie(rng, times, n_people=2):
    coords = {"subject": [f"p{i}" for i in range(n_people)], "time": times}
    return RDM(rng.random((n_people, len(times), 6)), list("abcd"), dims=("subject", "time"), coords=coords)


def sampled(rdm, **options):
    (source,) = as_sources({"it": rdm})
    return sample_times(source, **{"size": 1, "tmin": None, "tmax": None, **options})


def test_the_118_images_are_averaged_as_published(rng):
    rdm = movie(rng, np.linspace(-0.1, 1.0, 1101).round(9), n_people=1)
    source = sampled(rdm, size=5)
    expected = average_times(rdm, size=5, keep_first=True, stamp="last")
    assert source.n_times == 221
    assert source.times == pytest.approx(np.linspace(-0.1, 1.0, 221))
    assert np.allclose(source.read(0, 221), expected.values)
    assert np.array_equal(source.read(0, 1)[0, 0], rdm.values[0, 0])
    assert np.allclose(source.read(20, 21)[0, 0], rdm.values[0, 96:101].mean(axis=0))
    part = sampled(rdm, size=5, tmin=0.0, tmax=0.5)
    assert part.times == pytest.approx(np.linspace(0.0, 0.5, 101))
    assert np.allclose(part.read(3, 9), expected.values[:, 23:29])


def test_other_means_have_the_mean_time_and_leave_the_rest_out(rng):
    rdm = movie(rng, np.arange(11) / 10 - 0.2)
    source = sampled(rdm, size=3)
    assert source.times == pytest.approx([-0.1, 0.2, 0.5])
    expected = np.stack([rdm.values[:, 3 * k : 3 * k + 3].mean(axis=1) for k in range(3)], axis=1)
    assert np.allclose(source.read(0, 3), expected)
    assert np.allclose(source.read(1, 2), expected[:, 1:2])
    later = sampled(rdm, size=3, tmin=0.0)
    assert np.allclose(later.read(0, 2), expected[:, 1:])


def test_a_stretch_of_time_is_read_where_it_lies(rng):
    rdm = movie(rng, np.arange(11) / 10 - 0.2)
    source = sampled(rdm, tmin=0.0, tmax=0.5)
    assert source.times == pytest.approx(np.arange(6) / 10)
    assert np.array_equal(source.read(1, 4), rdm.values[:, 3:6])


def test_a_pair_missing_at_one_sample_is_missing_in_the_mean(rng):
    rdm = movie(rng, np.arange(4.0))
    values = rdm.values.copy()
    values[0, 1, 2] = np.nan
    found = sampled(rdm.replace(values), size=2).read(0, 2)
    assert np.argwhere(np.isnan(found)).tolist() == [[0, 0, 2]]


def test_too_few_samples_are_refused(rng):
    with pytest.raises(ValueError, match="2 times, too few to average 3"):
        sampled(movie(rng, np.arange(2.0)), size=3)
    with pytest.raises(ValueError, match="no time between tmin=5 and tmax=None"):
        sampled(movie(rng, np.arange(2.0)), tmin=5)
