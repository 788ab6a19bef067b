"""The simulated lab: the same measures as on real data, with every truth known."""

from __future__ import annotations

from collections.abc import Sequence

from alignkit._typing import FloatArray
from alignkit.data import SimulatedLab
from alignkit.rsa import rdm
from alignkit.score import _rdms, _triplets
from alignkit.score._layers import Task, score_models
from alignkit.score._match import match_items
from alignkit.score._rdms import Target, make_target, score_rdm, shuffled_rdm
from alignkit.score._row import Role, Scored, Settings
from alignkit.score._steps import Steps
from alignkit.score._suite import Candidate, SuiteResult, join_scored
from alignkit.score._triplets import Answers, Battery, ceiling_of, score_triplets, triplet_baselines

_TRUTH = "true latents"
_TRUTH_SPLIT = "the truth that people and brains were simulated from"
_NOTE = "Objects, people and brains are simulated; these scores say nothing about real people."


def score_lab(candidates: Sequence[Candidate], lab: SimulatedLab, settings: Settings, steps: Steps) -> SuiteResult:
    """Score on simulated triplets, repeats and fMRI."""
    measures = {settings.kernel, settings.metric}
    matched = match_items(candidates, lab.labels, "the simulated lab", measures, settings)
    shared = matched.shared
    triplets, repeats = (t if shared == t.labels else t.restrict(shared) for t in (lab.triplets, lab.repeats))
    ceiling = ceiling_of(repeats)
    battery = Battery.of([Answers("repeats", repeats, ceiling, repeated=True), Answers("answers", triplets, ceiling)])
    target = make_target("fMRI", lab.fmri, settings, shared)
    steps.expect(2)

    def full(c: Candidate) -> Scored:
        return _score(c.name, c.take(shared), battery.parts, target, settings, split=c.split)

    tasks: list[Task] = [_triplets.layer_task(battery, len(shared), settings), _rdms.layer_task(target, settings)]
    scored = score_models(matched.candidates, full, tasks, shared, measures, settings, steps)
    first = matched.candidates[0].take(shared)
    baselines = triplet_baselines(first, battery, settings)
    baselines.append(shuffled_rdm(rdm(first, metric=settings.metric, labels=shared), target, settings))  # type: ignore[call-overload]
    steps.done("shuffled items")
    latents = Candidate(_TRUTH, lab.embedding, tuple(lab.labels)).take(shared)
    # people choose by dot products, and their brains are compared by squared distances
    options: dict[str, str] = {"kernel": "dot", "metric": "sqeuclidean", "split": _TRUTH_SPLIT}
    truth = _score(_TRUTH, latents, battery.parts, target, settings, "baseline", **options)
    steps.done(_TRUTH)
    return SuiteResult(scored, (*baselines, *truth.rows), (*matched.notes, _NOTE))


def _score(
    name: str,
    x: FloatArray,
    parts: Sequence[Answers],
    target: Target,
    settings: Settings,
    role: Role = "model",
    kernel: str | None = None,
    metric: str | None = None,
    *,
    split: str | None = None,
) -> Scored:
    model = rdm(x, metric=metric or settings.metric, labels=target.rdms.labels)  # type: ignore[call-overload]
    behaviour = [score_triplets(name, x, part, settings, role=role, kernel=kernel, split=split) for part in parts]
    return join_scored([*behaviour, score_rdm(name, model, target, settings, role=role, split=split)])
