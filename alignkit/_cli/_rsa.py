"""``alignkit rdm``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from alignkit._cli._files import check_out, read_lines
from alignkit._config import Positional
from alignkit._io import load_array, load_npz
from alignkit._typing import AnyArray
from alignkit.data._patterns_file import is_patterns_file
from alignkit.rsa import RDM
from alignkit.rsa import rdm as compute_rdm


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
    """Array (.npy, .npz, .mat, .csv, .tsv, .txt), features (`alignkit extract`), or brains (`alignkit patterns`)."""
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
    result, n_rows = _run(config)
    if config.out is not None:
        result.save(config.out)  # before anything is printed that looks like success
    print(_summary(result))
    if n_rows > result.n_items:
        print(f"{n_rows} rows were averaged into {result.n_items} items, by label")
    if config.out is not None:
        print(f"saved to {config.out}")


def _run(config: RdmConfig) -> tuple[RDM, int]:
    """Return the RDM and the number of rows that it was computed from."""
    if is_patterns_file(config.source):
        from alignkit._cli._patterns import patterns_rdm

        return patterns_rdm(config)
    patterns, labels = _read_patterns(config.source, config.layer)
    return _compute(config, patterns, labels), patterns.shape[-2]


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
