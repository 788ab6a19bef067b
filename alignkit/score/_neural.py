"""RDM suites: the 92 images (behaviour, fMRI) and the 78 Algonauts photos (fMRI)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from alignkit._typing import FloatArray
from alignkit.data import load_algonauts78, load_rsa92
from alignkit.rsa import RDM, rdm
from alignkit.score._layers import score_models
from alignkit.score._match import match_items
from alignkit.score._rdms import layer_task, make_target, score_rdm, shuffled_rdm
from alignkit.score._row import Scored, ScoreRow, Settings
from alignkit.score._steps import Steps
from alignkit.score._suite import Candidate, SuiteResult, join_scored

_PUBLISHED = "a published RDM of a model (monkeyIT: of monkeys)"
_PEOPLE = "other people"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """An RDM to set beside the models; ``part`` is the target that it is made from and not compared with."""

    name: str
    rdm: RDM
    split: str
    part: str = ""


def score_rsa92(candidates: Sequence[Candidate], root: Path | None, settings: Settings, steps: Steps) -> SuiteResult:
    """Score on the 92 images: human IT (4 people), fMRI IT and EVC (15 others), multi-arrangement (16)."""
    data = load_rsa92(root)
    targets = {
        "human IT (Kriegeskorte 2008)": data.human_it.mean("session"),
        "fMRI IT (Cichy 2014)": data.fmri_it,
        "fMRI EVC (Cichy 2014)": data.fmri_evc,
        "behaviour (Mur 2013)": data.behaviour,
    }
    published = [
        Baseline(f"model RDM: {name}", data.models.sel(model=name), _PUBLISHED)
        for name in data.models.coords["model"].tolist()
    ]
    names = {
        "human IT (Kriegeskorte 2008)": "mean human IT RDM",
        "fMRI IT (Cichy 2014)": "mean fMRI IT RDM",
        "behaviour (Mur 2013)": "mean behavioural RDM",
    }
    people = [Baseline(name, targets[part].mean("subject"), _PEOPLE, part) for part, name in names.items()]
    return _score(candidates, "rsa92", data.labels, targets, [*published, *people], settings, steps)


def score_algonauts78(
    candidates: Sequence[Candidate], root: Path | None, settings: Settings, steps: Steps
) -> SuiteResult:
    """Score on the 78 Algonauts photos: fMRI IT and EVC of 15 people."""
    data = load_algonauts78(root)
    targets = {"fMRI IT": data.fmri_it, "fMRI EVC": data.fmri_evc}
    result = _score(candidates, "algonauts78", data.labels, targets, [], settings, steps)
    note = (
        "These 15 people's RDMs are very noisy: where the lower ceiling cannot be told from zero, no per cent of it "
        "is given. That row i is image i is an assumption."
    )
    return dataclasses.replace(result, notes=(*result.notes, note))


def _score(
    candidates: Sequence[Candidate],
    dataset: str,
    labels: tuple[str, ...],
    targets: dict[str, RDM],
    baselines: Sequence[Baseline],
    settings: Settings,
    steps: Steps,
) -> SuiteResult:
    steps.expect(2 * len(targets))
    matched = match_items(candidates, labels, dataset, {settings.metric}, settings)
    shared = matched.shared
    aims = []
    for part, rdms in targets.items():
        aims.append(make_target(part, rdms, settings, shared))
        steps.done(f"noise ceiling of {part}")

    def full(c: Candidate) -> Scored:
        model = _model_rdm(c.take(shared), shared, settings)
        return join_scored(score_rdm(c.name, model, aim, settings, split=c.split) for aim in aims)

    tasks = [layer_task(aim, settings) for aim in aims]
    scored = score_models(matched.candidates, full, tasks, shared, {settings.metric}, settings, steps)
    first = _model_rdm(matched.candidates[0].take(shared), shared, settings)
    restricted = [dataclasses.replace(b, rdm=b.rdm.select(shared)) for b in baselines]
    rows: list[ScoreRow] = []
    for aim in aims:
        rows.append(shuffled_rdm(first, aim, settings))
        for own in restricted:
            if own.part != aim.part:
                rows += score_rdm(own.name, own.rdm, aim, settings, role="baseline", split=own.split).rows
        steps.done(f"baselines of {aim.part}")
    return SuiteResult(scored, tuple(rows), matched.notes)


def _model_rdm(x: FloatArray, labels: tuple[str, ...], settings: Settings) -> RDM:
    return rdm(x, metric=settings.metric, labels=labels)  # type: ignore[call-overload]
