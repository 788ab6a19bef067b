"""Plain loops for fMRI: regressors, averages of volumes, and small images to read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

AFFINE = np.array([[-2.0, 0.0, 0.0, 30.0], [0.0, 3.0, 0.0, -20.0], [0.0, 0.0, 2.5, 5.0], [0.0, 0.0, 0.0, 1.0]])


def write_nifti(path: Path, values: Any, affine: Any = AFFINE, tr: float | None = None, **header: Any) -> Path:
    """Write an image; ``tr`` is in seconds."""
    import nibabel

    array = np.asarray(values)
    image = nibabel.Nifti1Image(array, affine, dtype=header.pop("dtype", array.dtype))
    if tr is not None:
        image.header.set_xyzt_units("mm", "sec")
        image.header.set_zooms((*image.header.get_zooms()[:3], tr))
    nibabel.save(image, path)
    return path


def glover(t: float) -> float:
    """Return Glover's (1999) haemodynamic response t seconds after an impulse, by nilearn's parameters, unscaled."""

    def gamma_density(t: float, shape: float, scale: float) -> float:
        return t ** (shape - 1) * math.exp(-t / scale) / (math.gamma(shape) * scale**shape) if t > 0 else 0.0

    peak = gamma_density(t, 6 / 0.9, 0.9)
    undershoot = gamma_density(t, 12 / 0.9, 0.9)
    return peak - 0.48 * undershoot


def regressor(onsets: Any, durations: Any, n_volumes: int, tr: float, step: float = 0.05) -> np.ndarray:
    """Return boxcars convolved with the response, by a sum over small steps of time."""
    area = sum(glover(i * step) for i in range(int(32 / step))) * step
    values = np.zeros(n_volumes)
    for k in range(n_volumes):
        for onset, duration in zip(onsets, durations, strict=True):
            for i in range(round(duration / step)):
                lag = k * tr - (onset + (i + 0.5) * step)
                if 0 < lag < 32:
                    values[k] += glover(lag) * step / area
    return values


def block_means(values: np.ndarray, events: Any, tr: float, lag: float) -> np.ndarray:
    """Return the mean of the volumes in each shifted event, of time series without their line of best fit."""
    n_volumes, n_voxels = values.shape
    flat = np.empty_like(values)
    for v in range(n_voxels):
        slope, intercept = np.polyfit(np.arange(n_volumes), values[:, v], 1)
        flat[:, v] = values[:, v] - (intercept + slope * np.arange(n_volumes))
    rows = []
    for _, onset, duration in events:
        inside = [k for k in range(n_volumes) if onset + lag - 1e-6 <= k * tr < onset + duration + lag - 1e-6]
        rows.append(flat[inside].mean(axis=0))
    return np.array(rows)
