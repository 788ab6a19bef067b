"""The simulated lab: the same measures as on real data, with every truth known."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from alignkit.data import SimulatedLab
from alignkit.rsa import rdm
from alignkit.score._rdms import make_target, score_rdm, shuffled_rdm
from alignkit.score._row import Settings
from alignkit.score._suite import Candidate, SuiteResult, average_duplicates, join_scored, shared_labels, strip_suffixes
from alignkit.score._triplets import Answers, ceiling_of, score_triplets, triplet_baselines

_TRUTH_SPLIT = "the truth that people and brains were simulated from"


def score_lab(candidates: Sequence[Candidate], lab: SimulatedLab, settings: Settings) -> SuiteResult:
    """Score on simulated triplets, repeats and fMRI."""
    candidates = [_by_object(c, lab.labels) for c in candidates]
    shared = shared_labels(candidates, lab.labels, "the simulated lab")
    triplets, repeats = (t if shared == t.labels else t.restrict(shared) for t in (lab.triplets, lab.repeats))
    ceiling = ceiling_of(repeats, settings)
    parts = [
        Answers("repeats", repeats, ceiling, repeated=True),
        Answers("answers", triplets, ceiling),
    ]
    target = make_target("fMRI", lab.fmri, settings, shared)
    everyone = [*candidates, Candidate("true latents", lab.embedding, tuple(lab.labels), _TRUTH_SPLIT)]
    scored, baselines = [], []
    for candidate in everyone:
        truth = candidate.name == "true latents"
        x = candidate.take(shared)
        model = rdm(x, metric="sqeuclidean" if truth else settings.metric, labels=shared)  # type: ignore[arg-type]
        options: dict[str, Any] = {"role": "baseline" if truth else "model", "split": candidate.split}
        both = join_scored(
            [
                *(
                    score_triplets(candidate.name, x, p, settings, kernel="dot" if truth else None, **options)
                    for p in parts
                ),
                score_rdm(candidate.name, model, target, settings, **options),
            ]
        )
        if truth:
            baselines += list(both.rows)
        else:
            scored.append(both)
            if not baselines:
                baselines += [row for p in parts for row in triplet_baselines(x, p, settings)]
                baselines.append(shuffled_rdm(model, target, settings))
    note = "Objects, people and brains are simulated; these scores say nothing about real people."
    return SuiteResult(tuple(scored), tuple(baselines), (note,))


def _by_object(candidate: Candidate, labels: Sequence[str]) -> Candidate:
    known = strip_suffixes(candidate.labels, labels)
    # several views of one object lie in a folder of its name
    names = [label if label in set(labels) else label.split("/")[0] for label in known]
    x, distinct = average_duplicates(candidate.x, names)
    return dataclasses.replace(candidate, x=x, labels=distinct)
