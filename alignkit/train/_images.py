"""Which images show which object, and reading them; one that is missing or broken is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from alignkit._check import join_names
from alignkit._threads import n_threads
from alignkit._typing import FloatArray, IntArray, PathLike
from alignkit.data import Things, match_things
from alignkit.data._item_manifest import read_item_manifest, stem
from alignkit.models._items import Item, UnreadableError, list_images
from alignkit.models._preprocess import Preprocess

if TYPE_CHECKING:
    from PIL.Image import Image

_Number = TypeVar("_Number", np.float32, np.uint8)
#: Images of an object, by the object's name.
ImagesByObject = dict[str, tuple[Path, ...]]


def photos_of_objects(photos_of: Sequence[IntArray], objects: IntArray, /) -> tuple[IntArray, IntArray, IntArray]:
    """Return the photos of objects, once each, and how to go back from these to the objects.

    Parameters
    ----------
    photos_of : sequence of ndarray, one per object
        Numbers of each one's photos.
    objects : ndarray of int
        Which objects.

    Returns
    -------
    photos : ndarray of int
        Distinct numbers, increasing.
    where : ndarray of int
        Where each object's photos, object by object, stand among them.
    sizes : ndarray of int, shape (objects,)
        How many each object has.
    """
    chosen = [photos_of[int(number)] for number in objects]
    photos, where = np.unique(np.concatenate(chosen), return_inverse=True)
    return photos, where, np.array([len(own) for own in chosen], dtype=np.int64)


def mean_over_photos(rows: FloatArray, sizes: IntArray, /) -> FloatArray:
    """Return the mean row of each object, shape (objects, channels), of rows that come object by object."""
    means: FloatArray = np.add.reduceat(rows, np.cumsum([0, *sizes[:-1]]), axis=0) / sizes[:, None]
    return means


def find_images(folder: PathLike, known: Things | Sequence[str], /, *, items: PathLike | None = None) -> ImagesByObject:
    """Return the images of each known object, in the order of the objects; objects without one are left out.

    Parameters
    ----------
    folder : path
        Searched with its subfolders.
    known : Things or sequence of str
        The objects.
    items : path, optional
        Table with the columns ``file`` and ``item`` (``concept``, ``uniqueID``): what each image shows, one or several
        objects. By default the photos' manifest of THINGS where there is one, else the image's or its folder's name.

    Raises
    ------
    FileNotFoundError
        No such folder, no images in it, or an image of the table that is not there.
    ValueError
        No image shows a known object, or a damaged table.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        msg = f"the folder of images {folder} {what}; name the folder that holds them."
        raise (NotADirectoryError if folder.exists() else FileNotFoundError)(msg)
    paths = list_images(folder)
    if not paths:
        msg = f"{folder} holds no images (subfolders were searched too)."
        raise FileNotFoundError(msg)
    names = [path.relative_to(folder).as_posix() for path in paths]
    pairs = _by_concept(names, known, items) if isinstance(known, Things) else _by_name(names, known, items, folder)
    found: dict[str, list[Path]] = {}
    for row, name in pairs:
        found.setdefault(name, []).append(paths[row])
    labels = known.labels if isinstance(known, Things) else known
    return {label: tuple(found[label]) for label in labels if label in found}


def _by_concept(names: Sequence[str], things: Things, items: PathLike | None) -> list[tuple[int, str]]:
    match = match_things(names, things, manifest=items)
    return [(int(row), concept) for row, concept in zip(match.rows, match.concepts, strict=True)]


def _by_name(names: Sequence[str], known: Sequence[str], items: PathLike | None, folder: Path) -> list[tuple[int, str]]:
    objects = set(known)
    if items is None:
        shown = [_named(name, objects) for name in names]
        pairs = [(row, name) for row, name in enumerate(shown) if name is not None]
    else:
        manifest = read_item_manifest(items)
        files = manifest.find(names)
        lost = [file for file in manifest.shown if file not in set(files)]
        if lost:
            msg = f"{items} lists images that are not in {folder}: {join_names(lost)}."
            raise FileNotFoundError(msg)
        pairs = [
            (row, item)
            for row, file in enumerate(files)
            if file is not None
            for item in manifest.shown[file]
            if item in objects
        ]
    if not pairs:
        msg = (
            f"none of the {len(names):,} images in {folder} ({join_names(names, 3)}) shows one of the items of the "
            f"targets ({join_names(known, 3)}): name images or their folders as the items, or give items=, a csv with "
            "the columns file and item."
        )
        raise ValueError(msg)
    return pairs


def _named(name: str, objects: set[str]) -> str | None:
    path = Path(name)
    return next((one for one in (name, path.name, stem(path), path.parent.name) if one in objects), None)  # type: ignore[arg-type]


def open_photo(path: Path, /) -> Image:
    """Return the image in a file; ValueError names one that is missing or cannot be read."""
    try:
        return Item(path.name, path).read()[0]
    except UnreadableError as error:
        raise _unusable(path, error.reason) from error


def read_images(
    photos: Sequence[Any], preprocess: Preprocess, /, *, read: Callable[[Any], Image] = open_photo
) -> npt.NDArray[np.float32]:
    """Return preprocessed images, shape (n, 3, size, size), float32; several are decoded at a time.

    Parameters
    ----------
    photos : sequence
        Files, or whatever ``read`` makes images of.
    preprocess : Preprocess
    read : callable
        Called by several threads.

    Raises
    ------
    ValueError
        An image that is missing or cannot be read; the sentence names it.
    """
    return np.stack(_each(photos, preprocess, read))


def read_pixels(
    photos: Sequence[Any], preprocess: Preprocess, /, *, read: Callable[[Any], Image] = open_photo
) -> npt.NDArray[np.uint8]:
    """Return images in their final size, not normalised yet, shape (n, size, size, 3), uint8; errors as above."""
    return np.stack(_each(photos, preprocess.pixels, read))


def _each(
    photos: Sequence[Any], prepare: Callable[[Image], npt.NDArray[_Number]], read: Callable[[Any], Image]
) -> list[npt.NDArray[_Number]]:
    def one(photo: Any) -> npt.NDArray[_Number]:
        image = read(photo)
        try:
            return prepare(image)
        except ValueError as error:
            raise _unusable(photo, str(error)) from error

    workers = min(n_threads(), len(photos))
    if workers <= 1:
        return [one(photo) for photo in photos]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, photos))


def _unusable(photo: object, reason: str) -> ValueError:
    return ValueError(f"the image {photo} cannot be read ({reason.rstrip('.')}); repair it or take it out.")
