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
from alignkit.score._match import describe_match, share_items
from alignkit.score._row import NOT_FITTED, Role, Scored, ScoreRow, Settings
from alignkit.score._suite import Candidate, SuiteResult, join_scored
from alignkit.score._triplets import Answers, ceiling_of, score_triplets, triplet_baselines

#: What is known of SPoSE-66's own training data.
_SPOSE_SPLIT = "fitted to 4.7 million THINGS answers; whether these were held out is not documented"
#: Published reliability of the 48-object matrix (Hebart et al. 2020).
_RDM48_RELIABILITY = 0.91


def score_things(candidates: Sequence[Candidate], root: Path | None, settings: Settings) -> SuiteResult:
    """Score on THINGS: the 20,000 repeats, the 146,168 answers of test10, all together, and the 48 objects."""
    things = load_things(root)
    pairs = [_match(c, things, settings) for c in candidates]
    matched = share_items(
        [c for c, _ in pairs], things.labels, "things", {settings.kernel, settings.metric}, [text for _, text in pairs]
    )
    candidates, shared = matched.candidates, matched.shared
    parts = _answers(things, shared, settings)
    place = {label: i for i, label in enumerate(things.labels)}
    spose = things.spose66[[place[label] for label in shared]]
    scored = []
    for c in candidates:
        x = c.take(shared)
        rows = _score(c.name, x, parts, things, shared, settings, split=c.split)
        scored.append(join_scored([rows, Scored((_spose_row(c.name, x, spose, settings, c.split),))]))
    baselines = [row for part in parts for row in triplet_baselines(candidates[0].take(shared), part, settings)]
    own = _score("SPoSE-66", spose, parts, things, shared, settings, role="baseline", kernel="dot", split=_SPOSE_SPLIT)
    return SuiteResult(tuple(scored), (*baselines, *own.rows), matched.notes)


def _match(candidate: Candidate, things: Things, settings: Settings) -> tuple[Candidate, str]:
    match = match_things(candidate.labels, things, relation=settings.relation)  # type: ignore[arg-type]
    averaged = dataclasses.replace(candidate, x=match.average(candidate.x), labels=match.matched)
    n_inputs = len(candidate.labels) - len(match.unmatched)
    return averaged, describe_match(n_inputs, len(match.matched), match.unmatched, "concepts")


def _answers(things: Things, shared: tuple[str, ...], settings: Settings) -> list[Answers]:
    parts = []
    scope = ""
    repeats = _restrict(things.repeats, shared)
    test10 = _restrict(things.test10, shared)
    ceiling = ceiling_of(repeats, settings)
    if repeats is not None and ceiling is not None:
        parts.append(Answers("repeats", repeats, ceiling, repeated=True))
    else:
        ceiling = ceiling_of(things.repeats, settings)
        scope = " over all 1,854 concepts (too few show only these)"
    if test10 is not None:
        parts.append(Answers("test10", test10, ceiling, scope))
    if repeats is not None and test10 is not None:
        both = Triplets(np.concatenate([repeats.items, test10.items]), shared)
        parts.append(Answers("all answers", both, ceiling, scope))
    if not parts:
        msg = f"no THINGS triplet shows only these {len(shared)} concepts; more concepts are needed."
        raise ValueError(msg)
    return parts


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
    *,
    role: Role = "model",
    kernel: str | None = None,
    split: str | None = None,
) -> Scored:
    options: dict[str, Any] = {"role": role, "kernel": kernel, "split": split}
    behaviour = join_scored(score_triplets(name, x, part, settings, **options) for part in parts)
    split = NOT_FITTED if split is None else split
    return join_scored([behaviour, Scored(tuple(_rdm48_rows(name, x, things, shared, settings, role, split)))])


def _rdm48_rows(
    name: str, x: FloatArray, things: Things, shared: tuple[str, ...], settings: Settings, role: Role, split: str
) -> list[ScoreRow]:
    """Compare with the 48 x 48 matrix: by the model's RDM, and for SPoSE by its own choice probabilities."""
    row = {label: i for i, label in enumerate(shared)}
    held = [label for label in things.rdm48.labels or () if label in row]
    if len(held) < 10:
        return []
    part = x[[row[label] for label in held]]
    if role == "baseline":
        model, how = RDM(1 - pair_probabilities(part), held), "choice probabilities in the context of these objects"
    else:
        model, how = rdm(part, metric=settings.metric, labels=held), f"{settings.metric} RDM"  # type: ignore[arg-type]
    human = things.rdm48.select(held)
    base = ScoreRow(
        model=name,
        role=role,
        part="RDM48",
        measure="",
        value=math.nan,
        n=model.n_pairs,
        n_items=len(held),
        ceiling_low=_RDM48_RELIABILITY,
        ceiling="published reliability of the matrix",
        split=split,
    )
    values = {method: float(compare(model, human, method=method)) for method in ("pearson", "spearman")}
    return [
        dataclasses.replace(
            base,
            measure=f"{method} with people's choice matrix",
            value=value,
            percent_of_ceiling=100 * value / _RDM48_RELIABILITY if method == "pearson" else math.nan,
            split=f"{base.split}; {how}",
            primary=method == "pearson",
        )
        for method, value in values.items()
    ]


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
