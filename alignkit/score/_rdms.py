"""Scoring a model's RDM against people's RDMs, beside their noise ceilings."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Sequence

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa import RDM, NoiseCeiling, compare, noise_ceiling, rdm
from alignkit.score._layer_rdms import RdmTask
from alignkit.score._layers import percent
from alignkit.score._paired import bootstrap_mean
from alignkit.score._row import Role, Scored, ScoreRow, Settings, Unit

#: Shuffled RDMs hold this many values together at most (128 MB).
_MAX_VALUES = 1 << 24


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One set of people's RDMs to compare with, and its ceiling over all of its items."""

    part: str
    rdms: RDM
    ceiling: NoiseCeiling
    chance: float | None = 0.0
    """None where the lower ceiling cannot be told from zero: no per cent of it is given."""


def make_target(part: str, rdms: RDM, settings: Settings, labels: tuple[str, ...]) -> Target:
    """Return the target restricted to ``labels``, with the ceiling of exactly these items."""
    shared = rdms if rdms.labels == labels else rdms.select(labels)
    ceiling = noise_ceiling(shared, method=settings.method, n_bootstrap=0)  # type: ignore[arg-type]
    # a share of a ceiling that cannot be told from zero would be noise: 500 % of nothing
    return Target(part, shared, ceiling, None if _may_not_agree(shared, settings) else 0.0)


def _may_not_agree(people: RDM, settings: Settings) -> bool:
    """Return whether the mean similarity of two people, resampled over people, may be zero or less."""
    similarity = compare(people, people, method=settings.method).values  # type: ignore[arg-type]
    n = len(similarity)
    similarity = similarity - np.diag(np.diagonal(similarity))
    rng = np.random.default_rng(settings.seed)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=settings.n_bootstrap).astype(np.float64)
    # copies of one person are no pair
    pairs = drawn.sum(axis=1) ** 2 - (drawn**2).sum(axis=1)
    kept = pairs > 0
    if not kept.any():
        return False
    agreement = ((drawn[kept] @ similarity) * drawn[kept]).sum(axis=1) / pairs[kept]
    return bool(np.quantile(agreement, (1 - settings.confidence) / 2) <= 0)


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


def layer_task(target: Target, settings: Settings) -> RdmTask:
    """Return what scores the layers of models against people's RDMs."""

    def limits(items: IntArray) -> tuple[float, float]:
        ceiling = noise_ceiling(target.rdms.take(items), method=settings.method, n_bootstrap=0)  # type: ignore[arg-type]
        return float(ceiling.lower), float(ceiling.upper)

    return RdmTask(
        template=_row("", math.nan, math.nan, math.nan, target, settings, "layer"),
        people=target.rdms,
        model=lambda x: rdm(x, metric=settings.metric, labels=target.rdms.labels),  # type: ignore[call-overload]
        method=settings.method,
        settings=settings,
        limits=limits,
        chance=target.chance,
    )


def shuffled_rdm(model: RDM, target: Target, settings: Settings) -> ScoreRow:
    """Return the baseline of the model's own RDM with shuffled items: mean and central range over shuffles."""
    values = shuffled_similarities(model, target.rdms, settings)
    row = _row("shuffled items", *central_range(values, settings), target, settings, "baseline")
    return dataclasses.replace(row, over="shuffles", split="")


def shuffled_similarities(model: RDM, people: RDM, settings: Settings) -> FloatArray:
    """Return the mean similarity to people's RDMs of the model's with its items shuffled, once per shuffle."""
    rng = np.random.default_rng(settings.seed)
    orders = [rng.permutation(model.n_items) for _ in range(settings.n_shuffles)]
    at_once = max(1, _MAX_VALUES // model.n_pairs)
    values = []
    for start in range(0, len(orders), at_once):
        shuffled = [model.take(order).values for order in orders[start : start + at_once]]
        stack = RDM(np.stack(shuffled), people.labels, dims=["shuffle"])
        with warnings.catch_warnings():
            # what is undefined of the model was said when it was compared itself
            warnings.simplefilter("ignore", RuntimeWarning)
            found = compare(stack, people, method=settings.method).values  # type: ignore[arg-type]
        values.append(found.reshape(len(stack), -1).mean(axis=1))
    return np.concatenate(values)


def central_range(values: Sequence[float] | FloatArray, settings: Settings) -> tuple[float, float, float]:
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
        percent_of_ceiling=percent(value, float(ceiling.lower), target.chance),
        primary=True,
    )
