"""Model RDMs by name, with or without an axis of time of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from alignkit._check import join_names
from alignkit._typing import AnyArray, FloatArray
from alignkit.meg._rdm_store import RDMStore
from alignkit.meg._slices import check_same_times, is_several, opened, times_of
from alignkit.rsa._compare import as_list
from alignkit.rsa._container import RDM, condensed_rdm


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Models:
    """RDMs with the axes (model,) or (model, time), what to call each in sentences, and the names of all models.

    ``times`` is None where models have no axis of time; ``n_times`` is 1 then. Where they have one without
    coordinates (not ``timed``), ``times`` are numbers of samples.
    """

    named: tuple[tuple[str, RDM], ...]
    names: tuple[str, ...]
    times: FloatArray | None
    n_times: int
    timed: bool


def as_models(name: str, models: object, *, tolerance: float = 0.0) -> Models:
    """Return models given as one RDM or stack, as a sequence of them, or by name.

    ``name`` is the singular of what they are: ``"model"`` or ``"control"``.

    Raises
    ------
    ValueError
        None at all, names that repeat, more than one axis besides time, or different axes of time.
    TypeError
        Values that are no RDMs.
    """
    if isinstance(models, Mapping):
        found = [(f"the {name} {key!r}", one) for key, one in models.items()]
    elif is_several(models) and isinstance(models, Sequence):
        found = [(f"{name}s[{i}]", one) for i, one in enumerate(models)]
    else:
        found = [(f"the {name}s", models)]
    if not found:
        msg = f"{name}s is empty; give at least one {name} RDM."
        raise ValueError(msg)
    stacks = [(called, _model_and_time(called, _in_memory(called, one))) for called, one in found]
    keys = [str(key) for key in models] if isinstance(models, Mapping) else None
    times, n_times = _own_times(name, stacks, tolerance)
    timed = "time" in stacks[0][1].coords
    return Models(tuple(stacks), _names(name, stacks, keys), times, n_times, timed)


def rows_of(rdms: Sequence[RDM]) -> AnyArray:
    """Return all RDMs as rows, shape (rows, pairs), in the precision that holds them."""
    rows = [one.values.reshape(-1, one.n_pairs) for one in rdms]
    return rows[0] if len(rows) == 1 else np.concatenate(rows)


def _in_memory(called: str, x: object) -> RDM:
    one = opened(called, x)
    return one.rdm() if isinstance(one, RDMStore) else one


def _model_and_time(called: str, rdm: RDM) -> RDM:
    """Return an RDM with the axes ("model",) or ("model", "time")."""
    others = [name for name in rdm.dims if name != "time"]
    if len(others) > 1 or others in (["subject"], ["participant"]):
        msg = (
            f"{called} has the axes {rdm.dims}; a model has none, 'time', or one more axis that holds several models "
            "(choose or average others with isel() or mean())."
        )
        raise ValueError(msg)
    values, coords = rdm.values, dict(rdm.coords)
    if others:
        values = np.moveaxis(values, rdm.dims.index(others[0]), 0)
        coords = {"model" if name == others[0] else name: value for name, value in coords.items()}
    else:
        values = values[None]
    dims = ("model", "time") if "time" in rdm.dims else ("model",)
    return condensed_rdm(values, rdm.labels, dims=dims, coords=coords, metric=rdm.metric)


def _own_times(name: str, stacks: Sequence[tuple[str, RDM]], tolerance: float) -> tuple[FloatArray | None, int]:
    (first_called, first), *others = stacks
    timed = "time" in first.dims
    for called, other in others:
        if ("time" in other.dims) != timed:
            msg = f"{called} and {first_called}: one of these {name}s has an axis of time and the other none."
            raise ValueError(msg)
        if timed:
            axes = [
                (title, times_of(title, one), one.shape[1]) for title, one in ((first_called, first), (called, other))
            ]
            check_same_times(axes[0], axes[1], tolerance)
    if not timed:
        return None, 1
    times = times_of(first_called, first)
    return (np.arange(first.shape[1], dtype=np.float64) if times is None else times), first.shape[1]


def _names(name: str, stacks: Sequence[tuple[str, RDM]], keys: list[str] | None) -> tuple[str, ...]:
    names: list[str] = []
    for i, (_, one) in enumerate(stacks):
        inner = [str(value) for value in as_list(one.coords["model"])] if "model" in one.coords else None
        if len(one) > 1 and keys is not None:
            inner = [f"{keys[i]} {one_name}" for one_name in inner or range(len(one))]
        elif keys is not None:
            inner = [keys[i]]
        names += inner or [""] * len(one)
    if len(names) == 1:
        return (names[0] or name,)
    names = [one or f"{name} {i}" for i, one in enumerate(names)]
    if len(set(names)) < len(names):
        repeated = sorted({one for one in names if names.count(one) > 1})
        msg = f"{name}s must have different names; repeated: {join_names(repeated)}."
        raise ValueError(msg)
    return tuple(names)
