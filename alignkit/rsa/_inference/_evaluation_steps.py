"""The steps of an evaluation: scores, resamples, spread, intervals, tests, and what there is to say about them."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignkit._random import spawn
from alignkit._typing import BoolArray, FloatArray
from alignkit.rsa._evaluation import Evaluation
from alignkit.rsa._inference._drawn import draw, point_bounds, without_each
from alignkit.rsa._inference._evaluation_inputs import Inputs
from alignkit.rsa._inference._evaluation_notes import evaluation_note
from alignkit.rsa._inference._evaluation_settings import Settings
from alignkit.rsa._inference._evaluation_tests import ceiling_tests, pairwise_tests, zero_tests
from alignkit.rsa._inference._fitted_evaluation import Fitted, draw_fitted, fitted_scores
from alignkit.rsa._inference._measured_coverage import measured_coverage
from alignkit.rsa._inference._score_intervals import bca_interval, percentile_interval, t_interval
from alignkit.rsa._inference._score_tests import MOST_SUBJECTS, Tests
from alignkit.rsa._inference._spread import ROUNDING, Spread, spread_of
from alignkit.rsa._nan import report_undefined
from alignkit.rsa._permutations import is_exact


def evaluated(inputs: Inputs, settings: Settings, rng: np.random.Generator) -> Evaluation:
    """Return the evaluation of models and subjects that are aligned."""
    items, subjects, flips, *corrections, assignments, folds = spawn(rng, 8)
    fitted = None
    if inputs.fitted or inputs.controls is not None:
        fitted = fitted_scores(inputs, settings, assignments)
        per_subject, bounds = fitted.per_subject, fitted.bounds
    else:
        per_subject = inputs.scores(settings.method, settings.nan_policy)
        bounds = point_bounds(inputs, settings.method, settings.pooling)
    usable = np.asarray(np.isfinite(per_subject).all(axis=1))
    if fitted is not None:
        undefined = [inputs.names[k] for k in np.flatnonzero(~usable)]
        report_undefined("a model or a subject does not vary over some held-out pairs", undefined, settings.nan_policy)
        resampled = draw_fitted(inputs, settings, fitted.n_folds, (items, subjects), folds)
    else:
        resampled = draw(inputs, usable, settings, (items, subjects))
    ceiling = bounds.mean(axis=1)
    spread = spread_of(
        per_subject,
        ceiling,
        resampled,
        settings.generalize,
        inputs.n_items,
        settings.confidence,
        fixed_ceiling=settings.fixed_ceiling,
        analytic=settings.generalize == "subjects" and not inputs.fitted,
    )
    zero = zero_tests(inputs, per_subject, spread, settings, flips, corrections[0])
    pairs = pairwise_tests(per_subject, spread, settings, flips, corrections[1])
    against = ceiling_tests(per_subject, float(ceiling[0]), spread, settings, corrections[2])
    score, variances = per_subject.mean(axis=1), spread.variances
    with np.errstate(invalid="ignore"):
        se = np.sqrt(variances.models)
    n_subjects = len(inputs.data)
    cell = None
    if fitted is None:
        cell = measured_coverage(settings.generalize, settings.interval, settings.method, n_subjects, inputs.n_items)
    return Evaluation(
        models=inputs.names,
        score=score,
        per_subject=per_subject,
        se=se,
        interval=_interval(inputs, per_subject, usable, spread, settings),
        t_zero=_ratio(score, variances.models),
        **_fields("zero", zero),
        **_pairwise(per_subject, spread, pairs),
        ceiling_difference=score - ceiling[0],
        se_ceiling_difference=np.sqrt(variances.ceiling),
        t_ceiling=_ratio(score - ceiling[0], variances.ceiling),
        **_fields("ceiling", against),
        ceiling_lower=float(ceiling[0]),
        ceiling_upper=float(ceiling[1]),
        lower_per_subject=bounds[0],
        upper_per_subject=bounds[1],
        ceiling_interval=spread.bounds_interval,
        subjects=inputs.subjects,
        **_settings(inputs, settings, n_subjects),
        dof=spread.dof,
        n_subjects=n_subjects,
        n_items=inputs.n_items,
        n_pairs=inputs.n_pairs,
        n_dropped=inputs.n_dropped,
        n_bootstrap=settings.n_bootstrap if resampled else 0,
        n_undefined=spread.n_undefined,
        n_permutations=_n_permutations(n_subjects, inputs.n_items, settings),
        nan_policy=settings.nan_policy,
        aligned_by=inputs.aligned_by,
        seed=settings.seed,
        coverage=float("nan") if cell is None else float(cell["coverage"]),
        note=evaluation_note(inputs, settings, spread, (zero, pairs, against)),
        n_controls=0 if inputs.controls is None else len(inputs.controls),
        **_of_fits(inputs, settings, fitted),
    )


def _settings(inputs: Inputs, settings: Settings, n_subjects: int) -> dict[str, Any]:
    """Return what was asked for."""
    return {
        "generalize": settings.generalize,
        "method": settings.method,
        "pooling": settings.pooling,
        "sigma_k": inputs.sigma_kind,
        "test_zero": settings.test_zero,
        "test_pairwise": settings.test_pairwise,
        "test_ceiling": "t",
        "exact_zero": _is_exact(settings.test_zero, n_subjects, inputs.n_items, settings),
        "exact_pairwise": _is_exact(settings.test_pairwise, n_subjects, inputs.n_items, settings),
        "interval_kind": settings.interval,
        "alternative": settings.alternative,
        "alpha": settings.alpha,
        "confidence": settings.confidence,
        "fdr_method": settings.fdr_method,
        "fixed_ceiling": settings.fixed_ceiling,
    }


def _of_fits(inputs: Inputs, settings: Settings, fitted: Fitted | None) -> dict[str, Any]:
    """Return what is known of models that are fitted; nothing where none is."""
    if fitted is None or not inputs.fitted:
        return {}
    return {
        "fitted": tuple(model.describe() for model in inputs.fitted),
        "components": tuple(model.names for model in inputs.fitted),
        "weights": fitted.thetas,
        "in_sample": fitted.in_sample,
        "n_folds": fitted.n_folds[0],
        "n_subject_folds": fitted.n_folds[1],
        "n_cv": settings.n_cv,
        "n_repeats": settings.n_repeats,
    }


def _ratio(value: FloatArray, variance: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(variance > 0, value / np.sqrt(variance), np.nan)


def _fields(what: str, tests: Tests) -> dict[str, Any]:
    return {
        f"p_{what}": tests.p,
        f"p_{what}_fdr": tests.p_fdr,
        f"p_{what}_max": tests.p_max,
        f"why_{what}": tests.why,
    }


def _pairwise(per_subject: FloatArray, spread: Spread, tests: Tests) -> dict[str, Any]:
    """Return what is known of every pair of models, shape (model, model)."""
    n = len(per_subject)
    rows, columns = np.triu_indices(n, k=1)
    score = per_subject.mean(axis=1)
    difference = score[:, None] - score
    difference = np.where(np.abs(difference) <= ROUNDING, 0.0, difference)
    t = _ratio(difference, spread.variances.pairs)
    found: dict[str, Any] = {
        "difference": difference,
        "se_difference": np.sqrt(spread.variances.pairs),
        "t_pairwise": t,
    }
    for name, values in (("", tests.p), ("_fdr", tests.p_fdr), ("_max", tests.p_max)):
        square = np.full((n, n), np.nan)
        square[rows, columns] = square[columns, rows] = values
        found[f"p_pairwise{name}"] = square
    why = [["" for _ in range(n)] for _ in range(n)]
    for i, j, reason in zip(rows, columns, tests.why, strict=True):
        why[i][j] = why[j][i] = reason
    return {**found, "why_pairwise": tuple(map(tuple, why))}


def _interval(
    inputs: Inputs, per_subject: FloatArray, usable: BoolArray, spread: Spread, settings: Settings
) -> FloatArray:
    score = per_subject.mean(axis=1)
    if settings.interval == "t":
        if spread.dof < 1:
            return np.full((2, len(score)), np.nan)
        return t_interval(score, np.sqrt(spread.variances.models), spread.dof, settings.confidence)
    if not len(spread.samples):
        return np.full((2, len(score)), np.nan)
    if settings.interval == "percentile":
        return percentile_interval(spread.samples, settings.confidence)
    left_out = without_each(inputs, per_subject, usable, settings)
    return bca_interval(score, spread.samples, left_out, settings.confidence)


def _is_exact(test: str, n_subjects: int, n_items: int, settings: Settings) -> bool:
    if test == "permutation":
        return is_exact(n_items, settings.n_permutations)
    return test == "sign-flip" and n_subjects <= MOST_SUBJECTS


def _n_permutations(n_subjects: int, n_items: int, settings: Settings) -> int:
    from math import factorial

    if settings.test_zero == "t":
        return 0
    if not _is_exact(settings.test_zero, n_subjects, n_items, settings):
        return settings.n_permutations
    return factorial(n_items) if settings.test_zero == "permutation" else int(2**n_subjects)
