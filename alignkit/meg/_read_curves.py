"""Curves of participants, however they come: as an array, as one model's in a time course, or as maps."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from alignkit._check import as_float_array, join_names, shown
from alignkit._typing import BoolArray, FloatArray
from alignkit.meg._generalization_result import TemporalGeneralization
from alignkit.meg._searchlight_result import Searchlight
from alignkit.meg._timecourse_result import TimeCourse
from alignkit.rsa._nan import report_all


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Values of all participants, a row each, and where they stand; ``model`` is whose, where it has a name.

    ``x``, shape (subjects, cells), is relative to the value tested against; ``shape``, ``dims`` and ``coords`` are
    those of a map, whose last axis is time.
    """

    x: FloatArray
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    coords: dict[str, list[Any]]
    times: FloatArray
    subjects: tuple[str, ...]
    model: str | None = None

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
    if isinstance(curves, TimeCourse | TemporalGeneralization | Searchlight):
        if times is not None:
            msg = "times come with a time course; leave out times=."
            raise ValueError(msg)
        _check_level(curves, popmean)
        values, dims, coords, times = _from_result(curves, model)
        subjects = curves.subjects
    else:
        values, dims, coords = _from_array(curves, model, channels=channels)
    _check(values, subjects := subjects or tuple(f"subject {i}" for i in range(1, len(values) + 1)))
    at = _times(times, values.shape[-1])
    rows = values.reshape(len(values), -1) - float(popmean)
    whose = curves.models[curves.position(model)] if isinstance(curves, TimeCourse | Searchlight) else None  # type: ignore[arg-type]
    return Curves(rows, values.shape[1:], dims, coords, at, subjects, whose)


def adjacency_of(curves: object, adjacency: object) -> object:
    """Return which channels touch: what is given, or what a searchlight knows."""
    return curves.adjacency if adjacency is None and isinstance(curves, Searchlight) else adjacency


def _check_level(curves: TimeCourse | TemporalGeneralization | Searchlight, popmean: float) -> None:
    """Raise where the value tested against cannot be meant."""
    if isinstance(curves, TemporalGeneralization):
        if curves.chance != 0 and popmean == 0:
            msg = f"chance is {curves.chance:g} for {curves.quantity}; pass popmean={curves.chance:g}."
            raise ValueError(msg)
        distances, method = curves.reference != "" and curves.quantity.endswith(" distance"), curves.quantity
    else:
        distances, method = curves.quantity == "distance", curves.method
    if distances and popmean == 0:
        msg = (
            f"curves hold distances ({method}), which are above 0 where there is nothing, too; pass the "
            "subjects' differences between two models, as an array with times=."
        )
        raise ValueError(msg)


def _from_result(
    curves: TimeCourse | TemporalGeneralization | Searchlight, model: str | int | None
) -> tuple[FloatArray, tuple[str, ...], dict[str, list[Any]], FloatArray]:
    """Return values of one model (subject, ..., time), names and places of the axes, and times."""
    if isinstance(curves, Searchlight):
        return curves.curves(model), ("sensor", "time"), {"sensor": list(curves.sensors.names)}, curves.times  # type: ignore[arg-type]
    if isinstance(curves, TemporalGeneralization):
        if model is not None:
            msg = f"model={model!r} names a model of a time course; a generalization has none."
            raise ValueError(msg)
        return curves.values, ("train_time", "time"), {"train_time": curves.train_times.tolist()}, curves.test_times
    coords = {} if curves.model_times is None else {"model_time": curves.model_times.tolist()}
    return curves.curves(model), curves.dims[2:], coords, curves.times


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
    whose = "" if curves.model is None else f" with {curves.model!r}"
    missing = np.isnan(curves.x)
    who = join_names(curves.subjects[i] for i in np.flatnonzero(missing.any(axis=1)))
    cells = {
        f"there are NaN in the curves of {who}{whose} at": missing.any(axis=0),
        f"all subjects are equal{whose} at": constant,
    }
    named = {reason: [curves.cell(int(i)) for i in np.flatnonzero(bad)] for reason, bad in cells.items()}
    report_all(named, "propagate", stacklevel=stacklevel + 1)
