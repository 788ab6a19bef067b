"""Families of tests of scores: t tests, sign flips of subjects and permutations of items, corrected and honest."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from alignkit._check import counted
from alignkit._executor import Executor
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._compare_rows import Options
from alignkit.rsa._fdr import Method as FdrMethod
from alignkit.rsa._fdr import fdr
from alignkit.rsa._inference._largest_t import largest_t_p
from alignkit.rsa._permutation_result import QUANTILES
from alignkit.rsa._permutation_test import OFFSET
from alignkit.rsa._permutations import Alternative, is_exact, null_distribution, p_values
from alignkit.rsa._permuted_similarity import permuted_similarity
from alignkit.rsa._sign_flips import corrected_p, directed, n_patterns, observed_statistic, sign_flips

#: Up to this many subjects all sign patterns are taken.
MOST_SUBJECTS = 20
#: Share of the largest deviation that rounding may make up: nearer values are ties.
_ROUNDING = 1e-12


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Tests:
    """One family of tests, each of shape (tests,): p-values, corrected ones, and why there is none."""

    p: FloatArray
    p_fdr: FloatArray
    p_max: FloatArray
    why: tuple[str, ...]


def _family(p: FloatArray, p_max: FloatArray, why: Sequence[str], fdr_method: FdrMethod) -> Tests:
    """Return tests without p-values where there is a reason for none; those count in no correction."""
    p = np.where([bool(reason) for reason in why], np.nan, p)
    adjusted = fdr(p, method=fdr_method) if p.size else p
    return Tests(p, adjusted, np.where(np.isnan(p), np.nan, np.maximum(p_max, p)), tuple(why))


def no_tests(n: int, why: str) -> Tests:
    """Return a family without any p-value."""
    nothing = np.full(n, np.nan)
    return Tests(nothing, nothing, nothing, (why,) * n)


def t_tests(
    value: FloatArray,
    variance: FloatArray,
    dof: int,
    alternative: Alternative,
    *,
    covariance: FloatArray,
    contrasts: IntArray | None,
    why: Sequence[str],
    fdr_method: FdrMethod,
    rng: np.random.Generator,
) -> Tests:
    """Test estimates, shape (tests,), with these variances and degrees of freedom against 0.

    ``covariance`` is that of what the tests are contrasts of, see :func:`largest_t_p`; ``why`` holds reasons for no
    test that are known already.
    """
    from scipy.special import stdtr

    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.where(variance > 0, value / np.sqrt(variance), np.nan)
    reasons = [
        reason or ("" if np.isfinite(one) else "there is no variance to judge by" if v == 0 else "it is undefined")
        for reason, one, v in zip(why, t, variance, strict=True)
    ]
    t = np.where([bool(reason) for reason in reasons], np.nan, t)
    extreme = directed(t, alternative)
    two_sided = alternative == "two-sided"
    p = stdtr(dof, -extreme) * (2.0 if two_sided else 1.0)
    if np.isfinite(extreme).sum() > 1:
        # a one-sided test for small values is one for large values of what is mirrored, with the same covariance
        p_max = largest_t_p(extreme, contrasts, covariance, dof, rng, two_sided=two_sided)
    else:
        p_max = p
    return _family(p, p_max, reasons, fdr_method)


def covariance_of(variances: FloatArray, of_differences: FloatArray) -> FloatArray:
    """Return the covariance of estimates from their variances and those of all differences."""
    return np.asarray((variances[:, None] + variances - of_differences) / 2)


def flip_tests(
    values: FloatArray,
    alternative: Alternative,
    *,
    n_permutations: int,
    alpha: float,
    fdr_method: FdrMethod,
    rng: np.random.Generator,
    progress: bool,
) -> Tests:
    """Test the means of ``values``, shape (subject, tests), against 0 by flipping the signs of subjects."""
    n, n_tests = values.shape
    number = 2**n if n <= MOST_SUBJECTS else n_permutations
    if n == 1:
        return no_tests(n_tests, "one subject: no test")
    t, constant = observed_statistic(values, "t")
    why = [
        _why_no_flips(column, flat, alternative, number, alpha) for column, flat in zip(values.T, constant, strict=True)
    ]
    untested = np.array([bool(reason) for reason in why])
    if untested.all():
        return dataclasses.replace(no_tests(n_tests, ""), why=tuple(why))
    t = np.where(untested, np.nan, t)
    extreme = directed(t, alternative)
    tested = ~untested

    def largest(maps: FloatArray) -> FloatArray:
        return directed(maps, alternative)[:, tested].max(axis=1, initial=-np.inf)

    x = np.where(untested, np.nan, values)
    observed = float(np.nanmax(extreme))
    flips = sign_flips(x, observed, "t", alternative, largest, number, rng, progress=progress)
    return _family(flips.p, corrected_p(extreme, flips.largest, exact=flips.exact), why, fdr_method)


def _why_no_flips(column: FloatArray, constant: bool, alternative: Alternative, number: int, alpha: float) -> str:
    """Return why signs cannot tell whether a mean is 0 at the level asked for; empty where they can."""
    n = len(column)
    if np.isnan(column).any():
        return "a subject's score is undefined"
    if constant:
        return "all subjects score alike: there is no variance to judge by"
    moving = int(np.count_nonzero(column))
    patterns = n_patterns(moving, alternative)
    if 1.0 / patterns > alpha:
        zeros = "" if moving == n else f" without a score of 0 ({n} in all)"
        who = f"{counted(moving, 'subject')}{zeros} {'has' if moving == 1 else 'have'}"
        smallest, of = (2, "two-sided ") if alternative == "two-sided" else (1, "")
        return (
            f"{who} {2**moving:,} sign patterns, so that {of}p cannot be below {1.0 / patterns:.4g} "
            f"({smallest}/{2**moving:,}): a test at {alpha:g} is impossible"
        )
    if number < patterns and 1.0 / (number + 1) > alpha:
        return _too_few(number, alpha)
    return ""


def mantel_tests(
    models: FloatArray,
    data: FloatArray,
    score: FloatArray,
    n_items: int,
    options: Options,
    alternative: Alternative,
    *,
    n_permutations: int,
    alpha: float,
    fdr_method: FdrMethod,
    rng: np.random.Generator,
    progress: bool,
    executor: Executor | None = None,
) -> Tests:
    """Test mean similarities to all subjects, shape (model,), by permuting the items of the models (Mantel)."""
    why = ["" if np.isfinite(one) else "it is undefined" for one in score]
    tested = np.flatnonzero(np.isfinite(score))
    if not tested.size:
        return no_tests(len(score), "it is undefined")
    groups = np.full((1, len(data)), 1 / len(data))
    permuted = permuted_similarity(models[tested], data, n_items, options, groups)
    null = null_distribution(permuted, n_items, n_permutations, rng, progress=progress, executor=executor)
    null = null.reshape(-1, tested.size)
    exact, centred = is_exact(n_items, n_permutations), options.method not in OFFSET
    found = p_values(score[tested], null, alternative, exact=exact, centred=centred, quantiles=QUANTILES)
    p, p_max = np.full((2, len(score)), np.nan)
    p[tested], p_max[tested] = found.p, found.corrected
    for k, column in zip(tested, null.T, strict=True):
        middle = 0.0 if centred else float(np.nanmean(column))
        why[k] = _why_no_permutations(directed(column - middle, alternative), n_items, exact=exact, alpha=alpha)
    return _family(p, p_max, why, fdr_method)


def _why_no_permutations(extreme: FloatArray, n_items: int, *, exact: bool, alpha: float) -> str:
    """Return why permutations reach no level: too few of them, or too many that leave the model as it is."""
    number = len(extreme)
    if not exact:
        return "" if 1.0 / (number + 1) <= alpha else _too_few(number, alpha)
    values = np.where(np.isnan(extreme), np.inf, extreme)
    highest = values.max()
    slack = _ROUNDING * np.abs(values[np.isfinite(values)]).max(initial=0.0)
    alike = int((values >= highest - slack).sum()) if np.isfinite(highest) else int((~np.isfinite(values)).sum())
    if alike / number <= alpha:
        return ""
    return (
        f"{n_items} items have {number:,} permutations, {alike:,} of which are as extreme as the most extreme one: p "
        f"cannot be below {alike / number:.4g}: a test at {alpha:g} is impossible"
    )


def _too_few(number: int, alpha: float) -> str:
    return f"with n_permutations={number} p cannot be below {1.0 / (number + 1):.4g}: a test at {alpha:g} is impossible"
