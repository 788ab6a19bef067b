"""Features in, one table out: every measure beside its ceiling, its interval and its baselines."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit import __version__
from alignkit._check import check_choice, check_count, check_fraction, join_names, shown
from alignkit._typing import PathLike
from alignkit._versions import versions
from alignkit.models import Features, open_features
from alignkit.score._match import told_once
from alignkit.score._paired import paired_differences
from alignkit.score._row import Settings
from alignkit.score._suite import Candidate, SuiteResult
from alignkit.score._table import ScoreTable, rank_rows

if TYPE_CHECKING:
    from alignkit.data import SimulatedLab
    from alignkit.models import Transform

Suite = Callable[[Sequence[Candidate], Any, Settings], SuiteResult]

#: Data set -> (module, function); a new suite is one line here.
SUITES = {
    "things": ("alignkit.score._things", "score_things"),
    "rsa92": ("alignkit.score._neural", "score_rsa92"),
    "algonauts78": ("alignkit.score._neural", "score_algonauts78"),
    "cifar10h": ("alignkit.score._cifar10h", "score_cifar10h"),
    "material2afc": ("alignkit.score._material2afc", "score_material2afc"),
}
#: What the options of a name may be.
CHOICES = {
    "kernel": ("cosine", "dot", "euclidean"),
    "metric": ("correlation", "cosine", "euclidean", "sqeuclidean"),
    "method": ("spearman", "pearson", "cosine", "rho-a", "kendall-tau-a", "kendall-tau-b"),
    "ties": ("wrong", "share", "random"),
    "relation": ("any", "exact"),
}


def score(
    features: Features | PathLike | Sequence[Features | PathLike],
    dataset: str | SimulatedLab,
    /,
    *,
    root: PathLike | None = None,
    layer: str | None = None,
    transform: Transform | None = None,
    kernel: str = "cosine",
    centre: bool = False,
    metric: str = "correlation",
    method: str = "spearman",
    ties: str = "wrong",
    relation: str = "any",
    min_votes: int = 0,
    n_bootstrap: int = 1000,
    n_shuffles: int = 20,
    confidence: float = 0.95,
    seed: int = 0,
) -> ScoreTable:
    """Score features against people and brains.

    Several models are scored on the items that all of them have, ranked, and compared in pairs on the same answers.

    Parameters
    ----------
    features : Features, path, or sequence of these
        One row per image, word or concept, with labels: what :func:`alignkit.models.extract` or
        :func:`alignkit.models.open_features` returns, or where it lies. Labels are matched to the data set's items by
        name (file names and one folder per item will do); several images of one item are averaged.
    dataset : {"things", "rsa92", "algonauts78", "cifar10h", "material2afc"} or SimulatedLab
        What to score against.
    root : path, optional
        Folder of the real data; by default ``ALIGNKIT_DATA``, else the download cache.
    layer : str, optional
        Which layer of the features; by default the last one extracted.
    transform : Transform, optional
        Affine map (gLocal, see :func:`alignkit.models.load_transform`); features are scored without it and with it.
    kernel : {"cosine", "dot", "euclidean"}
        Similarity of two feature vectors in triplets and 2AFC.
    centre : bool
        Subtract the mean over the scored items from every channel first. Features of one network often share a large
        common direction, which hides under cosine and dot products what tells the items apart.
    metric : {"correlation", "cosine", "euclidean", "sqeuclidean"}
        Dissimilarity of two feature vectors in model RDMs (:func:`alignkit.rsa.rdm`).
    method : {"spearman", "pearson", "cosine", "rho-a", "kendall-tau-a", "kendall-tau-b"}
        How RDMs are compared (:func:`alignkit.rsa.compare`).
    ties : {"wrong", "share", "random"}
        What a tied choice is worth.
    relation : {"any", "exact"}
        THINGS photos that show a narrower kind of a concept are kept or left out.
    min_votes : int
        2AFC trials with fewer votes are left out.
    n_bootstrap, n_shuffles : int
        Resamples for intervals; repetitions of the shuffled baseline.
    confidence : float
        Level of the intervals.
    seed : int
        Seed of every random draw.

    Returns
    -------
    ScoreTable

    Raises
    ------
    ValueError
        An unknown data set or option, labels that are not the data set's, features with NaN or infinities.
    TypeError
        Features that are neither a path nor a :class:`~alignkit.models.Features`.
    FileNotFoundError
        Data that are not at hand (the sentence says how to get them).

    Examples
    --------
    >>> from alignkit.data import simulate
    >>> from alignkit.models import Features
    >>> lab = simulate(24, n_participants=4, rng=1)
    >>> table = score(Features.from_array(lab.embedding, lab.labels, name="truth"), lab, kernel="dot", n_bootstrap=50)
    >>> table.value("truth", "answers", "odd-one-out accuracy").value > 0.5
    True
    """
    settings = Settings(
        kernel=kernel,
        centre=_as_flag("centre", centre),
        metric=metric,
        method=method,
        ties=ties,
        relation=relation,
        min_votes=check_count("min_votes", min_votes),
        n_bootstrap=check_count("n_bootstrap", n_bootstrap),
        n_shuffles=check_count("n_shuffles", n_shuffles, 1),
        confidence=check_fraction("confidence", confidence),
        seed=check_count("seed", seed),
    )
    for option, allowed in CHOICES.items():
        check_choice(option, getattr(settings, option), allowed)
    suite, name, source = _find_suite(dataset, root)
    candidates = [dataclasses.replace(c, centre=settings.centre) for c in _candidates(features, layer, transform)]
    with told_once():
        result = suite(candidates, source, settings)
    rows = [row for scored in result.scored for row in scored.rows] + list(result.baselines)
    return ScoreTable(
        dataset=name,
        rows=rank_rows(rows),
        differences=paired_differences(result.scored, settings),
        notes=result.notes,
        settings=dataclasses.asdict(settings),
        versions={"alignkit": __version__, **versions()},
        models={candidate.name: dict(candidate.identity) for candidate in candidates},
    )


def _as_flag(name: str, value: object) -> bool:
    if not isinstance(value, bool | np.bool_):
        msg = f"{name} must be True or False; got {shown(value)}."
        raise TypeError(msg)
    return bool(value)


def _find_suite(dataset: str | SimulatedLab, root: PathLike | None) -> tuple[Suite, str, Any]:
    from alignkit.data import SimulatedLab

    if isinstance(dataset, SimulatedLab):
        from alignkit.score._lab import score_lab

        return score_lab, "the simulated lab", dataset
    check_choice("dataset", dataset, tuple(SUITES))
    module, function = SUITES[dataset]
    return getattr(import_module(module), function), dataset, None if root is None else Path(root)


def _candidates(
    features: Features | PathLike | Sequence[Features | PathLike], layer: str | None, transform: Transform | None
) -> list[Candidate]:
    many = isinstance(features, list | tuple)
    sources = list(features) if many else [features]  # type: ignore[arg-type]
    if not sources:
        msg = "features is empty; give at least one feature folder, file or Features object."
        raise ValueError(msg)
    opened = [_open(source) for source in sources]
    read = [_candidate(one, layer) for one in opened]
    if transform is not None:
        read = _named_apart(read)
        read += [_transformed(candidate, transform) for candidate in read]
    return _named_apart(read)


def _open(source: object) -> Features:
    if isinstance(source, Features):
        return source
    if isinstance(source, str | os.PathLike):
        return open_features(source)
    msg = f"features must be a path or a Features object; got {type(source).__name__}. See Features.from_array."
    raise TypeError(msg)


def _named_apart(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates with numbers behind the names that occur more than once."""
    names = [candidate.name for candidate in candidates]
    taken = {name for name in names if names.count(name) == 1}
    result = []
    for candidate in candidates:
        name = candidate.name
        if names.count(name) > 1:
            name = next(new for k in itertools.count(1) if (new := f"{candidate.name} ({k})") not in taken)
            taken.add(name)
        result.append(dataclasses.replace(candidate, name=name))
    return result


def _candidate(features: Features, layer: str | None) -> Candidate:
    name = features.name
    if features.labels is None:
        msg = f"the features {name!r} have no labels; open them with labels= (one name per row) to score them."
        raise ValueError(msg)
    chosen = features.layers[-1] if layer is None else layer
    if chosen not in features.layers:
        msg = f"the features {name!r} hold the layers {join_names(features.layers)}, not {chosen!r}."
        raise ValueError(msg)
    x = np.asarray(features.array(chosen), dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if bad.size:
        named = join_names(features.labels[i] for i in bad)
        msg = f"the features of {name!r} hold NaN or infinity for {named}; leave these items out or extract them again."
        raise ValueError(msg)
    shown = f"{name} [{chosen}]" if len(features.layers) > 1 else name
    return Candidate(shown, x, features.labels, identity=_identity(features, chosen))


def _identity(features: Features, layer: str) -> dict[str, Any]:
    """Return what a reader needs to make the same features again, as far as it is known."""
    manifest = features.manifest
    known = {name: manifest[name] for name in ("model", "precision", "transform") if name in manifest}
    if layer in manifest.get("pool", {}):
        known["pool"] = manifest["pool"][layer]
    return {"layer": layer, **known}


def _transformed(candidate: Candidate, transform: Transform) -> Candidate:
    split = f"transform {transform.name} fitted elsewhere: in-sample wherever it saw these objects or answers"
    identity = {**candidate.identity, "transform": {"name": transform.name, "sha256": transform.sha256}}
    name, x = f"{candidate.name} + {transform.name}", transform.apply(candidate.x)
    return Candidate(name, x, candidate.labels, split, identity)
