"""Labelled images that a student is not trained on: what it may have forgotten shows there."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from alignkit._typing import IntArray
from alignkit.models._items import list_images

#: Images of each class, half of them to learn it from.
_MIN = 4


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class ProbeImages:
    """Images with classes, in two halves of the same classes.

    Parameters
    ----------
    paths : tuple of Path
        The images.
    classes : ndarray of int, shape (n,)
        The class of each.
    names : tuple of str
        Of the classes.
    """

    paths: tuple[Path, ...]
    classes: IntArray
    names: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<ProbeImages {len(self.paths):,} of {len(self.names)} classes>"


def read_probe(folder: Path, /, *, n: int, seed: int = 0) -> ProbeImages:
    """Return images of a folder that has a subfolder per class.

    Parameters
    ----------
    folder : pathlib.Path
        Subfolders within these are searched too.
    n : int
        Images to take, about equally many of each class, drawn at random.
    seed : int
        Of the draw.

    Raises
    ------
    FileNotFoundError
        No such folder.
    ValueError
        Fewer than two classes, or fewer than four images of one.
    """
    if not folder.is_dir():
        msg = f"the folder of probe images {folder} does not exist; name one with a subfolder per class."
        raise FileNotFoundError(msg)
    paths: dict[str, list[Path]] = {}
    for path in list_images(folder):
        parts = path.relative_to(folder).parts
        if len(parts) > 1:
            paths.setdefault(parts[0], []).append(path)
    few = [name for name, own in paths.items() if len(own) < _MIN]
    if len(paths) < 2 or few:
        what = f"{few[0]} has {len(paths[few[0]])} images" if few else f"it has {len(paths)}"
        msg = f"{folder} must have a subfolder per class, at least two, each with {_MIN} images or more; {what}."
        raise ValueError(msg)
    each = max(_MIN, n // len(paths))
    rng = np.random.default_rng(seed)
    chosen: list[Path] = []
    classes: list[int] = []
    for number, own in enumerate(paths.values()):
        drawn = rng.permutation(len(own))[:each]
        chosen += [own[i] for i in np.sort(drawn)]
        classes += [number] * len(drawn)
    return ProbeImages(tuple(chosen), np.array(classes, dtype=np.int64), tuple(paths))
