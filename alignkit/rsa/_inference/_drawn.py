"""Resamples of a whole evaluation: draws, scores and ceilings, and scores without each unit in turn."""

from __future__ import annotations

import numpy as np

from alignkit._typing import BoolArray, FloatArray
from alignkit.rsa._inference._draw_counts import draw_counts
from alignkit.rsa._inference._evaluation_inputs import Inputs
from alignkit.rsa._inference._evaluation_settings import Settings
from alignkit.rsa._inference._resampled import Resampled
from alignkit.rsa._inference._resampled_scores import resampled_scores
from alignkit.rsa._subjects import each_pool


def point_bounds(inputs: Inputs, method: str, pooling: str) -> FloatArray:
    """Return (lower, upper) of the ceiling per subject, shape (2, subject); NaN where there is none."""
    n = len(inputs.data)
    if n < 2:
        return np.full((2, n), np.nan)
    valid = inputs.valid
    rows = inputs.data[:, None]
    found = each_pool(
        rows, valid[None], method, pooling, inputs.sigma_k, lambda _, pool: pool.bounds(np.ones((1, n)))[0]
    )
    return found.get(0, np.full((2, n), np.nan))


def draw(
    inputs: Inputs,
    usable: BoolArray,
    settings: Settings,
    rngs: tuple[np.random.Generator, np.random.Generator],
) -> dict[str, tuple[Resampled, ...]]:
    """Return resamples of items (by the first generator), subjects (by the second), or both; {} without any."""
    from tqdm import tqdm

    n_subjects = len(inputs.data)
    generalize, n_bootstrap = settings.generalize, settings.n_bootstrap
    over_subjects = generalize != "items"
    if not n_bootstrap or not usable.any() or (over_subjects and n_subjects < 2):
        return {}
    subjects = draw_counts(n_subjects, n_bootstrap, rngs[1]) if over_subjects else None
    items = draw_counts(inputs.n_items, n_bootstrap, rngs[0]) if generalize != "subjects" else None
    with tqdm(total=n_bootstrap, desc="resamples", disable=not settings.progress) as bar:
        found = resampled_scores(
            inputs.data,
            inputs.models[usable],
            settings.method,
            item_counts=items,
            subject_counts=subjects,
            pooling=settings.pooling,
            sigma_k=inputs.sigma_k,
            tick=bar.update,
            device=settings.device,
            executor=settings.executor,
        )
    return {key: (_all_models(one, usable),) for key, one in found.items()}


def _all_models(one: Resampled, usable: BoolArray) -> Resampled:
    scores = np.full((len(one.scores), usable.size), np.nan)
    scores[:, usable] = one.scores
    return Resampled(scores, one.lower, one.upper)


def without_each(
    inputs: Inputs, per_subject: FloatArray, usable: BoolArray, settings: Settings
) -> tuple[FloatArray, ...]:
    """Return scores without each subject, each item, or both of these in turn, shapes (unit, model)."""
    found = []
    n_subjects = len(inputs.data)
    if settings.generalize != "items":
        found.append((per_subject.sum(axis=1) - per_subject.T) / max(1, n_subjects - 1))
    if settings.generalize != "subjects":
        counts = 1 - np.eye(inputs.n_items, dtype=np.int64)
        scored = resampled_scores(
            inputs.data,
            inputs.models[usable],
            settings.method,
            item_counts=counts,
            sigma_k=inputs.sigma_k,
            ceilings=False,
            device=settings.device,
            executor=settings.executor,
        )
        found.append(_all_models(scored["items"], usable).scores)
    return tuple(found)
