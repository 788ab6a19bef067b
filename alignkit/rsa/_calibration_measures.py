"""The numbers behind a calibration: held-out temperatures, costs per answer, agreement with people."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from alignkit._check import NanPolicy
from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._choice_probabilities import log_softmax, softmax
from alignkit.rsa._choice_scores import choice_entropy, reliability_bins
from alignkit.rsa._entropy_agreement import entropy_agreement
from alignkit.rsa._grouping import sum_groups, triplet_codes
from alignkit.rsa._human_distribution import HumanDistribution
from alignkit.rsa._intervals import cluster_intervals
from alignkit.rsa._similarity_matrix import Kernel, pair_similarities
from alignkit.rsa._temperature import assign_folds, best_temperature
from alignkit.rsa._triplets import Triplets

_NAN = float("nan")


@dataclasses.dataclass(frozen=True, slots=True)
class Scored:
    """Answers and repeats with their logits, shape (3, n), and the temperature each is scored at when held out."""

    answers: Triplets
    logits: FloatArray
    code: IntArray
    temperature: FloatArray
    human: HumanDistribution | None
    human_logits: FloatArray
    human_temperature: FloatArray
    fold_temperature: FloatArray
    n_undefined: int


def score(
    x: object,
    answers: Triplets,
    human: HumanDistribution | None,
    kernel: Kernel,
    labels: Iterable[Any] | None,
    nan_policy: NanPolicy,
    n_folds: int,
    rng: np.random.Generator,
) -> Scored:
    """Compute the logits, leave out what is undefined where asked, and fit the temperature without each fold."""
    both = _stack(answers, human)
    logits = pair_similarities(x, both, kernel, labels, nan_policy)
    defined = np.all(~np.isnan(logits), axis=0)
    n_undefined = int((~defined[: len(answers)]).sum())
    if nan_policy == "omit" and not defined.all():
        human = None if human is None else _take(human, defined[len(answers) :])
        answers = answers.take(defined[: len(answers)])
        both, logits = both.take(defined), logits[:, defined]
    n = len(answers)
    n_triplets, code = triplet_codes(both.items)
    fold = assign_folds(code, n_triplets, n_folds, rng)
    fold_temperature = np.array([best_temperature(logits[:, :n][:, fold[:n] != k])[0] for k in range(n_folds)])
    temperature = fold_temperature[fold]
    return Scored(
        answers=answers,
        logits=logits[:, :n],
        code=code[:n],
        temperature=temperature[:n],
        human=human,
        human_logits=logits[:, n:],
        human_temperature=temperature[n:],
        fold_temperature=fold_temperature,
        n_undefined=n_undefined,
    )


def _stack(answers: Triplets, human: HumanDistribution | None) -> Triplets:
    if human is None:
        return answers
    if human.labels != answers.labels:
        msg = "triplets and repeats do not name the same items in the same order; build both with the same labels."
        raise ValueError(msg)
    return Triplets(np.vstack([answers.items, human.items]), answers.labels)


def _take(human: HumanDistribution, rows: BoolArray) -> HumanDistribution:
    times = None if human.response_time is None else human.response_time[rows]
    return dataclasses.replace(human, items=human.items[rows], counts=human.counts[rows], response_time=times)


def answer_measures(
    scored: Scored, n_bins: int, n_bootstrap: int, confidence: float, rng: np.random.Generator
) -> dict[str, Any]:
    """Return cross-entropy, calibration error and reliability diagram, by field name."""
    scaled = (scored.logits, scored.logits / scored.temperature)
    costs = np.column_stack([-log_softmax(logits)[2] for logits in scaled])
    _, group = np.unique(scored.code, return_inverse=True)
    last = np.full(len(costs), 2)
    bins = [reliability_bins(softmax(logits).T, last, n_bins) for logits in scaled]
    errors = [float(np.nansum(share * np.abs(a - b))) if share.any() else _NAN for a, b, share in bins]
    return {
        **_with_interval("cross_entropy", costs, group, n_bootstrap, confidence, rng),
        "calibration_error": np.array(errors),
        "bin_confidence": np.array([one[0] for one in bins]),
        "bin_accuracy": np.array([one[1] for one in bins]),
        "bin_share": np.array([one[2] for one in bins]),
    }


def kl_measures(scored: Scored, n_bootstrap: int, confidence: float, rng: np.random.Generator) -> dict[str, Any]:
    """Return the divergence from human distributions, by field name."""
    if scored.human is None:
        costs = np.full((0, 2), _NAN)
    else:
        entropy = choice_entropy(scored.human)
        scaled = (scored.human_logits, scored.human_logits / scored.human_temperature)
        p = scored.human.probabilities.T
        costs = np.column_stack([-(p * log_softmax(logits)).sum(axis=0) - entropy for logits in scaled])
    return _with_interval("kl", costs, np.arange(len(costs)), n_bootstrap, confidence, rng)


def entropy_measures(scored: Scored, rng: np.random.Generator) -> dict[str, Any]:
    """Return the agreement of uncertainty with people and with response time, by field name."""
    human, times = scored.human, scored.answers.response_time
    against_people = against_time = None
    if human is not None:
        against_people = entropy_agreement(softmax(scored.human_logits).T, human, n_bootstrap=0, rng=rng)
    if human is not None and human.response_time is not None:
        against_time = against_people
    elif times is not None:
        against_time = entropy_agreement(softmax(scored.logits).T, response_time=times, n_bootstrap=0, rng=rng)
    return {
        "human_entropy": _NAN if human is None else float(choice_entropy(human).mean()),
        "entropy_spearman": _NAN if against_people is None else against_people.spearman,
        "entropy_corrected": _NAN if against_people is None else against_people.corrected,
        "entropy_reliability": _NAN if against_people is None else against_people.reliability,
        "response_time_spearman": _NAN if against_time is None else against_time.response_time,
    }


def _with_interval(
    name: str, costs: FloatArray, group: IntArray, n_bootstrap: int, confidence: float, rng: np.random.Generator
) -> dict[str, Any]:
    """Return the mean cost at both temperatures, from shape (n, 2), and its interval over groups, by field name."""
    if not len(costs) or np.isnan(costs).any():
        return {f"{name}{end}": np.full(2, _NAN) for end in ("", "_low", "_high")}
    n_groups = int(group.max()) + 1
    totals = sum_groups(costs, group, n_groups)
    sizes = np.repeat(np.bincount(group, minlength=n_groups)[:, None], 2, axis=1).astype(np.float64)
    low, high = cluster_intervals(totals, sizes, n_bootstrap=n_bootstrap, confidence=confidence, rng=rng)
    return {name: costs.mean(axis=0), f"{name}_low": low, f"{name}_high": high}
