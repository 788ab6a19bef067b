from __future__ import annotations

import numpy as np
import pytest

from alignkit.data._simulate_meg_noise import sensor_root, time_root
from alignkit.data._simulate_objects import is_low_level
from alignkit.data._simulate_sensors import helmet, topographies

SENSORS = helmet(48)
FIELDS = topographies(SENSORS, is_low_level(12), np.random.default_rng(2))


def test_white_noise_needs_no_root():
    assert time_root("white", 50, 100.0) is None
    assert sensor_root("white", SENSORS, FIELDS, 48) is None


def test_time_root_gives_unit_variance_and_one_over_f():
    root = time_root("realistic", 400, 100.0)
    covariance = root.T @ root
    np.testing.assert_allclose(np.diag(covariance), 1)
    np.testing.assert_allclose(covariance[0, :50], covariance[30, 30:80], atol=1e-10)  # stationary
    # the expected periodogram, from the covariance alone
    window = np.hanning(400)
    waves = np.exp(-2j * np.pi * np.outer(np.arange(201), np.arange(400)) / 400) * window
    power = np.einsum("ft,tu,fu->f", waves, covariance, waves.conj()).real
    frequency = np.fft.rfftfreq(400, 0.01)
    inside = (frequency >= 2) & (frequency <= 40)
    slope = np.polyfit(np.log(frequency[inside]), np.log(power[inside]), 1)[0]
    assert slope == pytest.approx(-1, abs=0.1)


@pytest.mark.parametrize("noise", ["white", "realistic"])
@pytest.mark.parametrize("rank", [12, 20, 48])
def test_sensor_root_has_the_rank_and_favours_no_latent(noise, rank):
    root = sensor_root(noise, SENSORS, FIELDS, rank)
    if root is None:
        root = np.eye(48)
    covariance = root @ root.T
    assert np.linalg.matrix_rank(covariance) == rank
    assert np.trace(covariance) == pytest.approx(48)
    inside = FIELDS @ covariance @ FIELDS.T
    np.testing.assert_allclose(inside, inside[0, 0] * np.eye(12), atol=1e-10)
    np.testing.assert_allclose(covariance @ FIELDS.T, inside[0, 0] * FIELDS.T, atol=1e-10)  # and nothing leaks out
    whitened = FIELDS @ np.linalg.pinv(covariance, rcond=1e-9, hermitian=True) @ FIELDS.T
    np.testing.assert_allclose(whitened, np.eye(12) / inside[0, 0], atol=1e-8)


def test_neighbours_share_more_noise_than_distant_sensors():
    root = sensor_root("realistic", SENSORS, FIELDS, 48)
    covariance = root @ root.T
    deviation = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(deviation, deviation)
    distances = SENSORS.distances
    off = ~np.eye(48, dtype=bool)
    assert correlation[off & (distances < 0.05)].mean() > 0.2
    assert abs(correlation[distances > 0.18].mean()) < 0.1
    assert deviation.max() < 1.5 * deviation.min()
