"""``alignkit meg import``: published RDMs over time as stores of one participant each."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

from alignkit._cli._files import check_out, read_lines
from alignkit._cli._meg_words import flags, in_words
from alignkit._config import Positional

_PASSED_ON = ("variable", "metric", "tmin", "tmax", "dtype", "progress")
_FLAGS = flags(*_PASSED_ON, "dims", "labels", "times", "subject", "session", "overwrite", "out")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MegImportConfig:
    r"""Bring in published RDMs over time, condensed, for `alignkit meg timecourse`.

    Files are told by the name of their array: THINGS-MEG's RDM1854.mat, the 92 and 118 images of Cichy et al.,
    result_dsm of Grootswagers et al. 2017, stacks as .npy; others by --variable and --dims. A store (.zarr) holds one
    participant, is written a stretch of time at a time, and goes on where a killed run stopped.

    Examples
    --------
    alignkit meg import RDM1854.mat --subject 1 --out p1.zarr
    alignkit meg import MEG_decoding_RDMs.mat --labels images.txt --out all.npz
    alignkit meg import stack.npy --dims subject time item item \
        --times -0.1 0.5 --labels concepts.txt --subject 2 --out p2.zarr
    """

    source: Positional[Path]
    """The file: .mat (v5 to v7.3), HDF5, .npy or .npz."""
    variable: str | None = None
    """Name of the array of RDMs, where it is none of those that are known."""
    dims: tuple[str, ...] = ()
    """Names of its axes: item twice, time, and subject and session where it has them."""
    labels: Path | None = None
    """Text file with the name of each item, one per line; THINGS' concepts are known by number."""
    times: tuple[float, ...] = ()
    """The first and the last sample's seconds (or all), where the number of samples is none of those that are known."""
    metric: str = "decoding"
    """What the dissimilarities are."""
    subject: tuple[int, ...] = ()
    """Numbers of the participants to take, from 1; one for a store."""
    session: tuple[int, ...] = ()
    """Numbers of the sessions to take, from 1."""
    tmin: float | None = None
    """First time to take, in seconds."""
    tmax: float | None = None
    """Last time to take, in seconds."""
    dtype: Literal["float32", "float64"] | None = None
    """Precision; by default the file's in .npz, and float32, or counts of decisions, in a store."""
    overwrite: bool = False
    """Replace what the store --out holds."""
    progress: bool = True
    """Show a progress bar with the time left."""
    out: Path | None = None
    """Where to write the RDMs (.zarr: one participant; .npz: in memory first)."""


def run_meg_import(config: MegImportConfig) -> None:
    """Read published RDMs, keep them and say what they are."""
    from alignkit.meg import RDMStore, read_meg_rdms

    check_out(config.out, (".zarr", ".npz"), (config.source, config.labels))
    options: dict[str, Any] = {name: getattr(config, name) for name in _PASSED_ON}
    options |= {name: getattr(config, name) or None for name in ("dims", "times", "subject", "session")}
    options["labels"] = None if config.labels is None else read_lines(config.labels)
    stored = config.out is not None and config.out.suffix == ".zarr"
    with in_words(_FLAGS, {"times=(-0.1, 1.0)": "--times -0.1 1.0"}):
        if stored:
            options |= {"out": config.out, "overwrite": config.overwrite}
        result = read_meg_rdms(config.source, **options)
    if isinstance(result, RDMStore):
        result = RDMStore.open(result.path)
    elif config.out is not None:
        result.save(config.out)  # before anything is printed that looks like success
    print(result)
    if config.out is not None:
        print(f"saved to {config.out}")
