"""All models compared with each other on the same answers: items are drawn again, and answers with them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from alignkit._typing import FloatArray
from alignkit.rsa._item_intervals import item_intervals
from alignkit.score._paired import bootstrap_means
from alignkit.score._row import Difference, Scored, ScoreRow, Settings, Unit, rank_key

#: Smaller differences of accuracies are not claimed, whatever their interval.
CLAIMED = 0.02
#: More models are compared with the best one alone.
_MOST = 6
_OVER_ITEMS = "items and triplets"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Lines with intervals that hold for other items, and the differences of all pairs of models."""

    scored: tuple[Scored, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


def compare_arms(scored: Sequence[Scored], settings: Settings) -> Compared:
    """Compare every two models on each measure that has credits; intervals of each and of both are of one bootstrap."""
    groups: dict[tuple[str, str], list[Unit]] = {}
    for one in scored:
        for unit in one.units:
            groups.setdefault((unit.row.part, unit.row.measure), []).append(unit)
    rows: dict[tuple[str, str, str], ScoreRow] = {}
    differences: list[Difference] = []
    for (part, measure), units in groups.items():
        ranked = sorted(units, key=lambda unit: rank_key(unit.row))
        found, pairs = _compare(ranked, settings)
        rows |= {(part, measure, row.model): row for row in found}
        differences += pairs
    replaced = tuple(_replaced(one, rows) for one in scored)
    return Compared(replaced, tuple(differences), _not_claimed(differences))


def _compare(units: Sequence[Unit], settings: Settings) -> tuple[list[ScoreRow], list[Difference]]:
    credits = np.column_stack([unit.credits for unit in units])
    chosen = [pair for pair in itertools.combinations(range(len(units)), 2) if pair[0] == 0 or len(units) <= _MOST]
    gaps = [credits[:, i] - credits[:, j] for i, j in chosen]
    values = np.column_stack([credits, *gaps])
    low, high = _intervals(values, units[0], settings)
    means = values.mean(axis=0)
    n = len(units)
    by_items = units[0].items is not None
    over = _OVER_ITEMS if by_items else units[0].row.over
    rows = [
        dataclasses.replace(unit.row, low=float(low[k]), high=float(high[k]), over=over) if by_items else unit.row
        for k, unit in enumerate(units)
    ]
    pairs = [
        Difference(
            better=units[i].row.model,
            other=units[j].row.model,
            part=units[i].row.part,
            measure=units[i].row.measure,
            difference=float(means[n + k]),
            low=float(low[n + k]),
            high=float(high[n + k]),
            over=over,
        )
        for k, (i, j) in enumerate(chosen)
    ]
    return rows, pairs


def _intervals(values: FloatArray, unit: Unit, settings: Settings) -> tuple[FloatArray, FloatArray]:
    if unit.items is None:
        return bootstrap_means(values, settings, unit.groups)
    return item_intervals(
        values,
        unit.items,
        unit.groups,
        n_bootstrap=settings.n_bootstrap,
        confidence=settings.confidence,
        rng=np.random.default_rng(settings.seed),
    )


def _replaced(scored: Scored, rows: dict[tuple[str, str, str], ScoreRow]) -> Scored:
    def new(row: ScoreRow) -> ScoreRow:
        return rows.get((row.part, row.measure, row.model), row) if row.role == "model" else row

    units = tuple(dataclasses.replace(unit, row=new(unit.row)) for unit in scored.units)
    return Scored(tuple(new(row) for row in scored.rows), units)


def _not_claimed(differences: Sequence[Difference]) -> tuple[str, ...]:
    """Say which differences of accuracies are too small, or not told from zero."""
    weak = [
        f"{one.better} - {one.other} ({one.part})"
        for one in differences
        if "accuracy" in one.measure and not (abs(one.difference) >= CLAIMED and (one.low > 0 or one.high < 0))
    ]
    if not weak:
        return ()
    return (f"Not claimed, being below {CLAIMED:g} or of an interval that holds 0: {', '.join(weak)}.",)
