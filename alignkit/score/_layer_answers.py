"""Layers against answers about three items: odd-one-out triplets and 2AFC trials."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.score._layers import HELD_OUT, curve_rows, nested_split, percent
from alignkit.score._nested import nested_answers, scorable
from alignkit.score._paired import bootstrap_mean, bootstrap_means
from alignkit.score._row import Scored, ScoreRow, Settings, Unit
from alignkit.score._suite import join_scored


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class AnswerPart:
    """One set of answers within all that are scored together."""

    template: ScoreRow
    """A line of this part with its measure, counts and ceilings; who is scored and the numbers are filled in."""
    rows: slice | IntArray
    """Which of the credits are this part's."""
    within: BoolArray
    """From :func:`within_halves`."""
    groups: IntArray | None = None
    """Cluster of each answer (all answers to one triplet)."""
    chance: float = 1 / 3
    limits: Callable[[IntArray], tuple[float, float]] | None = None
    """The ceilings of some of the answers, given by position; None: those of the template."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class AnswerTask:
    """Answers that one gather of similarities serves; each part has a curve and a choice of its own."""

    credits: Callable[[FloatArray], FloatArray]
    """Features of all items -> what they get for each answer."""
    parts: tuple[AnswerPart, ...]
    settings: Settings

    def measure(self, x: FloatArray, /) -> FloatArray:
        """Return the credit of every answer."""
        return self.credits(x)

    def scored(self, name: str, layers: Sequence[str], measured: FloatArray, /) -> Scored:
        """Return every part's curve, and its line of the layer chosen on other items."""
        scored = [_score_part(name, layers, measured[:, part.rows], part, self.settings) for part in self.parts]
        return join_scored(scored)


def _score_part(name: str, layers: Sequence[str], credits: FloatArray, part: AnswerPart, settings: Settings) -> Scored:
    credit, choices = nested_answers(credits, part.within)
    unit = _nested_unit(name, len(layers), credit, part, settings)
    values = (credits.mean(axis=1), *bootstrap_means(credits.T, settings, part.groups))
    curve = curve_rows(part.template, name, layers, values, choices, part.chance)
    return Scored((*curve, unit.row), (unit,))


def _nested_unit(name: str, n_layers: int, credit: FloatArray, part: AnswerPart, settings: Settings) -> Unit:
    """Return the line of the layers that were chosen without the items they are scored on, with its credits."""
    kept = np.flatnonzero(scorable(part.within))
    groups = None if part.groups is None else part.groups[kept]
    credit = credit[kept]
    low, high = bootstrap_mean(credit, settings, groups) if kept.size else (np.nan, np.nan)
    limits = part.template.ceiling_low, part.template.ceiling_high
    if part.limits is not None and 0 < len(kept) < part.within.shape[-1]:
        limits = part.limits(kept)
    value = float(credit.mean()) if kept.size else np.nan
    row = dataclasses.replace(
        part.template,
        model=name,
        role="model",
        measure=f"{part.template.measure}, {HELD_OUT}",
        value=value,
        low=low,
        high=high,
        n=len(kept),
        ceiling_low=limits[0],
        ceiling_high=limits[1],
        percent_of_ceiling=percent(value, limits[0], part.chance),
        split=nested_split(n_layers, settings.n_splits, _how(part)),
    )
    return Unit(row, credit, groups)


def _how(part: AnswerPart) -> str:
    n_splits, _, n = part.within.shape
    what, n_within = part.template.over, part.within.sum() / (2 * n_splits)
    return (
        f"items halved {n_splits} times; chosen on the {what} whose items all lie in one half, about {n_within:,.0f}, "
        f"and scored on those within the other, both ways; the {1 - 2 * n_within / n:.0%} that mix the halves count in "
        "neither"
    )
