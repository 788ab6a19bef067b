from __future__ import annotations

import numpy as np
import pytest

from alignkit.data._simulate_objects import is_low_level
from alignkit.data._simulate_sensors import helmet, topographies


@pytest.mark.parametrize("n", [1, 12, 64, 271, 900])
def test_sensors_are_unique_and_on_a_sphere(n):
    sensors = helmet(n)
    assert len(set(sensors.names)) == n
    assert {name[0] for name in sensors.names} == {"M"}
    assert {name[2] for name in sensors.names} <= set("OTPFC")
    np.testing.assert_allclose(np.linalg.norm(sensors.positions, axis=1), 0.12)


def test_sensors_are_spread_evenly_and_leave_the_face_free():
    sensors = helmet(271)
    nearest = (sensors.distances + np.eye(271)).min(axis=1)
    assert nearest.max() < 2 * nearest.min()
    x, y, z = sensors.positions.T
    assert not ((y > 0.06) & (z < 0)).any()
    assert ((y < -0.06) & (z < 0)).any()
    assert abs((x < 0).sum() - 135.5) <= 5


def test_names_tell_where_sensors_are():
    sensors = helmet(271)
    region, side = (np.array([name[k] for name in sensors.names]) for k in (2, 1))
    x, y, z = sensors.positions.T
    np.testing.assert_array_equal(side == "L", x < 0)
    assert y[region == "O"].max() < 0
    assert y[region == "F"].min() > 0
    assert z[region == "C"].min() > z[region == "O"].max()
    assert np.abs(x[region == "T"]).min() > 0.04
    assert np.bincount(np.unique(region, return_inverse=True)[1]).min() > 30


@pytest.mark.parametrize("n", [12, 32, 271])
@pytest.mark.parametrize("n_dimensions", [8, 12])
def test_topographies_are_orthonormal(n, n_dimensions):
    fields = topographies(helmet(n), is_low_level(n_dimensions), np.random.default_rng(4))
    assert fields.shape == (n_dimensions, n)
    np.testing.assert_allclose(fields @ fields.T, np.eye(n_dimensions), atol=1e-12)


def test_topographies_are_smooth_and_in_their_regions():
    sensors, low_level = helmet(271), is_low_level(12)
    region = np.array([name[2] for name in sensors.names])
    neighbour = (sensors.distances + 9 * np.eye(271)).argmin(axis=1)
    for seed in range(5):
        fields = topographies(sensors, low_level, np.random.default_rng(seed))
        assert min(np.corrcoef(field, field[neighbour])[0, 1] for field in fields) > 0.5
        power = [(fields[mask] ** 2).sum(axis=0) for mask in (low_level, ~low_level)]
        assert power[0][region == "O"].mean() > 2 * power[0][region == "T"].mean()
        assert power[1][region == "T"].mean() > 2 * power[1][region == "O"].mean()
