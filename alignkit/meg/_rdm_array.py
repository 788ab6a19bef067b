"""Published RDMs over time as they lie in their files: an array of squares, read a stretch of time at a time."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import check_square, join_names
from alignkit._hdf5 import check_inside, hdf5_damage, is_hdf5, matlab_class
from alignkit._io import check_file, load_mat, load_npy, load_npz
from alignkit._typing import AnyArray
from alignkit.rsa._condensed import upper_triangle

#: Bytes of squares in memory at once, where one time takes no more.
_BLOCK = 1 << 28
#: Bytes that one time of all chosen RDMs may take.
_LARGEST = 1 << 31
#: The leading axes of what comes out.
LEADING = ("subject", "session", "time")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SquareArray:
    """RDMs in an open file.

    ``data`` is an array, or reads like one; ``axes`` names its axes in the order in which they are stored, with
    ``"item"`` twice; ``variable`` is what the file calls it.
    """

    path: Path
    variable: str
    data: Any
    axes: tuple[str, ...]

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each axis; 1 for leading axes that the file does not have."""
        there = dict(zip(self.axes, map(int, self.data.shape), strict=True))
        return {**dict.fromkeys(LEADING, 1), **there}

    def blocks(self, chosen: Mapping[str, AnyArray]) -> Iterator[tuple[slice, AnyArray]]:
        """Give (which of the chosen times, condensed RDMs of shape (subject, session, times, pairs)), in order.

        ``chosen`` holds ascending positions along each of the leading axes.

        Raises
        ------
        ValueError
            A matrix that is not symmetric or has a diagonal, infinities, or one time that takes too much memory.
        """
        times = chosen["time"]
        for rows in self._stretches(chosen):
            squares = self._read({**chosen, "time": times[rows]})
            try:
                check_square("each RDM", squares)
            except ValueError as error:
                first, last = times[rows][[0, -1]]
                msg = f"{self.path}: among the times at positions {first} to {last}, {error}"
                raise ValueError(msg) from error
            condensed = upper_triangle(squares)
            if np.isinf(condensed).any():
                msg = f"{self.path} holds infinities; a dissimilarity is finite, or NaN where it is missing."
                raise ValueError(msg)
            yield rows, condensed

    def _stretches(self, chosen: Mapping[str, AnyArray]) -> Iterator[slice]:
        n = self.sizes["item"]
        spans = [int(np.ptp(chosen[axis])) + 1 for axis in ("subject", "session") if axis in self.axes]
        per_time = n * n * self.data.dtype.itemsize * int(np.prod(spans))
        if per_time > _LARGEST:
            msg = (
                f"{self.path}: one time of {n:,} items takes {per_time / 2**30:.1f} GiB; choose one subject at a time."
            )
            raise ValueError(msg)
        # what is compressed in one piece is read in one go
        pieces = getattr(self.data, "chunks", None)
        piece = pieces[self.axes.index("time")] if pieces else 1
        size = max(1, _BLOCK // per_time, piece if piece * per_time <= _LARGEST else 1)
        n_times = len(chosen["time"])
        yield from (slice(start, min(start + size, n_times)) for start in range(0, n_times, size))

    def _read(self, chosen: Mapping[str, AnyArray]) -> AnyArray:
        """Return squares of shape (subject, session, time, item, item)."""
        spans = [slice(None) if axis == "item" else _span(chosen[axis]) for axis in self.axes]
        with nullcontext() if isinstance(self.data, np.ndarray) else hdf5_damage(self.path):
            block = np.asarray(self.data[tuple(spans)])
        items = [i for i, axis in enumerate(self.axes) if axis == "item"]
        leading = [self.axes.index(axis) for axis in LEADING if axis in self.axes]
        block = block.transpose(*leading, *items)
        for axis, name in enumerate(LEADING):
            if name not in self.axes:
                block = np.expand_dims(block, axis)
            else:
                block = block.take(chosen[name] - chosen[name][0], axis=axis)
        single = block.dtype.kind == "f" and block.dtype.itemsize == 4  # of either byte order
        return block.astype(np.float32 if single else np.float64, copy=False)


def _span(positions: AnyArray) -> slice:
    return slice(int(positions[0]), int(positions[-1]) + 1)


@contextmanager
def open_squares(
    path: Path, *, variable: str | None, dims: Sequence[str] | None, known: Mapping[str, Sequence[tuple[str, ...]]]
) -> Iterator[SquareArray]:
    """Open the array of RDMs of a ``.npy``, ``.npz`` or ``.mat`` file (v5 to v7.3).

    ``dims`` names the axes as MATLAB or numpy shows them; without, ``known`` gives them by the variable's name (``""``
    for files without names), one tuple for each number of axes.

    Raises
    ------
    ValueError
        A damaged file, no such variable, or axes that do not fit.
    FileNotFoundError
        No such file.
    """
    check_file(path)
    if is_hdf5(path):
        import h5py

        with hdf5_damage(path):
            file = h5py.File(path, "r")
        with file:  # what the block itself raises is not about this file
            yield _in_hdf5(path, file, variable, dims, known)
        return
    name, data = _load(path, variable, known)
    yield _as_squares(path, name, data, dims, known, turned=False)


def _in_hdf5(
    path: Path, file: Any, variable: str | None, dims: Sequence[str] | None, known: Mapping[str, Any]
) -> SquareArray:
    with hdf5_damage(path):
        # not what lies in another file and is only pointed at
        inside = [name for name in file if type(file.get(name, getlink=True)).__name__ == "HardLink"]
        name = _choose(path, [name for name in inside if hasattr(file[name], "shape")], variable, known)
        data = file[name]
        check_inside(path, name, data)
        turned = bool(matlab_class(data)) or path.suffix.lower() == ".mat"
    return _as_squares(path, name, data, dims, known, turned=turned)


def _load(path: Path, variable: str | None, known: Mapping[str, Any]) -> tuple[str, AnyArray]:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return "", load_npy(path, mmap=True)
    if suffix not in (".npz", ".mat"):
        msg = f"{path}: RDMs over time are read from .npy, .npz and .mat files; got the suffix {suffix!r}."
        raise ValueError(msg)
    arrays = load_npz(path)[0] if suffix == ".npz" else load_mat(path)
    arrays = {name: value for name, value in arrays.items() if isinstance(value, np.ndarray)}
    name = _choose(path, list(arrays), variable, known)
    return name, arrays[name]


def _choose(path: Path, names: Sequence[str], variable: str | None, known: Mapping[str, Any]) -> str:
    if variable is not None:
        if variable not in names:
            msg = f"{path} holds no array {variable!r}; it has {join_names(names, 12) or 'none'}."
            raise ValueError(msg)
        return variable
    found = [name for name in names if name in known] or (list(names) if len(names) == 1 else [])
    if len(found) != 1:
        msg = f"{path} holds the arrays {join_names(names, 12) or '(none)'}; name the one of the RDMs with variable=."
        raise ValueError(msg)
    return found[0]


def _as_squares(
    path: Path,
    name: str,
    data: Any,
    dims: Sequence[str] | None,
    known: Mapping[str, Sequence[tuple[str, ...]]],
    *,
    turned: bool,
) -> SquareArray:
    shape = tuple(data.shape)[::-1] if turned else tuple(data.shape)
    if data.dtype.kind not in "fiu" or 0 in shape:
        msg = f"{path}: {name or 'the array'} holds no real numbers (dtype {data.dtype}, shape {shape})."
        raise ValueError(msg)
    candidates = [tuple(dims)] if dims is not None else list(known.get(name, known[""]))
    fitting = [axes for axes in candidates if len(axes) == len(shape)]
    sides = [{size for axis, size in zip(axes, shape, strict=True) if axis == "item"} for axes in fitting]
    if not fitting or len(sides[0]) != 1:
        expected = " or ".join(" x ".join(axes) for axes in candidates)
        msg = (
            f"{path}: {name or 'the array'} has shape {' x '.join(map(str, shape))}, where {expected} is expected; "
            "name its axes with dims=."
        )
        raise ValueError(msg)
    return SquareArray(path, name, data, fitting[0][::-1] if turned else fitting[0])


def as_axes(dims: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return names of axes: ``"item"`` twice, ``"time"`` once, and ``"subject"`` and ``"session"`` at most once.

    Raises
    ------
    ValueError
        Other names.
    """
    if dims is None:
        return None
    allowed = (
        set(itertools.permutations(("item", "item", "time", *extra)))
        for extra in ((), ("subject",), ("session",), ("subject", "session"))
    )
    if isinstance(dims, str) or not any(tuple(dims) in orders for orders in allowed):
        msg = (
            "dims must name each axis of the file's array: 'item' twice, 'time', and 'subject' and 'session' where it "
            f"has them; got {dims!r}."
        )
        raise ValueError(msg)
    return tuple(dims)
