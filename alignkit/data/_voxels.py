"""Voxels of several regions read at once: which are of no use, and which columns belong to which region."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alignkit._check import join_names
from alignkit._typing import BoolArray, FloatArray
from alignkit.data._nifti import Image
from alignkit.data._regions import Region

#: The name under which voxels of a plain mask are counted.
MASK = "mask"
_REASONS = {
    "nan": "with NaN or infinite values",
    "constant": "constant within a run",
    "outside": "outside the image",
}


def union_of(regions: Sequence[Region]) -> BoolArray:
    """Return the voxels that lie in any region."""
    return np.any([region.mask for region in regions], axis=0)


def unusable(values: FloatArray, groups: Sequence[str]) -> tuple[BoolArray, BoolArray]:
    """Return which voxels, shape (voxels,), hold NaN or infinity in a row, and which are constant within a group.

    A voxel beyond the edge of what the scanner saw has one value (mostly 0) throughout a run.
    """
    nan: BoolArray = np.asarray(~np.isfinite(values).all(axis=0))
    constant = np.zeros(values.shape[1], dtype=bool)
    names = np.asarray(groups)
    for name in dict.fromkeys(groups):
        part = values[names == name]
        if len(part) > 1:
            constant |= part.max(axis=0) == part.min(axis=0)
    return nan, constant & ~nan


def place(regions: Sequence[Region], nan: BoolArray, constant: BoolArray, image: Image) -> dict[str, Any]:
    """Return what :class:`Patterns` says of the usable voxels; those left out are counted in one warning.

    Raises
    ------
    ValueError
        No voxel is usable.
    """
    union = union_of(regions)
    column = np.full(union.shape, -1, dtype=np.int64)
    good = ~(nan | constant)
    column[union] = np.where(good, np.cumsum(good) - 1, -1)
    columns: dict[str, Any] = {}
    dropped: dict[str, dict[str, int]] = {}
    for region in regions:
        name = MASK if region.name is None else region.name
        within = region.mask[union]
        dropped[name] = {
            "nan": int((nan & within).sum()),
            "constant": int((constant & within).sum()),
            "outside": region.n_outside,
        }
        columns[name] = column[region.mask & (column >= 0)]
    if not good.any():
        said = "; ".join(_why(name, counts, 0) for name, counts in list(dropped.items())[:3])
        msg = f"no voxel is left: {said}."
        raise ValueError(msg)
    _warn(dropped, {name: each.size for name, each in columns.items()})
    return {
        "regions": {} if regions[0].name is None else {name: each for name, each in columns.items() if each.size},
        "voxels": np.argwhere(union)[good],
        "affine": image.affine,
        "grid": image.shape,
        "dropped": dropped,
    }


def _warn(dropped: Mapping[str, Mapping[str, int]], left: Mapping[str, int], limit: int = 5) -> None:
    lacking = [_why(name, counts, left[name]) for name, counts in dropped.items() if any(counts.values())]
    if not lacking:
        return
    more = f"; and of {len(lacking) - limit} more regions" if len(lacking) > limit else ""
    empty = [name for name, n_left in left.items() if not n_left]
    gone = f" No voxel is left of {join_names(empty)}, which are skipped." if empty else ""
    msg = (
        f"voxels were left out: {'; '.join(lacking[:limit])}{more}.{gone} Check mask= and the regions if they should "
        "count."
    )
    warnings.warn(msg, UserWarning, stacklevel=4)


def _why(name: str, counts: Mapping[str, int], n_left: int) -> str:
    total = sum(counts.values())
    reasons = ", ".join(f"{counts[key]:,} {text}" for key, text in _REASONS.items() if counts[key])
    region = "" if name == MASK else f" of {name!r}"
    return f"{total:,} of the {n_left + total:,} voxels{region} ({reasons})"
