"""Classes read out of features: linear probes, few shots, and probes that are scored on another domain."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from alignkit._check import counted
from alignkit._typing import BoolArray, FloatArray
from alignkit.data import LabelledImages
from alignkit.data._imagenet_classes import of_imagenet_a, of_living17
from alignkit.score._few_shot import few_shot
from alignkit.score._linear_probe import linear_probe, readout_hits
from alignkit.score._match import spell_labels
from alignkit.score._probe_accuracy import ProbeAccuracy, as_probed, summarise
from alignkit.score._row import NOT_FITTED, Scored, ScoreRow, Settings, Unit
from alignkit.score._suite import Candidate
from alignkit.score._suite_parts import SuitePart

#: Fewer items are not probed.
MIN_PROBED = 50
_SHOTS = (1, 5)
#: Position of an input, its class, its domain (empty: there is one).
Classed = tuple[int, str, str]

#: Sets that names of inputs tell -> (what finds their inputs, how to get them).
IMAGENET_SETS: dict[str, tuple[Callable[[Sequence[str]], list[Classed]], str]] = {
    "BREEDS Living-17": (
        of_living17,
        "features of ImageNet's pictures of 68 classes, in folders named by WordNet ids, are needed "
        "(alignkit.data.load_breeds lists the pictures of a folder).",
    ),
    "ImageNet-A": (
        of_imagenet_a,
        "features of pictures in a folder named imagenet-a and of ImageNet's own pictures of the same classes are "
        "needed, in folders named by WordNet ids (alignkit.data.load_imagenet_a lists them; get ImageNet-A from "
        "https://github.com/hendrycks/natural-adv-examples).",
    ),
}


def of_table(images: LabelledImages) -> Callable[[Sequence[str]], list[Classed]]:
    """Return what finds the inputs that a table or a folder names."""
    number = {file: i for i, file in enumerate(images.files)}

    def find(labels: Sequence[str]) -> list[Classed]:
        spelled = spell_labels(labels, images.files)
        rows = [(row, number[name]) for row, name in enumerate(spelled) if name in number]
        return [(row, images.classes[i], images.domain[i] if images.domain else "") for row, i in rows]

    return find


def score_classes(
    part: str, candidates: Sequence[Candidate], find: Callable[[Sequence[str]], list[Classed]], settings: Settings
) -> SuitePart | str:
    """Score what can be read out of the inputs that all models have; a sentence where there are too few."""
    found = {c.name: {c.labels[row]: (name, domain) for row, name, domain in find(c.labels)} for c in candidates}
    having = [c for c in candidates if len(found[c.name]) >= MIN_PROBED]
    if not having:
        return f"no model has {MIN_PROBED} of its inputs."
    first = found[having[0].name]
    labels = [label for label in first if all(label in found[c.name] for c in having)]
    classes, domains = [first[label][0] for label in labels], np.array([first[label][1] for label in labels])
    source = domains != "target"
    in_source = {name for name, own in zip(classes, source, strict=True) if own}
    if len(labels) < MIN_PROBED or len(in_source) < 2 or source.sum() < MIN_PROBED:
        return (
            f"the models share {counted(len(labels), 'input')}, {int(source.sum()):,} of them to fit a probe to, of "
            f"{len(in_source)} class(es); {MIN_PROBED} of 2 classes are needed."
        )
    scored = {c.name: _score_one(part, c, labels, classes, source, settings) for c in having}
    lacking = [c.name for c in candidates if c not in having]
    notes = [f"{part}: {', '.join(lacking)} has fewer than {MIN_PROBED} of its inputs and is left out."]
    return SuitePart(scored, (_chance(part, len(in_source), len(labels)),), tuple(notes if lacking else ()))


def _score_one(
    part: str,
    candidate: Candidate,
    labels: Sequence[str],
    classes: Sequence[str],
    source: BoolArray,
    settings: Settings,
) -> Scored:
    x = candidate.take(labels)
    own = [name for name, used in zip(classes, source, strict=True) if used]
    options = {"n_bootstrap": settings.n_bootstrap, "confidence": settings.confidence, "seed": settings.seed}
    probe = linear_probe(x[source], own, **options)  # type: ignore[arg-type]
    where = "" if source.all() else ", source"
    results = [(f"linear probe accuracy{where}", probe)]
    if not source.all():
        results.append(("linear probe accuracy, target", _on_target(x, classes, source, settings)))
    fewest = min(own.count(name) for name in set(own))
    for n_shots in _SHOTS:
        if fewest > n_shots:
            shots = few_shot(x[source], own, n_shots=n_shots, **options)  # type: ignore[arg-type]
            results.append((f"{n_shots}-shot accuracy (nearest class mean){where}", shots))
    units = [_unit(part, candidate, measure, result) for measure, result in results]
    primary = units[1 if not source.all() else 0]
    units = [dataclasses.replace(u, row=dataclasses.replace(u.row, primary=u is primary)) for u in units]
    return Scored(tuple(unit.row for unit in units), tuple(units))


def _on_target(
    x: FloatArray,
    classes: Sequence[str],
    source: BoolArray,
    settings: Settings,
) -> ProbeAccuracy:
    """Fit a read-out to the whole source, and score it on the target."""
    x, codes, n_classes = as_probed(x, classes)
    per_item = np.full(len(x), np.nan)
    train, test = np.flatnonzero(source), np.flatnonzero(~source)
    per_item[test] = readout_hits(x, codes, n_classes, train, test)
    probe = "linear probe (one-hot ridge, penalty by leave-one-out; fitted to the source)"
    return summarise(per_item, n_classes, probe, settings.n_bootstrap, settings.confidence, settings.seed)


def _unit(part: str, candidate: Candidate, measure: str, result: ProbeAccuracy) -> Unit:
    assert result.per_item is not None
    row = ScoreRow(
        model=candidate.name,
        role="model",
        part=part,
        measure=measure,
        value=result.accuracy,
        low=result.low,
        high=result.high,
        over="inputs",
        n=result.n,
        n_items=result.n,
        split=f"{candidate.split or NOT_FITTED}; {result.probe}",
    )
    return Unit(row, result.per_item[~np.isnan(result.per_item)])


def _chance(part: str, n_classes: int, n: int) -> ScoreRow:
    return ScoreRow(
        model="chance",
        role="baseline",
        part=part,
        measure="linear probe accuracy",
        value=1 / n_classes,
        n=n,
        n_items=n,
        split="",
    )
