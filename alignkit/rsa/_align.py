"""Two RDMs over the same items in the same order."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from alignkit._check import check_choice, check_n_items, check_same_labels
from alignkit.rsa._container import RDM, condensed_rdm

OnMismatch = Literal["raise", "intersect"]


def as_rdm(name: str, x: Any, *, keep: bool = False, minimum: int = 3) -> RDM:
    """Return ``x`` as an RDM, whether it is one already, rsatoolbox's, a labelled table or a bare array.

    Its values are a float64 array unless ``keep``: then float32 and tensors stay what they are. One of fewer than
    ``minimum`` items is refused: a single pair is like or unlike nothing.
    """
    rdm = _as_rdm(name, x)
    check_n_items(name, rdm.n_items, minimum)
    if keep:
        return rdm
    rdm = rdm.numpy()
    if rdm.values.dtype == np.float64:
        return rdm
    context = {field: getattr(rdm, field) for field in ("labels", "dims", "coords", "metric", "provenance")}
    return condensed_rdm(rdm.values.astype(np.float64), **context)


def _as_rdm(name: str, x: Any) -> RDM:
    if isinstance(x, RDM):
        return x
    try:
        if _is_from("xarray", x):
            return RDM.from_xarray(x)
        if _is_from("pandas", x) and _is_labelled_table(x):
            return RDM.from_dataframe(x)
        if _is_from("rsatoolbox", x) and hasattr(x, "dissimilarities"):
            return RDM.from_rsatoolbox(x)
        if isinstance(x, np.ndarray):
            # nothing keeps this RDM for long: a read-only view spares the copy
            x = x.view()
            x.flags.writeable = False
        return RDM(x)
    except (ValueError, TypeError) as error:
        text = str(error)
        msg = f"{name}{text.removeprefix('values')}" if text.startswith("values ") else text
        raise type(error)(msg) from error


def _is_from(package: str, x: object) -> bool:
    return type(x).__module__.partition(".")[0] == package


def _is_labelled_table(x: Any) -> bool:
    columns = getattr(x, "columns", None)
    return columns is not None and ("dissimilarity" in columns or set(columns) == set(x.index))


def align(a: RDM, b: RDM, *, on_mismatch: OnMismatch = "raise") -> tuple[RDM, RDM]:
    """Return both RDMs over the same items in the same order (that of ``a``).

    Two labelled RDMs are matched by label; where one is unlabelled the rows are matched by position and
    the numbers of items must agree.
    """
    check_choice("on_mismatch", on_mismatch, ("raise", "intersect"))
    if a.labels is None or b.labels is None:
        if a.n_items != b.n_items:
            msg = (
                f"the RDMs have {a.n_items} and {b.n_items} items; give both of them labels to compare "
                "the items they share."
            )
            raise ValueError(msg)
        return a, b
    if a.labels == b.labels:
        return a, b
    if on_mismatch == "raise":
        check_same_labels("the first RDM", a.labels, "the second RDM", b.labels)
        return a, b.select(a.labels)
    held = set(b.labels)
    shared = [label for label in a.labels if label in held]
    check_n_items("the set of shared items", len(shared))
    return a.select(shared), b.select(shared)
