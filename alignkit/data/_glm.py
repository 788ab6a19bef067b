"""A general linear model of one run: one pattern per condition, and what is left as noise."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from alignkit._check import join_names, require
from alignkit._typing import FloatArray
from alignkit.data._events import Events
from alignkit.data._nifti import EXTRA

HRF = Literal["glover", "spm", "glover + derivative", "spm + derivative"]
Drift = Literal["cosine", "polynomial"]
NoiseModel = Literal["ols", "ar1"]
#: Seconds before the run after which an event began, for all that its responses (32 s) tell.
_BEFORE = -64.0


@dataclass(frozen=True, slots=True)
class RunPatterns:
    """Patterns of one run, shape (rows, voxels), their conditions, and the noise that the model leaves.

    ``dof`` is the sum of squares that residuals of white noise of variance 1 are expected to have, rounded.
    """

    values: FloatArray
    labels: tuple[str, ...]
    residuals: FloatArray
    dof: int


@dataclass(frozen=True, slots=True)
class GLM:
    """What the regressors are: see :func:`read_timeseries`."""

    hrf: HRF
    drift: Drift | None
    high_pass: float
    drift_order: int
    noise_model: NoiseModel
    slice_time_ref: float


def design_matrix(
    events: Events, n_volumes: int, tr: float, model: GLM, confounds: FloatArray | None
) -> tuple[FloatArray, tuple[str, ...]]:
    """Return the regressors, shape (volumes, regressors), those of the conditions first, and the conditions."""
    import pandas as pd

    first_level = require("nilearn.glm.first_level", EXTRA)
    conditions = tuple(dict.fromkeys(events.labels))
    # names that can collide neither with each other's derivatives nor with those of the drifts
    codes = {label: f"event{i:06d}" for i, label in enumerate(conditions)}
    onsets = np.maximum(events.onsets, _BEFORE)
    table = pd.DataFrame(
        {
            "onset": onsets,
            "duration": events.durations - (onsets - events.onsets),
            "trial_type": [codes[label] for label in events.labels],
        }
    )
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        # an event without duration is an impulse, as documented
        warnings.filterwarnings("ignore", message="The following conditions contain events with null duration")
        # the caller refuses such a matrix; nilearn divides by its smallest singular value, 0, before it warns
        warnings.filterwarnings("ignore", message="Matrix is singular at working precision")
        matrix = first_level.make_first_level_design_matrix(
            (np.arange(n_volumes) + model.slice_time_ref) * tr,
            table,
            hrf_model=model.hrf,
            drift_model=model.drift,
            high_pass=model.high_pass,
            drift_order=model.drift_order,
            add_regs=confounds,
            min_onset=min(-24.0, float(onsets.min()) - 1.0),
        )
    columns = [codes[label] for label in conditions]
    rest = [name for name in matrix.columns if name not in columns]
    return np.asarray(matrix[[*columns, *rest]], dtype=np.float64), conditions


def fit_glm(
    values: FloatArray, events: Events, tr: float, model: GLM, *, run: str, confounds: FloatArray | None = None
) -> RunPatterns:
    """Fit one run, shape (volumes, voxels), without scaling it.

    Raises
    ------
    ValueError
        A condition without effect on any volume, regressors that depend on each other, or as many of them as volumes.
    """
    first_level = require("nilearn.glm.first_level", EXTRA)
    matrix, conditions = design_matrix(events, len(values), tr, model, confounds)
    _check_design(matrix, conditions, run)
    codes, results = first_level.run_glm(values, matrix, noise_model=model.noise_model)
    betas = np.empty((len(conditions), values.shape[1]))
    residuals = np.empty_like(values)
    for code, result in results.items():
        betas[:, codes == code] = result.theta[: len(conditions)]
        # of the whitened model: successive ones are independent, as the degrees of freedom count them
        residuals[:, codes == code] = result.whitened_residuals
    return RunPatterns(betas, conditions, residuals, len(values) - matrix.shape[1])


def _check_design(matrix: FloatArray, conditions: Sequence[str], run: str) -> None:
    n_volumes, n_regressors = matrix.shape
    if n_regressors >= n_volumes:
        msg = f"run {run!r} has {n_volumes} volumes and {n_regressors} regressors; nothing would be left as noise."
        raise ValueError(msg)
    sizes = np.linalg.norm(matrix, axis=0)
    silent = [name for name, size in zip(conditions, sizes, strict=False) if size < 1e-10]
    if silent:
        msg = f"run {run!r}: {join_names(silent)} have no effect on any volume; do they start at the run's very end?"
        raise ValueError(msg)
    scaled = matrix / np.where(sizes > 0, sizes, 1.0)
    if np.linalg.matrix_rank(scaled, tol=1e-8) < n_regressors:
        msg = (
            f"run {run!r}: its {n_regressors} regressors depend on each other, so that no beta is defined: conditions "
            "shown together, or confounds that repeat each other, the drifts or the constant."
        )
        raise ValueError(msg)
