"""``alignkit rdm`` and ``alignkit compare``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from alignkit._check import NanPolicy
from alignkit._cli._files import check_out, read_lines
from alignkit._config import Positional
from alignkit._io import load_array, load_npz
from alignkit._typing import AnyArray
from alignkit.rsa import RDM, Comparison
from alignkit.rsa import compare as compare_rdms
from alignkit.rsa import rdm as compute_rdm
from alignkit.rsa._align import OnMismatch, align


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RdmConfig:
    r"""Turn an array or features into an RDM: how different every two items are.

    The array has one row per item (or several rows with the same label, which are averaged) and one column
    per channel. A summary is printed; --out keeps the RDM.

    Examples
    --------
    alignkit rdm features.npy --labels names.txt --out rdm.npz
    alignkit rdm feats --layer blocks.10 --metric cosine --out rdm.npz
    alignkit rdm trials.npy --metric crossnobis --labels conditions.txt \
        --folds runs.txt --out rdm.npz
    """

    source: Positional[Path]
    """Array (.npy, .npz, .mat, .csv, .tsv, .txt) or features that `alignkit extract` wrote."""
    metric: Literal["correlation", "cosine", "euclidean", "sqeuclidean", "crossnobis"] = "correlation"
    """Dissimilarity of two rows."""
    labels: Path | None = None
    """Text file with the name of each row's item, one per line."""
    folds: Path | None = None
    """Text file with each row's run or session, one per line (crossnobis)."""
    noise: Path | None = None
    """Array file with the noise precision matrix (crossnobis)."""
    normalize: bool = False
    """Divide squared distances by the number of channels (sqeuclidean)."""
    layer: str | None = None
    """Layer to take when the features hold several."""
    nan_policy: Literal["propagate", "raise"] = "propagate"
    """Undefined dissimilarities: give NaN and warn, or raise."""
    out: Path | None = None
    """Where to write the RDM (.npz or .zarr)."""


def run_rdm(config: RdmConfig) -> None:
    """Compute one RDM, print its summary and save it."""
    check_out(config.out, (".npz", ".zarr"), (config.source, config.labels, config.folds, config.noise))
    patterns, labels = _read_patterns(config.source, config.layer)
    result = _compute(config, patterns, labels)
    if config.out is not None:
        result.save(config.out)  # before anything is printed that looks like success
    print(_summary(result))
    n_rows = patterns.shape[-2]
    if n_rows > result.n_items:
        print(f"{n_rows} rows were averaged into {result.n_items} items, by label")
    if config.out is not None:
        print(f"saved to {config.out}")


def _compute(config: RdmConfig, patterns: AnyArray, labels: Sequence[str] | None) -> RDM:
    try:
        return compute_rdm(
            patterns,
            metric=config.metric,
            labels=labels if config.labels is None else read_lines(config.labels),
            folds=None if config.folds is None else read_lines(config.folds),
            noise=None if config.noise is None else load_array(config.noise),
            normalize=config.normalize,
            nan_policy=config.nan_policy,
        )
    except (ValueError, TypeError) as error:
        text = str(error)
        # the array has no other name here than its file's
        msg = f"{config.source}{text[1:]}" if text.startswith("x ") else text
        raise type(error)(msg) from error


def _read_patterns(source: Path, layer: str | None) -> tuple[AnyArray, tuple[str, ...] | None]:
    """Return patterns and, where features hold them, labels; arrays keep their leading axes."""
    if source.is_dir() or _is_features_file(source):
        from alignkit.models import open_features

        features = open_features(source)
        return features.array(layer), features.labels
    if layer is not None:
        msg = f"--layer is for features that `alignkit extract` wrote; {source} is an array."
        raise ValueError(msg)
    return load_array(source), None


def _is_features_file(source: Path) -> bool:
    return source.suffix.lower() == ".npz" and "features" in load_npz(source)[0]


def _summary(rdms: RDM) -> str:
    """Return what one wants to see of an RDM first: its size, its range, its extreme pairs."""
    lines = [repr(rdms)]
    finite = rdms.values[np.isfinite(rdms.values)]
    if finite.size:
        low, middle, high = np.quantile(finite, [0, 0.5, 1])
        lines.append(f"dissimilarities: {low:.4g} to {high:.4g}, median {middle:.4g}")
    if finite.size and not rdms.shape:
        lines += [f"closest: {_pair(rdms, np.nanargmin(rdms.values))}"]
        lines += [f"farthest: {_pair(rdms, np.nanargmax(rdms.values))}"]
    return "\n".join(lines)


def _pair(rdms: RDM, position: np.intp) -> str:
    rows, columns = np.triu_indices(rdms.n_items, k=1)
    names = rdms.labels or tuple(f"item {i}" for i in range(rdms.n_items))
    return f"{names[rows[position]]}, {names[columns[position]]} ({rdms.values[position]:.4g})"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CompareConfig:
    """Say how alike two or more RDMs are.

    Labelled RDMs are matched by label; files without labels must hold the same items in the same order. Two
    files give the similarity of each RDM of the first with each of the second, more files that of all pairs.

    Examples
    --------
    alignkit compare model.npz people.npz
    alignkit compare a.npz b.npz c.npz --method pearson --out similarity.csv
    """

    files: Positional[tuple[Path, ...]]
    """RDMs that `alignkit rdm` wrote, or arrays holding square or condensed dissimilarities."""
    method: Literal["spearman", "pearson", "cosine", "rho-a", "kendall-tau-a", "kendall-tau-b"] = "spearman"
    """Similarity of two RDMs."""
    nan_policy: NanPolicy = "propagate"
    """NaN in an RDM: give NaN, leave those pairs of items out, or raise."""
    on_mismatch: Literal["raise", "intersect"] = "raise"
    """RDMs over different items: raise, or compare the items they share."""
    out: Path | None = None
    """Where to write the result (.json: everything; .csv: the table)."""

    def __post_init__(self) -> None:
        if len(self.files) < 2:
            msg = f"at least two files are compared; got {len(self.files)}."
            raise ValueError(msg)


def run_compare(config: CompareConfig) -> None:
    """Compare RDM files, print the similarities and save them."""
    check_out(config.out, (".json", ".csv"), config.files)
    rdms = [_load(path) for path in config.files]
    if len(rdms) == 2:
        names = _names(config.files)
        first, second = _align(names[0], rdms[0], names[1], rdms[1], config.on_mismatch)
    else:
        first = second = _stack(config.files, rdms, config.on_mismatch)
    result = compare_rdms(first, second, method=config.method, nan_policy=config.nan_policy)
    if config.out is not None:
        result.save(config.out)
    print(result)
    if result.values.size > 1:
        print(_table(result))
    if config.out is not None:
        print(f"saved to {config.out}")


def _load(path: Path) -> RDM:
    try:
        return RDM.load(path)
    except (ValueError, TypeError) as error:
        text = str(error).removeprefix(f"{path}: ")
        text = f"the array{text.removeprefix('values')}" if text.startswith("values ") else text
        msg = text if str(path) in text else f"{path}: {text}"
        raise type(error)(msg) from error


def _stack(paths: Sequence[Path], rdms: Sequence[RDM], on_mismatch: OnMismatch) -> RDM:
    """Return all RDMs of several files as one stack over the same items, named by file."""
    common, names = rdms[0], _names(paths)
    for name, other in zip(names[1:], rdms[1:], strict=True):
        common, _ = _align(names[0], common, name, other, on_mismatch)
    rows, coords = [], []
    for name, other in zip(names, rdms, strict=True):
        _, aligned = _align(names[0], common, name, other, on_mismatch)
        values = aligned.values.reshape(-1, aligned.n_pairs)
        rows.append(values)
        coords += [name] if len(values) == 1 else [f"{name}[{i}]" for i in range(len(values))]
    return RDM(np.concatenate(rows), common.labels, dims=["rdm"], coords={"rdm": coords})


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the files' names, as long as it takes to tell them apart."""
    names = [path.name for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    return [f"{name} ({names[:i].count(name) + 1})" if name in names[:i] else name for i, name in enumerate(names)]


def _align(name_a: str, a: RDM, name_b: str, b: RDM, on_mismatch: OnMismatch) -> tuple[RDM, RDM]:
    try:
        return align(a, b, on_mismatch=on_mismatch)
    except ValueError as error:
        text = str(error).replace("the first RDM", name_a).replace("the second RDM", name_b)
        msg = text.replace("the RDMs", f"the RDMs of {name_a} and {name_b}")
        raise ValueError(msg) from error


def _table(result: Comparison, limit: int = 20) -> str:
    """Return the similarities as text: a matrix when both axes are named and short, else the first rows."""
    table = result.to_dataframe()
    if len(result.dims) == 2 and max(result.values.shape) <= 10:
        rows, columns = result.dims
        # pivot sorts; the order of the files is the one to read in
        order = {name: list(dict.fromkeys(table[name])) for name in result.dims}
        table = table.pivot(index=rows, columns=columns, values="similarity").loc[order[rows], order[columns]]
        return str(table.to_string(float_format="{:.4f}".format))
    more = len(table) - limit
    text = str(table.head(limit).to_string(index=False, float_format="{:.4f}".format))
    return f"{text}\n... and {more} more rows (all of them with --out FILE.csv)" if more > 0 else text
