"""What a file of features holds: one array per layer, and names of the items where it has them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from alignkit._check import join_names
from alignkit._io import MAX_BYTES
from alignkit._typing import AnyArray

#: The layer of an array that has no name of its own.
BARE = "features"
#: Suffixes that are dropped when names of images are compared with names of arrays, as thingsvision drops them.
_IMAGE = frozenset({".bmp", ".eps", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
#: Names under which files keep the names of their items, when they hold several texts.
NAMES = ("labels", "names", "file_names", "filenames", "image_names", "items", "stimuli", "name", "label")
_SPLIT = re.compile(r"features_(\d{2,})")


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One array of numbers in a file, not read yet.

    Parameters
    ----------
    shape : tuple of int
        Items first.
    n_bytes : int
        What it claims to need in memory.
    read : callable
        Returns it.
    """

    shape: tuple[int, ...]
    n_bytes: int
    read: Callable[[], AnyArray]

    @classmethod
    def of(cls, array: AnyArray) -> Entry:
        """Return the entry of an array in memory."""
        return cls(array.shape, array.size * array.dtype.itemsize, lambda: array)


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """The layers of one file.

    Parameters
    ----------
    layers : dict of str to Entry
        At least one.
    names : list of str or None
        One per item.
    manifest : mapping
        Where the features come from, as far as the file says.
    """

    layers: dict[str, Entry]
    names: Sequence[str] | None = None
    manifest: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def n_items(self) -> int:
        """Number of items; 0 for an array without axes."""
        shape = next(iter(self.layers.values())).shape
        return shape[0] if shape else 0

    def read(self, layer: str) -> AnyArray:
        """Return one layer as the file holds it."""
        return self.layers[layer].read()


def settle(
    path: Path,
    arrays: Mapping[str, Entry],
    texts: Mapping[str, Sequence[str]],
    *,
    dataset: str | None = None,
    known: Sequence[str] = (),
    manifest: Mapping[str, Any] | None = None,
) -> Content:
    """Return a file's arrays as layers of the same items.

    Arrays of one row each, or named as the items that are ``known``, are the items themselves, as thingsvision's
    ``.mat`` files hold them; ``features_01``, ``features_02`` ... are parts of one array.

    Raises
    ------
    ValueError
        No array of numbers, none of the name asked for, arrays of different numbers of rows, or of too many bytes.
    """
    chosen = _joined(path, _choose(path, arrays, dataset))
    layers = _as_items(chosen, known)
    if layers is not None:
        return Content({BARE: _stacked(path, layers)}, list(layers), manifest or {})
    layers = _matrices(chosen)
    counts = {name: entry.shape[:1] for name, entry in layers.items()}
    if len(set(counts.values())) > 1:
        shapes = ", ".join(f"{name!r}: {' x '.join(map(str, layers[name].shape))}" for name in list(layers)[:5])
        msg = f"{path} holds arrays of different numbers of rows ({shapes}); name one with dataset=."
        raise ValueError(msg)
    for name, entry in layers.items():
        check_size(path, name, entry.n_bytes)
    if len(layers) == 1:
        layers = {BARE: next(iter(layers.values()))}
    content = Content(layers, manifest=manifest or {})
    return dataclasses.replace(content, names=_names(path, texts, content.n_items))


def check_size(path: Path, name: str, n_bytes: int) -> None:
    """Raise when an array claims more memory than one file may: a few bytes can claim any shape."""
    if n_bytes > MAX_BYTES:
        msg = f"{path}: {name!r} takes {n_bytes / 2**30:.1f} GiB, more than the {MAX_BYTES / 2**30:g} GiB allowed."
        raise ValueError(msg)


def without_suffix(name: str) -> str:
    """Return the name of an image without the ending of its format."""
    path = PurePosixPath(name)
    return name[: -len(path.suffix)] if path.suffix.lower() in _IMAGE else name


def _choose(path: Path, arrays: Mapping[str, Entry], dataset: str | None) -> dict[str, Entry]:
    if not arrays:
        msg = f"{path} holds no array of real numbers."
        raise ValueError(msg)
    if dataset is None:
        return dict(arrays)
    if dataset not in arrays:
        msg = f"{path} holds no array {dataset!r}; it has {join_names(arrays, 12)}."
        raise ValueError(msg)
    return {dataset: arrays[dataset]}


def _matrices(arrays: dict[str, Entry]) -> dict[str, Entry]:
    """Leave out numbers and vectors beside the features (indices, sizes), unless there is nothing else."""
    matrices = {name: entry for name, entry in arrays.items() if len(entry.shape) > 1}
    if len({entry.shape[0] for entry in matrices.values()}) > 1:  # MATLAB's numbers and vectors have two axes
        matrices = {name: entry for name, entry in matrices.items() if min(entry.shape) > 1}
    return matrices or arrays


def _as_items(arrays: dict[str, Entry], known: Sequence[str]) -> dict[str, Entry] | None:
    """Return the arrays when each is one item's features, else None."""
    shapes = {entry.shape for entry in arrays.values()}
    if len(arrays) < 2 or len(shapes) != 1:
        return None
    shape = next(iter(shapes))
    one_row = len(shape) == 1 or (len(shape) == 2 and shape[0] == 1)
    return arrays if one_row or set(arrays) == {without_suffix(name) for name in known} else None


def _stacked(path: Path, items: dict[str, Entry]) -> Entry:
    n_bytes = sum(entry.n_bytes for entry in items.values())
    check_size(path, BARE, n_bytes)
    shape = next(iter(items.values())).shape

    def read() -> AnyArray:
        return np.stack([entry.read().reshape(-1) for entry in items.values()])

    return Entry((len(items), int(np.prod(shape))), n_bytes, read)


def _joined(path: Path, arrays: dict[str, Entry]) -> dict[str, Entry]:
    """Return ``features_01``, ``features_02`` ... as the one array that thingsvision split into them."""
    split = [name for name in arrays if _SPLIT.fullmatch(name)]
    if len(split) < 2:
        return arrays
    parts = [arrays[name] for name in in_order(path, split)]
    shape = (sum(part.shape[0] for part in parts), *parts[0].shape[1:])
    n_bytes = sum(part.n_bytes for part in parts)
    whole = Entry(shape, n_bytes, lambda: np.concatenate([part.read() for part in parts]))
    return {BARE: whole, **{name: entry for name, entry in arrays.items() if name not in split}}


def in_order(path: Path, names: Iterable[str]) -> list[str]:
    """Return the names of split features by their numbers, which must be 1, 2, 3 ...

    Raises
    ------
    ValueError
        A part is missing.
    """
    numbered = {int(found[1]): name for name in names if (found := _SPLIT.fullmatch(name))}
    missing = [number for number in range(1, max(numbered) + 1) if number not in numbered]
    if missing:
        msg = f"{path} lacks part {missing[0]} of the features that were split into it."
        raise ValueError(msg)
    return [numbered[number] for number in sorted(numbered)]


def _names(path: Path, texts: Mapping[str, Sequence[str]], n_items: int) -> Sequence[str] | None:
    fitting = {key: names for key, names in texts.items() if len(names) == n_items}
    if len(fitting) > 1:
        usual = [key for word in NAMES for key in fitting if key.rpartition("/")[2].lower() == word]
        if not usual:
            msg = f"{path} holds several texts that could name its items ({join_names(fitting)}); pass labels=."
            raise ValueError(msg)
        return fitting[usual[0]]
    return next(iter(fitting.values()), None)
