"""Stacks of RDMs of several subjects: which axis holds the subjects, and one pool of them per further cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import numpy as np

from alignkit._check import NanPolicy, check_choice
from alignkit._threads import each, one_blas_thread
from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._align import as_rdm
from alignkit.rsa._compare import name_rdms
from alignkit.rsa._container import RDM, condensed_rdm
from alignkit.rsa._nan import items_of_pairs, name_items
from alignkit.rsa._pooling import plain_of, pools
from alignkit.rsa._pools import Pool
from alignkit.rsa._similarity_methods import undefined_rows

Outcome = TypeVar("Outcome")
#: Values that are prepared together (128 MB).
_BATCH = 1 << 24


def stack_of(rdms: object, dim: str | None, what: str, name: str = "rdms") -> RDM:
    """Return RDMs of several subjects, which errors call ``name``, as one stack with the axis of subjects in front."""
    many = rdms.values() if isinstance(rdms, Mapping) else rdms if isinstance(rdms, list | tuple) else ()
    if any(isinstance(one, RDM) for one in many):
        msg = f"{name} is a {type(rdms).__name__} of RDM objects; put them into one stack with stack([...]) first."
        raise TypeError(msg)
    return subjects_first(as_rdm(name, rdms), dim, what, name)


def subjects_first(stack: RDM, dim: str | None, what: str, name: str = "rdms") -> RDM:
    """Return the stack with the axis that ``dim`` names, or that can be told to hold subjects, in front."""
    axis = _subject_axis(stack, dim, what, name)
    dims = [stack.dims[axis], *stack.dims[:axis], *stack.dims[axis + 1 :]]
    # the one leading axis of a bare array holds subjects here
    bare = stack.dims == ("rdm",)
    coords = {} if bare else stack.coords
    values = np.moveaxis(stack.values, axis, 0)
    return condensed_rdm(values, stack.labels, dims=["subject"] if bare else dims, coords=coords)


def _subject_axis(stack: RDM, dim: str | None, what: str, name: str) -> int:
    if dim is not None:
        check_choice("dim", dim, stack.dims)
        return stack.dims.index(dim)
    if "subject" in stack.dims:
        return stack.dims.index("subject")
    if len(stack.dims) == 1:
        return 0
    if not stack.dims:
        msg = f"{name} holds a single RDM; {what} needs a leading axis of subjects (stack() makes one of several RDMs)."
        raise ValueError(msg)
    msg = f"{name} has the leading axes {stack.dims}; name that of the subjects with dim=."
    raise ValueError(msg)


def valid_pairs(rows: FloatArray, nan_policy: NanPolicy) -> BoolArray:
    """Return which pairs of ``rows``, shape (subject, cell, pairs), count in every cell, shape (cell, pairs)."""
    if nan_policy != "omit":
        return np.ones(rows.shape[1:], dtype=bool)
    return np.asarray(~np.isnan(rows).any(axis=0))


@one_blas_thread()
def each_pool(
    rows: FloatArray,
    valid: BoolArray,
    method: str,
    pooling: str,
    sigma_k: FloatArray | None,
    function: Callable[[int, Pool], Outcome],
) -> dict[int, Outcome]:
    """Return ``function(cell, pool)`` of every cell with two or more pairs that count and without NaN among them."""
    found: dict[int, Outcome] = {}
    for mask, cells in _batches(rows, valid):
        part = rows[:, cells] if mask.all() else rows[:, cells][..., mask]
        made = list(zip(cells.tolist(), pools(part, method, pooling, mask, sigma_k), strict=True))
        found |= zip(cells.tolist(), each(lambda pair: function(*pair), made), strict=True)
    return found


def _batches(rows: FloatArray, valid: BoolArray) -> Iterator[tuple[BoolArray, IntArray]]:
    """Yield (pairs that count, cells) for cells that have these pairs in common, a memory's fill at a time."""
    groups: dict[bytes, list[int]] = {}
    for cell, mask in enumerate(valid):
        if mask.sum() >= 2 and not np.isnan(rows[:, cell][:, mask]).any():
            groups.setdefault(mask.tobytes(), []).append(cell)
    step = max(1, _BATCH // (len(rows) * rows.shape[-1]))
    for cells in groups.values():
        for start in range(0, len(cells), step):
            yield valid[cells[0]], np.array(cells[start : start + step])


def why_undefined(
    stack: RDM, valid: BoolArray, undefined: BoolArray, method: str, nan_policy: NanPolicy
) -> dict[str, list[str]]:
    """Return why the marked cells are NaN, with the names of the items, subjects or cells at fault."""
    n_subjects = len(stack)
    rows = stack.values.reshape(n_subjects, -1, stack.n_pairs)
    missing = np.isnan(rows)
    reasons: dict[str, list[str]] = {}
    if nan_policy != "omit":
        reason = "rdms holds NaN (nan_policy='omit' leaves those pairs out) for"
        pairs = np.asarray(missing.any(axis=(0, 1)))
        reasons[reason] = name_items(stack.labels, items_of_pairs(pairs, stack.n_items))
    if n_subjects == 1:
        return reasons
    few = valid.sum(axis=1) < 2
    bad = undefined_subjects(rows, valid, method)
    kind = "zero" if plain_of(method) == "cosine" else "equal"
    reasons[f"{method} is undefined for RDMs whose values are all {kind}"] = name_rdms(stack, np.flatnonzero(bad))
    explained = bad.any(axis=0) | few
    if nan_policy != "omit":
        explained |= missing.any(axis=(0, 2))
    opposed = undefined & ~explained
    reasons["fewer than two item pairs are free of NaN in all subjects"] = _name_cells(stack, few)
    reasons["subjects cancel out, so that their mean is constant"] = _name_cells(stack, opposed)
    return reasons


def undefined_subjects(rows: FloatArray, valid: BoolArray, method: str) -> BoolArray:
    """Return which RDMs have no similarity to anything over the pairs that count, shape (subject, cell)."""
    method = plain_of(method)
    if valid.all():
        return undefined_rows(rows, method)
    bad = np.zeros(rows.shape[:2], dtype=bool)
    for cell in np.flatnonzero(valid.sum(axis=1) > 1):
        bad[:, cell] = undefined_rows(rows[:, cell][:, valid[cell]], method)
    return bad


def _name_cells(stack: RDM, which: BoolArray) -> list[str]:
    return name_rdms(stack.isel(**{stack.dims[0]: 0}), np.flatnonzero(which))
