"""Material similarity: which of two renders is more like the reference."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alignkit._typing import BoolArray, FloatArray
from alignkit.data import load_material2afc
from alignkit.rsa import TwoAFC, TwoAFCAccuracy, percent_of_ceiling, two_afc_accuracy
from alignkit.score._layer_answers import AnswerPart, AnswerTask
from alignkit.score._layers import score_models
from alignkit.score._match import match_items
from alignkit.score._nested import halvings, within_halves
from alignkit.score._rdms import central_range
from alignkit.score._row import NOT_FITTED, Role, Scored, ScoreRow, Settings, Unit
from alignkit.score._steps import Steps
from alignkit.score._suite import Candidate, SuiteResult, join_scored


def score_material2afc(
    candidates: Sequence[Candidate], root: Path | None, settings: Settings, steps: Steps
) -> SuiteResult:
    """Score on the published train and test trials, which show the same 100 images."""
    data = load_material2afc(root)
    matched = match_items(candidates, data.labels, "material2afc", {settings.kernel}, settings)
    candidates, shared = matched.candidates, matched.shared
    parts = {"test trials": _restrict(data.test, shared), "train trials": _restrict(data.train, shared)}
    steps.expect(len(parts))

    def full(c: Candidate) -> Scored:
        x = c.take(shared)
        return join_scored(
            score_trials(c.name, x, trials, part, settings, split=c.split) for part, trials in parts.items()
        )

    tasks = [_layer_task(trials, part, settings) for part, trials in parts.items()]
    scored = score_models(candidates, full, tasks, shared, {settings.kernel}, settings, steps)
    baselines: list[ScoreRow] = []
    for part, trials in parts.items():
        baselines += trial_baselines(candidates[0].take(shared), trials, part, settings)
        steps.done("shuffled items")
    tied = sum(int(trials.tied.sum()) for trials in parts.values())
    note = f"{tied:,} trials whose votes tie are no label and were left out; a model's own ties count one half."
    return SuiteResult(scored, tuple(baselines), (*matched.notes, note))


def _restrict(trials: TwoAFC, labels: tuple[str, ...]) -> TwoAFC:
    assert trials.labels is not None
    number = {label: i for i, label in enumerate(labels)}
    items = np.array([number.get(label, -1) for label in trials.labels])[trials.items]
    kept = (items >= 0).all(axis=1)
    if not kept.any():
        msg = f"no trial of material2afc shows only the {len(labels)} images that the features hold; more are needed."
        raise ValueError(msg)
    return TwoAFC(items[kept], trials.votes[kept], labels)


def score_trials(
    name: str,
    x: FloatArray,
    trials: TwoAFC,
    part: str,
    settings: Settings,
    *,
    role: Role = "model",
    split: str | None = None,
) -> Scored:
    """Return the agreement of an embedding with the majority, and with single votes beside the ceilings of these."""
    result = _accuracy(x, trials, settings, settings.n_bootstrap)
    row = dataclasses.replace(
        _template(trials, part),
        model=name,
        role=role,
        value=result.accuracy,
        low=result.accuracy_low,
        high=result.accuracy_high,
        n=result.n,
        split=NOT_FITTED if split is None else split,
    )
    agreement = dataclasses.replace(
        row,
        measure="agreement with single votes",
        value=result.vote_agreement,
        low=result.vote_agreement_low,
        high=result.vote_agreement_high,
        ceiling_low=result.leave_one_vote_out,
        ceiling_high=result.majority_share,
        ceiling="a vote against the majority of the others (low), share of the majority (high)",
        percent_of_ceiling=percent_of_ceiling(result.vote_agreement, result.leave_one_vote_out, chance=0.5),
        primary=False,
    )
    assert result.per_trial is not None
    units = (Unit(row, result.per_trial[_counts(trials, settings)]),) if role == "model" else ()
    return Scored((row, agreement), units)


def _template(trials: TwoAFC, part: str) -> ScoreRow:
    """Return a line of the accuracy on these trials, but for who is scored and how well."""
    return ScoreRow(
        model="",
        role="layer",
        part=part,
        measure="2AFC accuracy (majority of the votes)",
        value=math.nan,
        over="trials",
        n_items=len(trials.labels or ()),
        primary=True,
    )


def _counts(trials: TwoAFC, settings: Settings) -> BoolArray:
    """Return which trials count, whatever the model: an undefined one stays NaN, so that credits of models pair up."""
    used: BoolArray = ~trials.tied & (trials.votes.sum(axis=1) >= settings.min_votes)
    return used


def _accuracy(x: FloatArray, trials: TwoAFC, settings: Settings, n_bootstrap: int) -> TwoAFCAccuracy:
    return two_afc_accuracy(
        x,
        trials,
        kernel=settings.kernel,  # type: ignore[arg-type]
        min_votes=settings.min_votes,
        n_bootstrap=n_bootstrap,
        confidence=settings.confidence,
        rng=settings.seed,
    )


def _layer_task(trials: TwoAFC, part: str, settings: Settings) -> AnswerTask:
    used = np.flatnonzero(_counts(trials, settings))
    first = halvings(len(trials.labels or ()), settings.n_splits, settings.seed)
    template = dataclasses.replace(_template(trials, part), n=len(used))
    within = within_halves(trials.items[used], first)

    def credits(x: FloatArray) -> FloatArray:
        per_trial = _accuracy(x, trials, settings, 0).per_trial
        assert per_trial is not None
        return per_trial[used]

    return AnswerTask(credits, (AnswerPart(template, slice(None), within, chance=0.5),), settings)


def trial_baselines(x: FloatArray, trials: TwoAFC, part: str, settings: Settings) -> list[ScoreRow]:
    """Return chance, and the features with their items shuffled."""
    rng = np.random.default_rng(settings.seed)
    few = dataclasses.replace(settings, n_bootstrap=0)
    draws = [
        score_trials("shuffled items", x[rng.permutation(len(x))], trials, part, few, role="baseline", split="").rows
        for _ in range(settings.n_shuffles)
    ]
    result = []
    for rows in zip(*draws, strict=True):
        mean, low, high = central_range([row.value for row in rows], settings)
        percent = percent_of_ceiling(mean, rows[0].ceiling_low, chance=0.5)
        shuffled = dataclasses.replace(rows[0], value=mean, low=low, high=high, over="shuffles")
        result.append(dataclasses.replace(shuffled, percent_of_ceiling=percent))
        chance_percent = 0.0 if np.isfinite(rows[0].ceiling_low) else np.nan
        result.append(dataclasses.replace(rows[0], model="chance", value=0.5, percent_of_ceiling=chance_percent))
    return result
