"""How far scores, their differences and the ceiling would vary with other subjects, other items, or both."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from alignkit._typing import BoolArray, FloatArray
from alignkit.rsa._ceiling_bootstrap import shifted_intervals
from alignkit.rsa._inference._contrast_variances import ContrastVariances, Generalize, contrast_variances
from alignkit.rsa._inference._resampled import Resampled
from alignkit.rsa._inference._score_intervals import drawn_in

#: Differences of similarities that rounding makes of what is equal.
ROUNDING = 1e-12


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Variances of all contrasts, resampled scores, shape (resample, model), and intervals of the ceiling's bounds.

    ``dof`` are the degrees of freedom of t tests. ``n_undefined`` counts resamples without a score.
    """

    variances: ContrastVariances
    samples: FloatArray
    bounds_interval: FloatArray
    dof: int
    n_undefined: int


def spread_of(
    per_subject: FloatArray,
    bounds: FloatArray,
    resampled: Mapping[str, Sequence[Resampled]],
    generalize: Generalize,
    n_items: int,
    confidence: float,
    *,
    fixed_ceiling: bool,
    analytic: bool,
) -> Spread:
    """Return the spread of scores over new subjects, items or both.

    Parameters
    ----------
    per_subject : ndarray, shape (model, subject)
        Scores; NaN for models without.
    bounds : ndarray, shape (2,)
        The ceiling.
    resampled : mapping
        See :func:`contrast_variances`; empty where nothing could be drawn.
    generalize : {"subjects", "items", "both"}
        Over what.
    n_items : int
        Items that were drawn from.
    confidence : float
        Level of the intervals of the bounds.
    fixed_ceiling : bool
        Take the ceiling as known.
    analytic : bool
        Take the variances over subjects from the subjects' scores, not from resamples.
    """
    n_models, n_subjects = per_subject.shape
    dof = {"subjects": n_subjects, "items": n_items, "both": min(n_subjects, n_items)}[generalize] - 1
    interval = np.full((2, 2), np.nan)
    nothing = np.full((n_models, n_models), np.nan)
    variances = ContrastVariances(nothing[0], nothing, nothing[0], interval[0])
    samples, n_undefined = np.empty((0, n_models)), 0
    if resampled:
        variances = contrast_variances(resampled, generalize, n_subjects, n_items)
        own = resampled[generalize]
        samples = np.mean([one.scores for one in own], axis=0)
        ceilings = np.stack([np.mean([getattr(one, x) for one in own], axis=0) for x in ("lower", "upper")], axis=1)
        if generalize == "both":
            samples = drawn_in(samples, variances.models)
            ceilings = drawn_in(ceilings, variances.bounds)
        scored = np.isfinite(per_subject).all(axis=1)
        n_undefined = int(np.isnan(samples[:, scored]).any(axis=1).sum())
        if _can_vary(n_subjects, generalize):
            interval = shifted_intervals(ceilings, bounds, confidence)
    if analytic:
        variances = dataclasses.replace(variances, **_over_subjects(per_subject))
    ceiling = variances.ceiling
    if fixed_ceiling:
        ceiling = variances.models
    elif not _can_vary(n_subjects, generalize):
        ceiling = np.full(n_models, np.nan)
    pairs = np.where(variances.pairs <= ROUNDING**2, 0.0, variances.pairs)
    variances = dataclasses.replace(variances, ceiling=ceiling, pairs=pairs)
    return Spread(variances, samples, interval, dof, n_undefined)


def _can_vary(n_subjects: int, generalize: Generalize) -> bool:
    """Return whether resamples of the ceiling differ: one of two subjects alone has none."""
    return n_subjects > 1 if generalize == "items" else n_subjects > 2


def _over_subjects(per_subject: FloatArray) -> dict[str, FloatArray]:
    """Return the variances of the mean scores, and of their differences, from the subjects' scores."""
    pairs = np.stack([_of_mean(differences(per_subject, row)) for row in range(len(per_subject))])
    return {"models": _of_mean(per_subject), "pairs": pairs}


def _of_mean(x: FloatArray) -> FloatArray:
    n = x.shape[-1]
    if n < 2:
        return np.full(x.shape[:-1], np.nan)
    # exactly: rounding in a mean must not make a variance of what has none
    constant: BoolArray = x.max(axis=-1) == x.min(axis=-1)
    return np.where(constant, 0.0, x.var(axis=-1, ddof=1) / n)


def differences(per_subject: FloatArray, row: int) -> FloatArray:
    """Return the scores of all models less those of one, subject by subject; what only rounding tells apart is 0."""
    found = per_subject - per_subject[row]
    alike = np.abs(found).max(axis=-1, keepdims=True) <= ROUNDING
    return np.where(alike, 0.0, found)
