"""The RDM files that verbs of ``alignkit meg`` take: models, and everybody's RDMs over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alignkit._cli._compare import load_rdm
from alignkit._cli._files import file_names
from alignkit.meg import RDMStore
from alignkit.meg._slices import opened

#: What messages say of Python, and what is said here.
PHRASES = {
    "choose those that both have with sel(time=...)": "compute both with the same --tmin, --tmax and --decim",
    "Name the axes with dims=, and choose or average further ones with isel() or mean().": (
        "`alignkit meg rdms` and `alignkit meg import` write such files."
    ),
    " (choose or average others with isel() or mean())": "",
    "by='concept' for epochs of read_things_meg, labels= for published RDMs": (
        "`alignkit meg rdms` --by concept, `alignkit meg import` --labels"
    ),
    "give both of them labels to compare the items they share.": (
        "give both of them labels to compare the items they share; features (one row per item) become an RDM by "
        "`alignkit rdm`."
    ),
}


def open_models(paths: Sequence[Path]) -> dict[str, Any]:
    """Return model RDMs by name.

    Raises
    ------
    ValueError
        A file named twice, a damaged one, or a folder of features.
    FileNotFoundError
        No such file.
    """
    _check_once("--models or --controls", paths)
    for path in paths:
        if path.is_dir() and path.suffix != ".zarr":
            msg = f"{path} is a folder; features become an RDM by `alignkit rdm {path} --out {path.name}.npz`."
            raise ValueError(msg)
    return dict(zip(_stems(paths), [load_rdm(path) for path in paths], strict=True))


def open_data(paths: Sequence[Path]) -> dict[str, Any]:
    """Return RDMs over time by name; stores are opened, not read.

    Raises
    ------
    ValueError
        A file named twice, a damaged one, or a store that is not finished.
    FileNotFoundError
        No such file.
    """
    _check_once("--data", paths)
    return dict(zip(_stems(paths), [_open(path) for path in paths], strict=True))


def _check_once(flag: str, paths: Sequence[Path]) -> None:
    resolved = [path.resolve() for path in paths]
    for path, real in zip(paths, resolved, strict=True):
        if resolved.count(real) > 1:
            msg = f"{flag} must name each file once; {path} is there {resolved.count(real)} times."
            raise ValueError(msg)


def _open(path: Path) -> Any:
    if path.suffix != ".zarr" or not path.is_dir():
        return load_rdm(path)
    found = opened(str(path), path)
    if isinstance(found, RDMStore) and not found.finished:
        msg = (
            f"{path} is not finished: {found.done.sum():,} of {len(found):,} times are computed; run the command that "
            "makes it again, which continues it."
        )
        raise ValueError(msg)
    return found


def _stems(paths: Sequence[Path]) -> list[str]:
    """Return the files' names without suffixes, where these tell them apart."""
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else file_names(paths)
