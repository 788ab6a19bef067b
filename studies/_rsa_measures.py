"""What tests and intervals of `alignkit.rsa.evaluate` say of one simulated data set, all from the same resamples."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy.special import stdtr

from alignkit._random import spawn
from alignkit.rsa import permutation_test
from alignkit.rsa._compare_rows import Options, compare_rows
from alignkit.rsa._condensed import n_items_of
from alignkit.rsa._inference._draw_counts import draw_counts
from alignkit.rsa._inference._resampled_scores import resampled_scores
from alignkit.rsa._inference._score_intervals import bca_interval, percentile_interval, t_interval
from alignkit.rsa._inference._score_tests import flip_tests
from alignkit.rsa._inference._spread import Spread, differences, spread_of

LEVEL, CONFIDENCE = 0.05, 0.95
INTERVALS = ("t", "percentile", "bca")


@dataclasses.dataclass(frozen=True)
class Measured:
    """One data set: scores, shape (model,), intervals, shape (kind, 2, model), and one-sided p-values of t tests.

    ``p_models`` is that of the first model against the second, two-sided, ``p_ceiling`` of the last against the
    ceiling's lower bound, NaN without ceilings.
    """

    score: Any
    intervals: Any
    p_zero: Any
    p_models: float
    p_ceiling: float


def scores_of(models: Any, data: Any, method: str) -> Any:
    """Return similarities, shape (model, subject)."""
    return np.asarray(compare_rows(models, data, Options(method)).values)


def lower_bound(data: Any) -> float:
    """Return the mean similarity (pearson) of each subject to the mean of the others' z-scores."""
    units = data - data.mean(axis=1, keepdims=True)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    gram = units @ units.T
    with_all = gram.sum(axis=1)
    return float(np.mean((with_all - 1) / np.sqrt(gram.sum() - 2 * with_all + 1)))


def measured(
    models: Any, data: Any, method: str, generalize: str, *, n_bootstrap: int, ceilings: bool, seed: int
) -> Measured:
    """Return what `evaluate` says with ``rng=seed``: the same draws, shared by all intervals and tests."""
    items, subjects, *_ = spawn(seed, 6)
    n_items, n_subjects = n_items_of(data.shape[1]), len(data)
    counts: dict[str, Any] = {}
    if generalize != "items":
        counts["subject_counts"] = draw_counts(n_subjects, n_bootstrap, subjects)
    if generalize != "subjects":
        counts["item_counts"] = draw_counts(n_items, n_bootstrap, items)
    found = resampled_scores(data, models, method, ceilings=ceilings, **counts)
    per_subject = scores_of(models, data, method)
    lower = lower_bound(data) if ceilings else np.nan
    spread = spread_of(
        per_subject,
        np.array([lower, np.nan]),
        {key: (one,) for key, one in found.items()},
        generalize,  # type: ignore[arg-type]
        n_items,
        CONFIDENCE,
        fixed_ceiling=False,
        analytic=generalize == "subjects",
    )
    score, variances = per_subject.mean(axis=1), spread.variances
    difference = float(score[0] - score[1])
    return Measured(
        score,
        _intervals(models, data, method, generalize, per_subject, spread),
        stdtr(spread.dof, -score / np.sqrt(variances.models)),
        _two_sided(difference, variances.pairs[0, 1], spread.dof),
        _two_sided(float(score[-1]) - lower, variances.ceiling[-1], spread.dof),
    )


def _two_sided(value: float, variance: float, dof: int) -> float:
    return float(2 * stdtr(dof, -abs(value) / np.sqrt(variance))) if variance > 0 else np.nan


def _intervals(models: Any, data: Any, method: str, generalize: str, per_subject: Any, spread: Spread) -> Any:
    score = per_subject.mean(axis=1)
    left_out = []
    if generalize != "items":
        left_out.append((per_subject.sum(axis=1) - per_subject.T) / (len(data) - 1))
    if generalize != "subjects":
        counts = 1 - np.eye(n_items_of(data.shape[1]), dtype=np.int64)
        left_out.append(resampled_scores(data, models, method, item_counts=counts, ceilings=False)["items"].scores)
    return np.stack(
        [
            t_interval(score, np.sqrt(spread.variances.models), spread.dof, CONFIDENCE),
            percentile_interval(spread.samples, CONFIDENCE),
            bca_interval(score, spread.samples, tuple(left_out), CONFIDENCE),
        ]
    )


def flips(per_subject: Any, *, seed: int, n_permutations: int) -> tuple[float, float]:
    """Return p of sign flips: of the third model against zero, and of the first against the second."""
    rng = np.random.default_rng([seed, 1])
    pair = differences(per_subject, 1)[0]
    found = []
    for values, alternative in ((per_subject[2], "greater"), (pair, "two-sided")):
        tests = flip_tests(
            values[:, None],
            alternative,  # type: ignore[arg-type]
            n_permutations=n_permutations,
            alpha=LEVEL,
            fdr_method="bh",
            rng=rng,
            progress=False,
        )
        found.append(float(tests.p[0]))
    return found[0], found[1]


def mantel(models: Any, data: Any, method: str, *, seed: int, n_permutations: int) -> Any:
    """Return p of Mantel's test of mean similarities to all subjects, one-sided, shape (model,)."""
    from alignkit.rsa import RDM

    people = RDM(data, dims=["subject"])
    stack = RDM(models, dims=["model"])
    found = permutation_test(
        stack,
        people,
        method=method,  # type: ignore[arg-type]
        n_permutations=n_permutations,
        alternative="greater",
        average="subject",
        rng=seed,
    )
    return np.asarray(found.p)
