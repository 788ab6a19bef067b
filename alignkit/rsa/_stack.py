"""Several RDMs as one, matched by label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np

from alignkit._check import check_choice, is_tensor
from alignkit.rsa._align import align, as_rdm
from alignkit.rsa._align_all import check_one_order
from alignkit.rsa._container import RDM, condensed_rdm, pair_index
from alignkit.rsa._namespace import namespace

_AXES = "take the part that all have with isel() or sel()"
_WAYS_OUT = {
    "dims": _AXES,
    "shape": _AXES,
    "metric": "compute all with one metric, or forget what it was with rdm.replace(rdm.values, metric=None)",
}


def stack(
    rdms: Sequence[Any],
    /,
    *,
    dim: str = "subject",
    names: Iterable[Any] | None = None,
    on_mismatch: Literal["raise", "intersect", "union"] = "raise",
) -> RDM:
    """Put RDMs of several people, sessions or models into one, over the same items in the same order.

    Parameters
    ----------
    rdms : sequence of RDM or array_like
        All with the same leading axes. Labelled RDMs are matched by label, to the order of the first.
    dim : str
        Name of the new leading axis.
    names : sequence, optional
        Its coordinate: one name per RDM.
    on_mismatch : {"raise", "intersect", "union"}
        What to do when they hold different items: raise, keep those that all hold, or keep all items (in the order in
        which they first appear) with NaN where one RDM does not hold both of a pair.

    Returns
    -------
    RDM
        With ``dim`` as its first axis; of tensors or float32 values where all have these on one device, of float64
        arrays otherwise.

    Raises
    ------
    ValueError
        No RDMs, different items, sizes, leading axes or metrics.
    TypeError
        Something else than a sequence of RDMs.

    Examples
    --------
    >>> a = RDM([1.0, 2.0, 3.0], labels=["cat", "dog", "car"])
    >>> b = RDM([2.0, 3.0, 1.0], labels=["car", "cat", "dog"])
    >>> stack([a, b], names=["s1", "s2"]).values
    array([[1., 2., 3.],
           [1., 2., 3.]])
    """
    if isinstance(rdms, str | bytes | np.ndarray | RDM) or not isinstance(rdms, Sequence):
        msg = f"rdms must be a list of RDMs; got {type(rdms).__name__}."
        raise TypeError(msg)
    if not rdms:
        msg = "rdms is empty; give at least one RDM to stack."
        raise ValueError(msg)
    check_choice("on_mismatch", on_mismatch, ("raise", "intersect", "union"))
    found = _of_one_kind([as_rdm(f"rdms[{i}]", one, keep=True, minimum=2) for i, one in enumerate(rdms)])
    if on_mismatch == "union":
        labels = _all_labels(found)
        aligned = [_spread(one, labels) for one in found]
    else:
        check_one_order([(f"rdms[{i}]", one) for i, one in enumerate(found)])
        first = found[0]
        for other in found[1:]:
            first, _ = align(first, other, on_mismatch=on_mismatch)
        aligned = [align(first, other, on_mismatch=on_mismatch)[1] for other in found]
    _check_alike(aligned)
    first = aligned[0]
    coords = dict(first.coords) if names is None else {**first.coords, dim: list(names)}
    values = namespace(first.values).stack([one.values for one in aligned])
    return first.replace(values, dims=(dim, *first.dims), coords=coords)


def _check_alike(rdms: Sequence[RDM]) -> None:
    """Raise unless all RDMs have the same leading axes and metric."""
    for what, way_out in _WAYS_OUT.items():
        first = getattr(rdms[0], what)
        i = next((i for i, one in enumerate(rdms) if getattr(one, what) != first), 0)
        if i:
            found = f"rdms[0] has {first!r} and rdms[{i}] has {getattr(rdms[i], what)!r}"
            msg = f"RDMs of different {what} cannot be stacked: {found}; {way_out}."
            raise ValueError(msg)


def _of_one_kind(rdms: list[RDM]) -> list[RDM]:
    """Return RDMs of the precision, kind and device that all share, or of float64 arrays."""
    kinds = {(is_tensor(one.values), one.values.dtype, getattr(one.values, "device", None)) for one in rdms}
    return rdms if len(kinds) == 1 else [as_rdm("rdms", one, minimum=2) for one in rdms]


def _all_labels(rdms: Sequence[RDM]) -> tuple[str, ...]:
    """Return the labels of all RDMs in order of first appearance, or raise where one has none."""
    for i, one in enumerate(rdms):
        if one.labels is None:
            msg = f"rdms[{i}] has no labels; on_mismatch='union' needs to know which items it holds."
            raise ValueError(msg)
    return tuple(dict.fromkeys(label for one in rdms for label in one.labels or ()))


def _spread(rdm: RDM, labels: tuple[str, ...]) -> RDM:
    """Return the RDM over all ``labels``, with NaN for pairs that it does not hold."""
    if rdm.labels == labels:
        return rdm
    number = {label: i for i, label in enumerate(labels)}
    place = np.array([number[label] for label in rdm.labels or ()])
    rows, columns = np.triu_indices(rdm.n_items, k=1)
    shape = (*rdm.shape, len(labels) * (len(labels) - 1) // 2)
    values: Any = np.full(shape, np.nan, rdm.values.dtype) if not is_tensor(rdm.values) else None
    if values is None:
        values = rdm.values.new_full(shape, np.nan)  # type: ignore[attr-defined]
    values[..., pair_index(place[rows], place[columns], len(labels))] = rdm.values
    context = {name: getattr(rdm, name) for name in ("dims", "coords", "metric", "provenance")}
    return condensed_rdm(values, labels, **context)
