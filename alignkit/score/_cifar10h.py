"""CIFAR-10H: whether features carry people's uncertainty about photographs, not only the right answer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.data import load_cifar10h
from alignkit.rsa import RDM, compare, percent_of_ceiling, rdm
from alignkit.score._layer_rdms import RdmTask
from alignkit.score._layers import score_models
from alignkit.score._match import match_items
from alignkit.score._paired import bootstrap_mean
from alignkit.score._rdms import central_range, shuffled_similarities
from alignkit.score._row import NOT_FITTED, Role, Scored, ScoreRow, Settings, Unit
from alignkit.score._steps import Steps
from alignkit.score._suite import Candidate, SuiteResult

#: RDMs of all 10,000 images have 50 million pairs: a seeded sample of this many says the same.
_MAX_RDM_ITEMS = 1000
_N_FOLDS = 5
_MIN_PROBED = 50
#: A class that a fold never saw has probability zero: this floor keeps the cross-entropy finite.
_FLOOR = 1e-6
_SPLIT = "probe fitted on other images' labels (5 folds over images); scored on held-out images"


def score_cifar10h(candidates: Sequence[Candidate], root: Path | None, settings: Settings, steps: Steps) -> SuiteResult:
    """Score on CIFAR-10H: image-level RDMs, and a cross-validated probe against people's label distributions."""
    data = load_cifar10h(root)
    matched = match_items(candidates, data.labels, "cifar10h", {settings.metric}, settings)
    candidates, shared = matched.candidates, matched.shared
    position = {label: i for i, label in enumerate(data.labels)}
    steps.expect(2)
    people = People.build(shared, data.counts[[position[label] for label in shared]], settings)
    steps.done("people's label distributions")

    def full(c: Candidate) -> Scored:
        return _score_one(c, people, settings)

    scored = score_models(candidates, full, [_layer_task(people, settings)], shared, {settings.metric}, settings, steps)
    notes = list(matched.notes)
    if len(shared) > _MAX_RDM_ITEMS:
        notes.append(f"RDMs use a seeded sample of {_MAX_RDM_ITEMS:,} images.")
    if not people.folds:
        notes.append(f"The probe was left out: it needs at least {_MIN_PROBED} images of more than one class.")
    baselines = _baselines(people, candidates[0], settings)
    steps.done("baselines")
    return SuiteResult(scored, baselines, tuple(notes))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class People:
    """People's answers on the scored images, and what follows from them."""

    labels: tuple[str, ...]
    probabilities: FloatArray
    majority: IntArray
    folds: tuple[tuple[IntArray, IntArray], ...]
    """Positions to fit the probe on and to score it on; none where it cannot be fitted."""
    sample: IntArray
    rdm: RDM
    halves: tuple[RDM, RDM]
    """RDMs of two halves of the people."""
    half_agreement: float

    @classmethod
    def build(cls, labels: tuple[str, ...], counts: IntArray, settings: Settings) -> People:
        """Return the distributions, the RDM of a sample of images, and how two halves of the people agree."""
        rng = np.random.default_rng(settings.seed)
        n = len(labels)
        sample = np.sort(rng.choice(n, size=min(n, _MAX_RDM_ITEMS), replace=False))
        chosen = counts[sample]
        half = np.array([rng.multivariate_hypergeometric(row, row.sum() // 2) for row in chosen])
        halves = _human_rdm(half), _human_rdm(chosen - half)
        agreement = float(compare(*halves, method=settings.method))  # type: ignore[arg-type]
        probabilities = counts / counts.sum(axis=1, keepdims=True)
        folds = _folds(counts, settings)
        return cls(labels, probabilities, counts.argmax(axis=1), folds, sample, _human_rdm(chosen), halves, agreement)

    @property
    def attenuation_bound(self) -> float:
        """Square root of the reliability of all answers together."""
        return _bound(self.half_agreement)


def _bound(r: float) -> float:
    """Return the root of the reliability of a whole whose halves agree at ``r`` (Spearman-Brown)."""
    return math.sqrt(2 * r / (1 + r)) if r > 0 else float("nan")


def _folds(counts: IntArray, settings: Settings) -> tuple[tuple[IntArray, IntArray], ...]:
    from sklearn.model_selection import KFold

    if len(counts) < _MIN_PROBED:
        return ()
    # tied votes are no label to fit to
    tied = (counts == counts.max(axis=1, keepdims=True)).sum(axis=1) > 1
    splitter = KFold(_N_FOLDS, shuffle=True, random_state=settings.seed)
    folds = tuple((train[~tied[train]], test) for train, test in splitter.split(counts))
    return folds if all(len(np.unique(counts[train].argmax(axis=1))) > 1 for train, _ in folds) else ()


def _human_rdm(counts: IntArray) -> RDM:
    # Hellinger distance of two label distributions, from their overlap. Images that no two people gave a common label
    # are all equally far apart: as a difference of square roots, rounding would rank them.
    roots = np.sqrt(counts / counts.sum(axis=1, keepdims=True))
    overlap = (roots @ roots.T)[np.triu_indices(len(roots), k=1)]
    return RDM(np.sqrt(np.round(np.maximum(1.0 - overlap, 0.0), 12)), metric="Hellinger")


def _score_one(candidate: Candidate, people: People, settings: Settings) -> Scored:
    x = candidate.take(people.labels)
    model = rdm(x[people.sample], metric=settings.metric)  # type: ignore[call-overload]
    row = _rdm_row(candidate.name, model, people, settings, split=candidate.split or NOT_FITTED)
    if not people.folds:
        return Scored((row,))
    predicted = _probe(x, people, settings)
    costs = -(people.probabilities * np.log(predicted)).sum(axis=1)
    split = f"{_SPLIT}; {candidate.split}" if candidate.split else _SPLIT
    cross_entropy = _probe_row(candidate.name, costs, people, settings, split=split)
    return Scored((row, cross_entropy), (Unit(cross_entropy, costs),))


def _rdm_row(
    name: str, model: RDM, people: People, settings: Settings, *, role: Role = "model", split: str = ""
) -> ScoreRow:
    value = float(compare(model, people.rdm, method=settings.method))  # type: ignore[arg-type]
    return dataclasses.replace(
        _rdm_template(people, settings),
        model=name,
        role=role,
        value=value,
        percent_of_ceiling=percent_of_ceiling(value, people.attenuation_bound, chance=0.0),
        split=split,
    )


def _rdm_template(people: People, settings: Settings) -> ScoreRow:
    """Return a line of the comparison of RDMs, but for who is scored and how well."""
    return ScoreRow(
        model="",
        role="layer",
        part="images",
        measure=f"{settings.method} with people's RDM",
        value=math.nan,
        n=people.rdm.n_pairs,
        n_items=len(people.sample),
        ceiling_low=people.attenuation_bound,
        ceiling=f"root of the reliability of people's RDM (halves of the answers agree at {people.half_agreement:.4f})",
        primary=True,
    )


def _layer_task(people: People, settings: Settings) -> RdmTask:
    def limits(items: IntArray) -> tuple[float, float]:
        halves = (half.take(items) for half in people.halves)
        return _bound(float(compare(*halves, method=settings.method))), math.nan  # type: ignore[arg-type]

    return RdmTask(
        template=_rdm_template(people, settings),
        people=people.rdm,
        model=lambda x: rdm(x[people.sample], metric=settings.metric),  # type: ignore[call-overload]
        method=settings.method,
        settings=settings,
        limits=limits,
    )


def _probe(x: FloatArray, people: People, settings: Settings) -> FloatArray:
    """Return held-out class probabilities, shape (images, 10), of a logistic read-out of the majority label."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    predicted = np.zeros((len(x), 10))
    for train, test in people.folds:
        probe: Any = make_pipeline(
            StandardScaler(),
            PCA(min(128, x.shape[1], len(train) - 1), random_state=settings.seed),
            LogisticRegression(C=0.01, max_iter=1000),
        )
        probe.fit(x[train], people.majority[train])
        predicted[np.ix_(test, probe[-1].classes_)] = probe.predict_proba(x[test])
    predicted = np.maximum(predicted, _FLOOR)
    return np.asarray(predicted / predicted.sum(axis=1, keepdims=True))


def _probe_row(
    name: str, costs: FloatArray, people: People, settings: Settings, *, role: Role = "model", split: str = ""
) -> ScoreRow:
    low, high = bootstrap_mean(costs, settings)
    value, guessing = float(costs.mean()), math.log(10)
    p = people.probabilities
    entropy = float(-(p * np.log(p, out=np.zeros_like(p), where=p > 0)).sum(axis=1).mean())
    return ScoreRow(
        model=name,
        role=role,
        part="images",
        measure="cross-entropy with people's label distribution (nats)",
        value=value,
        low=low,
        high=high,
        over="images",
        n=len(costs),
        n_items=len(costs),
        ceiling_low=entropy,
        ceiling="entropy of people's distributions: no model can be below",
        percent_of_ceiling=100 * (guessing - value) / (guessing - entropy),
        split=split,
        higher_is_better=False,
    )


def _baselines(people: People, candidate: Candidate, settings: Settings) -> tuple[ScoreRow, ...]:
    """Return the majority label's RDM, the first model's with shuffled items, and guessing."""
    labels = people.majority[people.sample]
    same_or_not = RDM((labels[:, None] != labels).astype(np.float64))
    majority = _rdm_row("majority label alone", same_or_not, people, settings, role="baseline", split="people's labels")
    model = rdm(candidate.take(people.labels)[people.sample], metric=settings.metric)  # type: ignore[call-overload]
    values = shuffled_similarities(model, people.rdm, settings)
    mean, low, high = central_range(values, settings)
    percent = percent_of_ceiling(mean, people.attenuation_bound, chance=0.0)
    shuffled = dataclasses.replace(majority, model="shuffled items", value=mean, low=low, high=high, over="shuffles")
    shuffled = dataclasses.replace(shuffled, percent_of_ceiling=percent, split="")
    rows = [majority, shuffled]
    if people.folds:
        guessing = np.full(len(people.labels), math.log(10))
        rows.append(_probe_row("chance (uniform)", guessing, people, settings, role="baseline"))
    return tuple(rows)
