"""RDM suites: the 92 images (behaviour, fMRI) and the 78 Algonauts photos (fMRI)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from alignkit.data import load_algonauts78, load_rsa92
from alignkit.rsa import RDM, rdm
from alignkit.score._rdms import make_target, score_rdm, shuffled_rdm
from alignkit.score._row import ScoreRow, Settings
from alignkit.score._suite import Candidate, SuiteResult, join_scored, shared_labels, strip_suffixes


def score_rsa92(candidates: Sequence[Candidate], root: Path | None, settings: Settings) -> SuiteResult:
    """Score on the 92 images: human IT (4 people), fMRI IT and EVC (15 others), multi-arrangement (16)."""
    data = load_rsa92(root)
    targets = {
        "human IT (Kriegeskorte 2008)": data.human_it.mean("session"),
        "fMRI IT (Cichy 2014)": data.fmri_it,
        "fMRI EVC (Cichy 2014)": data.fmri_evc,
        "behaviour (Mur 2013)": data.behaviour,
    }
    models = {f"model RDM: {name}": data.models.sel(model=name) for name in data.models.coords["model"].tolist()}
    people = {
        "mean fMRI IT RDM": (data.fmri_it.mean("subject"), "fMRI IT (Cichy 2014)"),
        "mean human IT RDM": (data.human_it.mean("session").mean("subject"), "human IT (Kriegeskorte 2008)"),
        "mean behavioural RDM": (data.behaviour.mean("subject"), "behaviour (Mur 2013)"),
    }
    return _score(candidates, "rsa92", data.labels, targets, models, people, settings)


def score_algonauts78(candidates: Sequence[Candidate], root: Path | None, settings: Settings) -> SuiteResult:
    """Score on the 78 Algonauts photos: fMRI IT and EVC of 15 people."""
    data = load_algonauts78(root)
    targets = {"fMRI IT": data.fmri_it, "fMRI EVC": data.fmri_evc}
    result = _score(candidates, "algonauts78", data.labels, targets, {}, {}, settings)
    note = "These 15 people's RDMs are very noisy (see the ceilings), and that row i is image i is an assumption."
    return dataclasses.replace(result, notes=(*result.notes, note))


def _score(
    candidates: Sequence[Candidate],
    dataset: str,
    labels: tuple[str, ...],
    targets: dict[str, RDM],
    baselines: dict[str, RDM],
    people: dict[str, tuple[RDM, str]],
    settings: Settings,
) -> SuiteResult:
    candidates = [dataclasses.replace(c, labels=strip_suffixes(c.labels, labels)) for c in candidates]
    shared = shared_labels(candidates, labels, dataset)
    aims = [make_target(part, rdms, settings, shared) for part, rdms in targets.items()]
    models = {
        c.name: rdm(c.take(shared), metric=settings.metric, labels=shared)  # type: ignore[arg-type]
        for c in candidates
    }
    split = {c.name: c.split for c in candidates}
    scored = tuple(
        join_scored(score_rdm(name, model, aim, settings, split=split[name]) for aim in aims)
        for name, model in models.items()
    )
    rows: list[ScoreRow] = []
    for aim in aims:
        rows.append(shuffled_rdm(next(iter(models.values())), aim, settings))
        named = baselines | {name: value for name, (value, own) in people.items() if own != aim.part}
        for name, value in named.items():
            rows += score_rdm(name, value.select(shared), aim, settings, role="baseline", split="other people").rows
    notes = (
        () if len(shared) == len(labels) else (f"{len(shared)} of the {len(labels)} items of {dataset} were scored.",)
    )
    return SuiteResult(scored, tuple(rows), notes)
