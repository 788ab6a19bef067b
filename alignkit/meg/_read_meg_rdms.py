"""Published RDMs over time, from the files that their authors share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from tqdm import tqdm

from alignkit._check import as_float_array, as_labels, check_choice, check_n_items, shown
from alignkit._io import MAX_BYTES
from alignkit._typing import AnyArray, FloatArray, PathLike
from alignkit.meg._rdm_array import LEADING, SquareArray, as_axes, open_squares
from alignkit.meg._rdm_store import RDMStore, positions_within
from alignkit.rsa import RDM
from alignkit.rsa._container import condensed_rdm
from alignkit.rsa._counts import as_counts

#: Axes by the name that the file gives its array, as MATLAB (or numpy) shows them.
KNOWN: dict[str, list[tuple[str, ...]]] = {
    "mat": [("item", "item", "time", "subject")],
    "MEG_decoding_RDMs": [("subject", "session", "time", "item", "item"), ("subject", "time", "item", "item")],
    "result_dsm": [("subject", "item", "item", "time"), ("item", "item", "time")],
    "": [("subject", "time", "item", "item"), ("time", "item", "item"), ("subject", "session", "time", "item", "item")],
}
#: First and last second by the number of samples: THINGS-MEG; 92 and 118 images, and the latter averaged by five.
_GRIDS = {281: (-0.1, 1.3), 1301: (-0.1, 1.2), 1101: (-0.1, 1.0), 221: (-0.1, 1.0)}
#: 12 sessions of two test trials each, in THINGS-MEG.
_THINGS_DECISIONS = 24
_THINGS_CONCEPTS = 1854
_THINGS_TIMES = 281


class _Part(NamedTuple):
    """What is asked for of a file."""

    labels: tuple[str, ...] | None
    times: FloatArray
    chosen: dict[str, AnyArray]


@overload
def read_meg_rdms(
    path: PathLike,
    /,
    *,
    variable: str | None = ...,
    dims: Sequence[str] | None = ...,
    labels: Iterable[Any] | None = ...,
    times: object = ...,
    metric: str = ...,
    subject: int | Sequence[int] | None = ...,
    session: int | Sequence[int] | None = ...,
    tmin: float | None = ...,
    tmax: float | None = ...,
    dtype: Literal["float32", "float64"] | None = ...,
    out: None = ...,
    overwrite: bool = ...,
    progress: bool = ...,
) -> RDM: ...
@overload
def read_meg_rdms(
    path: PathLike,
    /,
    *,
    variable: str | None = ...,
    dims: Sequence[str] | None = ...,
    labels: Iterable[Any] | None = ...,
    times: object = ...,
    metric: str = ...,
    subject: int | Sequence[int] | None = ...,
    session: int | Sequence[int] | None = ...,
    tmin: float | None = ...,
    tmax: float | None = ...,
    dtype: Literal["float32", "float64"] | None = ...,
    out: PathLike,
    overwrite: bool = ...,
    progress: bool = ...,
) -> RDMStore: ...
def read_meg_rdms(
    path: PathLike,
    /,
    *,
    variable: str | None = None,
    dims: Sequence[str] | None = None,
    labels: Iterable[Any] | None = None,
    times: object = None,
    metric: str = "decoding",
    subject: int | Sequence[int] | None = None,
    session: int | Sequence[int] | None = None,
    tmin: float | None = None,
    tmax: float | None = None,
    dtype: Literal["float32", "float64"] | None = None,
    out: PathLike | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> RDM | RDMStore:
    """Read published RDMs over time, a stretch of time at a time, and keep them condensed.

    Files are told by the name of their array:

    ======================================  =========================  =======================================
    file                                    array                      axes, as MATLAB or numpy shows them
    ======================================  =========================  =======================================
    THINGS-MEG ``..._RDM1854.mat``          ``mat``                    item, item, time, subject
    92 images ``MEG_decoding_RDMs.mat``     ``MEG_decoding_RDMs``      subject, session, time, item, item
    118 images, the same                    ``MEG_decoding_RDMs``      subject, [session,] time, item, item
    Grootswagers et al. 2017                ``result_dsm``             subject, item, item, time
    stacks as ``.npy`` (CLIP-HBA's)         (no name)                  [subject, [session,]] time, item, item
    others                                  ``variable=``              ``dims=``
    ======================================  =========================  =======================================

    MATLAB's v7.3 files are HDF5 with their axes the other way round; they are turned back. Diagonals may be NaN or
    zero. Values are what the file holds: accuracies from 0 to 1, or in percent.

    Parameters
    ----------
    path : path
        A ``.mat`` (v5 to v7.3), HDF5, ``.npy`` or ``.npz`` file.
    variable : str, optional
        Name of the array of RDMs, where it is none of the table's.
    dims : sequence of str, optional
        Names of its axes: ``"item"`` twice, ``"time"``, and ``"subject"`` and ``"session"`` where it has them.
    labels : sequence of str, shape (items,), optional
        Names of the items. By default those of THINGS' 1,854 concepts are their numbers, ``"1"`` to ``"1854"`` (the
        column ``things_category_nr`` of its epochs); others stay unlabelled.
    times : array_like, shape (times,), optional
        Seconds, or only the first and the last where they are evenly spaced. By default those of files with 281
        (-0.1 to 1.3), 1301 (-0.1 to 1.2), 1101 and 221 samples (-0.1 to 1.0).
    metric : str
        What the dissimilarities are.
    subject, session : int or sequence of int, optional
        Numbers of those to read, counted from 1; by default all.
    tmin, tmax : float, optional
        Seconds to read from and up to, both included.
    dtype : {"float32", "float64"}, optional
        By default the file's precision in memory, and float32 in a store.
    out : path, optional
        A folder ending in ``.zarr`` for the RDMs of one subject (and session): nothing larger than a stretch of time
        is held in memory, and a run that was killed continues. THINGS-MEG's accuracies over 24 decisions are stored
        as counts, unless ``dtype`` is given.
    overwrite : bool
        Replace what ``out`` holds.
    progress : bool
        Show a progress bar.

    Returns
    -------
    RDM or RDMStore
        With the axes ``"subject"``, ``"session"`` and ``"time"``, as far as the file has more than one of each (or has
        subjects). A store, with ``"time"`` alone, where ``out`` is given.

    Raises
    ------
    FileNotFoundError
        No such file.
    FileExistsError
        ``out`` holds another computation.
    ValueError
        A damaged file, axes that do not fit, an asymmetric matrix, unknown times or subjects, or more than fits into
        memory.
    TypeError
        Labels that are no sequence, or times that are no numbers.

    References
    ----------
    Hebart et al. (2023), https://doi.org/10.7554/eLife.82580;
    Cichy et al. (2014), https://doi.org/10.1038/nn.3635

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> path = pathlib.Path(tempfile.mkdtemp(), "rdms.npy")
    >>> np.save(path, np.full((2, 4, 3, 3), 0.5) * (1 - np.eye(3)))
    >>> read_meg_rdms(path, times=(0.0, 0.3), subject=2, labels=["cat", "dog", "car"])
    <RDM 3 items (cat, dog, car), subject: 1, time: 4, metric: decoding>
    """
    axes = as_axes(dims)
    if dtype is not None:
        check_choice("dtype", dtype, ("float32", "float64"))
    with open_squares(Path(path), variable=variable, dims=axes, known=KNOWN) as source:
        part = _choose(source, labels, times, {"subject": subject, "session": session}, tmin, tmax)
        if out is None:
            return _in_memory(source, part, metric, dtype, progress)
        return _on_disk(source, part, metric, dtype, Path(out), overwrite, progress)


def sizes_of_rdms(path: PathLike, /) -> dict[str, int]:
    """Return the length of each axis of a published file, by the names that :func:`read_meg_rdms` gives them."""
    with open_squares(Path(path), variable=None, dims=None, known=KNOWN) as source:
        return {axis: size for axis, size in source.sizes.items() if axis in source.axes}


def _choose(
    source: SquareArray, labels: Iterable[Any] | None, times: object, wanted: dict[str, Any], tmin: Any, tmax: Any
) -> _Part:
    n_items = source.sizes["item"]
    check_n_items(str(source.path), n_items)
    if labels is None and n_items == _THINGS_CONCEPTS:
        labels = range(1, n_items + 1)
    seconds = seconds_of(source, times)
    inside = positions_within(str(source.path), seconds, tmin, tmax)
    chosen = {axis: _as_numbers(source, axis, numbers) for axis, numbers in wanted.items()}
    names = None if labels is None else as_labels("labels", labels, n_items)
    return _Part(names, seconds[inside], {**chosen, "time": inside})


def seconds_of(source: SquareArray, times: object) -> FloatArray:
    """Return the seconds of a file's samples: those given, all or the first and the last, else those of its number.

    Raises
    ------
    ValueError
        Another number of samples than is known, or times that do not fit.
    """
    n = source.sizes["time"]
    if times is None:
        if n not in _GRIDS:
            known = ", ".join(map(str, _GRIDS))
            msg = (
                f"{source.path} has {n:,} samples, whose times are not known (those of {known} samples are); give the "
                "first and the last in seconds: times=(-0.1, 1.0)."
            )
            raise ValueError(msg)
        times = _GRIDS[n]
    seconds = as_float_array("times", times, ndim=1)
    if seconds.size == 2 and n > 2:
        # what is meant is -0.095, not the nearest number to a sum
        seconds = np.linspace(seconds[0], seconds[1], n).round(9)
    if seconds.size != n or not np.isfinite(seconds).all() or (np.diff(seconds) <= 0).any():
        msg = f"times must be {n:,} increasing numbers of seconds, or the first and the last; got {shown(times)}."
        raise ValueError(msg)
    return seconds


def _as_numbers(source: SquareArray, axis: str, wanted: Any) -> AnyArray:
    """Return ascending positions of what was asked for by its number from 1."""
    n = source.sizes[axis]
    if wanted is None:
        return np.arange(n)
    numbers = np.atleast_1d(np.asarray(wanted))
    whole = numbers.dtype.kind in "iu" and numbers.ndim == 1 and numbers.size > 0
    if not whole or numbers.min() < 1 or numbers.max() > n or (np.diff(numbers.astype(np.int64)) <= 0).any():
        msg = f"{axis} must be ascending numbers from 1 to {n} ({source.path.name} has {n}); got {shown(wanted)}."
        raise ValueError(msg)
    return numbers.astype(np.int64) - 1


def _in_memory(source: SquareArray, part: _Part, metric: str, dtype: str | None, progress: bool) -> RDM:
    n_items = source.sizes["item"]
    shape = (*(len(part.chosen[axis]) for axis in LEADING), n_items * (n_items - 1) // 2)
    single = source.data.dtype.kind == "f" and source.data.dtype.itemsize == 4
    stored = np.dtype(dtype or ("float32" if single else "float64"))
    size = int(np.prod(shape, dtype=object)) * stored.itemsize
    if size > MAX_BYTES:
        msg = (
            f"{source.path}: these RDMs take {size / 2**30:.1f} GiB in memory, more than the {MAX_BYTES // 2**30} GiB "
            "allowed; read fewer subjects or times (subject=, tmin=, tmax=), dtype='float32', or go to disk with out=."
        )
        raise ValueError(msg)
    values = np.empty(shape, stored)
    for rows, block in _shown(source, part.chosen, progress):
        values[:, :, rows] = block
    kept = ["subject"] if "subject" in source.axes else []
    kept += ["session"] if source.sizes["session"] > 1 else []
    coords: dict[str, AnyArray] = {axis: part.chosen[axis] + 1 for axis in kept}
    return condensed_rdm(
        values.reshape(*(len(part.chosen[axis]) for axis in kept), *shape[-2:]),
        part.labels,
        dims=(*kept, "time"),
        coords={**coords, "time": part.times},
        metric=metric,
        provenance={"file": source.path.name, **({"variable": source.variable} if source.variable else {})},
    )


def _shown(source: SquareArray, chosen: dict[str, AnyArray], progress: bool) -> Iterable[tuple[slice, AnyArray]]:
    with tqdm(total=len(chosen["time"]), desc=source.path.name, unit="time", disable=not progress) as bar:
        for rows, block in source.blocks(chosen):
            yield rows, block
            bar.update(block.shape[2])


def _on_disk(
    source: SquareArray,
    part: _Part,
    metric: str,
    dtype: Literal["float32", "float64"] | None,
    out: Path,
    overwrite: bool,
    progress: bool,
) -> RDMStore:
    if any(len(part.chosen[axis]) > 1 for axis in ("subject", "session")):
        sizes = " and ".join(f"{source.sizes[axis]} {axis}s" for axis in ("subject", "session") if axis in source.axes)
        msg = f"a store holds one movie, but {source.path} has {sizes}: choose one with subject= (and session=)."
        raise ValueError(msg)
    if part.labels is None:
        msg = f"a store names its items: give the {source.sizes['item']:,} of {source.path} with labels=."
        raise ValueError(msg)
    store = RDMStore.create(
        out,
        labels=part.labels,
        times=part.times,
        metric=metric,
        dtype=dtype or "float32",
        n_decisions=_decisions(source, part, dtype),
        overwrite=overwrite,
        provenance={
            "file": source.path.name,
            "file_bytes": source.path.stat().st_size,
            **({"variable": source.variable} if source.variable else {}),
            **{axis: int(part.chosen[axis][0]) + 1 for axis in ("subject", "session") if axis in source.axes},
        },
    )
    with closing(store):
        for start, stop in _runs(~store.done):
            rest = {**part.chosen, "time": part.chosen["time"][start:stop]}
            for rows, block in _shown(source, rest, progress):
                if store.n_decisions is not None:
                    _check_counts(source, block)
                store.write(start + rows.start, block[0, 0])
    return store


def _check_counts(source: SquareArray, block: AnyArray) -> None:
    """Raise where later times hold other accuracies than the first, which decided how all are stored."""
    try:
        as_counts("it", block, _THINGS_DECISIONS)
    except ValueError as error:
        reason = str(error).partition(";")[0]
        msg = f"{source.path}: {reason} as at its first time; pass dtype='float32' and overwrite=True."
        raise ValueError(msg) from error


def _decisions(source: SquareArray, part: _Part, dtype: str | None) -> int | None:
    """Return 24 where the first RDM holds accuracies over that many decisions, as those of THINGS-MEG are."""
    if dtype is not None or (source.variable != "mat" and source.sizes["time"] != _THINGS_TIMES):
        return None
    first = {**part.chosen, "time": part.chosen["time"][:1]}
    _, block = next(iter(source.blocks(first)))
    try:
        counts = as_counts("values", block, _THINGS_DECISIONS)
    except ValueError:
        return None
    # a whole decision is right or wrong; halves are ties, which the published accuracies do not have
    return _THINGS_DECISIONS if (counts % 2 == 0)[counts <= 2 * _THINGS_DECISIONS].all() else None


def _runs(wanted: AnyArray) -> list[tuple[int, int]]:
    """Return the stretches of True, as first position and one past the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
