"""The parts of a student's report: people's answers about items that no triplet had, and classes of other images."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from alignkit._check import counted
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa import TripletCeiling
from alignkit.rsa._item_intervals import item_intervals
from alignkit.score import Difference, ScoreRow, few_shot, linear_probe
from alignkit.score._paired import bootstrap_mean
from alignkit.score._probe_accuracy import ProbeAccuracy
from alignkit.score._row import Settings
from alignkit.score._triplets import Answers, Battery, ceiling_of, score_triplets, triplet_baselines
from alignkit.train._differences_to_first import differences_to_first
from alignkit.train._things_items import restrict_answers
from alignkit.train.alignet._data import AligNetData
from alignkit.train.alignet._scores import PROBE

HELD_OUT, VALIDATION = "held-out items", "validation items (the teacher's answers were chosen on)"
PROBED = "probe images"
#: Fewer answers give no accuracy worth the name.
MIN_ANSWERS = 30
_SHOTS = 5
_OVER = "items and triplets"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Described:
    """One model: what it says about all images in use.

    Parameters
    ----------
    name : str
        What it is called in the table.
    values : ndarray, shape (images, channels)
        By the images' numbers.
    kernel : {"dot", "cosine"}
        What makes its similarities.
    split : str
        What was fitted to what.
    baseline : bool
        Whether it is not the student itself.
    """

    name: str
    values: FloatArray
    kernel: Literal["dot", "cosine"]
    split: str
    baseline: bool = True


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Lines of one part, paired differences of the student to the others, and what a reader must know."""

    rows: tuple[ScoreRow, ...] = ()
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()


def answers_part(
    part: str,
    data: AligNetData,
    items: Sequence[str],
    means: Callable[[FloatArray], FloatArray],
    models: Sequence[Described],
    settings: Settings,
    /,
) -> Part:
    """Return how often people's answers about some items alone are predicted, with intervals over items and triplets.

    Parameters
    ----------
    part : str
    data : AligNetData
    items : sequence of str
    means : callable
        From values of all images to one row for each of ``items``.
    models : sequence of Described
        The student first.
    settings : Settings
    """
    triplets = restrict_answers(data.answers, items) if items else None
    n = 0 if triplets is None else len(triplets)
    if triplets is None or n < MIN_ANSWERS:
        return Part(notes=(f"{part}: {counted(n, 'answer')} about {counted(len(items), 'item')}, too few to score.",))
    battery = Battery.of([Answers(part, triplets, *_ceiling(data, items))])
    rows: list[ScoreRow] = []
    heads: list[ScoreRow] = []
    credits: list[FloatArray] = []
    groups: IntArray | None = None
    for one in models:
        scored = score_triplets(
            one.name, means(one.values), battery.parts[0], settings, kernel=one.kernel, split=one.split
        )
        unit = scored.units[0]
        groups = unit.groups
        own = [dataclasses.replace(row, role="baseline" if one.baseline else "model") for row in scored.rows]
        low, high = _interval(unit.credits[:, None], triplets.items, groups, settings)
        own[0] = dataclasses.replace(own[0], low=float(low[0]), high=float(high[0]), over=_OVER)
        rows += own
        heads.append(own[0])
        credits.append(unit.credits)
    gaps = credits[0][:, None] - np.stack(credits, axis=1)
    low, high = _interval(gaps, triplets.items, groups, settings)
    differences = differences_to_first(heads, lambda k: (float(low[k]), float(high[k])))
    return Part((*rows, *triplet_baselines(means(models[0].values), battery, settings)), differences)


def probe_part(data: AligNetData, rows: IntArray, models: Sequence[Described], settings: Settings, /) -> Part:
    """Return how well classes of other images are told apart, by linear probes and from five images of each.

    Parameters
    ----------
    data : AligNetData
    rows : ndarray of int
        Where the probe's images stand among all.
    models : sequence of Described
        The student's embedding first.
    settings : Settings
    """
    if data.probe is None:
        return Part()
    classes = data.probe.classes.tolist()
    found: list[ScoreRow] = []
    differences: list[Difference] = []
    measures: dict[str, Callable[[FloatArray], ProbeAccuracy]] = {
        PROBE: lambda x: linear_probe(x, classes, n_bootstrap=settings.n_bootstrap, seed=settings.seed)
    }
    if (np.bincount(data.probe.classes) > _SHOTS).sum() >= 2:
        measures[f"{_SHOTS}-shot accuracy"] = lambda x: few_shot(
            x, classes, n_shots=_SHOTS, n_bootstrap=settings.n_bootstrap, seed=settings.seed
        )
    for measure, score in measures.items():
        results = [score(one.values[rows]) for one in models]
        own = [_probe_row(measure, one, result) for one, result in zip(models, results, strict=True)]
        found += [*own, _chance(own[0], results[0])]
        gaps = [_gaps(results[0], result) for result in results]
        spread = [bootstrap_mean(gap, settings) for gap in gaps]
        differences += differences_to_first(own, spread.__getitem__)
    return Part(tuple(found), tuple(differences))


def _interval(
    values: FloatArray, items: IntArray, groups: IntArray | None, settings: Settings
) -> tuple[FloatArray, FloatArray]:
    return item_intervals(
        values,
        items,
        groups,
        n_bootstrap=settings.n_bootstrap,
        confidence=settings.confidence,
        rng=np.random.default_rng(settings.seed),
    )


def _ceiling(data: AligNetData, items: Sequence[str]) -> tuple[TripletCeiling | None, str]:
    own = ceiling_of(restrict_answers(data.repeats, items))
    if own is not None or data.repeats is None:
        return own, ""
    n_items = len(np.unique(data.repeats.items))
    return ceiling_of(data.repeats), f" about {n_items:,} items (too few are about only these)"


def _probe_row(measure: str, one: Described, result: ProbeAccuracy) -> ScoreRow:
    return ScoreRow(
        model=one.name,
        role="baseline" if one.baseline else "model",
        part=PROBED,
        measure=measure,
        value=result.accuracy,
        low=result.low,
        high=result.high,
        over="images",
        n=result.n,
        n_items=result.n,
        split=f"{one.split}; {result.probe}",
        primary=measure == PROBE,
    )


def _chance(row: ScoreRow, result: ProbeAccuracy) -> ScoreRow:
    return dataclasses.replace(
        row, model="chance", role="baseline", value=result.chance, low=math.nan, high=math.nan, over="", split=""
    )


def _gaps(first: ProbeAccuracy, other: ProbeAccuracy) -> FloatArray:
    assert first.per_item is not None
    assert other.per_item is not None
    gaps = first.per_item - other.per_item
    kept: FloatArray = gaps[~np.isnan(gaps)]
    return kept
