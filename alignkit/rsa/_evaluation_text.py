"""Evaluations in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import counted
from alignkit.rsa._inference._score_intervals import INTERVALS
from alignkit.rsa._matrix_methods import SENTENCES
from alignkit.rsa._pooling import describe_pooling

if TYPE_CHECKING:
    from alignkit.rsa._evaluation import Evaluation

_TAILS = {"two-sided": "two-sided", "greater": "one-sided (greater)", "less": "one-sided (less)"}


def shown_score(result: Evaluation, k: int) -> str:
    """Return one model's score, error and p against zero."""
    p = "" if np.isnan(result.p_zero[k]) else f" (p = {result.p_zero[k]:.2g})"
    error = "" if np.isnan(result.se[k]) else f" ± {result.se[k]:.3f}"
    return f"{result.models[k]} {result.score[k]:.3f}{error}{p}"


def evaluation_text(result: Evaluation) -> str:
    """Return the sentences a paper's Methods section needs."""
    return " ".join(part for part in (_scores(result), _spread(result), _tests(result), _corrections(result)) if part)


def _scores(result: Evaluation) -> str:
    if result.fitted:
        return _held_out(result)
    left = _controlled(result)
    return (
        f"The RDMs of {counted(len(result.models), 'model')} were compared with those of "
        f"{counted(result.n_subjects, 'subject')} over {result.n_items} items by {SENTENCES[result.method]}{left}, and "
        "the scores averaged over subjects. For the noise ceiling subjects' RDMs were "
        f"{describe_pooling(result.method, result.pooling)}; the upper bound is the mean similarity of each subject to "
        "the average of all, the lower bound to that of all others (Nili et al., 2014)."
    )


def _controlled(result: Evaluation) -> str:
    if not result.n_controls:
        return ""
    return f" after {counted(result.n_controls, 'other RDM')} had been partialled out of both"


def _held_out(result: Evaluation) -> str:
    what = "; ".join(f"{name}: {kind}" for name, kind in zip(result.models, result.fitted, strict=True))
    folds = [
        f"{number} folds of {unit}"
        for number, unit in ((result.n_folds, "items"), (result.n_subject_folds, "subjects"))
        if number > 1
    ]
    lower = "those that models were fitted to" if result.n_subject_folds > 1 else "all others"
    return (
        f"{counted(len(result.models), 'model')} ({what}) were fitted to and compared with the RDMs of "
        f"{counted(result.n_subjects, 'subject')} over {result.n_items} items by {SENTENCES[result.method]}"
        f"{_controlled(result)}, cross-validated over {' times '.join(folds)}: scores are of pairs within held-out "
        f"items and of held-out subjects, averaged over {counted(result.n_repeats, 'random assignment')}. The noise "
        f"ceiling is of the same pairs: subjects' RDMs were {describe_pooling(result.method, result.pooling)}; the "
        f"upper bound is the mean similarity of each subject to the average of all, the lower bound to that of {lower}."
    )


def _spread(result: Evaluation) -> str:
    seed = "" if result.seed is None else f", seed {result.seed}"
    draws = f"{result.n_bootstrap:,} resamples{seed}"
    if result.generalize == "both":
        errors = (
            "Standard errors for new subjects and new items were computed by a bootstrap over both, corrected by those "
            f"over subjects and over items alone ({draws}; Schuett et al., 2023)"
        )
    elif result.generalize == "items":
        errors = f"Standard errors for new items were computed by a bootstrap over items ({draws})"
    elif result.fitted:
        errors = f"Standard errors for new subjects were computed by a bootstrap over subjects ({draws})"
    else:
        errors = "Standard errors for new subjects were computed from the subjects' scores"
    if result.fitted:
        errors += (
            f", with {counted(result.n_cv, 'cross-validation')} in every resample and the variance corrected for "
            "their number"
        )
    dof = f" ({result.dof} degrees of freedom)" if result.interval_kind == "t" else ""
    drawn = f" ({draws})" if result.generalize == "subjects" and result.interval_kind != "t" else ""
    narrowed = result.generalize == "both" and result.interval_kind != "t"
    scaled = ", from resamples drawn in to the corrected variance" if narrowed else ""
    return f"{errors}; intervals are {result.confidence:.0%} {INTERVALS[result.interval_kind]}{dof}{drawn}{scaled}."


def _tests(result: Evaluation) -> str:
    ceiling = (
        "which was taken as known"
        if result.fixed_ceiling
        else "whose uncertainty, and covariance with the score, came from the same kind of resamples"
        f"{f' ({result.n_bootstrap:,})' if result.generalize == 'subjects' else ''}"
    )
    return (
        f"Scores were tested against zero by {_named(result, 'zero', _TAILS[result.alternative])}, models against each "
        f"other by {_named(result, 'pairwise', 'two-sided')}, and against the lower bound of the noise ceiling, "
        f"{ceiling}, by {_named(result, 'ceiling', 'two-sided')}, at a level of {result.alpha:g}; tests "
        "that cannot reach it are not reported."
    )


def _named(result: Evaluation, which: str, tail: str) -> str:
    kind = getattr(result, f"test_{which}")
    if kind == "t":
        return f"{tail} t tests ({result.dof} degrees of freedom)"
    exact = result.exact_zero if which == "zero" else result.exact_pairwise
    if kind == "permutation":
        number = f"all {result.n_permutations:,}" if exact else f"{result.n_permutations:,} random"
        return f"{tail} Mantel tests ({number} permutations of the items)"
    number = (
        "all sign flips of the subjects" if exact else f"{result.n_permutations:,} random sign flips of the subjects"
    )
    return f"{tail} randomisation tests ({number})"


def _corrections(result: Evaluation) -> str:
    if len(result.models) == 1:
        return ""
    name = {"bh": "Benjamini and Hochberg, 1995", "by": "Benjamini and Yekutieli, 2001"}[result.fdr_method]
    return (
        "p-values were corrected for the number of models, or of pairs of models, by the largest statistic (Westfall "
        f"and Young, 1993), and by the false discovery rate ({name})."
    )
