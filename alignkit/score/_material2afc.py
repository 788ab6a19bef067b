"""Material similarity: which of two renders is more like the reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alignkit.data import load_material2afc
from alignkit.rsa import TwoAFC, percent_of_ceiling, two_afc_accuracy
from alignkit.score._row import Role, Scored, ScoreRow, Settings, Unit
from alignkit.score._suite import Candidate, SuiteResult, join_scored, shared_labels, strip_suffixes


def score_material2afc(candidates: Sequence[Candidate], root: Path | None, settings: Settings) -> SuiteResult:
    """Score on the published train and test trials, which show the same 100 images."""
    data = load_material2afc(root)
    candidates = [dataclasses.replace(c, labels=strip_suffixes(c.labels, data.labels)) for c in candidates]
    shared = shared_labels(candidates, data.labels, "material2afc")
    parts = {"test trials": _restrict(data.test, shared), "train trials": _restrict(data.train, shared)}
    scored = tuple(
        join_scored(
            _score(c.name, c.take(shared), trials, part, settings, split=c.split) for part, trials in parts.items()
        )
        for c in candidates
    )
    baselines = [
        row for part, trials in parts.items() for row in _baselines(candidates[0].take(shared), trials, part, settings)
    ]
    tied = sum(int(trials.tied.sum()) for trials in parts.values())
    note = f"{tied:,} trials whose votes tie are no label and were left out; a model's own ties count one half."
    return SuiteResult(scored, tuple(baselines), (note,))


def _restrict(trials: TwoAFC, labels: tuple[str, ...]) -> TwoAFC:
    assert trials.labels is not None
    number = {label: i for i, label in enumerate(labels)}
    items = np.array([number.get(label, -1) for label in trials.labels])[trials.items]
    kept = (items >= 0).all(axis=1)
    if not kept.any():
        msg = "no trial of material2afc shows only images that the features hold."
        raise ValueError(msg)
    return TwoAFC(items[kept], trials.votes[kept], labels)


def _score(
    name: str,
    x: object,
    trials: TwoAFC,
    part: str,
    settings: Settings,
    *,
    role: Role = "model",
    split: str | None = None,
) -> Scored:
    result = two_afc_accuracy(
        x,
        trials,
        kernel=settings.kernel,  # type: ignore[arg-type]
        min_votes=settings.min_votes,
        n_bootstrap=settings.n_bootstrap,
        confidence=settings.confidence,
        rng=settings.seed,
    )
    row = ScoreRow(
        model=name,
        role=role,
        part=part,
        measure="2AFC accuracy (majority of the votes)",
        value=result.accuracy,
        low=result.accuracy_low,
        high=result.accuracy_high,
        over="trials",
        n=result.n,
        n_items=len(trials.labels or ()),
        split=split or "zero-shot: nothing was fitted to these data",
        primary=True,
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
    credit = result.per_trial
    assert credit is not None
    units = (Unit(row, credit[np.isfinite(credit)]),) if role == "model" else ()
    return Scored((row, agreement), units)


def _baselines(x: object, trials: TwoAFC, part: str, settings: Settings) -> list[ScoreRow]:
    array = np.asarray(x)
    rng = np.random.default_rng(settings.seed)
    few = dataclasses.replace(settings, n_bootstrap=0)
    draws = [
        _score("shuffled items", array[rng.permutation(len(array))], trials, part, few, role="baseline").rows
        for _ in range(settings.n_shuffles)
    ]
    result = []
    for rows in zip(*draws, strict=True):
        values = [row.value for row in rows]
        low, high = np.quantile(values, [(1 - settings.confidence) / 2, (1 + settings.confidence) / 2])
        mean = float(np.mean(values))
        percent = percent_of_ceiling(mean, rows[0].ceiling_low, chance=0.5)
        shuffled = dataclasses.replace(rows[0], value=mean, low=float(low), high=float(high), over="shuffles")
        result.append(dataclasses.replace(shuffled, percent_of_ceiling=percent))
        chance_percent = 0.0 if np.isfinite(rows[0].ceiling_low) else np.nan
        result.append(dataclasses.replace(rows[0], model="chance", value=0.5, percent_of_ceiling=chance_percent))
    return result
