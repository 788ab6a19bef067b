"""Resamples of subjects alone: every similarity is computed once, and only means are taken anew."""

from __future__ import annotations

import numpy as np

from alignkit._executor import Executor
from alignkit._typing import IntArray
from alignkit.rsa._compare_rows import Options, compare_rows
from alignkit.rsa._inference._pooled_bounds import pooled_bounds
from alignkit.rsa._inference._resampled import Resampled
from alignkit.rsa._inference._subject_means import scores_of
from alignkit.rsa._inference._task import Task


def subject_resamples(task: Task, counts: IntArray, executor: Executor | None = None) -> Resampled:
    """Return the scores and ceilings of resamples of subjects, ``counts`` of shape (resample, subject)."""
    data, models = task.data, task.models
    if not task.valid.all():
        data, models = (np.where(task.valid, rows, np.nan) for rows in (data, models))
    options = Options(task.method, "omit", sigma_k=task.sigma_k)
    similarities = compare_rows(data, models, options).values
    scores = scores_of(similarities[None], counts.astype(np.float64))
    rows = task.data[:, task.valid]
    # resamples that hold the same subjects equally often are computed once
    distinct, which = np.unique(counts, axis=0, return_inverse=True)
    bounds = pooled_bounds(rows, task, task.valid, task.sigma_k, distinct.astype(np.float64), executor=executor)
    return Resampled(scores, *bounds[which.reshape(-1)].T)
