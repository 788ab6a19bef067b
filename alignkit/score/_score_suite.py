"""Features in, the evaluation of a line of papers out: on whichever of their data sets are at hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from alignkit import __version__
from alignkit._check import as_flag, check_choice, check_count, check_fraction
from alignkit._typing import PathLike
from alignkit._versions import versions
from alignkit.models import Features
from alignkit.rsa._matrix_methods import BURES
from alignkit.score._arms import compare_arms
from alignkit.score._choices import CHOICES
from alignkit.score._match import told_once
from alignkit.score._moving import open_over_time
from alignkit.score._paired import paired_differences
from alignkit.score._row import Settings
from alignkit.score._steps import Steps
from alignkit.score._suite import SuiteResult
from alignkit.score._suite_scores import SuiteScores
from alignkit.score._table import ScoreTable, rank_rows

if TYPE_CHECKING:
    from alignkit.data import LabelledImages
    from alignkit.models import Transform

#: Suite -> (module, function).
DATA_SUITES = {
    "alignet": ("alignkit.score._alignet_suite", "score_alignet"),
    "hba": ("alignkit.score._hba_suite", "score_hba"),
}
#: What only one suite has a use for: option -> suite.
ONLY = {"kernel": "alignet", "ties": "alignet", "classes": "alignet"}


def score_suite(
    features: Features | PathLike | Sequence[Features | PathLike],
    suite: str = "hba",
    /,
    *,
    root: PathLike | None = None,
    layer: str | None = None,
    transform: Transform | None = None,
    many: str = "average",
    kernel: str = "cosine",
    centre: bool = False,
    metric: str = "correlation",
    method: str = "spearman",
    ties: str = "wrong",
    classes: LabelledImages | PathLike | None = None,
    n_bootstrap: int = 1000,
    n_shuffles: int = 20,
    confidence: float = 0.95,
    seed: int = 0,
    progress: bool = False,
) -> SuiteScores:
    r"""Score features as a line of papers does, on whichever of its data sets are at hand.

    ``"hba"`` is the evaluation of CLIP-HBA and CLIP-HBA-MEG: the 48 fully sampled objects of THINGS (Pearson and
    Spearman), and five sets of MEG RDMs over time: THINGS-MEG (4 people), 118 images (15 people), and three with 48
    objects in focus, the same out of focus, and 36 objects in colour. A model's RDM is compared with those of each
    person at each time, and its score is the area under the mean curve from 0 ms on,

    .. math:: A = \frac{1}{S} \sum_s \int_0^{t_1} r_s(t)\,dt,

    in rho x ms, beside the areas under the lower and the upper noise ceiling, which bound the same people at the same
    times. The papers' own way, the area under the similarity to people's mean RDM, is given besides; it may pass these
    ceilings, because a mean holds less noise than one person.

    ``"alignet"`` is the evaluation of AligNet: odd-one-out answers on THINGS and, at three levels of abstraction, on
    Levels (accuracy beside ceilings as bands, calibration, a temperature for each person, uncertainty beside response
    times); judged similarity (multi-arrangement of 92 objects, of Cichy's 118 photographs and of King's two sets,
    Likert ratings of Peterson's six categories); agreement with people's soft labels of CIFAR-10H; and what is read
    out of the features: CIFAR-10's classes, ``classes`` of your own, superclasses of ImageNet in subclasses that were
    never shown (Living-17 of BREEDS) and in ImageNet-A. Every two models (base, control, aligned) are compared on the
    same answers by intervals that draw items again as well as answers; differences of accuracies below .02, and those
    whose interval holds 0, are said not to be claimed.

    Models that unfold over time, whose layers are named ``-100ms``, ``0ms``, ``170ms`` ..., are compared at each time
    with what they are at that time (the nearest of their own); where time plays no part, with their layer ``output``,
    or the mean of their features from 0 ms on.

    Parameters
    ----------
    features : Features, path, or sequence of these
        One row per image, as :func:`score` takes them; of the images of one data set or of several (those in a folder
        named as the data set, ``meg_ds1/...``, are that one's).
    suite : {"hba", "alignet"}
        Which one.
    root : path, optional
        Folder of the data sets; by default ``ALIGNKIT_DATA``, else the download cache.
    layer : str, optional
        Which layer of the features; by default the last one extracted, and every time of models over time.
    transform : Transform, optional
        Affine map of features of one layer; they are scored without it and with it.
    many : {"average", "best"}
        Several photos of one concept: the mean of their features, or those of the one nearest to that mean.
    kernel : {"cosine", "dot", "euclidean"}
        Similarity of two feature vectors in triplets; of ``"alignet"``.
    centre : bool
        Subtract the mean over the scored items from every channel first.
    metric : str
        Dissimilarity of two feature vectors: any metric of :func:`alignkit.rsa.rdm` that needs neither folds nor noise.
    method : str
        How RDMs are compared: any method of :func:`alignkit.rsa.compare` that has a noise ceiling.
    ties : {"wrong", "share", "random"}
        What a tied choice is worth; of ``"alignet"``.
    classes : LabelledImages or path, optional
        Classes of inputs that are read out of the features, and the domain of each where a probe is fitted to one kind
        of pictures and scored on another: a table with the columns ``file`` and ``class`` (and ``domain``: ``source``
        or ``target``), or a folder with one folder per class; of ``"alignet"``.
    n_bootstrap, n_shuffles : int
        Resamples of people for intervals; repetitions of the baseline with shuffled items.
    confidence : float
        Level of the intervals.
    seed : int
        Seed of every random draw.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    SuiteScores
        The table, time courses by data set, and for each data set that is not at hand how to get it.

    Raises
    ------
    FileNotFoundError
        None of the data sets is at hand (the error's notes say how to get each), or features that are not there.
    ValueError
        An unknown suite or option, features of none of the items, NaN, or a damaged data file.
    TypeError
        Features that are neither a path nor a :class:`~alignkit.models.Features`.

    References
    ----------
    Zhao et al. (2025), https://doi.org/10.48550/arXiv.2502.04658; Muttenthaler et al. (2024),
    https://doi.org/10.48550/arXiv.2409.06509; Hebart et al. (2020),
    https://doi.org/10.1038/s41562-020-00951-3 (the 48 objects); ceilings: Nili et al. (2014),
    https://doi.org/10.1371/journal.pcbi.1003553

    Examples
    --------
    >>> scores = score_suite("feats", "hba", root="DATA")  # doctest: +SKIP
    >>> scores.table.value("feats", "Cichy-118", "AUC").value  # doctest: +SKIP
    47.8
    """
    check_choice("suite", suite, tuple(DATA_SUITES))
    _check_only(suite, kernel=kernel != "cosine", ties=ties != "wrong", classes=classes is not None)
    settings = Settings(
        kernel=kernel,
        ties=ties,
        centre=as_flag("centre", centre),
        metric=metric,
        method=method,
        many=many,
        n_bootstrap=check_count("n_bootstrap", n_bootstrap),
        n_shuffles=check_count("n_shuffles", n_shuffles, 1),
        confidence=check_fraction("confidence", confidence),
        seed=check_count("seed", seed),
    )
    for option in ("kernel", "ties", "metric", "method", "many"):
        check_choice(option, getattr(settings, option), [one for one in CHOICES[option] if one not in BURES])
    candidates = [
        dataclasses.replace(candidate, centre=settings.centre)
        for candidate in open_over_time(features, layer, transform)
    ]
    module, function = DATA_SUITES[suite]
    options = {} if classes is None else {"classes": _as_images(classes)}
    with told_once(), Steps(as_flag("progress", progress)) as steps:
        found = getattr(import_module(module), function)(
            candidates, None if root is None else Path(root), settings, steps, **options
        )
    result = found.result
    if suite == "alignet":
        compared = compare_arms(result.scored, settings)
        result = SuiteResult(compared.scored, result.baselines, (*result.notes, *compared.notes))
        differences = compared.differences
    else:
        differences = paired_differences(result.scored, settings)
    rows = [row for scored in result.scored for row in scored.rows] + list(result.baselines)
    table = ScoreTable(
        dataset=f"the suite {suite}",
        rows=rank_rows(rows),
        differences=differences,
        notes=result.notes,
        settings=dataclasses.asdict(settings),
        versions={"alignkit": __version__, **versions()},
        models={candidate.name: dict(candidate.identity) for candidate in candidates},
    )
    return SuiteScores(suite, table, found.courses, found.missing)


def _check_only(suite: str, **given: bool) -> None:
    """Raise where an option was given that only another suite has a use for."""
    for option, is_given in given.items():
        if is_given and ONLY[option] != suite:
            msg = f"{option} is an option of the suite {ONLY[option]!r}; {suite!r} has no use for it."
            raise ValueError(msg)


def _as_images(classes: LabelledImages | PathLike) -> LabelledImages:
    from alignkit.data import LabelledImages, read_labelled_images

    return classes if isinstance(classes, LabelledImages) else read_labelled_images(classes)
