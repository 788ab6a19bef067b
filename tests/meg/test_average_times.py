from __future__ import annotations

import numpy as np
import pytest

from alignkit.meg import average_times
from alignkit.rsa import RDM


def movie(rng: np.random.Generator, n_times: int) -> RDM:
    times = np.arange(n_times) / 1000 - 0.1
    dims, coords = ["subject", "time"], {"subject": ["a", "b"], "time": times}
    return RDM(rng.random((2, n_times, 6)), ["cat", "dog", "car", "bus"], dims=dims, coords=coords, metric="decoding")


def test_the_grid_of_published_targets(rng):
    rdm = movie(rng, 1101)
    reduced = average_times(rdm, size=5, keep_first=True, stamp="last")
    assert reduced.shape == (2, 221)
    np.testing.assert_allclose(reduced.coords["time"], np.arange(-100, 1001, 5) / 1000, atol=1e-12)
    assert np.array_equal(reduced.values[:, 0], rdm.values[:, 0])
    for i in (1, 7, 220):
        np.testing.assert_allclose(reduced.values[:, i], rdm.values[:, 5 * i - 4 : 5 * i + 1].mean(axis=1), rtol=1e-14)
    assert (reduced.labels, reduced.dims, reduced.metric) == (rdm.labels, rdm.dims, rdm.metric)
    assert reduced.coords["subject"].tolist() == ["a", "b"]


def test_times_of_means(rng):
    rdm = movie(rng, 6)
    reduced = average_times(rdm, size=3)
    np.testing.assert_allclose(reduced.coords["time"], [-0.099, -0.096])
    np.testing.assert_allclose(reduced.values[:, 1], rdm.values[:, 3:].mean(axis=1), rtol=1e-14)
    assert np.array_equal(average_times(rdm, size=1).values, rdm.values)


def test_precision_and_missing_values(rng):
    values = rng.random((4, 6)).astype(np.float32)
    values[1, 2] = np.nan
    rdm = RDM(values, dims=["time"], coords={"time": np.arange(4)})
    reduced = average_times(rdm, size=2)
    assert reduced.values.dtype == np.float32
    assert np.isnan(reduced.values).tolist() == [[i == 2 and j == 0 for i in range(6)] for j in range(2)]


def test_refusals(rng):
    rdm = movie(rng, 7)
    with pytest.raises(TypeError, match="rdm must be an RDM"):
        average_times(rdm.values, size=2)
    with pytest.raises(ValueError, match="size=2 does not divide the 7 times; leave some out with isel"):
        average_times(rdm, size=2)
    with pytest.raises(ValueError, match="size=4 does not divide the 6 times after the first"):
        average_times(rdm, size=4, keep_first=True)
    with pytest.raises(ValueError, match="at least 1"):
        average_times(rdm, size=0)
    with pytest.raises(ValueError, match="one of 'mean', 'last'"):
        average_times(rdm, size=7, stamp="first")
    with pytest.raises(ValueError, match="needs an axis 'time'"):
        average_times(rdm.isel(time=0), size=1)


def test_sums_in_double_precision():
    values = np.full((3000, 3), 1.1, dtype=np.float32)
    values[0] = 1e7
    movie = RDM(values, dims=["time"], coords={"time": np.arange(3000.0)})
    expected = np.float32(values.astype(np.float64).mean(axis=0))
    assert np.array_equal(average_times(movie, size=3000).values[0], expected)
