"""The evaluation of the papers on CLIP-HBA: the 48 objects, and time-resolved RDMs of five MEG data sets."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from alignkit._check import join_names
from alignkit._typing import FloatArray
from alignkit.data import Things, load_things
from alignkit.data._registry import data_root
from alignkit.rsa import RDM, compare, rdm
from alignkit.score._areas import Areas
from alignkit.score._courses import follow
from alignkit.score._match import Matched, match_names, share_items, spell_labels
from alignkit.score._meg_sets import MEG_SETS, MEGSet, Movie, find_rdms, open_movie
from alignkit.score._moving import Moving, as_moving
from alignkit.score._row import NOT_FITTED, Scored, ScoreRow, Settings
from alignkit.score._steps import Steps
from alignkit.score._suite import Candidate
from alignkit.score._suite_parts import SuiteFound, SuitePart, gather_parts, none_at_hand, of_concepts, take_rows
from alignkit.score._things import MIN_RDM48, SPOSE_SPLIT, match_concepts, rdm48_rows

RDM48 = "RDM48"
_SPOSE = "SPoSE-66"
#: Fewer items of a data set say nothing about it.
_MIN_ITEMS = 10
_IN_SAMPLE = (
    "A model that was trained on these people's RDMs or on these images is in-sample here (THINGS-MEG and its images "
    "for published CLIP-HBA-MEG, 100 of the images of Cichy-118 for its personal models): nothing here knows that."
)


def score_hba(candidates: Sequence[Candidate], root: Path | None, settings: Settings, steps: Steps) -> SuiteFound:
    """Score on whichever of the data sets are at hand.

    Raises
    ------
    FileNotFoundError
        None of them is; the error's notes say how to get each.
    ValueError
        A damaged file, or features that show no items of any data set.
    """
    things, missing = _load_things(root)
    here: list[MEGSet] = []
    for one in MEG_SETS:
        try:
            find_rdms(one, root)
            here.append(one)
        except FileNotFoundError as error:
            missing[one.part] = str(error)
    if things is None and not here:
        raise none_at_hand(missing, data_root(root))
    steps.expect(len(here) + (things is not None))
    parts: dict[str, SuitePart | str] = {}
    if things is not None:
        parts[RDM48] = _score_rdm48(candidates, things, settings)
        steps.done(RDM48)
    for one in here:
        with open_movie(one, root) as movie:
            parts[one.part] = _score_set(candidates, one, movie, things, settings)
        steps.done(one.part)
    found = gather_parts(candidates, parts, missing)
    notes = (*found.result.notes, *([_IN_SAMPLE] if found.courses else []))
    return dataclasses.replace(found, result=dataclasses.replace(found.result, notes=notes))


def _load_things(root: Path | None) -> tuple[Things | None, dict[str, str]]:
    try:
        return load_things(root), {}
    except FileNotFoundError as error:
        return None, {RDM48: str(error)}


def _score_rdm48(candidates: Sequence[Candidate], things: Things, settings: Settings) -> SuitePart | str:
    """Compare with the 48 x 48 matrix; a model over time by its output, and by the best of its times, which is said."""
    known = things.rdm48.labels or ()
    having = []
    for candidate in candidates:
        own = of_concepts(candidate, things)
        if own is not None:
            having.append(match_concepts(own, things, settings))
    having = [(one, text) for one, text in having if len(set(one.labels) & set(known)) >= MIN_RDM48]
    if not having:
        return f"no model has {MIN_RDM48} of the 48 objects ({join_names(known, 3)})."
    matched = share_items([one for one, _ in having], known, RDM48, {settings.metric}, [text for _, text in having])
    if len(matched.shared) < MIN_RDM48:
        return f"the models share fewer than {MIN_RDM48} of the 48 objects; score them one by one."
    scored = {c.name: Scored(tuple(_rdm48_of(c, things, matched.shared, settings))) for c in matched.candidates}
    place = {label: i for i, label in enumerate(things.labels)}
    spose = things.spose66[[place[label] for label in matched.shared]]
    spose_rows = rdm48_rows(_SPOSE, spose, things, matched.shared, settings, "baseline", SPOSE_SPLIT)
    return SuitePart(scored, tuple(spose_rows), tuple(f"{RDM48}: {note}" for note in matched.notes))


def _rdm48_of(candidate: Candidate, things: Things, shared: tuple[str, ...], settings: Settings) -> list[ScoreRow]:
    split = NOT_FITTED if candidate.split is None else candidate.split
    rows = rdm48_rows(candidate.name, candidate.take(shared), things, shared, settings, "model", split)
    moving = as_moving(candidate, shared, settings)
    if moving is None:
        return rows
    people = things.rdm48.select(shared)
    for row in rows.copy():
        method = row.measure.partition(" ")[0]
        found = [float(compare(moving.rdm(k), people, method=method)) for k in range(len(moving.times))]  # type: ignore[arg-type]
        if np.isfinite(found).any():
            best = int(np.nanargmax(found))
            measure = f"{method}, best of its times"
            chosen = f"the time ({moving.layers[best]}) was chosen on these very pairs: optimistic"
            nothing: dict[str, Any] = {
                "percent_of_ceiling": math.nan,
                "ceiling_low": math.nan,
                "ceiling": "",
                "primary": False,
            }
            rows.append(dataclasses.replace(row, value=found[best], measure=measure, split=chosen, **nothing))
    return rows


def _score_set(
    candidates: Sequence[Candidate], one: MEGSet, movie: Movie, things: Things | None, settings: Settings
) -> SuitePart | str:
    matched = _match_set(candidates, one, movie, things, settings)
    if isinstance(matched, str):
        return matched
    labels = matched.shared
    models: dict[str, RDM | Moving] = {}
    for candidate in matched.candidates:
        moving = as_moving(candidate, labels, settings)
        models[candidate.name] = _rdm(candidate.take(labels), labels, settings) if moving is None else moving
    baselines = _baselines(matched.candidates[0], one, labels, things, settings)
    found = follow({**models, **baselines}, movie, labels, one.n_group, settings)
    areas = Areas(one.part, found, settings, one.n_group or len(movie.subjects))
    scored = {c.name: areas.score(c.name, split=c.split) for c in matched.candidates}
    rows = [areas.shuffled([name for name in baselines if name != _SPOSE])]
    if _SPOSE in baselines:
        rows += areas.score(_SPOSE, role="baseline", split=SPOSE_SPLIT).rows
    notes = [*(f"{one.part}: {note}" for note in matched.notes), *movie.notes, *_beyond(one, models, movie)]
    return SuitePart(scored, tuple(rows), tuple(notes), found.only([*models, *({_SPOSE} & set(baselines))]))


def _match_set(
    candidates: Sequence[Candidate], one: MEGSet, movie: Movie, things: Things | None, settings: Settings
) -> Matched | str:
    """Return the models that have items of a data set, or a sentence where there are too few."""
    having: list[tuple[Candidate, str]] = []
    for candidate in candidates:
        own = _shown(candidate, one, movie, things)
        if own is None:
            continue
        match = (
            match_concepts(own, things or movie.labels, settings)
            if one.concepts
            else match_names(own, movie.labels, settings)
        )
        if len(set(match[0].labels) & set(movie.labels)) >= _MIN_ITEMS:
            having.append(match)
    if not having:
        return f"no model has {_MIN_ITEMS} of its {len(movie.labels):,} items ({join_names(movie.labels, 3)})."
    shared = set(movie.labels).intersection(*(one.labels for one, _ in having))
    if len(shared) < _MIN_ITEMS:
        return f"the models share fewer than {_MIN_ITEMS} of its items; score them one by one."
    matched, texts = zip(*having, strict=True)
    found = share_items(matched, movie.labels, one.part, {settings.metric}, texts)
    lacking = [c.name for c in candidates if c.name not in {m.name for m in matched}]
    notes = [f"{join_names(lacking)} has fewer than {_MIN_ITEMS} of its items and is left out."] if lacking else []
    return dataclasses.replace(found, notes=(*found.notes, *notes))


def _shown(candidate: Candidate, one: MEGSet, movie: Movie, things: Things | None) -> Candidate | None:
    """Return a candidate's inputs that show items of a data set: those of others are none of its business."""
    if one.concepts:
        return of_concepts(candidate, things or movie.labels)
    known, spelled = set(movie.labels), spell_labels(candidate.labels, movie.labels)
    return take_rows(candidate, [row for row in _of_set(candidate.labels, one) if spelled[row] in known])


def _of_set(labels: Sequence[str], one: MEGSet) -> list[int]:
    """Return which inputs lie in a folder of the data set's name; where none do, those in no other set's folder."""
    folders = [set(PurePosixPath(label.replace("\\", "/")).parts[:-1]) for label in labels]
    others = {other.dataset for other in MEG_SETS} - {one.dataset}
    own = [row for row, parts in enumerate(folders) if one.dataset in parts]
    return own or [row for row, parts in enumerate(folders) if not parts & others]


def _rdm(x: FloatArray, labels: tuple[str, ...], settings: Settings) -> RDM:
    return rdm(x, metric=settings.metric, labels=labels)  # type: ignore[call-overload]


def _baselines(
    first: Candidate, one: MEGSet, labels: tuple[str, ...], things: Things | None, settings: Settings
) -> dict[str, RDM]:
    """Return the first model's RDM with shuffled items, and SPoSE where the items are concepts."""
    own = _rdm(first.take(labels), labels, settings)
    rng = np.random.default_rng(settings.seed)
    found = {
        f"shuffled items {k}": own.replace(own.take(rng.permutation(own.n_items)).values)
        for k in range(settings.n_shuffles)
    }
    if one.concepts and things is not None:
        place = {label: i for i, label in enumerate(things.labels)}
        found[_SPOSE] = _rdm(things.spose66[[place[label] for label in labels]], labels, settings)
    return found


def _beyond(one: MEGSet, models: Mapping[str, RDM | Moving], movie: Movie) -> list[str]:
    """Say which times of the area a model over time has not: its first or last stands for them."""
    notes = []
    after = movie.times[movie.times >= 0]
    for name, model in models.items():
        beyond = model.beyond(after) if isinstance(model, Moving) else np.zeros(0)
        if beyond.size:
            notes.append(
                f"{one.part}: {name} has no times from {1e3 * beyond[0]:g} to {1e3 * beyond[-1]:g} ms; its nearest "
                "stands for them."
            )
    return notes
