"""Material similarity: which of two renders is more like the reference?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alignkit.data import load_material2afc
from alignkit.rsa import TwoAFC, two_afc_accuracy
from alignkit.score._row import Role, Scored, ScoreRow, Settings, Unit, percent_above_chance
from alignkit.score._suite import Candidate, SuiteResult, join_scored, shared_labels, strip_suffixes

_MEASURE = "2AFC accuracy"


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
        measure=_MEASURE,
        value=result.accuracy,
        low=result.low,
        high=result.high,
        over="trials",
        n=result.n,
        n_items=len(trials.labels or ()),
        ceiling_low=result.ceiling_low,
        ceiling_high=result.ceiling_high,
        ceiling="one vote against the others' majority (low), share of the majority (high)",
        percent_of_ceiling=percent_above_chance(result.accuracy, result.ceiling_low, 0.5),
        split=split or "zero-shot: nothing was fitted to these data",
        primary=True,
    )
    credit = result.per_trial
    assert credit is not None
    return Scored((row,), (Unit(row, credit[np.isfinite(credit)]),) if role == "model" else ())


def _baselines(x: object, trials: TwoAFC, part: str, settings: Settings) -> list[ScoreRow]:
    array = np.asarray(x)
    rng = np.random.default_rng(settings.seed)
    few = dataclasses.replace(settings, n_bootstrap=0)
    rows = [
        _score("shuffled items", array[rng.permutation(len(array))], trials, part, few, role="baseline").rows[0]
        for _ in range(settings.n_shuffles)
    ]
    values = [row.value for row in rows]
    low, high = np.quantile(values, [(1 - settings.confidence) / 2, (1 + settings.confidence) / 2])
    shuffled = dataclasses.replace(
        rows[0], value=float(np.mean(values)), low=float(low), high=float(high), over="shuffles"
    )
    percent = percent_above_chance(shuffled.value, shuffled.ceiling_low, 0.5)
    chance = dataclasses.replace(rows[0], model="chance", value=0.5, percent_of_ceiling=0.0)
    return [dataclasses.replace(shuffled, percent_of_ceiling=percent), chance]
