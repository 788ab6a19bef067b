"""``alignkit rdm``."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from alignkit._check import NanPolicy
from alignkit._cli._cluster import cluster_client
from alignkit._cli._files import check_out, read_lines
from alignkit._config import Positional
from alignkit._io import load_array, load_npz
from alignkit._typing import AnyArray
from alignkit.data._patterns_file import is_patterns_file
from alignkit.rsa import RDM, NoisePrecision, TiledRDM, noise_precision
from alignkit.rsa import rdm as compute_rdm
from alignkit.rsa._metrics import METRICS, Metric
from alignkit.rsa._noise import RESIDUALS
from alignkit.rsa._patterns import CrossValidation
from alignkit.rsa._shrinkage import Shrinkage
from alignkit.rsa._tiles._rdm_in_tiles import tiled_recipe

#: Options that are handed on as they are.
_PASSED_ON = (
    "metric",
    "cv",
    "normalize",
    "p",
    "prior_lambda",
    "prior_weight",
    "variance_floor",
    "dtype",
    "nan_policy",
)
#: What noise_precision calls its method is --shrinkage here.
_METHOD = ("method='shrinkage_eye'", "shrinkage='shrinkage_eye'")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RdmConfig:
    r"""Turn an array or features into an RDM: how different every two items are.

    The array has one row per item (or several rows with the same label, which are averaged) and one column
    per channel. A summary is printed; --out keeps the RDM.

    Examples
    --------
    alignkit rdm features.npy --labels names.txt --out rdm.npz
    alignkit rdm feats --layer blocks.10 --metric cosine --out rdm.npz
    alignkit rdm many.npy --tiled --out big.zarr
    alignkit rdm trials.npy --metric crossnobis --labels conditions.txt \
        --folds runs.txt --noise residuals.npy --noise-kind residuals \
        --out rdm.npz
    """

    source: Positional[Path]
    """Array (.npy, .npz, .mat, .csv, .tsv, .txt), features (`alignkit extract`), or brains (`alignkit patterns`)."""
    metric: Metric = "correlation"
    """Dissimilarity of two rows; see alignkit.rsa.rdm."""
    labels: Path | None = None
    """Text file with the name of each row's item, one per line."""
    folds: Path | None = None
    """Text file with each row's run or session, one per line (crossnobis and all that end in _cv)."""
    cv: CrossValidation | None = None
    """What is multiplied across folds; all but the default do without items in some folds."""
    noise: Path | None = None
    """Noise of the channels (mahalanobis, sqmahalanobis, crossnobis): array file, or a NoisePrecision's .json."""
    noise_kind: Literal["precision", "covariance", "residuals"] = "precision"
    """What --noise holds: a matrix, or rows of residuals to estimate it from."""
    noise_folds: Path | None = None
    """Text file with the run of each row of residuals, one per line: one precision per run."""
    shrinkage: Shrinkage | None = None
    """How the noise is estimated from residuals; by default shrinkage_eye (Ledoit-Wolf)."""
    dof: int | None = None
    """Degrees of freedom of the residuals (of each run); by default the rows less one."""
    normalize: bool = False
    """Divide squared distances by the number of channels (sqeuclidean, sqmahalanobis, sqeuclidean_cv)."""
    p: float = 2.0
    """Exponent (minkowski)."""
    prior_lambda: float = 1.0
    """Mean rate of the prior (poisson, poisson_cv)."""
    prior_weight: float = 0.1
    """Weight of the prior (poisson, poisson_cv)."""
    variance_floor: float = 0.0
    """Least cross-validated variance, as part of that within folds (correlation_cv, cosine_cv); 0: none."""
    dtype: Literal["float64", "float32"] | None = None
    """Precision of products and values; float32 states its error. By default float64."""
    layer: str | None = None
    """Layer to take when the features hold several."""
    nan_policy: NanPolicy = "propagate"
    """Undefined dissimilarities: give NaN and warn, use the channels that both rows have, or raise."""
    out: Path | None = None
    """Where to write the RDM (.npz or .zarr)."""
    tiled: bool = False
    """Write --out (.zarr) in tiles, float32: any number of items; the same command continues after a kill."""
    memory: str | None = None
    """About how much memory to use (--tiled). By default 1 GB."""
    scheduler: str | None = None
    """Address of a dask scheduler whose workers compute the tiles, tcp://HOST:PORT (--tiled)."""
    device: str | None = None
    """Compute the tiles with torch on auto, cpu, cuda, cuda:1 or mps (--tiled); by default numpy does."""


def run_rdm(config: RdmConfig) -> None:
    """Compute one RDM, print its summary and save it."""
    inputs = (config.source, config.labels, config.folds, config.noise, config.noise_folds)
    check_out(config.out, (".npz", ".zarr"), inputs)
    if config.tiled:
        print(_run_tiled(config))
        print(f"saved to {config.out}")
        return
    for name in ("memory", "scheduler", "device"):
        if getattr(config, name) is not None:
            msg = f"--{name} is for RDMs in tiles; say --tiled --out NAME.zarr as well."
            raise ValueError(msg)
    result, n_rows = _run(config)
    if config.out is not None:
        result.save(config.out)  # before anything is printed that looks like success
    print(_summary(result))
    if n_rows > result.n_items:
        print(_averaged(result, n_rows))
    if "noise" in METRICS[config.metric].takes:
        print(_noise_line(result))
    if config.out is not None:
        print(f"saved to {config.out}")


def _run_tiled(config: RdmConfig) -> TiledRDM:
    """Write the RDM tile by tile, beside a bar; arrays in .npy files are read as they are needed."""
    if config.out is None or config.out.suffix != ".zarr":
        msg = "--tiled writes a folder; say --out NAME.zarr as well."
        raise ValueError(msg)
    patterns: Any = config.source
    labels: Sequence[str] | None = None
    if config.source.suffix.lower() != ".npy" or config.layer is not None:
        patterns, labels = read_source(config.source, config.layer)
    names = labels if config.labels is None else read_lines(config.labels)
    given = {"folds": config.folds, "noise": config.noise, "cv": config.cv}
    metric: Any = config.metric
    with _speaking_of(config), cluster_client(config.scheduler) as client:
        tiled_recipe(metric, config.dtype, config.nan_policy, given, normalize=config.normalize)
        return compute_rdm(
            patterns,
            metric=metric,
            labels=names,
            normalize=config.normalize,
            dtype=config.dtype,
            nan_policy=config.nan_policy,
            out=config.out,
            memory=config.memory or "1 GB",
            client=client,
            device=config.device,
            progress=True,
        )


def _averaged(result: RDM, n_rows: int) -> str:
    n_folds = result.provenance.get("n_folds")
    within = "" if n_folds is None else f", within {n_folds} folds"
    return f"{n_rows} rows were averaged into {result.n_items} items, by label{within}"


def _noise_line(result: RDM) -> str:
    """Return what the provenance says of the noise (of each region), in a line."""
    noise = result.provenance.get("noise")
    kind = noise[0] if isinstance(noise, list) else noise
    if kind is None:
        return "noise: none (channels weigh the same; see --noise)"
    weights = result.provenance.get("shrinkage")
    if not weights:
        return f"noise: {kind}"
    low, high = f"{min(weights):.3f}", f"{max(weights):.3f}"
    return f"noise: {kind} (shrinkage {low if low == high else f'{low} to {high}'})"


def _run(config: RdmConfig) -> tuple[RDM, int]:
    """Return the RDM and the number of rows that it was computed from."""
    if is_patterns_file(config.source):
        from alignkit._cli._patterns import patterns_rdm

        with _speaking_of(config):
            return patterns_rdm(config)
    patterns, labels = read_source(config.source, config.layer)
    return _compute(config, patterns, labels), patterns.shape[-2]


def _compute(config: RdmConfig, patterns: AnyArray, labels: Sequence[str] | None) -> RDM:
    names = labels if config.labels is None else read_lines(config.labels)
    folds = None if config.folds is None else read_lines(config.folds)
    noise = read_noise(config)
    with _speaking_of(config):
        return compute_rdm(patterns, labels=names, folds=folds, **noise, **metric_options(config))


@contextlib.contextmanager
def _speaking_of(config: RdmConfig) -> Iterator[None]:
    """Let errors name files and flags where they name arguments."""
    try:
        yield
    except (ValueError, TypeError) as error:
        # the arrays have no other name here than their files'
        noise = "--noise" if config.noise is None else f"{config.noise}: noise"
        names = {name: f"--{name.replace('_', '-')}" for name in ("labels", "folds", *_PASSED_ON)}
        text = _renamed(str(error), {**names, "x": str(config.source), "noise": noise})
        text = text.replace(RESIDUALS, "If it holds residuals, say --noise-kind residuals.").replace(*_METHOD)
        raise type(error)(text.replace("divide x by", "divide the patterns by")) from error


def _renamed(sentence: str, names: Mapping[str, str]) -> str:
    """Return a sentence whose first word, the name of an argument, is what users know it by."""
    first = re.match(r"[a-z_]+(?=[ \[])", sentence)
    return sentence if first is None else names.get(first[0], first[0]) + sentence[first.end() :]


def metric_options(config: RdmConfig) -> dict[str, Any]:
    """Return the options of :func:`alignkit.rsa.rdm` that say which dissimilarity is computed, and how."""
    return {name: getattr(config, name) for name in _PASSED_ON}


def read_noise(config: RdmConfig) -> dict[str, Any]:
    """Return ``noise`` and ``noise_kind`` of :func:`alignkit.rsa.rdm`, estimated where residuals were given."""
    estimates = {"noise_folds": config.noise_folds, "shrinkage": config.shrinkage, "dof": config.dof}
    if config.noise_kind != "residuals":
        for name, value in estimates.items():
            if value is not None:
                msg = f"--{name.replace('_', '-')} is only for --noise-kind residuals."
                raise ValueError(msg)
        if config.noise is not None and config.noise.suffix.lower() == ".json":
            return {"noise": NoisePrecision.load(config.noise)}
        noise = None if config.noise is None else load_array(config.noise)
        return {"noise": noise, "noise_kind": config.noise_kind}
    if config.noise is None:
        msg = "--noise-kind residuals says what --noise is; give --noise as well."
        raise ValueError(msg)
    try:
        found = noise_precision(
            load_array(config.noise),
            method=config.shrinkage or "shrinkage_eye",
            dof=config.dof,
            folds=None if config.noise_folds is None else read_lines(config.noise_folds),
        )
    except (ValueError, TypeError) as error:
        text = str(error).replace(*_METHOD)
        names = {"residuals": f"{config.noise}: residuals", "folds": "--noise-folds", "dof": "--dof"}
        if text.startswith("the covariance"):
            text = f"{config.noise}: {text}"
        raise type(error)(_renamed(text, names)) from error
    return {"noise": found}


def read_source(source: Path, layer: str | None) -> tuple[AnyArray, tuple[str, ...] | None]:
    """Return patterns and, where features hold them, labels; arrays keep their leading axes."""
    arrays, meta = load_npz(source) if source.suffix.lower() == ".npz" and not source.is_dir() else ({}, {})
    if str(meta.get("schema")).startswith("alignkit.RDM/") or (source.suffix == ".zarr" and source.is_dir()):
        msg = f"{source} is an RDM already; `alignkit compare` takes it as it is."
        raise ValueError(msg)
    if source.is_dir() or "features" in arrays:
        from alignkit.models import open_features

        features = open_features(source)
        return features.array(layer), features.labels
    if layer is not None:
        msg = f"--layer is for features that `alignkit extract` wrote; {source} is an array."
        raise ValueError(msg)
    return load_array(source), None


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
