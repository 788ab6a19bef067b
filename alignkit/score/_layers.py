"""Layer curves: every layer of a model scored alike, and a layer chosen on other items than those it is scored on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa import percent_of_ceiling
from alignkit.score._match import warn_undefined
from alignkit.score._nested import choice_shares
from alignkit.score._row import NOT_FITTED, Scored, ScoreRow, Settings
from alignkit.score._steps import Steps
from alignkit.score._suite import Candidate, join_scored

#: What is added to a measure's name where the layer was chosen on other items.
HELD_OUT = "held-out items"
_ONE = "one layer, nothing chosen; scored on the same parts as models whose layer is chosen on other items"


class Task(Protocol):
    """A part or parts of a data set on which all layers of a model are scored together."""

    def measure(self, x: FloatArray, /) -> FloatArray:
        """Return what the curve and the choice need of one layer's features of all items, as one vector."""

    def scored(self, name: str, layers: Sequence[str], measured: FloatArray, /) -> Scored:
        """Return the curve's lines and the line of the layer chosen on other items."""


def score_models(
    candidates: Sequence[Candidate],
    full: Callable[[Candidate], Scored],
    tasks: Sequence[Task],
    shared: tuple[str, ...],
    measures: Collection[str],
    settings: Settings,
    steps: Steps,
) -> tuple[Scored, ...]:
    """Score every model by every measure (``full``), or, where curves are asked for, each of its layers on each task.

    A model of one layer has both: every measure, and what it takes to be compared with the others.
    """
    wholes = [not settings.layers or len(c.layers) == 1 for c in candidates]
    steps.expect(sum(wholes) + sum(len(c.layers) for c in candidates))
    result = []
    for candidate, whole in zip(candidates, wholes, strict=True):
        parts = []
        if whole:
            parts.append(full(candidate))
            steps.done(candidate.name)
        if candidate.layers:
            parts.append(_score_layers(candidate, tasks, shared, measures, steps))
        result.append(join_scored(parts))
    return tuple(result)


def _score_layers(
    candidate: Candidate, tasks: Sequence[Task], shared: tuple[str, ...], measures: Collection[str], steps: Steps
) -> Scored:
    layers = tuple(candidate.layers)
    measured: list[list[FloatArray]] = [[] for _ in tasks]
    for layer in layers:
        x = candidate.take(shared, layer)
        if len(layers) > 1:
            warn_undefined(f"{candidate.name} [{layer}]", x, shared, measures)
        for task, found in zip(tasks, measured, strict=True):
            found.append(task.measure(x))
        steps.done(f"{candidate.name} [{layer}]")
    scored = [task.scored(candidate.name, layers, np.stack(found)) for task, found in zip(tasks, measured, strict=True)]
    return join_scored(scored)


def curve_rows(
    template: ScoreRow,
    name: str,
    layers: Sequence[str],
    values: Sequence[FloatArray],
    choices: IntArray,
    chance: float | None,
) -> list[ScoreRow]:
    """Return one line per layer, from its value, its interval and how often it was chosen; none of a single layer.

    Without ``chance`` no per cent of the ceiling is given.
    """
    if len(layers) == 1:
        return []
    shares = choice_shares(choices, len(layers))
    return [
        dataclasses.replace(
            template,
            model=name,
            role="layer",
            layer=layer,
            value=float(value),
            low=float(low),
            high=float(high),
            percent_of_ceiling=percent(float(value), template.ceiling_low, chance),
            split=NOT_FITTED,
            chosen=float(share),
        )
        for layer, value, low, high, share in zip(layers, *values, shares, strict=True)
    ]


def percent(value: float, ceiling: float, chance: float | None) -> float:
    """Return the per cent of the way from chance to the ceiling; NaN without either."""
    if chance is None or math.isnan(ceiling) or math.isnan(value):
        return math.nan
    return percent_of_ceiling(value, ceiling, chance=chance)


def nested_split(n_layers: int, n_splits: int, how: str) -> str:
    """Return what was chosen on what, and what it was scored on."""
    if n_layers == 1:
        return f"{_ONE} ({how})"
    return f"layer chosen on other items: nested 2 x {n_splits} ({how})"
