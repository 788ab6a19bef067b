"""The parts of an evaluation that fitted models, or controls, change: scores, ceilings and resamples."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._held_out import MIN_FOLD
from alignkit.rsa._inference._cross_validated_resamples import cross_validated_resamples
from alignkit.rsa._inference._draw_counts import draw_counts
from alignkit.rsa._inference._evaluation_inputs import Inputs
from alignkit.rsa._inference._evaluation_settings import Settings
from alignkit.rsa._inference._fitted_task import Task, task_of
from alignkit.rsa._inference._held_out_scores import HeldOut, held_out_scores
from alignkit.rsa._inference._random_folds import default_item_folds, default_subject_folds, folds_of
from alignkit.rsa._inference._resampled import Resampled
from alignkit.rsa._models import FixedModel

#: Share of different ones among as many draws with replacement.
_DIFFERENT = 1 - np.exp(-1)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Scores on what was held out, and what models are when they are fitted to everything.

    ``per_subject`` has the shape (model, subject), ``bounds`` (2, subject); ``in_sample`` (model,) belongs to
    ``thetas``, the weights of every model's components. Without models that are fitted both are empty.
    """

    per_subject: FloatArray
    bounds: FloatArray
    in_sample: FloatArray
    thetas: tuple[tuple[float, ...], ...]
    n_folds: tuple[int, int]


def task_of_inputs(inputs: Inputs, method: str) -> Task:
    """Return models and data as cross-validation takes them."""
    models = inputs.fitted or tuple(FixedModel(row) for row in np.nan_to_num(inputs.models))
    parts = inputs.parts or tuple(slice(k, k + 1) for k in range(len(inputs.models)))
    rows = [inputs.models[part] for part in parts]
    return task_of(models, rows, inputs.data, method, controls=inputs.controls, sigma_k=inputs.sigma_k)


def folds_to_make(inputs: Inputs, settings: Settings) -> tuple[int, int]:
    """Return how many folds of items and of subjects there are: one where nothing is fitted.

    By default as in rsatoolbox: for as many different ones as a resample holds.

    Raises
    ------
    ValueError
        Too few items or subjects for the folds, or nothing held out.
    """
    if not inputs.fitted:
        return 1, 1
    n_items, n_subjects = inputs.n_items, len(inputs.data)
    items, subjects = settings.n_folds, settings.n_subject_folds
    if items is None:
        items = default_item_folds(n_items if settings.generalize == "subjects" else _DIFFERENT * n_items)
    if subjects is None:
        subjects = default_subject_folds(n_subjects if settings.generalize == "items" else _DIFFERENT * n_subjects)
        subjects = min(subjects, n_subjects)
    if items == subjects == 1:
        msg = "with n_folds=1 and n_subject_folds=1 nothing is held out of the fits; make folds of one or the other."
        raise ValueError(msg)
    if n_items < MIN_FOLD * items or n_subjects < subjects:
        msg = (
            f"{n_items} items and {n_subjects} subjects do not make {items} folds of {MIN_FOLD} or more items and "
            f"{subjects} of subjects; lower n_folds or n_subject_folds."
        )
        raise ValueError(msg)
    return items, subjects


def fitted_scores(inputs: Inputs, settings: Settings, rng: np.random.Generator) -> Fitted:
    """Return scores and ceilings averaged over random assignments to folds."""
    task, n_folds = task_of_inputs(inputs, settings.method), folds_to_make(inputs, settings)
    ones = (np.ones(inputs.n_items, dtype=np.int64), np.ones(len(inputs.data), dtype=np.int64))
    everything = ([np.flatnonzero(ones[0])], [np.flatnonzero(ones[1])])
    if n_folds == (1, 1):
        whole = held_out_scores(task, *everything)
        return Fitted(whole.scores[:, 0], _bounds(whole), np.zeros(0), (), n_folds)
    scores, bounds = [], []
    for child in rng.spawn(settings.n_repeats):
        items, subjects = _folds(ones, n_folds, child)
        found = held_out_scores(task, items, subjects)
        scores.append(found.scores.mean(axis=1))
        bounds.append(_bounds(found))
    in_sample = held_out_scores(task, *everything)
    thetas = tuple(tuple(theta[0, 0].tolist()) for theta in in_sample.thetas)
    return Fitted(
        np.mean(scores, axis=0), np.mean(bounds, axis=0), in_sample.scores[:, 0].mean(axis=1), thetas, n_folds
    )


def _folds(
    ones: tuple[IntArray, IntArray], n_folds: tuple[int, int], rng: np.random.Generator
) -> tuple[Sequence[IntArray], Sequence[IntArray]]:
    items, subjects = folds_of(ones[0], n_folds[0], MIN_FOLD, rng), folds_of(ones[1], n_folds[1], 1, rng)
    assert items is not None
    assert subjects is not None
    return items, subjects


def _bounds(found: HeldOut) -> FloatArray:
    bounds = np.stack([found.lower.mean(axis=0), found.upper.mean(axis=0)])
    # one subject is like itself: that is no ceiling
    return bounds if bounds.shape[1] > 1 else np.full_like(bounds, np.nan)


def draw_fitted(
    inputs: Inputs,
    settings: Settings,
    n_folds: tuple[int, int],
    rngs: tuple[np.random.Generator, np.random.Generator],
    folds: np.random.Generator,
) -> dict[str, tuple[Resampled, ...]]:
    """Return resamples, one for every repetition of the cross-validation within them; {} without any."""
    from tqdm import tqdm

    n_subjects, generalize, n_bootstrap = len(inputs.data), settings.generalize, settings.n_bootstrap
    over_subjects = generalize != "items"
    if not n_bootstrap or (over_subjects and n_subjects < 2):
        return {}
    if generalize != "subjects" and inputs.sigma_k is not None and inputs.sigma_k.ndim == 2:
        msg = (
            "sigma_k must hold variances, shape (items,), where items are resampled: a covariance does not say how the "
            "errors of two copies of an item go together."
        )
        raise ValueError(msg)
    with tqdm(total=n_bootstrap, desc="resamples", disable=not settings.progress) as bar:
        found = cross_validated_resamples(
            task_of_inputs(inputs, settings.method),
            n_folds,
            settings.n_cv if inputs.fitted else 1,
            folds,
            item_counts=draw_counts(inputs.n_items, n_bootstrap, rngs[0]) if generalize != "subjects" else None,
            subject_counts=draw_counts(n_subjects, n_bootstrap, rngs[1]) if over_subjects else None,
            kinds=("items", "subjects", "both") if generalize == "both" else (generalize,),
            tick=bar.update,
            executor=settings.executor,
        )
    return {
        kind: tuple(Resampled(one[:, :-2], one[:, -2], one[:, -1]) for one in np.moveaxis(values, 1, 0))
        for kind, values in found.items()
    }
