"""Features in, one table out: every measure beside its ceiling, its interval and its baselines."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignkit import __version__
from alignkit._check import as_flag, check_choice, check_count, check_fraction, shown
from alignkit._typing import PathLike
from alignkit._versions import versions
from alignkit.models import Features
from alignkit.score._candidates import open_candidates
from alignkit.score._choices import CHOICES
from alignkit.score._match import told_once
from alignkit.score._paired import paired_differences
from alignkit.score._row import Settings
from alignkit.score._steps import Steps
from alignkit.score._suite import Candidate, SuiteResult
from alignkit.score._table import ScoreTable, rank_rows

if TYPE_CHECKING:
    from alignkit.data import SimulatedLab
    from alignkit.data._item_manifest import ItemManifest
    from alignkit.models import Transform

Suite = Callable[[Sequence[Candidate], Any, Settings, Steps], SuiteResult]

#: Data set -> (module, function); a new suite is one line here.
SUITES = {
    "things": ("alignkit.score._things", "score_things"),
    "rsa92": ("alignkit.score._neural", "score_rsa92"),
    "algonauts78": ("alignkit.score._neural", "score_algonauts78"),
    "cifar10h": ("alignkit.score._cifar10h", "score_cifar10h"),
    "material2afc": ("alignkit.score._material2afc", "score_material2afc"),
}


def score(
    features: Features | PathLike | Sequence[Features | PathLike],
    dataset: str | SimulatedLab,
    /,
    *,
    root: PathLike | None = None,
    layer: str | None = None,
    layers: str | Sequence[str] = (),
    n_splits: int = 20,
    transform: Transform | None = None,
    items: PathLike | None = None,
    relation: str = "any",
    where: Sequence[str] = (),
    many: str = "average",
    kernel: str = "cosine",
    centre: bool = False,
    metric: str = "correlation",
    method: str = "spearman",
    ties: str = "wrong",
    min_votes: int = 0,
    n_bootstrap: int = 1000,
    n_shuffles: int = 20,
    confidence: float = 0.95,
    seed: int = 0,
    progress: bool = False,
) -> ScoreTable:
    """Score features against people and brains.

    Several models are scored on the items that all of them have, ranked, and compared in pairs on the same answers.

    With ``layers``, every layer of every model is scored by the main measure of each part (its *layer curve*), and a
    layer is chosen on other items than those it is scored on: the items are halved at random ``n_splits`` times, the
    best layer on the answers (trials, pairs) that lie within one half is scored on those within the other, and the
    other way round. An answer whose items are in both halves counts in neither, so that nothing that is scored,
    neither the answer nor any of its items, had a say in the choice: of triplets a quarter is scored in each split, of
    pairs a half, and over 20 splits nearly all. The result is the lines ``"..., held-out items"``, with ceilings of
    the same parts. The highest point of a curve is no such score: it was chosen on the answers it is scored on.

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
    layers : "all" or sequence of str
        Layers to draw the curve of and to choose from; by default none.
    n_splits : int
        How often the items are halved to choose a layer.
    transform : Transform, optional
        Affine map (gLocal, see :func:`alignkit.models.load_transform`); features are scored without it and with it.
    items : path, optional
        A ``.csv`` or ``.tsv`` that says what photos show: a column ``file`` and a column ``item`` (or ``concept``, or
        ``uniqueID``) that names an item of the data set. Several photos may show one item, and one photo several. By
        default inputs are matched by name (and THINGS photos by the manifest beside the data).
    relation : {"any", "exact"}
        Photos that show a narrower kind of their item (column ``relation`` of the manifest) are kept or left out.
    where : sequence of str
        Further filters of the manifest, ``column=value``; several of one column keep either value.
    many : {"average", "best"}
        Several inputs of one item: the mean of their features, or those of the most typical one, which is nearest
        (Euclidean) to that mean. Features alone choose it, never what people answered.
    kernel : {"cosine", "dot", "euclidean"}
        Similarity of two feature vectors in triplets and 2AFC.
    centre : bool
        Subtract the mean over the scored items from every channel first. Features of one network often share a large
        common direction, which hides under cosine and dot products what tells the items apart.
    metric : str
        Dissimilarity of two feature vectors in model RDMs: any metric of :func:`alignkit.rsa.rdm` that needs neither
        folds nor noise.
    method : str
        How RDMs are compared: any method of :func:`alignkit.rsa.compare`.
    ties : {"wrong", "share", "random"}
        What a tied choice is worth.
    min_votes : int
        2AFC trials with fewer votes are left out.
    n_bootstrap, n_shuffles : int
        Resamples for intervals; repetitions of the shuffled baseline.
    confidence : float
        Level of the intervals.
    seed : int
        Seed of every random draw.
    progress : bool
        Show a progress bar with the time left on stderr.

    Returns
    -------
    ScoreTable

    Raises
    ------
    ValueError
        An unknown data set or option, labels that are not the data set's, a manifest that lacks columns or names other
        items, features with NaN or infinities.
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
        centre=as_flag("centre", centre),
        metric=metric,
        method=method,
        ties=ties,
        layers=_as_text("layers", layers),
        n_splits=check_count("n_splits", n_splits, 1),
        items="" if items is None else Path(items).name,
        relation=relation,
        where=_as_text("where", where),
        many=many,
        min_votes=check_count("min_votes", min_votes),
        n_bootstrap=check_count("n_bootstrap", n_bootstrap),
        n_shuffles=check_count("n_shuffles", n_shuffles, 1),
        confidence=check_fraction("confidence", confidence),
        seed=check_count("seed", seed),
    )
    for option, allowed in CHOICES.items():
        check_choice(option, getattr(settings, option), allowed)
    suite, name, source = _find_suite(dataset, root)
    manifest = _read_items(items, relation, where, name)
    candidates = [
        dataclasses.replace(candidate, centre=settings.centre, manifest=manifest)
        for candidate in open_candidates(features, layer, layers, transform)
    ]
    with told_once(), Steps(as_flag("progress", progress)) as steps:
        result = suite(candidates, source, settings, steps)
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


def _as_text(name: str, value: object) -> str:
    """Return several names as one text; a single one may come without a list around it."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        msg = f"{name} must be a list of names; got {shown(value)}."
        raise TypeError(msg)
    return ", ".join(value)


def _read_items(items: PathLike | None, relation: str, where: Sequence[str], dataset: str) -> ItemManifest | None:
    from alignkit.data._item_manifest import read_item_manifest

    if items is not None:
        return read_item_manifest(items, relation=relation, where=[where] if isinstance(where, str) else where)
    unused = {"relation": relation != "any" and dataset != "things", "where": bool(where)}
    for name in (name for name, given in unused.items() if given):
        msg = f"{name} filters the table that says what photos show; give that table with items=."
        raise ValueError(msg)
    return None


def _find_suite(dataset: str | SimulatedLab, root: PathLike | None) -> tuple[Suite, str, Any]:
    from alignkit.data import SimulatedLab

    if isinstance(dataset, SimulatedLab):
        from alignkit.score._lab import score_lab

        return score_lab, "the simulated lab", dataset
    check_choice("dataset", dataset, tuple(SUITES))
    module, function = SUITES[dataset]
    return getattr(import_module(module), function), dataset, None if root is None else Path(root)
