"""The parts of a report: people's RDM of the 48, answers about held-out objects, and agreement with the targets."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from alignkit._check import counted
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa import RDM, TripletCeiling, compare, rdm
from alignkit.score import Difference, ScoreRow
from alignkit.score._paired import bootstrap_mean
from alignkit.score._rdms import central_range, shuffled_similarities
from alignkit.score._row import Settings
from alignkit.score._things import RDM48_RELIABILITY
from alignkit.score._triplets import Answers, Battery, ceiling_of, score_triplets, triplet_baselines
from alignkit.train._differences_to_first import differences_to_first
from alignkit.train.hba._data import HBAData, restrict_answers
from alignkit.train.hba._dimension_scores import interval, mean_correlation
from alignkit.train.hba._item_bootstrap import draw_items, resampled_rdms
from alignkit.train.hba._predictors import Predictor, is_spose, short_name

RDM48, HELD_OUT, VALIDATION = "RDM48", "held-out objects", "validation objects (chosen on)"
TRIPLETS, VAL_TRIPLETS = "held-out triplets", "validation triplets (chosen on)"
#: Fewer objects have no RDM, and no correlation of a dimension, worth the name.
MIN_OBJECTS = 3
#: Fewer answers give no accuracy worth the name.
MIN_ANSWERS = 30
_METHODS = ("spearman", "pearson")
_MEAN = "mean pearson of the dimensions with the targets"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Lines of one part, paired differences of the trained model to the others, and what a reader must know."""

    rows: tuple[ScoreRow, ...] = ()
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()


def rdm48_part(data: HBAData, after: Predictor, others: Sequence[Predictor], settings: Settings, /) -> Part:
    """Return RSA with people's dissimilarities of those of the 48 objects that have images."""
    if data.rdm48 is None:
        return (
            Part(notes=("Of the 48 fully sampled objects too few have images: there is no RDM48.",))
            if is_spose(data)
            else Part()
        )
    row = {label: i for i, label in enumerate(data.labels)}
    objects = np.array([row[label] for label in data.rdm48.labels or ()], dtype=np.int64)
    measures = {method: f"{method} with people's choice matrix" for method in _METHODS}
    part = _rdm_part(RDM48, data, objects, data.rdm48, after, others, settings, measures)
    rows = []
    for one in part.rows:
        # the reliability is a Pearson correlation
        percent = 100 * one.value / RDM48_RELIABILITY if one.measure == measures["pearson"] else math.nan
        limits = {"ceiling_low": RDM48_RELIABILITY, "ceiling": "published reliability of the matrix of all 48"}
        rows.append(dataclasses.replace(one, primary=True, percent_of_ceiling=percent, **limits))  # type: ignore[arg-type]
    return dataclasses.replace(part, rows=tuple(rows))


def targets_part(
    part: str, data: HBAData, objects: IntArray, after: Predictor, others: Sequence[Predictor], settings: Settings, /
) -> Part:
    """Return the agreement with the targets of objects that nothing was fitted to: RDMs, and mean over dimensions."""
    if len(objects) < MIN_OBJECTS:
        return Part(notes=(f"{part}: {counted(len(objects), 'object')}, too few to compare with the targets.",))
    others = [one for one in others if one.values is not data.targets]
    people = rdm(data.targets[objects], labels=[data.labels[i] for i in objects])
    measures = {method: f"{method} with the RDM of the targets" for method in _METHODS}
    rdms = _rdm_part(part, data, objects, people, after, others, settings, measures)
    means = _means_part(part, data, objects, after, others, settings)
    return Part((*rdms.rows, *means.rows), (*rdms.differences, *means.differences))


def triplets_part(
    part: str, data: HBAData, objects: IntArray, after: Predictor, others: Sequence[Predictor], settings: Settings, /
) -> Part:
    """Return how often people's answers about some objects alone are predicted, beside the ceiling of repeats."""
    if data.triplets is None:
        return Part()
    names = [data.labels[i] for i in objects]
    triplets = restrict_answers(data.triplets, names) if names else None
    n = 0 if triplets is None else len(triplets)
    if triplets is None or n < MIN_ANSWERS:
        return Part(
            notes=(f"{part}: {counted(n, 'answer')} about these {len(names)} objects alone, too few to score.",)
        )
    battery = Battery.of([Answers(part, triplets, *_ceiling(data, names))])
    scored = []
    for one in (after, *others):
        split = f"{_split(part, one, data, human=True)}; {one.kernel} similarities"
        x = _in_units(one, objects, data)
        scored.append(score_triplets(one.name, x, battery.parts[0], settings, kernel=one.kernel, split=split))
    rows = [_as_role(row, k) for k, found in enumerate(scored) for row in found.rows]
    units = [found.units[0] for found in scored]

    def spread(other: int) -> tuple[float, float]:
        return bootstrap_mean(units[0].credits - units[other].credits, settings, units[0].groups)

    baselines = triplet_baselines(_in_units(after, objects, data), battery, settings)
    if part == VAL_TRIPLETS:
        return Part(tuple(row for row in (*rows, *baselines) if row.primary))
    return Part((*rows, *baselines), differences_to_first([unit.row for unit in units], spread))


def _ceiling(data: HBAData, names: Sequence[str]) -> tuple[TripletCeiling | None, str]:
    own = ceiling_of(restrict_answers(data.repeats, names))
    if own is not None:
        return own, ""
    return ceiling_of(data.repeats), f" about all {len(data.labels):,} objects (too few are about only these)"


def _rdm_part(
    part: str,
    data: HBAData,
    objects: IntArray,
    people: RDM,
    after: Predictor,
    others: Sequence[Predictor],
    settings: Settings,
    measures: dict[str, str],
) -> Part:
    """Compare the 1 - Pearson RDMs of all with one RDM, by each of several measures."""
    predictors = [after, *others]
    models = [rdm(one.take(objects), metric="correlation", labels=people.labels) for one in predictors]
    draws = draw_items(len(objects), settings.n_bootstrap, settings.seed)
    rows: list[ScoreRow] = []
    differences: list[Difference] = []
    for method, measure in measures.items():
        values = [float(compare(model, people, method=method)) for model in models]  # type: ignore[arg-type]
        samples = resampled_rdms(np.stack([m.values for m in models]), people.values, draws, ranks=method == "spearman")
        base = _base(part, measure, people.n_pairs, len(objects), primary=method == "spearman")
        own = _lines(base, predictors, values, samples, data, settings, human=part == RDM48)
        shuffled = shuffled_similarities(models[0], people, dataclasses.replace(settings, method=method))
        rows += [*own, _shuffled(base, shuffled, settings)]
        differences += differences_to_first(own, _spread(samples, settings))
    return Part(tuple(rows), tuple(differences) if part != VALIDATION else ())


def _means_part(
    part: str, data: HBAData, objects: IntArray, after: Predictor, others: Sequence[Predictor], settings: Settings
) -> Part:
    """Return the mean correlation of dimensions with their targets, of all that predict dimensions."""
    predictors = [one for one in (after, *others) if one.kind != "features"]
    draws = draw_items(len(objects), settings.n_bootstrap, settings.seed)
    targets = data.targets[objects]
    found = [mean_correlation(one.take(objects), targets, draws) for one in predictors]
    base = _base(part, _MEAN, len(objects) * targets.shape[1], len(objects), primary=part == HELD_OUT)
    samples = np.stack([one for _, one in found], axis=1)
    rows = _lines(base, predictors, [value for value, _ in found], samples, data, settings, human=False)
    return Part(tuple(rows), differences_to_first(rows, _spread(samples, settings)) if part != VALIDATION else ())


def _base(part: str, measure: str, n: int, n_items: int, *, primary: bool) -> ScoreRow:
    return ScoreRow(
        model="",
        role="baseline",
        part=part,
        measure=measure,
        value=math.nan,
        over="objects",
        n=n,
        n_items=n_items,
        primary=primary,
    )


def _lines(
    base: ScoreRow,
    predictors: Sequence[Predictor],
    values: Sequence[float],
    samples: FloatArray,
    data: HBAData,
    settings: Settings,
    *,
    human: bool,
) -> list[ScoreRow]:
    low, high = interval(samples, settings.confidence)
    rows = []
    for k, (one, value) in enumerate(zip(predictors, values, strict=True)):
        split = _split(base.part, one, data, human=human)
        row = dataclasses.replace(
            base, model=one.name, value=value, low=float(low[k]), high=float(high[k]), split=split
        )
        rows.append(_as_role(row, k))
    return rows


def _shuffled(base: ScoreRow, values: FloatArray, settings: Settings) -> ScoreRow:
    mean, low, high = central_range(values, settings)
    return dataclasses.replace(base, model="shuffled items", value=mean, low=low, high=high, over="shuffles", split="")


def _as_role(row: ScoreRow, place: int) -> ScoreRow:
    return dataclasses.replace(row, role="model" if place == 0 else "baseline")


def _split(part: str, one: Predictor, data: HBAData, *, human: bool) -> str:
    """Return what was fitted to what, whether the part's objects had a say, and whether people's answers may have."""
    text = one.fitted
    if part in (VALIDATION, VAL_TRIPLETS) and " more" in text:
        text = text.replace(f"chosen on {len(data.val)} more", f"chosen on these {len(data.val)}")
    if human and one.learned and is_spose(data):
        text += f"; possibly optimistic: {short_name(data)} was probably fitted to these answers"
    return text


def _in_units(one: Predictor, objects: IntArray, data: HBAData) -> FloatArray:
    """Return what triplets are scored with: dimensions in the targets' own units, in which dot products count."""
    values = one.take(objects)
    return data.in_units(values) if one.kind == "dimensions" else values


def _spread(samples: FloatArray, settings: Settings) -> Callable[[int], tuple[float, float]]:
    def spread(other: int) -> tuple[float, float]:
        low, high = interval((samples[:, 0] - samples[:, other])[:, None], settings.confidence)
        return float(low[0]), float(high[0])

    return spread
