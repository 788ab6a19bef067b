"""Scoring features against odd-one-out answers: accuracy, calibration, ceilings, baselines."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from alignkit._typing import FloatArray
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
from alignkit.score._rdms import central_range
from alignkit.score._row import NOT_FITTED, Role, Scored, ScoreRow, Settings, Unit

CHANCE = 1 / 3
ACCURACY = "odd-one-out accuracy"
_HELD_OUT = "; softmax temperature fitted on other triplets (5 folds)"
#: Fewer repeated triplets than this give no ceiling worth the name.
MIN_REPEATED = 30


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


def ceiling_of(repeats: Triplets | None, settings: Settings) -> TripletCeiling | None:
    """Return the ceilings of repeated answers, or None where there are too few."""
    if repeats is None or len(group_triplets(repeats.items)[0]) < MIN_REPEATED:
        return None
    return triplet_ceiling(repeats, n_bootstrap=settings.n_bootstrap, confidence=settings.confidence, rng=settings.seed)


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
    result = _accuracy(x, answers, settings, kernel, settings.n_bootstrap)
    row = _accuracy_row(name, result, answers, role, split)
    rows = [row, *_calibration_rows(row, x, answers, settings, kernel)]
    assert result.per_triplet is not None
    unit = Unit(row, result.per_triplet, group_triplets(answers.triplets.items)[1])
    return Scored(tuple(rows), (unit,) if role == "model" else ())


def triplet_baselines(x: FloatArray, answers: Answers, settings: Settings) -> list[ScoreRow]:
    """Return chance, and the features with their items shuffled."""
    rng = np.random.default_rng(settings.seed)
    values = [
        _accuracy(x[rng.permutation(len(x))], answers, settings, settings.kernel, 0).accuracy
        for _ in range(settings.n_shuffles)
    ]
    result = _accuracy(x, answers, settings, settings.kernel, 0)
    row = _accuracy_row("shuffled items", result, answers, "baseline", "")
    mean, low, high = central_range(values, settings)
    shuffled = dataclasses.replace(
        row,
        value=mean,
        low=low,
        high=high,
        over="shuffles",
        percent_of_ceiling=percent_of_ceiling(mean, row.ceiling_low),
    )
    chance = dataclasses.replace(row, model="chance", value=CHANCE, percent_of_ceiling=0.0)
    entropy = dataclasses.replace(
        chance,
        measure="cross-entropy (nats), T cross-validated",
        value=math.log(3),
        higher_is_better=False,
        primary=False,
        ceiling="",
        ceiling_low=math.nan,
        ceiling_high=math.nan,
        percent_of_ceiling=math.nan,
    )
    return [shuffled, chance, entropy]


def _accuracy(x: FloatArray, answers: Answers, settings: Settings, kernel: str, n_bootstrap: int) -> TripletAccuracy:
    options: dict[str, Any] = {"kernel": kernel, "ties": settings.ties}
    return triplet_accuracy(
        x, answers.triplets, n_bootstrap=n_bootstrap, confidence=settings.confidence, rng=settings.seed, **options
    )


def _accuracy_row(name: str, result: TripletAccuracy, answers: Answers, role: Role, split: str | None) -> ScoreRow:
    ceiling = answers.ceiling
    low = ceiling["leave-one-out"] if ceiling else math.nan
    return ScoreRow(
        model=name,
        role=role,
        part=answers.part,
        measure=ACCURACY,
        value=result.accuracy,
        low=result.low,
        high=result.high,
        people_low=result.people_low,
        people_high=result.people_high,
        over="triplets",
        n=result.n,
        n_items=len(np.unique(answers.triplets.items)),
        ceiling_low=low,
        ceiling_high=ceiling["plug-in"] if ceiling else math.nan,
        ceiling=f"majority of the repeats{answers.ceiling_scope}: leave-one-out (low), plug-in (high)"
        if ceiling
        else "",
        percent_of_ceiling=percent_of_ceiling(result.accuracy, low),
        split=NOT_FITTED if split is None else split,
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
