"""Scoring features against odd-one-out answers: accuracy, calibration, ceilings, baselines."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa import (
    Calibration,
    TripletAccuracy,
    TripletCeiling,
    Triplets,
    calibration,
    percent_of_ceiling,
    triplet_accuracy,
    triplet_ceiling,
)
from alignkit.rsa._grouping import group_triplets
from alignkit.score._layer_answers import AnswerPart, AnswerTask
from alignkit.score._nested import halvings, within_halves
from alignkit.score._rdms import central_range
from alignkit.score._row import NOT_FITTED, Role, Scored, ScoreRow, Settings, Unit

CHANCE = 1 / 3
ACCURACY = "odd-one-out accuracy"
_HELD_OUT = "; softmax temperature fitted on other triplets (5 folds)"
#: Fewer repeated triplets than this give no ceiling worth the name.
MIN_REPEATED = 30
#: Shuffled answers are scored this many at once.
_MAX_ANSWERS = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """One set of answers, numbered as the rows of the features, with the ceiling that goes with it."""

    part: str
    triplets: Triplets
    ceiling: TripletCeiling | None
    ceiling_scope: str = ""
    """Whose repeats the ceiling comes from, where they are not exactly these items'."""
    repeated: bool = False
    """Whether every triplet was answered by many: then people's distributions are known."""
    alone: bool = True
    """Whether it is a part of its own, not only of all answers together."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Battery:
    """Sets of answers that are scored together, so that their similarities are computed once."""

    triplets: Triplets
    """All answers, each once."""
    parts: tuple[Answers, ...]
    rows: tuple[slice, ...]
    """Where each part's answers are among all."""

    @classmethod
    def of(cls, sets: Sequence[Answers], whole: str = "") -> Battery:
        """Put sets together; several are also scored as one, under the name ``whole`` (empty: they are not)."""
        ends = np.cumsum([0, *(len(one.triplets) for one in sets)]).tolist()
        rows = [slice(*ends[k : k + 2]) for k in range(len(sets))]
        parts = list(sets)
        triplets = sets[0].triplets
        if len(sets) > 1:
            triplets = Triplets(np.concatenate([one.triplets.items for one in sets]), triplets.labels)
        if len(sets) > 1 and whole:
            parts.append(Answers(whole, triplets, sets[-1].ceiling, sets[-1].ceiling_scope))
            rows.append(slice(None))
        kept = [k for k, part in enumerate(parts) if part.alone]
        return cls(triplets, tuple(parts[k] for k in kept), tuple(rows[k] for k in kept))


def ceiling_of(repeats: Triplets | None) -> TripletCeiling | None:
    """Return the ceilings of repeated answers, or None where there are too few."""
    if repeats is None or len(group_triplets(repeats.items)[0]) < MIN_REPEATED:
        return None
    return triplet_ceiling(repeats, n_bootstrap=0)


def score_triplets(
    name: str,
    x: FloatArray,
    answers: Answers,
    settings: Settings,
    *,
    role: Role = "model",
    kernel: str | None = None,
    split: str | None = None,
) -> Scored:
    """Return accuracy, cross-entropy, calibration and (for repeated triplets) agreement with human uncertainty."""
    kernel = kernel or settings.kernel
    result = _accuracy(x, answers.triplets, settings, kernel, settings.n_bootstrap)
    row = _accuracy_row(name, result, answers, role, split)
    rows = [row, *_calibration_rows(row, x, answers, settings, kernel)]
    assert result.per_triplet is not None
    unit = Unit(row, result.per_triplet, group_triplets(answers.triplets.items)[1], answers.triplets.items)
    return Scored(tuple(rows), (unit,) if role == "model" else ())


def triplet_baselines(x: FloatArray, battery: Battery, settings: Settings) -> list[ScoreRow]:
    """Return chance, and the features with their items shuffled, for every part."""
    shuffled = _shuffled_accuracies(x, battery, settings)
    result = []
    for part, values in zip(battery.parts, shuffled, strict=True):
        row = _template(part, "baseline")
        mean, low, high = central_range(values, settings)
        percent = percent_of_ceiling(mean, row.ceiling_low)
        result.append(
            dataclasses.replace(
                row, model="shuffled items", value=mean, low=low, high=high, over="shuffles", percent_of_ceiling=percent
            )
        )
        chance = dataclasses.replace(row, model="chance", value=CHANCE, percent_of_ceiling=0.0)
        nothing: dict[str, Any] = {"ceiling": "", "percent_of_ceiling": math.nan, "primary": False}
        nothing |= {"ceiling_low": math.nan, "ceiling_high": math.nan, "higher_is_better": False}
        measure = "cross-entropy (nats), T cross-validated"
        result += [chance, dataclasses.replace(chance, measure=measure, value=math.log(3), **nothing)]
    return result


def _shuffled_accuracies(x: FloatArray, battery: Battery, settings: Settings) -> FloatArray:
    """Return the accuracy of every part and shuffle, shape (parts, shuffles)."""
    rng = np.random.default_rng(settings.seed)
    orders = [rng.permutation(len(x)) for _ in range(settings.n_shuffles)]
    n = len(battery.triplets)
    at_once = max(1, _MAX_ANSWERS // n)
    values = []
    for start in range(0, len(orders), at_once):
        # the row that an item takes under a shuffle: its similarities are looked up there
        items = np.concatenate([order[battery.triplets.items] for order in orders[start : start + at_once]])
        credit = answer_credits(x, Triplets(items), settings).reshape(-1, n)
        values += [[row[rows].mean() for rows in battery.rows] for row in credit]
    return np.array(values).T


def answer_credits(x: FloatArray, triplets: Triplets, settings: Settings) -> FloatArray:
    """Return what features get for every answer; NaN where it is undefined."""
    result = _accuracy(x, triplets, settings, settings.kernel, 0)
    assert result.per_triplet is not None
    return result.per_triplet


def layer_task(battery: Battery, n_items: int, settings: Settings) -> AnswerTask:
    """Return what scores the layers of models: one matrix of similarities and one gather for all parts."""
    first = halvings(n_items, settings.n_splits, settings.seed)
    parts = []
    for part, rows in zip(battery.parts, battery.rows, strict=True):
        items = part.triplets.items
        within = within_halves(items, first)
        groups = group_triplets(items)[1]
        limits = partial(_limits_of, part.triplets) if part.repeated and part.ceiling else None
        parts.append(AnswerPart(_template(part, "layer"), rows, within, groups, CHANCE, limits))
    return AnswerTask(lambda x: answer_credits(x, battery.triplets, settings), tuple(parts), settings)


def _limits_of(repeats: Triplets, rows: IntArray) -> tuple[float, float]:
    ceiling = triplet_ceiling(repeats.take(rows), n_bootstrap=0)
    return ceiling["leave-one-out"], ceiling["plug-in"]


def _accuracy(x: FloatArray, triplets: Triplets, settings: Settings, kernel: str, n_bootstrap: int) -> TripletAccuracy:
    options: dict[str, Any] = {"kernel": kernel, "ties": settings.ties}
    return triplet_accuracy(
        x, triplets, n_bootstrap=n_bootstrap, confidence=settings.confidence, rng=settings.seed, **options
    )


def _accuracy_row(name: str, result: TripletAccuracy, answers: Answers, role: Role, split: str | None) -> ScoreRow:
    row = _template(answers, role)
    return dataclasses.replace(
        row,
        model=name,
        value=result.accuracy,
        low=result.low,
        high=result.high,
        people_low=result.people_low,
        people_high=result.people_high,
        n=result.n,
        percent_of_ceiling=percent_of_ceiling(result.accuracy, row.ceiling_low),
        split=NOT_FITTED if split is None else split,
    )


def _template(answers: Answers, role: Role) -> ScoreRow:
    """Return a line of the accuracy on these answers, but for who is scored and how well."""
    ceiling = answers.ceiling
    how = f"majority of the repeats{answers.ceiling_scope}: leave-one-out (low), plug-in (high)"
    return ScoreRow(
        model="",
        role=role,
        part=answers.part,
        measure=ACCURACY,
        value=math.nan,
        over="triplets",
        n=len(answers.triplets),
        n_items=len(np.unique(answers.triplets.items)),
        ceiling_low=ceiling["leave-one-out"] if ceiling else math.nan,
        ceiling_high=ceiling["plug-in"] if ceiling else math.nan,
        ceiling=how if ceiling else "",
        split="",
        primary=True,
    )


def _calibration_rows(
    row: ScoreRow, x: FloatArray, answers: Answers, settings: Settings, kernel: str
) -> list[ScoreRow]:
    """Return what needs a temperature; it is fitted on other triplets than those it is scored on."""
    if len(group_triplets(answers.triplets.items)[0]) < MIN_REPEATED:
        return []
    options: dict[str, Any] = {"kernel": kernel}
    result = calibration(
        x,
        answers.triplets,
        repeats=answers.triplets if answers.repeated else None,
        n_bootstrap=settings.n_bootstrap,
        confidence=settings.confidence,
        rng=settings.seed,
        **options,
    )
    base = dataclasses.replace(
        row,
        low=math.nan,
        high=math.nan,
        people_low=math.nan,
        people_high=math.nan,
        ceiling_low=math.nan,
        ceiling_high=math.nan,
        ceiling="",
        percent_of_ceiling=math.nan,
        primary=False,
    )
    return _lines(base, result)


def _lines(base: ScoreRow, result: Calibration) -> list[ScoreRow]:
    """Return one line per measure of calibration that is defined, at T = 1 and at the cross-validated T."""
    rows = []
    for k, (temperature, split) in enumerate((("T = 1", ""), ("T cross-validated", _HELD_OUT))):
        if k == 0 and result.kernel == "cosine":
            continue  # a cosine has no scale of its own: T = 1 says nothing
        spread: dict[str, Any] = {"over": "triplets", "split": base.split + split, "higher_is_better": False}
        entropy = result.human_entropy if math.isfinite(result.kl[k]) else math.nan
        lines = [
            (
                "cross-entropy (nats)",
                result.cross_entropy[k],
                result.cross_entropy_low[k],
                result.cross_entropy_high[k],
            ),
            ("KL from people's distributions (nats)", result.kl[k], result.kl_low[k], result.kl_high[k]),
            ("expected calibration error", result.calibration_error[k], math.nan, math.nan),
        ]
        for measure, value, low, high in lines:
            row = dataclasses.replace(
                base,
                measure=f"{measure}, {temperature}",
                value=float(value),
                low=float(low),
                high=float(high),
                **spread,
            )
            if measure.startswith("cross") and math.isfinite(entropy):
                row = dataclasses.replace(row, ceiling_low=entropy, ceiling="entropy of people's answers")
            rows.append(row)
    uncertainty = dataclasses.replace(
        base,
        measure="spearman of model and human uncertainty (entropy)",
        value=result.entropy_spearman,
        ceiling_low=math.sqrt(result.entropy_reliability) if result.entropy_reliability > 0 else math.nan,
        ceiling="root of the split-half reliability of human entropy",
    )
    return [row for row in (*rows, uncertainty) if math.isfinite(row.value)]
