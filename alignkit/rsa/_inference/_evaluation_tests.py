"""The three families of tests of an evaluation: against zero, between models, against the ceiling."""

from __future__ import annotations

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._compare_rows import Options
from alignkit.rsa._inference._evaluation_inputs import Inputs
from alignkit.rsa._inference._evaluation_settings import Settings
from alignkit.rsa._inference._score_tests import Tests, covariance_of, flip_tests, mantel_tests, no_tests, t_tests
from alignkit.rsa._inference._spread import ROUNDING, Spread, differences


def zero_tests(
    inputs: Inputs,
    per_subject: FloatArray,
    spread: Spread,
    settings: Settings,
    rng: np.random.Generator,
    draws: np.random.Generator,
) -> Tests:
    """Test every score against 0."""
    if settings.test_zero == "sign-flip":
        return _flips(per_subject.T, settings.alternative, settings, rng)
    score = per_subject.mean(axis=1)
    if settings.test_zero == "permutation":
        return mantel_tests(
            inputs.models,
            inputs.data,
            score,
            inputs.n_items,
            Options(settings.method, settings.nan_policy),
            settings.alternative,
            n_permutations=settings.n_permutations,
            alpha=settings.alpha,
            fdr_method=settings.fdr_method,
            rng=rng,
            progress=settings.progress,
            executor=settings.executor,
        )
    variances = spread.variances
    return t_tests(
        score,
        variances.models,
        spread.dof,
        settings.alternative,
        covariance=covariance_of(variances.models, variances.pairs),
        contrasts=None,
        why=_why(score, variances.models, per_subject.shape[1], settings),
        fdr_method=settings.fdr_method,
        rng=draws,
    )


def pairwise_tests(
    per_subject: FloatArray,
    spread: Spread,
    settings: Settings,
    rng: np.random.Generator,
    draws: np.random.Generator,
) -> Tests:
    """Test every difference of two scores against 0, two-sided; pairs in the order of ``np.triu_indices``."""
    n = len(per_subject)
    rows, columns = np.triu_indices(n, k=1)
    if not rows.size:
        return no_tests(0, "")
    if settings.test_pairwise == "sign-flip":
        # a row's differences from those before it, with the sign turned
        of_pairs = np.concatenate([-differences(per_subject, i)[i + 1 :] for i in range(n - 1)])
        return _flips(of_pairs.T, "two-sided", settings, rng)
    score, variances = per_subject.mean(axis=1), spread.variances
    value = score[rows] - score[columns]
    value = np.where(np.abs(value) <= ROUNDING, 0.0, value)
    variance = variances.pairs[rows, columns]
    contrasts: IntArray = np.stack([rows, columns], axis=1)
    return t_tests(
        value,
        variance,
        spread.dof,
        "two-sided",
        covariance=covariance_of(variances.models, variances.pairs),
        contrasts=contrasts,
        why=_why(value, variance, per_subject.shape[1], settings),
        fdr_method=settings.fdr_method,
        rng=draws,
    )


def ceiling_tests(
    per_subject: FloatArray, lower: float, spread: Spread, settings: Settings, draws: np.random.Generator
) -> Tests:
    """Test every score against the ceiling's lower bound, two-sided."""
    value, variances = per_subject.mean(axis=1) - lower, spread.variances
    n_subjects = per_subject.shape[1]
    why = _why(value, variances.ceiling, n_subjects, settings)
    if n_subjects == 1:
        why = ["one subject: there is no ceiling"] * len(value)
    elif np.isnan(lower):
        why = ["the ceiling is undefined"] * len(value)
    elif not settings.fixed_ceiling and settings.generalize != "items" and n_subjects == 2:
        why = ["two subjects: resamples of them say nothing of the ceiling's uncertainty"] * len(value)
    elif not settings.fixed_ceiling and not settings.n_bootstrap:
        why = ["without resamples (n_bootstrap=0) the ceiling's uncertainty is unknown"] * len(value)
    return t_tests(
        value,
        variances.ceiling,
        spread.dof,
        "two-sided",
        covariance=covariance_of(variances.ceiling, variances.pairs),
        contrasts=None,
        why=why,
        fdr_method=settings.fdr_method,
        rng=draws,
    )


def _flips(values: FloatArray, alternative: str, settings: Settings, rng: np.random.Generator) -> Tests:
    return flip_tests(
        values,
        alternative,  # type: ignore[arg-type]
        n_permutations=settings.n_permutations,
        alpha=settings.alpha,
        fdr_method=settings.fdr_method,
        rng=rng,
        progress=settings.progress,
    )


def _why(value: FloatArray, variance: FloatArray, n_subjects: int, settings: Settings) -> list[str]:
    """Return why estimates cannot be tested; empty where they can."""
    if n_subjects == 1 and settings.generalize != "items":
        return ["one subject: there is no spread over subjects"] * len(value)
    unknown = "a score is undefined in half of the resamples"
    if settings.fitted:
        unknown += ", or resamples vary no more than random folds do (raise n_cv and n_bootstrap)"
    return [
        "a score is undefined" if np.isnan(one) else unknown if np.isnan(v) else ""
        for one, v in zip(value, variance, strict=True)
    ]
