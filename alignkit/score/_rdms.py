"""Scoring a model's RDM against people's RDMs, beside their noise ceilings."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from alignkit.rsa import RDM, NoiseCeiling, compare, noise_ceiling, percent_of_ceiling
from alignkit.score._paired import bootstrap_mean
from alignkit.score._row import Role, Scored, ScoreRow, Settings, Unit


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One set of people's RDMs to compare with, and its ceiling over all of its items."""

    part: str
    rdms: RDM
    ceiling: NoiseCeiling


def make_target(part: str, rdms: RDM, settings: Settings, labels: tuple[str, ...]) -> Target:
    """Return the target restricted to ``labels``, with the ceiling of exactly these items."""
    shared = rdms if rdms.labels == labels else rdms.select(labels)
    ceiling = noise_ceiling(
        shared,
        method=settings.method,  # type: ignore[arg-type]
        n_bootstrap=settings.n_bootstrap,
        confidence=settings.confidence,
        rng=settings.seed,
    )
    return Target(part, shared, ceiling)


def score_rdm(
    name: str, model: RDM, target: Target, settings: Settings, *, role: Role = "model", split: str | None = None
) -> Scored:
    """Score one model RDM: the mean similarity to each person, with an interval over people."""
    similarity = compare(model, target.rdms, method=settings.method).values.ravel()  # type: ignore[arg-type]
    low, high = bootstrap_mean(similarity, settings)
    row = _row(name, float(similarity.mean()), low, high, target, settings, role)
    if split is not None:
        row = dataclasses.replace(row, split=split)
    return Scored((row,), (Unit(row, similarity),) if role == "model" else ())


def shuffled_rdm(model: RDM, target: Target, settings: Settings) -> ScoreRow:
    """Return the baseline of the model's own RDM with shuffled items: mean and central range over shuffles."""
    values = shuffled_similarities(model, target.rdms, settings)
    row = _row("shuffled items", *central_range(values, settings), target, settings, "baseline")
    return dataclasses.replace(row, over="shuffles", split="")


def shuffled_similarities(model: RDM, people: RDM, settings: Settings) -> list[float]:
    """Return the mean similarity to people's RDMs of the model's with its items shuffled, once per shuffle."""
    rng = np.random.default_rng(settings.seed)
    square = model.squareform()
    values = []
    for _ in range(settings.n_shuffles):
        order = rng.permutation(model.n_items)
        shuffled = RDM(square[np.ix_(order, order)], people.labels)
        values.append(float(compare(shuffled, people, method=settings.method).values.mean()))  # type: ignore[arg-type]
    return values


def central_range(values: Sequence[float], settings: Settings) -> tuple[float, float, float]:
    """Return the mean of repetitions and the range that holds the middle ``confidence`` of them."""
    low, high = np.quantile(values, [(1 - settings.confidence) / 2, (1 + settings.confidence) / 2])
    return float(np.mean(values)), float(low), float(high)


def _row(name: str, value: float, low: float, high: float, target: Target, settings: Settings, role: Role) -> ScoreRow:
    ceiling = target.ceiling
    return ScoreRow(
        model=name,
        role=role,
        part=target.part,
        measure=f"{settings.method} with people's RDMs",
        value=value,
        low=low,
        high=high,
        over="subjects",
        n=ceiling.n_pairs,
        n_items=ceiling.n_items,
        ceiling_low=float(ceiling.lower),
        ceiling_high=float(ceiling.upper),
        ceiling=f"{ceiling.n_subjects} subjects, {ceiling.pooling} pooling: others' mean (low), everyone's mean (high)",
        percent_of_ceiling=_percent(value, ceiling),
        primary=True,
    )


def _percent(value: float, ceiling: NoiseCeiling) -> float:
    # a share of a ceiling that cannot be told from zero would be noise: 500 % of nothing
    if ceiling.lower_interval[0] <= 0:
        return math.nan
    return percent_of_ceiling(value, float(ceiling.lower), chance=0.0)
