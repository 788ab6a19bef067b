"""Several RDMs as one, matched by label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from alignkit.rsa._align import OnMismatch, align, as_rdm
from alignkit.rsa._container import RDM


def stack(
    rdms: Sequence[Any],
    /,
    *,
    dim: str = "subject",
    names: Iterable[Any] | None = None,
    on_mismatch: OnMismatch = "raise",
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
    on_mismatch : {"raise", "intersect"}
        What to do when they hold different items.

    Returns
    -------
    RDM
        With ``dim`` as its first axis.

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
    found = [as_rdm(f"rdms[{i}]", one) for i, one in enumerate(rdms)]
    first = found[0]
    for other in found[1:]:
        first, _ = align(first, other, on_mismatch=on_mismatch)
    aligned = [align(first, other, on_mismatch=on_mismatch)[1] for other in found]
    for what in ("dims", "shape", "metric"):
        kinds = {getattr(one, what) for one in aligned}
        if len(kinds) > 1:
            msg = f"RDMs of different {what} cannot be stacked: {', '.join(map(str, kinds))}."
            raise ValueError(msg)
    coords = dict(first.coords) if names is None else {**first.coords, dim: list(names)}
    values = np.stack([one.values for one in aligned])
    return first.replace(values, dims=(dim, *first.dims), coords=coords)
