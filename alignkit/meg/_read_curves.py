"""Curves of participants, however they come: as an array, or as one model's in a time course."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from alignkit._check import as_float_array, join_names, shown
from alignkit._typing import BoolArray, FloatArray
from alignkit.meg._timecourse_result import TimeCourse
from alignkit.rsa._nan import report_all


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Values of all participants, a row each, and where they stand.

    ``x``, shape (subjects, cells), is relative to the value tested against; ``shape``, ``dims`` and ``coords`` are
    those of a map, whose last axis is time.
    """

    x: FloatArray
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    coords: dict[str, list[Any]]
    times: FloatArray
    subjects: tuple[str, ...]

    def cell(self, position: int) -> str:
        """Return what a cell is called: its time, after its place along the other axes."""
        *others, time = np.unravel_index(position, self.shape)
        named = zip(self.dims, others, strict=False)
        return ", ".join([*(f"{name} {self.coords[name][i]}" for name, i in named), f"time {self.times[time]:g}"])


def as_popmean(popmean: object) -> float:
    """Return the value tested against, or raise where it is no finite number."""
    value = float(as_float_array("popmean", popmean, ndim=0))
    if not np.isfinite(value):
        msg = f"popmean must be a finite number, of the curves' unit; got {value}."
        raise ValueError(msg)
    return value


def read_curves(
    curves: object,
    *,
    popmean: float = 0.0,
    times: object = None,
    model: str | int | None = None,
    channels: bool = False,
) -> Curves:
    """Return curves of two or more participants as rows, less ``popmean``.

    ``channels`` says that the axis after the participants holds channels, not another time.

    Raises
    ------
    ValueError
        Fewer than two participants, no time axis, infinite values, a participant without any values, times that do not
        fit or do not rise, several models and none named, distances tested against 0.
    TypeError
        Values that are not real numbers.
    """
    subjects: tuple[str, ...] | None = None
    if isinstance(curves, TimeCourse):
        if times is not None:
            msg = "times come with a time course; leave out times=."
            raise ValueError(msg)
        if curves.quantity == "distance" and popmean == 0:
            msg = (
                f"curves hold distances ({curves.method}), which are above 0 where there is nothing, too; pass the "
                "subjects' differences between two models, as an array with times=."
            )
            raise ValueError(msg)
        dims, times, subjects = curves.dims[2:], curves.times, curves.subjects
        coords = {} if curves.model_times is None else {"model_time": curves.model_times.tolist()}
        values = curves.curves(model)
    else:
        values, dims, coords = _from_array(curves, model, channels=channels)
    _check(values, subjects := subjects or tuple(f"subject {i}" for i in range(1, len(values) + 1)))
    at = _times(times, values.shape[-1])
    rows = values.reshape(len(values), -1) - float(popmean)
    return Curves(rows, values.shape[1:], dims, coords, at, subjects)


def _from_array(
    curves: object, model: str | int | None, *, channels: bool
) -> tuple[FloatArray, tuple[str, ...], dict[str, list[Any]]]:
    if model is not None:
        msg = f"model={model!r} names a model of a time course; curves is an array, of one model."
        raise ValueError(msg)
    values = as_float_array("curves", curves)
    if values.ndim < 2 or not values.size:
        msg = f"curves must have shape (subjects, ..., times) and hold values; got shape {values.shape}."
        raise ValueError(msg)
    others = [f"axis_{i}" for i in range(1, values.ndim - 1)]
    if channels and others:
        others[0] = "channel"
    coords = {name: list(range(size)) for name, size in zip(others, values.shape[1:], strict=False)}
    return values, (*others, "time"), coords


def _check(values: FloatArray, subjects: tuple[str, ...]) -> None:
    if len(values) < 2:
        msg = (
            f"a test over subjects needs at least two; got curves of shape {values.shape} (subjects first). "
            "For one participant, permute item labels: label_test."
        )
        raise ValueError(msg)
    if np.isinf(values).any():
        where = tuple(int(i) for i in np.argwhere(np.isinf(values))[0])
        msg = f"curves hold infinite values, the first at index {where}."
        raise ValueError(msg)
    empty = np.flatnonzero(np.isnan(values).reshape(len(values), -1).all(axis=1))
    if empty.size:
        msg = f"curves have no values for {join_names(subjects[i] for i in empty)}; leave them out."
        raise ValueError(msg)


def _times(times: object, n: int) -> FloatArray:
    if times is None:
        return np.arange(n, dtype=np.float64)
    at = as_float_array("times", times)
    if at.shape != (n,) or not np.isfinite(at).all():
        msg = f"times must hold one finite number per sample ({n}); got shape {at.shape}."
        raise ValueError(msg)
    if (np.diff(at) <= 0).any():
        msg = f"times must increase from sample to sample; got {shown(at.tolist())}."
        raise ValueError(msg)
    return at


def report_cells(curves: Curves, constant: BoolArray, *, stacklevel: int = 3) -> None:
    """Warn once of the cells that some subject has no value for, and of those that have no variance."""
    missing = np.isnan(curves.x)
    who = join_names(curves.subjects[i] for i in np.flatnonzero(missing.any(axis=1)))
    cells = {f"there are NaN in the curves of {who} at": missing.any(axis=0), "all subjects are equal at": constant}
    named = {reason: [curves.cell(int(i)) for i in np.flatnonzero(bad)] for reason, bad in cells.items()}
    report_all(named, "propagate", stacklevel=stacklevel + 1)
