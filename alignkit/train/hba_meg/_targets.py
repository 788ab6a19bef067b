"""People's RDMs over time, from the files that hold them: one per person, or one of all."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import as_labels, counted, join_names
from alignkit._io import check_file
from alignkit._typing import AnyArray, FloatArray, PathLike
from alignkit.data._tables import text_table
from alignkit.meg._rdm_store import RDMStore
from alignkit.meg._read_meg_rdms import read_meg_rdms, sizes_of_rdms
from alignkit.meg._slices import Slices, Source, align_slices, as_sources, opened
from alignkit.rsa import RDM
from alignkit.rsa._container import condensed_rdm
from alignkit.train._names_file import read_lines
from alignkit.train.hba_meg._curves import mean_of_numbers
from alignkit.train.hba_meg._sample_times import sample_times
from alignkit.train.hba_meg.config import HBAMEGConfig

#: Files as their authors publish them, whose items and times are told apart.
_PUBLISHED = (".mat", ".npy")
#: Bytes that the RDMs of one published file may take in memory; larger ones go to disk, person by person.
_IN_MEMORY = 1 << 30
#: Seconds by which the times of two people may differ.
_TOLERANCE = 1e-6
_COLUMNS = ("item", "image_name")


def read_people(config: HBAMEGConfig, /, *, test: bool = False) -> Slices:
    """Return the RDMs of all people over the same items and times; what lies on disk stays there.

    Parameters
    ----------
    config : HBAMEGConfig
        Its ``rdms`` are stores of ``alignkit meg rdms`` (.zarr), RDMs (.npz) with the axes ``time``, ``subject`` and
        ``session`` or some of them, or published files (.mat, .npy) as :func:`alignkit.meg.read_meg_rdms` reads them.
        RDMs without an axis of time are a single time, 0. Sessions are averaged. Large published files are converted
        person by person to stores in the run's folder, which a killed run continues.
    test : bool
        Read its ``test_rdms`` in their place.

    Returns
    -------
    Slices
        People are called as the coordinate ``subject`` says, else after the file (``p1.zarr``), else by number.

    Raises
    ------
    FileNotFoundError
        A file that is not there.
    ValueError
        No or damaged files, RDMs without names of items, people who come twice, or different items or times.
    """
    field = "test_rdms" if test else "rdms"
    paths = config.test_rdms if test else config.rdms
    if not paths:
        msg = f"{field} is not given; name the RDMs over time: what `alignkit meg rdms` wrote, .npz, .mat or .npy."
        raise ValueError(msg)
    _check_twice(field, [str(path.resolve()) for path in paths], "the file")
    sources = [source for path in paths for source in _sources(path, config)]
    _check_twice(field, [name for source in sources for name in source.subjects], "the person")
    sources = [sample_times(one, size=config.average, tmin=config.tmin, tmax=config.tmax) for one in sources]
    _check_alike(sources)
    slices, _ = align_slices(sources, [], "raise", _TOLERANCE)
    return slices


def read_item_names(path: PathLike, /) -> tuple[str, ...]:
    """Return the names of a file's items in the order of its rows.

    Parameters
    ----------
    path : path
        A text file with one name a line, or a ``.csv`` or ``.tsv`` with a column ``item`` or ``image_name``.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Anything but text, no such column, or a name that is missing or comes twice.
    """
    path = check_file(path)
    if path.suffix.lower() in (".csv", ".tsv"):
        table = text_table(path, sep="," if path.suffix.lower() == ".csv" else "\t", columns=(), as_text=True)
        columns = [name for name in _COLUMNS if name in table.columns]
        if not columns:
            msg = f"{path} has the columns {join_names(table.columns)}; the names of items are in one called item or "
            msg += "image_name."
            raise ValueError(msg)
        return as_labels(str(path), table[columns[0]].tolist())
    return read_lines(path)


def _check_twice(field: str, names: Sequence[str], what: str) -> None:
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        msg = f"{field} holds {what} {join_names(twice)} more than once; people would count twice."
        raise ValueError(msg)


def _sources(path: Path, config: HBAMEGConfig) -> list[Source]:
    if path.suffix.lower() in _PUBLISHED:
        return [_named(path, one, name) for name, one in _published(path, config)]
    found = opened(str(path), path)
    return [_named(path, found if isinstance(found, RDMStore) else _with_axes(path, found, config), path.stem)]


def _named(path: Path, data: RDM | RDMStore, name: str) -> Source:
    """Return the source of RDMs, called by their file in what is said of them."""
    if data.labels is None:
        msg = f"{path} does not name its items; give rdm_labels, a file of their names in its order."
        raise ValueError(msg)
    (source,) = as_sources({name: data})
    return dataclasses.replace(source, called=str(path))


def _with_axes(path: Path, rdm: RDM, config: HBAMEGConfig) -> RDM:
    """Return an RDM over time of one or several people, with names of items and times."""
    extra = [axis for axis in rdm.dims if axis not in ("subject", "participant", "session", "time")]
    if extra or {"subject", "participant"} <= set(rdm.dims):
        msg = f"{path} has the axes {rdm.dims}; name them 'subject', 'session' and 'time', as far as there are any."
        raise ValueError(msg)
    if rdm.labels is None and config.rdm_labels is not None:
        rdm = rdm.replace(rdm.values, labels=_names_for(path, rdm.n_items, config))
    if "session" in rdm.dims:
        rdm = _over_sessions(rdm)
    if "time" not in rdm.dims:
        coords = {**rdm.coords, "time": [0.0]}
        return condensed_rdm(rdm.values[..., None, :], **_context(rdm, dims=(*rdm.dims, "time"), coords=coords))
    if "time" in rdm.coords:
        return rdm
    times = _times(path, rdm.shape[rdm.dims.index("time")], config)
    return rdm.replace(rdm.values, coords={**rdm.coords, "time": times})


def _context(rdm: RDM, **changes: Any) -> dict[str, Any]:
    return {"labels": rdm.labels, "metric": rdm.metric, "provenance": rdm.provenance, **changes}


def _times(path: Path, n: int, config: HBAMEGConfig) -> FloatArray:
    if config.rdm_times is None and n > 1:
        msg = f"{path} has {n:,} samples without times; give the first and the last in seconds: rdm_times."
        raise ValueError(msg)
    first, last = config.rdm_times or (0.0, 0.0)
    return np.linspace(first, last, n).round(9)


def _over_sessions(rdm: RDM) -> RDM:
    """Return the mean over sessions, of each pair over those that have a number."""
    axis = rdm.dims.index("session")
    coords = {name: value for name, value in rdm.coords.items() if name != "session"}
    dims = tuple(name for name in rdm.dims if name != "session")
    values: AnyArray = mean_of_numbers(rdm.values, axis=axis).astype(rdm.values.dtype)
    return condensed_rdm(values, **_context(rdm, dims=dims, coords=coords))


def _names_for(path: Path, n: int, config: HBAMEGConfig) -> tuple[str, ...]:
    if config.rdm_labels is None:
        msg = f"{path} does not name its {n:,} items; give rdm_labels, a file of their names in its order."
        raise ValueError(msg)
    names = read_item_names(config.rdm_labels)
    if len(names) != n:
        msg = f"{config.rdm_labels} names {counted(len(names), 'item')}, and {path} has {n:,}."
        raise ValueError(msg)
    return names


def _published(path: Path, config: HBAMEGConfig) -> list[tuple[str, RDM | RDMStore]]:
    sizes = sizes_of_rdms(path)
    n_items, n_people = sizes["item"], sizes.get("subject", 1)
    options: dict[str, Any] = {"labels": _names_for(path, n_items, config), "times": config.rdm_times}
    size = n_people * sizes.get("session", 1) * sizes.get("time", 1) * n_items * (n_items - 1) * 2
    if size <= _IN_MEMORY:
        whole = read_meg_rdms(path, dtype="float32", **options)
        return [(path.stem, _over_sessions(whole) if "session" in whole.dims else whole)]
    names = [str(i) for i in range(1, n_people + 1)] if "subject" in sizes else [path.stem]
    folder = config.out / "rdms"
    folder.mkdir(parents=True, exist_ok=True)
    # files of one name from two folders are two studies
    tag = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    return [
        (name, _on_disk(path, folder / f"{path.stem}-{tag}-{i}.zarr", i, "session" in sizes, options))
        for i, name in enumerate(names, start=1)
    ]


def _on_disk(path: Path, out: Path, subject: int, sessions: bool, options: dict[str, Any]) -> RDMStore:
    """Convert one person's RDMs to a store, or open the one that is there."""
    if not sessions:
        return read_meg_rdms(path, subject=subject, out=out, progress=True, **options)
    rdm = read_meg_rdms(path, subject=subject, dtype="float32", **options)
    rdm = _over_sessions(rdm).isel(subject=0) if "subject" in rdm.dims else _over_sessions(rdm)
    keys: dict[str, Any] = {"labels": rdm.labels, "times": rdm.coords["time"], "metric": rdm.metric}
    provenance = {**rdm.provenance, "subject": subject, "sessions": "averaged", "file_bytes": path.stat().st_size}
    store = RDMStore.create(out, **keys, provenance=provenance)
    with closing(store):
        if not store.finished:
            store.write(0, rdm.values)
    return store


def _check_alike(sources: Sequence[Source]) -> None:
    """Raise where people have other items or times than the first, in words of this method's settings."""
    first = sources[0]
    for other in sources[1:]:
        a, b = first.times, other.times
        assert a is not None
        assert b is not None
        if len(a) != len(b) or np.abs(a - b).max() > _TOLERANCE:
            spans = [
                f"{one.called} ({counted(len(t), 'time')}, {t[0]:g} to {t[-1]:g} s)"
                for one, t in ((first, a), (other, b))
            ]
            msg = f"{spans[0]} and {spans[1]} have different times; give RDMs on one grid, or tmin, tmax and average "
            msg += "that leave the same."
            raise ValueError(msg)
        only = set(first.labels or ()) ^ set(other.labels or ())
        if only:
            msg = f"{first.called} and {other.called} hold different items: {join_names(sorted(only))} are in one of "
            msg += "them alone."
            raise ValueError(msg)
