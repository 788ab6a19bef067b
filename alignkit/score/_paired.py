"""Paired differences between models: the same answers, resampled together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._grouping import group_codes, sum_groups
from alignkit.rsa._intervals import cluster_intervals
from alignkit.score._row import Difference, Scored, Settings, Unit, rank_key


def paired_differences(scored: Sequence[Scored], settings: Settings) -> tuple[Difference, ...]:
    """Return the best model's paired difference to every other, for each part and measure that has credits."""
    groups: dict[tuple[str, str], list[Unit]] = {}
    for one in scored:
        for unit in one.units:
            groups.setdefault((unit.row.part, unit.row.measure), []).append(unit)
    result: list[Difference] = []
    for group in groups.values():
        best, *others = sorted(group, key=lambda unit: rank_key(unit.row))
        result += [_difference(best, other, settings) for other in others]
    return tuple(result)


def _difference(best: Unit, other: Unit, settings: Settings) -> Difference:
    gaps = best.credits - other.credits
    low, high = bootstrap_mean(gaps, settings, best.groups)
    return Difference(
        better=best.row.model,
        other=other.row.model,
        part=best.row.part,
        measure=best.row.measure,
        difference=float(gaps.mean()),
        low=low,
        high=high,
        over=best.row.over,
    )


def bootstrap_mean(values: FloatArray, settings: Settings, groups: IntArray | None = None) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a mean; values of one group are drawn together."""
    low, high = bootstrap_means(values[:, None], settings, groups)
    return float(low[0]), float(high[0])


def bootstrap_means(
    values: FloatArray, settings: Settings, groups: IntArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the intervals of the means of several columns, shape (n, k), that are resampled together."""
    if groups is None:
        totals, sizes = values, np.ones(len(values))
    else:
        n_groups, groups = group_codes(groups)
        totals = sum_groups(values, groups, n_groups)
        sizes = np.bincount(groups).astype(np.float64)
    return cluster_intervals(
        totals,
        np.repeat(sizes[:, None], values.shape[1], axis=1),
        n_bootstrap=settings.n_bootstrap,
        confidence=settings.confidence,
        rng=np.random.default_rng(settings.seed),
    )
