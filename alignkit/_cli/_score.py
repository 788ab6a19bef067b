"""``alignkit score``: features against people and brains."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from alignkit._check import check_count, check_fraction
from alignkit._cli._files import check_out
from alignkit.score._choices import CHOICES

if TYPE_CHECKING:
    from alignkit.models import Features
    from alignkit.score import ScoreTable, SuiteScores, ZeroShotScores

    _Metric = str
    _Method = str
else:
    # whatever the library knows, so that help and refusals name it
    _Metric = Literal[CHOICES["metric"]]
    _Method = Literal[CHOICES["method"]]

#: What a suite has no use for: layer curves and tables of one data set's photos; and what only one has a use for.
_NO_SUITE = ("layers", "n_splits", "items", "relation", "where", "min_votes")
_OF_ALIGNET = ("kernel", "ties", "classes")
#: What zero-shot scores are made with, and what they have in common with features.
_OF_ZERO_SHOT = ("models", "sets", "batch_size", "device", "clip_benchmark")
_OF_ALL = ("suite", "root", "n_bootstrap", "confidence", "seed", "out", "progress")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScoreConfig:
    r"""Score features against people and brains, beside noise ceilings and baselines.

    Several feature files give a ranked table with paired differences on the items that all of them have.

    --suite hba is the evaluation of CLIP-HBA's papers on whichever of their data sets are at hand: the 48 objects of
    THINGS by both correlations, and for THINGS-MEG, 118 images (Cichy) and three more sets of MEG the area under the
    time course from 0 ms on, beside the ceilings' areas. It says which are missing and how to import each. Features of
    a model over time (layers named 0ms, 10ms ...) are followed at their own times.

    --suite alignet is the evaluation of AligNet: odd one out on THINGS and Levels (global, local, class border),
    judged similarity, people's soft labels of CIFAR-10, probes of classes (--classes for your own), BREEDS' Living-17
    and ImageNet-A; every two models (base, control, aligned) are compared on the same answers.

    --suite zeroshot takes --models and --sets in place of features: models with images and texts in one space, on sets
    of classes, tags or captions. Where sets are among DataComp's tasks, families of them have means.

    Examples
    --------
    alignkit score --features feats --dataset things --root DATA --out result.html
    alignkit score --features feats-a feats-b --dataset rsa92 --root DATA
    alignkit score --features feats --layers all --dataset rsa92 --root DATA
    alignkit score --features feats --items photos.csv --many best \
        --dataset things --root DATA
    alignkit score --features clip.npy --labels concepts.txt \
        --transform glocal.npz --dataset things --root DATA
    alignkit score --features feats --suite hba --root DATA --out hba.html
    alignkit score --features base control aligned --suite alignet --kernel dot \
        --root DATA --out alignet.html
    alignkit score --suite zeroshot --models run:runs/pi run:runs/web-only \
        --sets SETS --out zeroshot.html
    """

    features: tuple[Path, ...] = ()
    """What `alignkit extract` or thingsvision wrote, or array files (.npy, .npz, .csv, .mat, .h5): one row per item."""
    dataset: Literal["things", "rsa92", "algonauts78", "cifar10h", "material2afc"] | None = None
    """What to score against (see `alignkit data list`)."""
    suite: Literal["alignet", "hba", "zeroshot"] | None = None
    """Score as a line of papers does, on whichever of its data sets are at hand, in place of one --dataset."""
    models: tuple[str, ...] = ()
    """Of --suite zeroshot: CLIPs, run:PATH or open_clip:ARCHITECTURE/TAG."""
    sets: tuple[Path, ...] = ()
    """Of --suite zeroshot: CLIP_benchmark's wds_NAME, images by class or with captions.csv, or folders of these."""
    batch_size: int = 64
    """Of --suite zeroshot: images that go through the network at once."""
    device: str = "auto"
    """Of --suite zeroshot: auto, cpu, cuda, cuda:1, mps."""
    clip_benchmark: Path | None = None
    """Of --suite zeroshot: a folder for the same results as CLIP_benchmark keeps them, one .json each."""
    root: Path | None = None
    """Folder that holds the data sets; by default ALIGNKIT_DATA, else the download cache."""
    layer: str | None = None
    """Layer to take when the features hold several; by default the last."""
    layers: tuple[str, ...] = ()
    """all, or names: the curve of these layers, and one chosen on other items than those it is scored on."""
    n_splits: int = 20
    """How often the items are halved to choose a layer on one half and score it on the other."""
    labels: Path | None = None
    """Text file with the name of each row, one per line, for bare arrays (folders hold their own)."""
    transform: Path | None = None
    """Linear transform (.npz of gLocal) to apply; the features are scored without and with it."""
    items: Path | None = None
    """Table (.csv or .tsv) with the columns file and item: what each photo shows; by default its name says so."""
    relation: Literal["any", "exact"] = "any"
    """Photos that show a narrower kind of their item (column relation of the table): keep them or leave them out."""
    classes: Path | None = None
    """Of --suite alignet: a table (file, class; domain source or target) or a folder by class, to be read out."""
    where: tuple[str, ...] = ()
    """Further filters of that table, COLUMN=VALUE; several of one column keep either value."""
    many: Literal["average", "best"] = "average"
    """Several photos of one item: the mean of their features, or the photo nearest to that mean."""
    kernel: Literal["cosine", "dot", "euclidean"] = "cosine"
    """Similarity of two feature vectors in triplets and 2AFC."""
    centre: bool = False
    """Subtract the mean over the scored items from every channel first."""
    metric: _Metric = "correlation"
    """Dissimilarity of two feature vectors in model RDMs."""
    method: _Method = "spearman"
    """How RDMs are compared."""
    ties: Literal["wrong", "share", "random"] = "wrong"
    """What a tied choice is worth."""
    min_votes: int = 0
    """2AFC: leave out trials with fewer votes."""
    n_bootstrap: int = 1000
    """Resamples for every interval."""
    confidence: float = 0.95
    """Level of every interval."""
    seed: int = 0
    """Seed of every random draw."""
    out: Path | None = None
    """Where to write the result (.json: everything; .csv: the table; .html: a page with figures)."""
    progress: bool = True
    """Show a progress bar with the time left when it takes long."""

    def __post_init__(self) -> None:
        if self.suite == "zeroshot":
            _check_zero_shot(self)
            return
        if not self.features:
            msg = "--features is required: at least one folder or file; or --suite zeroshot is."
            raise ValueError(msg)
        _check_what(self)
        if len(set(self.layers)) < len(self.layers) or ("all" in self.layers and len(self.layers) > 1):
            msg = f"--layers takes all, or different names; got {' '.join(self.layers)}."
            raise ValueError(msg)
        check_count("n_splits", self.n_splits, 1)
        check_count("n_bootstrap", self.n_bootstrap)
        check_fraction("confidence", self.confidence)


def _check_what(config: ScoreConfig) -> None:
    """Raise unless there is one data set or one suite, and no option that a suite has no use for."""
    if (config.dataset is None) == (config.suite is None):
        both = "one of them, not both" if config.suite is not None else "one of them"
        msg = f"say what to score against with --dataset NAME or --suite NAME; give {both}."
        raise ValueError(msg)
    if config.classes is not None and config.suite != "alignet":
        msg = "--classes is for --suite alignet; say what photos show with --items."
        raise ValueError(msg)
    for name in _given(config, _OF_ZERO_SHOT):
        msg = f"{name} is for --suite zeroshot; leave it out."
        raise ValueError(msg)
    if config.suite is None:
        return
    for name in _given(config, (*_NO_SUITE, *(_OF_ALIGNET if config.suite != "alignet" else ()))):
        msg = f"{name} is for --dataset; --suite {config.suite} has no use for it."
        raise ValueError(msg)


def _check_zero_shot(config: ScoreConfig) -> None:
    """Raise unless there are models and sets, and nothing that belongs to features."""
    others = [field.name for field in dataclasses.fields(config) if field.name not in (*_OF_ZERO_SHOT, *_OF_ALL)]
    for name in _given(config, others):
        kind = "" if name == "--features" else f", and {name} is for these"
        msg = f"--suite zeroshot takes --models and --sets, no --features{kind}."
        raise ValueError(msg)
    if not config.models or not config.sets:
        msg = "--suite zeroshot needs --models (run:PATH, open_clip:ARCHITECTURE/TAG) and --sets (folders)."
        raise ValueError(msg)
    check_count("batch_size", config.batch_size, 1)
    check_count("n_bootstrap", config.n_bootstrap)
    check_fraction("confidence", config.confidence)


def _given(config: ScoreConfig, names: Sequence[str]) -> list[str]:
    """Return the flags of those of these options that differ from their defaults."""
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    return [f"--{name.replace('_', '-')}" for name in names if getattr(config, name) != defaults[name]]


def run_score(config: ScoreConfig) -> None:
    """Score, print the table and save it."""
    _check_out(config)
    result: ScoreTable | SuiteScores | ZeroShotScores
    if config.suite == "zeroshot":
        result = _score_zero_shot(config)
    else:
        result = _score_dataset(config, config.dataset) if config.dataset is not None else _score_suite(config)
    print(result.to_text())
    if config.out is not None:
        _save(result, config.out)
        print(f"saved to {config.out}")


def _score_zero_shot(config: ScoreConfig) -> ZeroShotScores:
    from alignkit.score import score_zero_shot

    folder = config.clip_benchmark
    if folder is not None and folder.exists() and not folder.is_dir():
        msg = f"--clip-benchmark {folder} is a file; give a folder."
        raise NotADirectoryError(msg)
    scores = score_zero_shot(
        config.models,
        config.sets,
        batch_size=config.batch_size,
        device=config.device,
        n_bootstrap=config.n_bootstrap,
        confidence=config.confidence,
        seed=config.seed,
        root=config.root,
        progress=config.progress,
    )
    if folder is not None:
        scores.save_clip_benchmark(folder)
    return scores


def _score_suite(config: ScoreConfig) -> SuiteScores:
    from alignkit.models import load_transform
    from alignkit.score import score_suite

    assert config.suite in ("alignet", "hba")
    return score_suite(
        _open_all(config),
        config.suite,
        root=config.root,
        layer=config.layer,
        transform=None if config.transform is None else load_transform(config.transform),
        many=config.many,
        kernel=config.kernel,
        centre=config.centre,
        metric=config.metric,
        method=config.method,
        ties=config.ties,
        classes=config.classes,
        n_bootstrap=config.n_bootstrap,
        confidence=config.confidence,
        seed=config.seed,
        progress=config.progress,
    )


def _score_dataset(config: ScoreConfig, dataset: str) -> ScoreTable:
    from alignkit.models import load_transform
    from alignkit.score import score

    return score(
        _open_all(config),
        dataset,
        root=config.root,
        layer=config.layer,
        layers=config.layers,
        n_splits=config.n_splits,
        items=config.items,
        where=config.where,
        many=config.many,
        transform=None if config.transform is None else load_transform(config.transform),
        kernel=config.kernel,
        centre=config.centre,
        metric=config.metric,
        method=config.method,
        ties=config.ties,
        relation=config.relation,
        min_votes=config.min_votes,
        n_bootstrap=config.n_bootstrap,
        confidence=config.confidence,
        seed=config.seed,
        progress=config.progress,
    )


def _check_out(config: ScoreConfig) -> None:
    check_out(
        config.out,
        (".json", ".csv", ".html"),
        (*config.features, config.labels, config.transform, config.items, config.classes),
    )
    for path in config.features:
        if config.out is not None and path.is_dir() and config.out.resolve().is_relative_to(path.resolve()):
            msg = (
                f"--out {config.out} lies in the features {path}, whose files it could replace; choose another folder."
            )
            raise ValueError(msg)


def _open_all(config: ScoreConfig) -> list[Features]:
    from alignkit.models import open_features

    # folders of other programs often have arrays and no names
    stores = [(path / "manifest.json").is_file() for path in config.features]
    if config.labels is not None and all(stores):
        msg = f"--labels {config.labels} is for bare arrays; these features store their own labels."
        raise ValueError(msg)
    return [
        open_features(path, labels=None if store else config.labels)
        for path, store in zip(config.features, stores, strict=True)
    ]


def _save(result: ScoreTable | SuiteScores | ZeroShotScores, path: Path) -> None:
    if path.suffix.lower() != ".html":
        result.save(path)
        return
    from alignkit.report import write_score_report, write_suite_report, write_zero_shot_report
    from alignkit.score import ScoreTable, ZeroShotScores

    if isinstance(result, ScoreTable):
        write_score_report(path, result)
    elif isinstance(result, ZeroShotScores):
        write_zero_shot_report(path, result)
    else:
        write_suite_report(path, result)
