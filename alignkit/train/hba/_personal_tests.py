"""Intervals, tests and words: what held-out answers say about each person's model, and about all of them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from alignkit._check import counted
from alignkit._typing import IntArray
from alignkit.rsa import Triplets, triplet_ceiling
from alignkit.rsa._grouping import sum_groups, triplet_codes
from alignkit.rsa._intervals import cluster_intervals
from alignkit.train._people_difference import PeopleTest, people_difference
from alignkit.train.hba._personal_compare import HeldOut
from alignkit.train.hba._personal_scores import Person


@dataclasses.dataclass(frozen=True, slots=True)
class Bootstrap:
    """How intervals are made: resamples (0: none) and coverage."""

    n: int
    confidence: float


def describe_person(
    subject: str, answers: Triplets, rows: IntArray, held: HeldOut, bootstrap: Bootstrap, rng: np.random.Generator
) -> Person:
    """Return one person's accuracies with intervals over the distinct triplets, and what they mean.

    Parameters
    ----------
    subject : str
    answers : Triplets
        Everybody's.
    rows : ndarray of int
        The person's.
    held : HeldOut
        Credits of everybody's answers.
    bootstrap : Bootstrap
    rng : Generator
    """
    own = held.own[rows]
    rivals = {"group": held.group[rows], "shared": held.shared[rows], "others": held.others[rows]}
    n_triplets, code = triplet_codes(answers.items[rows])
    differences = np.column_stack([own - values for values in rivals.values()])
    sizes = np.repeat(np.bincount(code).astype(np.float64)[:, None], differences.shape[1], axis=1)
    totals = sum_groups(differences, code, n_triplets)
    low, high = cluster_intervals(totals, sizes, n_bootstrap=bootstrap.n, confidence=bootstrap.confidence, rng=rng)
    means = differences.mean(axis=0)
    numbers: dict[str, float] = {"own": float(own.mean())}
    for k, (name, values) in enumerate(rivals.items()):
        numbers[name] = float(values.mean())
        numbers |= {f"over_{name}": means[k], f"over_{name}_low": low[k], f"over_{name}_high": high[k]}
    ceiling = _own_ceiling(answers.take(rows), n_triplets, bootstrap, rng)
    verdict = _verdict(len(rows), numbers, ceiling)
    return Person(
        subject=subject,
        n_answers=len(rows),
        n_triplets=n_triplets,
        verdict=verdict,
        **{name: float(value) for name, value in {**numbers, **ceiling}.items()},
    )


def compare_people(held: HeldOut, person: IntArray, bootstrap: Bootstrap, rng: np.random.Generator) -> list[PeopleTest]:
    """Return the mean differences over people, each person's answers averaged first."""
    counts = np.bincount(person)
    differences = {
        "accuracy, own - group": held.own - held.group,
        "accuracy, own - shared": held.own - held.shared,
        "accuracy, own - others": held.own - held.others,
        "log-likelihood per answer, own - shared": held.gain,
    }
    return [
        people_difference(
            name,
            np.asarray(np.bincount(person, weights=values) / counts),
            n_bootstrap=bootstrap.n,
            confidence=bootstrap.confidence,
            rng=rng,
        )
        for name, values in differences.items()
    ]


def _own_ceiling(
    answers: Triplets, n_triplets: int, bootstrap: Bootstrap, rng: np.random.Generator
) -> dict[str, float]:
    if n_triplets == len(answers):
        return dict.fromkeys(("ceiling", "ceiling_low", "ceiling_high"), math.nan)
    found = triplet_ceiling(answers, n_bootstrap=bootstrap.n, confidence=bootstrap.confidence, rng=rng)
    low, high = found.interval("within-person")
    return {"ceiling": found["within-person"], "ceiling_low": low, "ceiling_high": high}


def _verdict(n: int, numbers: dict[str, float], ceiling: dict[str, float]) -> str:
    given = counted(n, "answer")
    low, high = 100 * numbers["over_shared_low"], 100 * numbers["over_shared_high"]
    others = 100 * numbers["over_others_low"]
    span = f"[{low:+.1f}, {high:+.1f}] points"
    if math.isnan(low):
        text = f"no interval: {given}"
    elif low > 0:
        text = f"the own model predicts better than the shared one ({span}, {given}){_over_others(others)}"
    elif high < 0:
        text = f"the own model predicts worse than the shared one ({span}, {given}): use the group's"
    else:
        text = (
            f"the data cannot carry a personal model: {given}, and the interval of own minus shared accuracy, {span}, "
            "holds 0"
        )
    return text if not math.isnan(ceiling["ceiling"]) else f"{text}; no triplet was answered twice, so no own ceiling"


def _over_others(low: float) -> str:
    if math.isnan(low):
        return ""
    return ", and than other people's models" if low > 0 else ", though not surely than other people's models"
