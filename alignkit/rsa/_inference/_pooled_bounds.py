"""Ceilings of drawn subjects, of whom some may have no similarity to anything."""

from __future__ import annotations

import numpy as np

from alignkit._executor import Executor
from alignkit._typing import BoolArray, FloatArray
from alignkit.rsa._inference._subject_means import means_of_bounds
from alignkit.rsa._inference._task import Task
from alignkit.rsa._pooling import plain_of, pools
from alignkit.rsa._pools import shared_out
from alignkit.rsa._similarity_methods import undefined_rows


def pooled_bounds(
    rows: FloatArray,
    task: Task,
    valid: BoolArray,
    sigma_k: FloatArray | None,
    weights: FloatArray,
    prepared: FloatArray | None = None,
    executor: Executor | None = None,
) -> FloatArray:
    """Return mean (lower, upper), shape (m, 2), of subjects drawn as often as (m, subject) ``weights`` say.

    ``rows`` hold the ``valid`` pairs alone. NaN where one subject was drawn alone, or one that has no similarity to
    anything; who was not drawn is not looked at. Means that are ranked anew are shared out by the ``executor``; where
    products of subjects do, there is little to share.
    """
    bounds = np.full((len(weights), 2), np.nan)
    if rows.shape[1] < 2:
        return bounds
    usable = ~undefined_rows(rows, plain_of(task.method))
    several = ((weights > 0).sum(axis=1) > 1) & ~(weights[:, ~usable] > 0).any(axis=1)
    if task.ceilings and several.any():
        # ranks and scales are taken of every subject alone
        prepared = None if prepared is None else prepared[usable]
        (pool,) = pools(rows[usable, None], task.method, task.pooling, valid, sigma_k, prepared=prepared)
        own = weights[several][:, usable]
        bounds[several] = means_of_bounds(shared_out("bounds", own, pool, lambda _: None, executor), own)
    return bounds
