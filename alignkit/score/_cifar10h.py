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
from alignkit.rsa import compare, percent_of_ceiling, rdm
from alignkit.score._paired import bootstrap_mean
from alignkit.score._row import Scored, ScoreRow, Settings, Unit
from alignkit.score._suite import Candidate, SuiteResult, shared_labels, strip_suffixes

#: RDMs of all 10,000 images have 50 million pairs: a seeded sample of this many says the same.
_MAX_RDM_ITEMS = 1000
_N_FOLDS = 5
_SPLIT = "probe fitted on other images' labels (5 folds over images); scored on held-out images"


def score_cifar10h(candidates: Sequence[Candidate], root: Path | None, settings: Settings) -> SuiteResult:
    """Score on CIFAR-10H: image-level RDMs, and a cross-validated probe against people's label distributions."""
    data = load_cifar10h(root)
    candidates = [dataclasses.replace(c, labels=strip_suffixes(c.labels, data.labels)) for c in candidates]
    shared = shared_labels(candidates, data.labels, "cifar10h")
    position = {label: i for i, label in enumerate(data.labels)}
    counts = data.counts[[position[label] for label in shared]]
    people = People.build(shared, counts, settings)
    scored = tuple(_score_one(c, people, settings) for c in candidates)
    notes = [f"{len(shared):,} of the 10,000 test images were scored."] if len(shared) < len(data.labels) else []
    if len(shared) > _MAX_RDM_ITEMS:
        notes.append(f"RDMs use a seeded sample of {_MAX_RDM_ITEMS:,} images.")
    return SuiteResult(scored, _baselines(people, candidates[0], settings), tuple(notes))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class People:
    """People's answers on the scored images, and what follows from them."""

    labels: tuple[str, ...]
    probabilities: FloatArray
    majority: IntArray
    sample: IntArray
    rdm: FloatArray
    half_agreement: float

    @classmethod
    def build(cls, labels: tuple[str, ...], counts: IntArray, settings: Settings) -> People:
        """Return the distributions, the RDM of a sample of images, and how two halves of the people agree."""
        rng = np.random.default_rng(settings.seed)
        n = len(labels)
        sample = np.sort(rng.choice(n, size=min(n, _MAX_RDM_ITEMS), replace=False))
        chosen = counts[sample]
        half = np.array([rng.multivariate_hypergeometric(row, row.sum() // 2) for row in chosen])
        halves = [_human_rdm(part) for part in (half, chosen - half)]
        agreement = float(compare(*halves, method=settings.method))  # type: ignore[arg-type]
        probabilities = counts / counts.sum(axis=1, keepdims=True)
        return cls(labels, probabilities, counts.argmax(axis=1), sample, _human_rdm(chosen), agreement)

    @property
    def attenuation_bound(self) -> float:
        """Square root of the Spearman-Brown reliability of all people together."""
        r = self.half_agreement
        return math.sqrt(2 * r / (1 + r)) if r > 0 else float("nan")


def _human_rdm(counts: IntArray) -> FloatArray:
    # Hellinger distance of two label distributions: euclidean on square roots, over sqrt(2)
    roots = np.sqrt(counts / counts.sum(axis=1, keepdims=True))
    return np.asarray(rdm(roots, metric="euclidean").values / math.sqrt(2))


def _score_one(candidate: Candidate, people: People, settings: Settings) -> Scored:
    x = candidate.take(people.labels)
    row = _rdm_row(candidate.name, x, people, settings)
    rows, units = [row], []
    if len(people.labels) >= 10 * _N_FOLDS:
        predicted = _probe(x, people.majority, settings)
        scores = -(people.probabilities * np.log(predicted)).sum(axis=1)
        cross_entropy = _probe_row(candidate.name, scores, people, settings)
        rows += [cross_entropy]
        units = [Unit(cross_entropy, scores)]
    if candidate.split:
        rows = [dataclasses.replace(r, split=f"{r.split}; {candidate.split}") for r in rows]
    return Scored(tuple(rows), tuple(units))


def _rdm_row(name: str, x: FloatArray, people: People, settings: Settings) -> ScoreRow:
    model = rdm(x[people.sample], metric=settings.metric)  # type: ignore[arg-type]
    value = float(compare(model, people.rdm, method=settings.method))  # type: ignore[arg-type]
    return ScoreRow(
        model=name,
        role="model",
        part="images",
        measure=f"{settings.method} with people's RDM",
        value=value,
        n=people.rdm.size,
        n_items=len(people.sample),
        ceiling_low=people.half_agreement,
        ceiling_high=people.attenuation_bound,
        ceiling="one half of the answers with the other (low), root of the Spearman-Brown reliability (high)",
        percent_of_ceiling=percent_of_ceiling(value, people.attenuation_bound, chance=0.0),
        primary=True,
    )


def _probe(x: FloatArray, target: IntArray, settings: Settings) -> FloatArray:
    """Return held-out class probabilities, shape (images, 10), of a logistic read-out."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    predicted = np.zeros((len(x), 10))
    for train, test in KFold(_N_FOLDS, shuffle=True, random_state=settings.seed).split(x):
        n_components = min(128, x.shape[1], len(train) - 1)
        probe: Any = make_pipeline(
            StandardScaler(),
            PCA(n_components, random_state=settings.seed),
            LogisticRegression(C=0.01, max_iter=1000),
        )
        probe.fit(x[train], target[train])
        predicted[np.ix_(test, probe[-1].classes_)] = probe.predict_proba(x[test])
    # a class that a fold never saw has probability zero: a floor keeps the cross-entropy finite
    predicted = np.maximum(predicted, 1e-6)
    return predicted / predicted.sum(axis=1, keepdims=True)


def _probe_row(name: str, scores: FloatArray, people: People, settings: Settings, role: Any = "model") -> ScoreRow:
    low, high = bootstrap_mean(scores, settings)
    p = people.probabilities
    entropy = -(p * np.log(p, out=np.zeros_like(p), where=p > 0)).sum(axis=1).mean()
    return ScoreRow(
        model=name,
        role=role,
        part="images",
        measure="cross-entropy with people's label distribution (nats)",
        value=float(scores.mean()),
        low=low,
        high=high,
        over="images",
        n=len(scores),
        n_items=len(scores),
        ceiling_low=float(entropy),
        ceiling="entropy of people's distributions: no model can be below",
        percent_of_ceiling=100 * (math.log(10) - float(scores.mean())) / (math.log(10) - float(entropy)),
        split=_SPLIT,
        higher_is_better=False,
    )


def _baselines(people: People, candidate: Candidate, settings: Settings) -> tuple[ScoreRow, ...]:
    one_hot = np.eye(10)[people.majority]
    x = candidate.take(people.labels)
    order = np.random.default_rng(settings.seed).permutation(len(x))
    rows = [
        dataclasses.replace(_rdm_row("majority label alone", one_hot, people, settings), split="people's labels"),
        _rdm_row("shuffled items", x[order], people, settings),
        _probe_row("chance (uniform)", np.full(len(x), math.log(10)), people, settings),
    ]
    return tuple(dataclasses.replace(row, role="baseline") for row in rows)
