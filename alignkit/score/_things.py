"""THINGS: 166,168 human odd-one-out answers, the fully sampled 48 objects, and SPoSE beside them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._typing import FloatArray
from alignkit.data import Things, load_things, match_things
from alignkit.rsa import RDM, Triplets, compare, pair_probabilities, rdm, similarity_matrix
from alignkit.score._assign import Assignment
from alignkit.score._layer_rdms import RdmTask
from alignkit.score._layers import Task, score_models
from alignkit.score._match import assign, describe_match, match_manifest, share_items
from alignkit.score._row import NOT_FITTED, Role, Scored, ScoreRow, Settings
from alignkit.score._steps import Steps
from alignkit.score._suite import Candidate, SuiteResult, join_scored
from alignkit.score._triplets import Answers, Battery, ceiling_of, layer_task, score_triplets, triplet_baselines

#: What is known of SPoSE-66's own training data.
SPOSE_SPLIT = "fitted to 4.7 million THINGS answers; whether these were held out is not documented"
#: Published reliability of the 48-object matrix (Hebart et al. 2020).
RDM48_RELIABILITY = 0.91
#: Fewer of the 48 objects are not compared.
MIN_RDM48 = 10


def score_things(candidates: Sequence[Candidate], root: Path | None, settings: Settings, steps: Steps) -> SuiteResult:
    """Score on THINGS: the 20,000 repeats, the 146,168 answers of test10, all together, and the 48 objects."""
    things = load_things(root)
    measures = {settings.kernel, settings.metric}
    pairs = [match_concepts(c, things, settings) for c in candidates]
    matched = share_items([c for c, _ in pairs], things.labels, "things", measures, [text for _, text in pairs])
    candidates, shared = matched.candidates, matched.shared
    battery = _battery(things, shared)
    steps.expect(2)
    place = {label: i for i, label in enumerate(things.labels)}
    spose = things.spose66[[place[label] for label in shared]]

    def full(c: Candidate) -> Scored:
        x = c.take(shared)
        rows = _score(c.name, x, battery.parts, things, shared, settings, split=c.split)
        return join_scored([rows, Scored((_spose_row(c.name, x, spose, settings, c.split),))])

    tasks: list[Task] = [layer_task(battery, len(shared), settings), *_rdm48_task(things, shared, settings)]
    scored = score_models(candidates, full, tasks, shared, measures, settings, steps)
    baselines = triplet_baselines(candidates[0].take(shared), battery, settings)
    steps.done("shuffled items")
    own = _score("SPoSE-66", spose, battery.parts, things, shared, settings, "baseline", "dot", split=SPOSE_SPLIT)
    steps.done("SPoSE-66")
    return SuiteResult(scored, (*baselines, *own.rows), matched.notes)


def match_concepts(candidate: Candidate, things: Things | Sequence[str], settings: Settings) -> tuple[Candidate, str]:
    """Return a candidate with one row per concept that its inputs show, and how they were matched."""
    if candidate.manifest is not None:
        known = things.labels if isinstance(things, Things) else things
        return match_manifest(candidate, known, "things", settings)
    match = match_things(candidate.labels, things, relation=settings.relation)  # type: ignore[arg-type]
    number = {concept: i for i, concept in enumerate(match.matched)}
    shown = Assignment(match.rows, np.array([number[concept] for concept in match.concepts]), match.matched)
    n_inputs = len(candidate.labels) - len(match.unmatched)
    text = describe_match(n_inputs, len(match.matched), match.unmatched, settings, "concepts")
    return assign(candidate, shown, settings), text


def _battery(things: Things, shared: tuple[str, ...]) -> Battery:
    repeats = _restrict(things.repeats, shared)
    test10 = _restrict(things.test10, shared)
    ceiling, scope = ceiling_of(repeats), ""
    enough = ceiling is not None
    if not enough:
        ceiling = ceiling_of(things.repeats)
        scope = " over all 1,854 concepts (too few show only these)"
    parts = []
    if repeats is not None:
        parts.append(Answers("repeats", repeats, ceiling, scope, repeated=True, alone=enough))
    if test10 is not None:
        parts.append(Answers("test10", test10, ceiling, scope))
    if not any(part.alone for part in parts):
        msg = f"no THINGS triplet shows only these {len(shared)} concepts; more concepts are needed."
        raise ValueError(msg)
    return Battery.of(parts, "all answers")


def _restrict(triplets: Triplets, labels: tuple[str, ...]) -> Triplets | None:
    if labels == triplets.labels:
        return triplets
    try:
        return triplets.restrict(labels)
    except ValueError:
        return None


def _score(
    name: str,
    x: FloatArray,
    parts: Sequence[Answers],
    things: Things,
    shared: tuple[str, ...],
    settings: Settings,
    role: Role = "model",
    kernel: str | None = None,
    *,
    split: str | None = None,
) -> Scored:
    options: dict[str, Any] = {"role": role, "kernel": kernel, "split": split}
    behaviour = join_scored(score_triplets(name, x, part, settings, **options) for part in parts)
    split = NOT_FITTED if split is None else split
    return join_scored([behaviour, Scored(tuple(rdm48_rows(name, x, things, shared, settings, role, split)))])


def rdm48_rows(
    name: str, x: FloatArray, things: Things, shared: tuple[str, ...], settings: Settings, role: Role, split: str
) -> list[ScoreRow]:
    """Compare with the 48 x 48 matrix: by the model's RDM, and for SPoSE by its own choice probabilities."""
    held, rows = _held48(things, shared)
    if len(held) < MIN_RDM48:
        return []
    if role == "baseline":
        model, how = RDM(1 - pair_probabilities(x[rows]), held), "choice probabilities in the context of these objects"
    else:
        model, how = rdm(x[rows], metric=settings.metric, labels=held), f"{settings.metric} RDM"  # type: ignore[call-overload]
    human = things.rdm48.select(held)
    base = dataclasses.replace(_rdm48_template(human), model=name, role=role, split=f"{split}; {how}")
    values = {method: float(compare(model, human, method=method)) for method in ("pearson", "spearman")}
    pearson = dataclasses.replace(
        base, value=values["pearson"], percent_of_ceiling=100 * values["pearson"] / RDM48_RELIABILITY
    )
    spearman = base.measure.replace("pearson", "spearman")
    return [pearson, dataclasses.replace(base, measure=spearman, value=values["spearman"], primary=False)]


def _held48(things: Things, shared: tuple[str, ...]) -> tuple[list[str], list[int]]:
    """Return which of the 48 objects are scored, and their rows."""
    row = {label: i for i, label in enumerate(shared)}
    held = [label for label in things.rdm48.labels or () if label in row]
    return held, [row[label] for label in held]


def _rdm48_template(human: RDM) -> ScoreRow:
    """Return a line of the comparison with the 48 x 48 matrix, but for who is scored and how well."""
    return ScoreRow(
        model="",
        role="layer",
        part="RDM48",
        measure="pearson with people's choice matrix",
        value=math.nan,
        n=human.n_pairs,
        n_items=human.n_items,
        ceiling_low=RDM48_RELIABILITY,
        ceiling="published reliability of the matrix",
        primary=True,
    )


def _rdm48_task(things: Things, shared: tuple[str, ...], settings: Settings) -> list[RdmTask]:
    held, rows = _held48(things, shared)
    if len(held) < MIN_RDM48:
        return []
    human = things.rdm48.select(held)

    def model(x: FloatArray) -> RDM:
        return rdm(x[rows], metric=settings.metric, labels=held)  # type: ignore[call-overload]

    return [RdmTask(_rdm48_template(human), human, model, "pearson", settings)]


def _spose_row(name: str, x: FloatArray, spose: FloatArray, settings: Settings, split: str | None) -> ScoreRow:
    """Compare the model's similarities with SPoSE-66's dot products, over all pairs of concepts."""
    upper = np.triu_indices(len(spose), k=1)
    human = -(spose @ spose.T)[upper]
    model = -similarity_matrix(x, kernel=settings.kernel)[upper]  # type: ignore[arg-type]
    return ScoreRow(
        model=name,
        role="model",
        part="SPoSE-66 similarity",
        measure=f"spearman of {settings.kernel} similarities with dot products of SPoSE-66",
        value=float(compare(model, human, method="spearman")),
        n=len(model),
        n_items=len(spose),
        split=NOT_FITTED if split is None else split,
    )
