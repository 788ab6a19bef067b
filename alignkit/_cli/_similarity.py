"""``alignkit similarity``: features against features, without RDMs."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from alignkit._check import NanPolicy, check_count, check_n_items, check_same_labels, join_names
from alignkit._cli._files import check_out, file_names, first_rows, keep_and_show
from alignkit._config import Positional
from alignkit._io import _META, load_npz
from alignkit._typing import AnyArray
from alignkit.rsa import FeatureSimilarity
from alignkit.rsa import similarity as compare_features
from alignkit.rsa._feature_method import FeatureMethod
from alignkit.rsa._procrustes import Score

if TYPE_CHECKING:
    from alignkit.models import Features


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityConfig:
    r"""Say how alike features of the same items are: CKA, Procrustes, CCA or common neighbours.

    Rows are matched by label; files without labels must hold the same items in the same order. Two files give every
    layer of the first against every layer of the second, more files all against all. RDMs are compared by
    `alignkit compare`.

    Examples
    --------
    alignkit similarity feats-a feats-b
    alignkit similarity a.npy b.npy c.npy --method procrustes --out similarity.csv
    alignkit similarity feats-a feats-b --layers blocks.3 blocks.10 \
        --no-debiased --n-permutations 1000
    """

    files: Positional[tuple[Path, ...]]
    """Folders that `alignkit extract` wrote, or array files (.npy, .npz, .csv ...) with one row per item."""
    method: FeatureMethod = "cka"
    """Similarity of two sets of features."""
    kernel: Literal["linear", "rbf"] = "linear"
    """cka: kernel."""
    debiased: bool = True
    """cka: 0 for unrelated features, where the plain measure grows with the number of channels."""
    bandwidth: float = 1.0
    """cka, rbf kernel: width as a share of the median distance."""
    score: Score = "nbs"
    """procrustes: the similarity, or one of two distances."""
    alpha: float = 1.0
    """procrustes: 1 compares the features, 0 their whitened version, between them a mixture (shape metrics)."""
    squared: bool = False
    """cca, svcca: mean of squared correlations."""
    variance: float = 0.99
    """svcca: share of the variance that the components kept hold."""
    n_neighbours: int = 10
    """mutual-knn: neighbours of every item."""
    layers: tuple[str, ...] = ()
    """Layers to take of features that hold several; by default all."""
    labels: Path | None = None
    """Text file with the name of each row, one per line, for bare arrays (folders hold their own)."""
    nan_policy: NanPolicy = "propagate"
    """Items with NaN: give NaN, leave those items out, or raise."""
    on_mismatch: Literal["raise", "intersect"] = "raise"
    """Features of different items: raise, or compare the items they share."""
    n_permutations: int = 0
    """Permutations of the items for what chance gives and p values."""
    seed: int = 0
    """Seed of the permutations."""
    progress: bool = True
    """Show a progress bar over permutations."""
    out: Path | None = None
    """Where to write the result (.json: everything; .csv: the table)."""

    def __post_init__(self) -> None:
        if len(self.files) < 2:
            msg = f"at least two files are compared; got {len(self.files)}."
            raise ValueError(msg)
        check_count("seed", self.seed)


@dataclasses.dataclass(frozen=True, slots=True)
class _Source:
    """One file's layers, by name, and the labels of their rows."""

    name: str
    layers: dict[str, AnyArray]
    labels: tuple[str, ...] | None


def run_similarity(config: SimilarityConfig) -> None:
    """Compare feature files, print the similarities and save them."""
    check_out(config.out, (".json", ".csv"), (*config.files, config.labels))
    names = file_names(config.files)
    sources = _align([_open(path, name, config) for path, name in zip(config.files, names, strict=True)], config)
    _check_layers(config.layers, sources)
    first, second, called = _sides(sources)
    with _speaking_of(called):
        result = compare_features(
            first,
            second,
            method=config.method,
            kernel=config.kernel,
            debiased=config.debiased,
            bandwidth=config.bandwidth,
            score=config.score,
            alpha=config.alpha,
            squared=config.squared,
            variance=config.variance,
            n_neighbours=config.n_neighbours,
            nan_policy=config.nan_policy,
            n_permutations=config.n_permutations,
            rng=config.seed,
            progress=config.progress,
        )
    result = dataclasses.replace(result, aligned_by="position" if sources[0].labels is None else "label")
    keep_and_show(result, config.out, _table(result) if result.values.size > 1 else "")


def _open(path: Path, name: str, config: SimilarityConfig) -> _Source:
    from alignkit.models import open_features

    if _holds_rdms(path):
        msg = f"{path} holds RDMs, and features are compared here; `alignkit compare` takes RDMs."
        raise ValueError(msg)
    features = open_features(path, labels=None if path.is_dir() else config.labels)
    return _Source(name, {layer: features.array(layer) for layer in _chosen(features, config.layers)}, features.labels)


def _holds_rdms(path: Path) -> bool:
    """Return whether a file is an .npz that `alignkit rdm` wrote."""
    if path.suffix != ".npz" or not zipfile.is_zipfile(path):
        return False
    # archives of bare arrays, which may be large, are not read twice
    with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        if f"{_META}.npy" in archive.namelist():
            return str(load_npz(path)[1].get("schema")).startswith("alignkit.RDM/")
    return False


def _chosen(features: Features, layers: tuple[str, ...]) -> tuple[str, ...]:
    return layers if layers and len(features.layers) > 1 else features.layers


def _check_layers(layers: tuple[str, ...], sources: Sequence[_Source]) -> None:
    """Raise for a layer that no file holds: files of a single layer are taken whatever it is called."""
    held = tuple(dict.fromkeys(layer for source in sources for layer in source.layers))
    unknown = [layer for layer in layers if layer not in held]
    if unknown:
        msg = f"--layers names {join_names(unknown)}, which no file holds; there are {join_names(held, 12)}."
        raise ValueError(msg)


def _align(sources: Sequence[_Source], config: SimilarityConfig) -> list[_Source]:
    """Return all sources over the same items in the order of the first."""
    first = sources[0]
    lengths = [len(next(iter(source.layers.values()))) for source in sources]
    if any(source.labels is None for source in sources):
        other = next((i for i, length in enumerate(lengths) if length != lengths[0]), 0)
        if other:
            msg = (
                f"{first.name} and {sources[other].name} hold {lengths[0]} and {lengths[other]} items; label both "
                "(folders of `alignkit extract` are labelled; arrays by --labels) to compare those they share."
            )
            raise ValueError(msg)
        return [dataclasses.replace(source, labels=None) for source in sources]
    shared = list(first.labels or ())
    for source in sources[1:]:
        assert source.labels is not None
        if config.on_mismatch == "raise":
            check_same_labels(first.name, shared, source.name, source.labels)
        shared = sorted(set(shared) & set(source.labels), key=shared.index)
    check_n_items("the set of shared items", len(shared))
    return [_select(source, tuple(shared)) for source in sources]


def _select(source: _Source, labels: tuple[str, ...]) -> _Source:
    if source.labels == labels:
        return source
    place = {label: i for i, label in enumerate(source.labels or ())}
    rows = [place[label] for label in labels]
    return _Source(source.name, {name: array[rows] for name, array in source.layers.items()}, labels)


def _sides(sources: Sequence[_Source]) -> tuple[Any, Any, Callable[[str], str]]:
    """Return what is compared with what, and how to say in a message which file it speaks of."""
    if len(sources) == 2:
        first, second = (next(iter(s.layers.values())) if len(s.layers) == 1 else s.layers for s in sources)
        titles = {"x": sources[0].name, "y": sources[1].name}
        return (
            first,
            second,
            lambda text: re.sub(
                r"(?<![\w'.])[xy](?= (?:has|have|holds|must|and)\b|\[|'|[,.;]|$)", lambda found: titles[found[0]], text
            ),
        )
    layers = {
        source.name if len(source.layers) == 1 else f"{source.name} {layer}": array
        for source in sources
        for layer, array in source.layers.items()
    }
    return layers, layers, lambda text: re.sub(r"\b[xy]\['([^']*)'\]", r"\1", text)


@contextlib.contextmanager
def _speaking_of(called: Callable[[str], str]) -> Iterator[None]:
    """Name files in place of arguments in errors and warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        except ValueError as error:
            raise ValueError(called(str(error))) from error
    for warning in caught:
        warnings.warn(called(str(warning.message)), warning.category, stacklevel=2)


def _table(result: FeatureSimilarity) -> str:
    """Return the values as text: a matrix when it is small and all there is, else the first rows of the table."""
    import pandas as pd

    values = np.asarray(result.values)
    if len(result.dims) == 2 and max(values.shape) <= 10 and result.baseline is None:
        rows, columns = (result.coords[name] for name in result.dims)
        return str(pd.DataFrame(values, rows, columns).to_string(float_format="{:.4f}".format))
    table = result.to_dataframe().drop(columns="measure")
    return first_rows(table)
