"""Which voxels to read: a mask, the labelled regions of an atlas, or several masks by name."""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias

import numpy as np

from alignkit._check import as_labels, join_names, require, shown
from alignkit._typing import BoolArray, FloatArray, PathLike
from alignkit.data._nifti import EXTRA, Image, check_same_grid, open_image, same_grid, to_mm
from alignkit.data._tables import text_table

if TYPE_CHECKING:
    import pandas as pd

#: An image in a file or in memory.
ImageLike: TypeAlias = PathLike | Any
#: One image with a whole number per region, or a binary mask per region.
Atlas: TypeAlias = ImageLike | Mapping[str, ImageLike] | Sequence[ImageLike]
#: The number and name of every region of an atlas.
Names: TypeAlias = "PathLike | Mapping[int, str] | Sequence[str] | pd.DataFrame"

_REMEDY = (
    "bring it there by nearest neighbours (nilearn.image.resample_to_img), or pass resample=True to have that done."
)
#: Numbers of regions closer to a whole one than this are it: headers hold scales in float32.
_SCALING = 1e-3


@dataclass(frozen=True, slots=True)
class Region:
    """Voxels of an image's grid that belong together; ``n_outside`` more lie outside the image."""

    name: str | None
    mask: BoolArray
    n_outside: int = 0


def find_regions(
    image: Image,
    *,
    mask: ImageLike | None,
    atlas: Atlas | None,
    names: Names | None,
    roi: str | Iterable[str] | None,
    resample: bool,
) -> list[Region]:
    """Return the regions to read from an image, on its grid.

    Raises
    ------
    ValueError
        Neither mask nor atlas, another grid, a mask that is not binary or empty, an atlas with values that are no
        whole numbers or have no name, or regions that are not in it.
    """
    if mask is None and atlas is None:
        msg = (
            "give mask= (a binary image) or atlas= (one number per region) to say which voxels to read; "
            "nilearn.masking.compute_epi_mask makes a mask of the brain."
        )
        raise ValueError(msg)
    if atlas is None and (roi is not None or names is not None):
        msg = f"{'roi' if roi is not None else 'names'} is for atlas=; with mask= alone there is one region."
        raise ValueError(msg)
    within = None if mask is None else _read_mask("mask", mask, image, resample, None)
    if atlas is None:
        assert within is not None
        return [within]
    regions = _read_atlas(atlas, names, image, resample)
    if roi is not None:
        regions = _choose(regions, roi)
    if within is not None:
        regions = [Region(each.name, each.mask & within.mask, each.n_outside) for each in regions]
    return _without_empty(regions, roi is not None)


def _read_mask(argument: str, image: ImageLike, target: Image, resample: bool, name: str | None) -> Region:
    values, outside = _on_grid(argument, image, target, resample)
    found = np.unique(values)
    if len(found) > 2 or (len(found) == 2 and found[0] != 0):
        msg = (
            f"{argument} must hold two values, 0 outside and another one inside; it holds {len(found):,}, from "
            f"{found[0]:g} to {found[-1]:g}: threshold it, or pass it as atlas= when its values number regions."
        )
        raise ValueError(msg)
    if not values.any():
        msg = f"{argument} has no voxel inside the image; is it empty, or of another brain?"
        raise ValueError(msg)
    return Region(name, values != 0, outside.size)


def _read_atlas(atlas: Atlas, names: Names | None, target: Image, resample: bool) -> list[Region]:
    if isinstance(atlas, Mapping) or (isinstance(atlas, Sequence) and not isinstance(atlas, str)):
        return _read_masks(atlas, names, target, resample)
    values, outside = (_whole(each) for each in _on_grid("atlas", atlas, target, resample))
    numbers = [float(value) for value in np.unique(values) if value != 0]
    broken = next((value for value in numbers if value != round(value)), None)
    if broken is not None:
        msg = (
            f"atlas must hold one whole number per region, 0 outside; it holds {broken:.9g} (a map of probabilities "
            "must be thresholded, and a map of numbers resampled to the nearest neighbour)."
        )
        raise ValueError(msg)
    if not numbers:
        msg = "atlas has no voxel inside the image; is it empty, or of another brain?"
        raise ValueError(msg)
    named = _as_names(names)
    unnamed = [int(number) for number in numbers if names is not None and int(number) not in named]
    if unnamed:
        msg = f"names has no name for the number(s) {join_names(unnamed)} of the atlas; is it the table of another one?"
        raise ValueError(msg)
    members: dict[str, list[float]] = {}  # two numbers of one name (left and right) are one region
    for number in numbers:
        members.setdefault(named.get(int(number), str(int(number))), []).append(number)
    return [
        Region(name, np.isin(values, chosen), int(np.isin(outside, chosen).sum())) for name, chosen in members.items()
    ]


def _whole(values: FloatArray) -> FloatArray:
    """Return numbers that the scaling of a header left beside whole ones as those; others as they are."""
    nearest = np.round(values)
    return np.where(np.abs(values - nearest) < _SCALING, nearest, values)


def _read_masks(
    atlas: Mapping[str, ImageLike] | Sequence[ImageLike], names: Names | None, target: Image, resample: bool
) -> list[Region]:
    if names is not None:
        msg = "names is for an atlas that is one image; several masks have the names of their files, or of a mapping."
        raise ValueError(msg)
    masks = atlas if isinstance(atlas, Mapping) else dict(zip(_file_names(atlas), atlas, strict=True))
    if not masks:
        msg = "atlas names no mask; give an image with one number per region, or {name: mask}."
        raise ValueError(msg)
    as_labels("atlas", masks)
    return [_read_mask(f"atlas[{name!r}]", each, target, resample, str(name)) for name, each in masks.items()]


def _file_names(images: Sequence[ImageLike]) -> tuple[str, ...]:
    if not all(isinstance(image, str | os.PathLike) for image in images):
        msg = "masks in memory have no names; give atlas={name: image, ...}."
        raise TypeError(msg)
    stems = [Path(image).name.removesuffix(".gz").removesuffix(".nii") for image in images]
    return as_labels("the masks' names", stems)


def _on_grid(argument: str, image: ImageLike, target: Image, resample: bool) -> tuple[FloatArray, FloatArray]:
    """Return an image's values on the target's grid, and those values other than 0 that lie outside of it."""
    opened = open_image(argument, image)
    if opened.n_volumes > 1:
        msg = f"{argument} must be a 3-D image; {opened.name} holds {opened.n_volumes} volumes (one mask each?)."
        raise ValueError(msg)
    # NaN is how some programs write "not in the brain"
    values = np.nan_to_num(opened.volume(), nan=0.0)
    if not resample:
        check_same_grid(target, opened, remedy=_REMEDY)
    if same_grid(target, opened):
        return values, np.zeros(0)
    outside = _outside(opened, values, target)
    if outside.size == np.count_nonzero(values):  # nilearn refuses images that do not meet
        return np.zeros(target.shape), outside
    return _resample(opened, values, target), outside


def _resample(image: Image, values: FloatArray, target: Image) -> FloatArray:
    nibabel, nilearn_image = require("nibabel", EXTRA), require("nilearn.image", EXTRA)
    source = nibabel.Nifti1Image(values, image.affine)
    grid = nibabel.Nifti1Image(np.zeros(target.shape), target.affine)
    moved = nilearn_image.resample_to_img(source, grid, interpolation="nearest", force_resample=True, copy_header=True)
    return np.asarray(moved.dataobj, dtype=np.float64)


def _outside(image: Image, values: FloatArray, target: Image) -> FloatArray:
    places = to_mm(image.affine, np.argwhere(values))
    indices = to_mm(np.asarray(np.linalg.inv(target.affine), dtype=np.float64), places)
    inside = (indices > -0.5) & (indices < np.array(target.shape) - 0.5)
    return values[values != 0][~inside.all(axis=1)]


def _as_names(names: Names | None) -> dict[int, str]:
    """Return the name of every number: from a table (index, name), a mapping, or a list that starts with 0."""
    if names is None:
        return {}
    if isinstance(names, str | os.PathLike):
        sep = "," if Path(names).suffix.lower() == ".csv" else "\t"
        table = text_table(names, sep=sep, columns=("index", "name"), as_text=True)
        return _from_columns(str(names), table["index"], table["name"])
    if hasattr(names, "columns"):
        frame: Any = names
        missing = [column for column in ("index", "name") if column not in frame.columns]
        if missing:
            msg = f"names must have the columns index and name; it lacks {join_names(missing)}."
            raise ValueError(msg)
        return _from_columns("names", frame["index"], frame["name"])
    if isinstance(names, Mapping):
        return _from_columns("names", names, names.values())
    return dict(enumerate(as_labels("names", names, unique=False)))


def _from_columns(argument: str, numbers: Iterable[Any], texts: Iterable[Any]) -> dict[int, str]:
    labels = as_labels(argument, texts, unique=False)
    result: dict[int, str] = {}
    for number, label in zip(numbers, labels, strict=True):
        try:
            index = operator.index(number) if isinstance(number, SupportsIndex) else float(number)
        except (TypeError, ValueError):
            index = np.nan
        if not float(index).is_integer():
            msg = f"{argument} must number the regions with whole numbers; got {shown(number)} for {label!r}."
            raise ValueError(msg)
        if result.setdefault(int(index), label) != label:
            msg = f"{argument} names the number {int(index)} twice: {result[int(index)]!r} and {label!r}."
            raise ValueError(msg)
    return result


def _choose(regions: Sequence[Region], roi: str | Iterable[str]) -> list[Region]:
    wanted = as_labels("roi", [roi] if isinstance(roi, str) else roi)
    known = {region.name: region for region in regions}
    missing = [name for name in wanted if name not in known]
    if missing:
        msg = f"the atlas has no region {join_names(missing)} in this image; it has {join_names(known, 20)}."
        raise ValueError(msg)
    return [known[name] for name in wanted]


def _without_empty(regions: Sequence[Region], asked_for: bool) -> list[Region]:
    """Return the regions with voxels in both atlas and mask; those without are an error when they were asked for."""
    empty = [region.name for region in regions if not region.mask.any()]
    if empty and (asked_for or len(empty) == len(regions)):
        msg = f"mask= leaves no voxel of {join_names(empty)}."
        raise ValueError(msg)
    if empty:
        warnings.warn(
            f"mask= leaves no voxel of {join_names(empty)}; they are left out. Check that mask= and the atlas are of "
            "one brain.",
            UserWarning,
            stacklevel=4,
        )
    return [region for region in regions if region.mask.any()]
