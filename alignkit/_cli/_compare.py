"""``alignkit compare``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from alignkit._check import NanPolicy
from alignkit._cli._cluster import cluster_client
from alignkit._cli._files import check_out, file_names, first_rows, keep_and_show
from alignkit._config import Positional
from alignkit._io import load_array
from alignkit._typing import FloatArray
from alignkit.rsa import RDM, Comparison, TiledRDM, stream_compare
from alignkit.rsa import compare as compare_rdms
from alignkit.rsa._align import OnMismatch
from alignkit.rsa._align_all import align_all, align_named
from alignkit.rsa._matrix_methods import ComparisonMethod
from alignkit.rsa._sigma_k import check_sigma_k, of_items
from alignkit.rsa._tiles._store_files import is_tiled
from alignkit.rsa._tiles._sums_folder import remove_sums


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CompareConfig:
    r"""Say how alike two or more RDMs are.

    Labelled RDMs are matched by label; files without labels must hold the same items in the same order. Two
    files give the similarity of each RDM of the first with each of the second, more files that of all pairs.

    Examples
    --------
    alignkit compare model.npz people.npz
    alignkit compare a.npz b.npz c.npz --method pearson --out similarity.csv
    alignkit compare model.npz people.npz --controls pixels.npz
    alignkit compare big.zarr other.zarr --resume half-done
    alignkit compare model.npz brain.npz --method whitened-cosine \
        --sigma-k covariance.npy
    """

    files: Positional[tuple[Path, ...]]
    """RDMs that `alignkit rdm` wrote, or arrays holding square or condensed dissimilarities."""
    method: ComparisonMethod = "spearman"
    """Similarity of two RDMs (bures-metric: a distance)."""
    sigma_k: Path | None = None
    """Array file with the variances or the covariance of the items of the first file (whitened methods)."""
    controls: tuple[Path, ...] = ()
    """RDMs to control for: partial correlation (pearson, spearman)."""
    partial: Literal["both", "first", "second"] = "both"
    """Which side the controls are regressed out of."""
    nan_policy: NanPolicy = "propagate"
    """NaN in an RDM: give NaN, leave those pairs of items out, or raise."""
    on_mismatch: Literal["raise", "intersect"] = "raise"
    """RDMs over different items: raise, or compare the items they share."""
    memory: str | None = None
    """About how much memory to use (two files, one of which `alignkit rdm --tiled` wrote). By default 1 GB."""
    scheduler: str | None = None
    """Address of a dask scheduler whose workers compare the tiles, tcp://HOST:PORT."""
    device: str | None = None
    """Compare the tiles with torch on auto, cpu, cuda, cuda:1 or mps; by default numpy does."""
    resume: Path | None = None
    """Folder that keeps what is compared until it is done: the same command continues after a kill (tiles)."""
    out: Path | None = None
    """Where to write the result (.json: everything; .csv: the table)."""

    def __post_init__(self) -> None:
        if len(self.files) < 2:
            msg = f"at least two files are compared; got {len(self.files)}."
            raise ValueError(msg)


def run_compare(config: CompareConfig) -> None:
    """Compare RDM files, print the similarities and save them."""
    check_out(config.out, (".json", ".csv"), (*config.files, *config.controls, config.sigma_k))
    if len(config.files) == 2 and any(map(is_tiled, config.files)):
        keep_and_show(_streamed(config), config.out)
        if config.resume is not None:
            remove_sums(config.resume)
        return
    for name in ("memory", "scheduler", "device", "resume"):
        if getattr(config, name) is not None:
            msg = f"--{name} is for two files, one of which `alignkit rdm --tiled` wrote."
            raise ValueError(msg)
    rdms = [load_rdm(path) for path in config.files]
    if len(rdms) == 2:
        names = file_names(config.files)
        first, second = align_named(names[0], rdms[0], names[1], rdms[1], config.on_mismatch)
    else:
        first = second = stack_files(config.files, rdms, config.on_mismatch)
    result = compare_rdms(
        first,
        second,
        method=config.method,
        sigma_k=read_sigma_k(config.sigma_k, rdms[0], first),
        controls=[load_rdm(path) for path in config.controls] or None,
        partial=config.partial,
        nan_policy=config.nan_policy,
        on_mismatch=config.on_mismatch,
    )
    keep_and_show(result, config.out, _table(result) if result.values.size > 1 else "")


def _streamed(config: CompareConfig) -> Comparison:
    """Compare two RDMs, at least one of them in tiles, tile by tile."""
    if config.sigma_k is not None or config.controls or config.on_mismatch != "raise":
        msg = "RDMs in tiles take no --sigma-k, --controls or --on-mismatch intersect."
        raise ValueError(msg)
    first, second = (TiledRDM.open(path) if is_tiled(path) else load_rdm(path) for path in config.files)
    method: Any = config.method
    with cluster_client(config.scheduler) as client:
        options: dict[str, Any] = {"memory": config.memory or "1 GB", "client": client, "device": config.device}
        options |= {"nan_policy": config.nan_policy, "resume": config.resume, "progress": True}
        return stream_compare(first, second, method=method, **options)


def read_sigma_k(path: Path | None, given: RDM, compared: RDM) -> FloatArray | None:
    """Return the variances or the covariance in a file for the items that are compared, in their order."""
    if path is None:
        return None
    try:
        sigma_k = check_sigma_k(load_array(path), given.n_items)
    except (ValueError, TypeError) as error:
        msg = f"{path}: {str(error).replace('sigma_k', 'the array')}"
        raise type(error)(msg) from error
    if given.labels is None or compared.labels is None:
        return sigma_k
    return of_items(sigma_k, [given.labels.index(label) for label in compared.labels])


def load_rdm(path: Path) -> RDM:
    """Return the RDMs in a file; a refusal names the file."""
    try:
        return RDM.load(path)
    except (ValueError, TypeError) as error:
        text = str(error).removeprefix(f"{path}: ")
        if text.startswith("values "):
            features = "Features (one row per item) become an RDM by `alignkit rdm`."
            text = f"the array{text.removeprefix('values')} {features}"
        msg = text if str(path) in text else f"{path}: {text}"
        raise type(error)(msg) from error


@contextmanager
def in_flags(*names: str) -> Iterator[None]:
    """Let refusals of the named options speak of flags."""
    try:
        yield
    except ValueError as error:
        name = str(error).partition(" ")[0]
        if name not in names:
            raise
        msg = f"--{str(error).replace(name, name.replace('_', '-'), 1)}"
        raise ValueError(msg) from error


def stack_files(paths: Sequence[Path], rdms: Sequence[RDM], on_mismatch: OnMismatch) -> RDM:
    """Return all RDMs of several files as one stack over the same items, named by file."""
    names = file_names(paths)
    aligned = align_all(list(zip(names, rdms, strict=True)), on_mismatch)
    rows, coords = [], []
    for name, rdm in zip(names, aligned, strict=True):
        values = rdm.values.reshape(-1, rdm.n_pairs)
        rows.append(values)
        coords += [name] if len(values) == 1 else [f"{name}[{i}]" for i in range(len(values))]
    labels = next((rdm.labels for rdm in aligned if rdm.labels is not None), None)
    return RDM(np.concatenate(rows), labels, dims=["rdm"], coords={"rdm": coords})


def _table(result: Comparison) -> str:
    """Return the similarities as text: a matrix when both axes are named and short, else the first rows."""
    table = result.to_dataframe()
    if len(result.dims) == 2 and max(result.values.shape) <= 10:
        rows, columns = result.dims
        # pivot sorts; the order of the files is the one to read in
        order = {name: list(dict.fromkeys(table[name])) for name in result.dims}
        table = table.pivot(index=rows, columns=columns, values=result.quantity).loc[order[rows], order[columns]]
        return str(table.to_string(float_format="{:.4f}".format))
    return first_rows(table)
