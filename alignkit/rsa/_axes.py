"""Names and coordinates of the leading axes of an RDM stack."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alignkit._check import as_array, check_choice, join_names, shown
from alignkit._typing import AnyArray

#: What the tables and DataArrays that we write call their own columns and dims.
RESERVED = frozenset(
    {"pair", "item", "item_2", "item_a", "item_b", "dissimilarity", "similarity", "n_pairs", "lower", "upper"}
    | {"method", "pooling"}
)


def as_dims(dims: Sequence[str] | None, n: int) -> tuple[str, ...]:
    """Return ``n`` different names of leading axes, or the default ones."""
    if dims is None:
        return ("rdm",) if n == 1 else tuple(f"axis_{i}" for i in range(n))
    names = as_names(dims)
    if len(names) != n or len(set(names)) != n:
        msg = f"dims must give {n} different name(s), one per leading axis; got {names}."
        raise ValueError(msg)
    taken = [name for name in names if name in RESERVED]
    if taken:
        msg = f"dims may not use {join_names(taken)}: the tables we write have columns of that name."
        raise ValueError(msg)
    return names


def as_names(dims: object) -> tuple[str, ...]:
    """Return the names of axes, one alone or a list of them, as a tuple."""
    names = (dims,) if isinstance(dims, str) else dims
    if not isinstance(names, list | tuple | np.ndarray) or not all(isinstance(name, str) for name in names):
        msg = f"dims must be a list of names, one text per leading axis; got {shown(dims)}."
        raise TypeError(msg)
    return tuple(names)


def as_coords(coords: object, dims: tuple[str, ...], shape: tuple[int, ...]) -> dict[str, AnyArray]:
    """Return read-only copies of the coordinates, checked against the axes they belong to."""
    if not isinstance(coords, Mapping):
        msg = f"coords must be a mapping of axis names to their coordinates; got {shown(coords)}."
        raise TypeError(msg)
    result = {}
    for name, values in coords.items():
        check_axis(name, dims)
        array = np.array(as_text_or_numbers(f"the coordinate {name!r}", values))
        size = shape[dims.index(name)]
        if array.shape != (size,):
            msg = f"the coordinate {name!r} must hold {size} texts or numbers; got shape {array.shape}."
            raise ValueError(msg)
        array.flags.writeable = False
        result[name] = array
    return result


def check_axis(name: str, dims: Sequence[str]) -> None:
    """Raise unless ``name`` is one of the leading axes."""
    if not dims:
        msg = f"a single RDM has no leading axes; got {name!r}."
        raise ValueError(msg)
    check_choice("the axis", name, dims)


def find(name: str, coordinate: AnyArray, wanted: object, tolerance: float | None = None) -> int:
    """Return the position of the one coordinate that reads like ``wanted``, or the nearest within ``tolerance``."""
    if tolerance is not None and not (_is_number(tolerance) and tolerance >= 0):
        msg = f"tolerance must be a number of at least 0, in the unit of the coordinate; got {shown(tolerance)}."
        raise ValueError(msg)
    texts = [str(value) for value in coordinate.tolist()]
    count = texts.count(str(wanted))
    if count == 1:
        return texts.index(str(wanted))
    if count > 1:
        msg = f"{name}: {shown(str(wanted))} occurs {count} times; use isel."
        raise ValueError(msg)
    hint = ""
    if coordinate.dtype.kind in "fiu" and _is_number(wanted):
        away = np.abs(coordinate.astype(np.float64) - float(wanted))  # type: ignore[arg-type]
        nearest = int(np.where(np.isnan(away), np.inf, away).argmin())
        if tolerance is not None and away[nearest] <= tolerance:
            return nearest
        hint = f"; the nearest is {texts[nearest]} (a wider tolerance= takes it)"
    msg = f"{name}: {shown(str(wanted))} is not one of {join_names(texts)}{hint}."
    raise ValueError(msg)


def find_range(name: str, coordinate: AnyArray, wanted: slice) -> slice | list[int]:
    """Return the positions of the coordinates from the slice's start to its stop, both included."""
    bounds = [bound for bound in (wanted.start, wanted.stop) if bound is not None]
    if coordinate.dtype.kind not in "fiu" or wanted.step is not None or not all(map(_is_number, bounds)):
        msg = f"{name}: a slice goes from one number to another, without a step; got {wanted} (use isel for positions)."
        raise ValueError(msg)
    low, high = (
        end if bound is None else float(bound) for bound, end in ((wanted.start, -np.inf), (wanted.stop, np.inf))
    )
    values = coordinate.astype(np.float64)
    slack = 1e-9 * np.nanmax(np.abs(values), initial=0.0)  # 0.1 + 0.2 is hardly more than 0.3
    found = np.flatnonzero((values >= low - slack) & (values <= high + slack))
    if not found.size:
        msg = f"{name}: none lies from {low:g} to {high:g}; they go from {values.min():g} to {values.max():g}."
        raise ValueError(msg)
    first, last = int(found[0]), int(found[-1])
    return slice(first, last + 1) if last - first + 1 == found.size else found.tolist()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def axis_columns(dims: Sequence[str], coords: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the columns of a table with one row per entry of an array: where each lies along every axis.

    An axis without coordinates counts from 0.
    """
    index = np.indices(shape).reshape(len(shape), math.prod(shape))
    return {
        name: plain(coords[name])[positions] if name in coords else positions
        for name, positions in zip(dims, index, strict=True)
    }


def plain(values: Any) -> AnyArray:
    """Return text held as objects (pandas, xarray), bytes or numpy's StringDType as ordinary numpy text."""
    array = np.asarray(values)
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8")
    if array.dtype.kind == "T":
        return np.array(array.tolist(), dtype=str)
    return array.astype(str) if array.dtype.hasobject else array


def as_text_or_numbers(name: str, values: object) -> AnyArray:
    """Return ``values`` as numpy text or numbers, of any shape.

    Raises
    ------
    ValueError
        Entries of different lengths.
    TypeError
        Python objects.
    """
    try:
        array = as_array(name, values)
    except TypeError as error:
        if "different lengths" not in str(error):
            raise
        msg = f"{name} must be one-dimensional; its entries have different lengths."
        raise ValueError(msg) from error
    if array.dtype == object and not all(isinstance(value, str) for value in array.flat):
        msg = f"{name} must hold texts or numbers, not Python objects."
        raise TypeError(msg)
    return plain(array)
