"""Noise of simulated M/EEG: 1/f in time, smooth over the helmet, of a known rank, and fair to what is planted."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.linalg import toeplitz

from alignkit._typing import FloatArray
from alignkit.data._simulate_sensors import Sensors

Noise = Literal["realistic", "white"]

_EXPONENT = 1.0  # of 1/f power
_CORNER_HZ = 1.0  # below it the spectrum is flat, as after a high-pass filter
_REACH_M = 0.06  # distance over which correlation falls to 1/e
_OWN = 0.1  # share of a sensor's variance that no other sensor sees


def time_root(noise: Noise, n_times: int, sfreq: float) -> FloatArray | None:
    """Return a matrix R, shape (time, time): white noise @ R has variance 1 and 1/f power; None for white noise."""
    if noise == "white":
        return None
    n = 8 * n_times  # long enough that the ends of the epoch know nothing of each other
    power = 1 / np.maximum(np.fft.rfftfreq(n, 1 / sfreq), _CORNER_HZ) ** _EXPONENT
    correlation = np.fft.irfft(power)[:n_times]
    return np.linalg.cholesky(toeplitz(correlation / correlation[0])).T


def sensor_root(noise: Noise, sensors: Sensors, fields: FloatArray, rank: int) -> FloatArray | None:
    """Return a matrix L, shape (sensor, rank): L @ white noise has mean variance 1 per sensor; None where L is I.

    Realistic noise has covariance ``exp(-distance / 6 cm)`` (a tenth of the variance is each sensor's own). Within the
    space of the signal's ``fields`` (dimension, sensor) it is made isotropic, at the same total variance, and
    uncorrelated with the rest: noise then favours no latent dimension, and whitened distances are the planted ones
    times a constant. A rank below the number of sensors keeps that space and the largest components of the rest.
    """
    n_dimensions, n_sensors = fields.shape
    if noise == "white" and rank == n_sensors:
        return None
    covariance = np.eye(n_sensors)
    if noise == "realistic":
        covariance = (1 - _OWN) * np.exp(-sensors.distances / _REACH_M) + _OWN * covariance
    inside = np.trace(fields @ covariance @ fields.T) / n_dimensions
    rest = np.linalg.svd(fields)[2][n_dimensions:]  # the other directions, orthonormal rows
    variance, direction = np.linalg.eigh(rest @ covariance @ rest.T)
    largest = slice(len(variance) - (rank - n_dimensions), None)
    others = (rest.T @ direction)[:, largest] * np.sqrt(variance[largest])
    root = np.concatenate([np.sqrt(inside) * fields.T, others], axis=1)
    return root * np.sqrt(n_sensors / (root**2).sum())
