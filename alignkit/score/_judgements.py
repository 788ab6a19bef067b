"""Multi-arrangement and Likert judgements: models' RDMs beside people's, or beside their mean."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from alignkit._check import join_names
from alignkit._typing import FloatArray
from alignkit.data import JUDGEMENTS, SimilarityJudgements, load_judgements
from alignkit.rsa import RDM, compare, rdm
from alignkit.score._match import match_names, share_items, spell_labels
from alignkit.score._rdms import Target, central_range, make_target, score_rdm, shuffled_rdm, shuffled_similarities
from alignkit.score._row import NOT_FITTED, Role, Scored, ScoreRow, Settings
from alignkit.score._suite import Candidate
from alignkit.score._suite_parts import SuitePart, take_rows

#: Fewer pictures of a set say nothing about it.
MIN_ITEMS = 10
#: Distances and correlations that the papers give for the mean judgement.
_PUBLISHED = tuple((metric, method) for metric in ("cosine", "correlation") for method in ("spearman", "pearson"))


def load_sets(root: Path | None) -> tuple[dict[str, SimilarityJudgements], dict[str, str]]:
    """Return the sets that are at hand, and for each publication of which some are not, how to get these."""
    here: dict[str, SimilarityJudgements] = {}
    missing: dict[str, str] = {}
    for name in JUDGEMENTS:
        try:
            here[name] = load_judgements(name, root)
        except FileNotFoundError as error:
            missing.setdefault(f"judgements of {name.partition('-')[0]}", str(error))
    return here, missing


def score_judgements(
    candidates: Sequence[Candidate], sets: dict[str, SimilarityJudgements], settings: Settings
) -> dict[str, SuitePart | str]:
    """Score on every set that models have pictures of; sets that none has are told in one sentence."""
    inputs = {name: [_inputs_of(candidate, name, sets) for candidate in candidates] for name in sets}
    parts: dict[str, SuitePart | str] = {}
    for name, one in sets.items():
        own = [candidate for candidate in inputs[name] if candidate is not None]
        parts[f"{one.title} ({one.kind})"] = _score_set(own, one, settings)
    return parts


def _folders(name: str) -> set[str]:
    """Return the names of folders whose pictures are those of a set."""
    return {name, name.partition("-")[2]} - {""}


def _inputs_of(candidate: Candidate, name: str, sets: dict[str, SimilarityJudgements]) -> Candidate | None:
    """Return the inputs in a folder of the set's name; where none lie in any set's folder, those of its names.

    Names that another set has too (0001.jpg) say nothing without a folder.
    """
    labels = candidate.labels
    parents = [set(PurePosixPath(label.replace("\\", "/")).parts[:-1]) for label in labels]
    own = [row for row, parts in enumerate(parents) if parts & _folders(name)]
    if own:
        return take_rows(candidate, own)
    known = sets[name].rdm.labels or ()
    others = {other for other in sets if other != name}
    of_others = set().union(*(_folders(other) for other in others))
    shared = _keys(known).intersection(*([set().union(*(_keys(sets[o].rdm.labels or ()) for o in others))]))
    spelled, held = spell_labels(labels, known), set(known)
    rows = [
        row
        for row, parts in enumerate(parents)
        if not parts & of_others and spelled[row] in held and PurePosixPath(spelled[row]).stem not in shared
    ]
    return take_rows(candidate, rows)


def _keys(labels: Sequence[str]) -> set[str]:
    return {PurePosixPath(label).stem for label in labels}


def _score_set(candidates: Sequence[Candidate], one: SimilarityJudgements, settings: Settings) -> SuitePart | str:
    known = one.rdm.labels or ()
    having = [match_names(candidate, known, settings) for candidate in candidates]
    having = [(found, text) for found, text in having if len(set(found.labels) & set(known)) >= MIN_ITEMS]
    if not having:
        return (
            f"no model has {MIN_ITEMS} of its {len(known)} pictures ({join_names(known, 2)}); inputs whose names other "
            f"sets have too must lie in a folder named {one.name!r}."
        )
    shared = set(known).intersection(*(found.labels for found, _ in having))
    if len(shared) < MIN_ITEMS:
        return f"the models share fewer than {MIN_ITEMS} of its pictures; score them one by one."
    matched = share_items([found for found, _ in having], known, one.title, {settings.metric}, [t for _, t in having])
    people = one.rdm.select(matched.shared)
    part = f"{one.title} ({one.kind})"
    scored = {c.name: _score_one(c, part, people, settings) for c in matched.candidates}
    first = _rdm(matched.candidates[0].take(matched.shared), people, settings.metric)
    notes = (*one.notes, *(f"{part}: {note}" for note in matched.notes))
    return SuitePart(scored, (_shuffled(first, part, people, settings),), notes)


def _score_one(candidate: Candidate, part: str, people: RDM, settings: Settings) -> Scored:
    x = candidate.take(people.labels or ())
    model = _rdm(x, people, settings.metric)
    if people.shape:
        scored = score_rdm(candidate.name, model, _target(part, people, settings), settings, split=candidate.split)
    else:
        value = float(compare(model, people, method=settings.method))  # type: ignore[arg-type]
        scored = Scored((dataclasses.replace(_template(part, people, settings), model=candidate.name, value=value),))
    mean = people.mean("subject") if people.shape else people
    published = [
        dataclasses.replace(
            _template(part, people, settings),
            model=candidate.name,
            measure=f"{method} with the mean judgement ({metric} distances)",
            value=float(compare(_rdm(x, people, metric), mean, method=method)),  # type: ignore[arg-type]
            primary=False,
        )
        for metric, method in _PUBLISHED
    ]
    return Scored((*scored.rows, *published), scored.units)


def _target(part: str, people: RDM, settings: Settings) -> Target:
    return make_target(part, people, settings, people.labels or ())


def _rdm(x: FloatArray, people: RDM, metric: str) -> RDM:
    return rdm(x, metric=metric, labels=people.labels)  # type: ignore[call-overload]


def _template(part: str, people: RDM, settings: Settings, role: Role = "model") -> ScoreRow:
    """Return a line of the comparison with a mean of people, but for who is scored and how well."""
    return ScoreRow(
        model="",
        role=role,
        part=part,
        measure=f"{settings.method} with people's mean judgement",
        value=math.nan,
        n=people.n_pairs,
        n_items=people.n_items,
        split=NOT_FITTED,
        primary=True,
    )


def _shuffled(first: RDM, part: str, people: RDM, settings: Settings) -> ScoreRow:
    if people.shape:
        return shuffled_rdm(first, _target(part, people, settings), settings)
    mean, low, high = central_range(np.asarray(shuffled_similarities(first, people, settings)), settings)
    row = _template(part, people, settings, "baseline")
    return dataclasses.replace(row, model="shuffled items", value=mean, low=low, high=high, over="shuffles", split="")
