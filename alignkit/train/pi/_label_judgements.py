"""Judgements that class labels alone would make: the control that tells people's judgements from supervision."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alignkit._typing import IntArray
from alignkit.models._items import list_images


def draw_label_judgements(folder: Path, n: int, /, *, seed: int) -> tuple[tuple[str, ...], tuple[Path, ...], IntArray]:
    """Draw judgements from a folder with a subfolder per class: the image of the same class is the closer one.

    Parameters
    ----------
    folder : Path
        Images in ``folder/CLASS/...``.
    n : int
        Judgements to draw. References are drawn evenly over classes.
    seed : int

    Returns
    -------
    names : tuple of str
        Of the images that were drawn: their paths in the folder.
    photos : tuple of Path
        These images.
    items : ndarray of int, shape (n, 3)
        Reference, an image of its class, and one of another.

    Raises
    ------
    FileNotFoundError
        No such folder, or no images in it.
    ValueError
        Fewer than two classes with two images each.
    """
    if not folder.is_dir():
        msg = f"the folder {folder}, with a subfolder of images per class, does not exist."
        raise FileNotFoundError(msg)
    photos = tuple(list_images(folder))
    names = tuple(photo.relative_to(folder).as_posix() for photo in photos)
    members: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        if "/" in name:
            members.setdefault(name.split("/", 1)[0], []).append(i)
    classes = [np.array(own) for own in members.values() if len(own) > 1]
    if len(classes) < 2:
        msg = f"{folder} must have at least two subfolders (classes) with at least two images each."
        raise ValueError(msg)
    rng = np.random.default_rng([seed, n])
    items = np.empty((n, 3), dtype=np.int64)
    for row in range(n):
        same, other = rng.choice(len(classes), 2, replace=False)
        items[row, :2] = rng.choice(classes[same], 2, replace=False)
        items[row, 2] = rng.choice(classes[other])
    # a folder may hold a million others, which nothing is asked about
    drawn, rows = np.unique(items, return_inverse=True)
    return tuple(names[i] for i in drawn), tuple(photos[i] for i in drawn), rows.reshape(items.shape).astype(np.int64)
