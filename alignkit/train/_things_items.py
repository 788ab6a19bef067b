"""Items that may be concepts of THINGS: its files, its 48 fully sampled objects, and people's answers among items."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alignkit._check import join_names
from alignkit._typing import PathLike
from alignkit.data import Things, dataset_path, load_things, match_things
from alignkit.data._things48 import THINGS48
from alignkit.rsa import RDM, Triplets
from alignkit.rsa._grouping import triplet_codes

#: With fewer of the 48 objects there is no correlation worth logging.
_MIN_RDM48 = 10
_OWN_NAMES = (
    "Items are concepts of THINGS under names of images: the 48 are held out, and people's answers are found once "
    "items are named by uniqueID."
)
_BY_NAME = "THINGS' files are not at hand; items named as its 48 fully sampled objects ({}) are held out all the same."


def things_at_hand(root: PathLike | None, /) -> Things | None:
    """Return THINGS where its files are at hand."""
    if not dataset_path("things", "things_concepts.tsv", root=root).is_file():
        return None
    try:
        return load_things(root)
    except FileNotFoundError:
        return None


def recognise_things(
    labels: Sequence[str], root: PathLike | None, /
) -> tuple[Things | None, tuple[str, ...], tuple[str, ...]]:
    """Return what THINGS has to say about items of one's own.

    Returns
    -------
    things : Things or None
        Where its files are at hand and most items are named after its concepts.
    always : tuple of str
        Items that are among the 48, which nobody trains on.
    notes : tuple of str
        What a reader should know of this.
    """
    things = things_at_hand(root)
    if things is None:
        always = of_the_48(labels)
        return None, always, (_BY_NAME.format(join_names(always)),) if always else ()
    if 2 * len(_named(labels, things.labels)) <= len(labels):
        return None, (), ()
    return things, of_the_48(labels), () if set(labels) & set(things.labels) else (_OWN_NAMES,)


def of_the_48(labels: Sequence[str], /) -> tuple[str, ...]:
    """Return the items that are among the 48 fully sampled objects of THINGS."""
    named = _named(labels, THINGS48)
    return tuple(label for label in labels if label in named)


def _named(labels: Sequence[str], concepts: Sequence[str]) -> set[str]:
    """Return the items named after these concepts, by their ids or as their images are (``beaver_01b.jpg``)."""
    try:
        return set(match_things(labels, concepts).labels)
    except ValueError:
        return set()


def select48(rdm48: RDM | None, labels: Sequence[str], /) -> RDM | None:
    """Return people's dissimilarities of those of the 48 that are among the items; None where they are too few."""
    if rdm48 is None:
        return None
    held = set(labels)
    there = [label for label in rdm48.labels or () if label in held]
    return rdm48.select(there) if len(there) >= _MIN_RDM48 else None


def images_folder(images: Path | None, root: PathLike | None, /) -> Path:
    """Return the folder of images: the one that is given, else that of THINGS' photos.

    Raises
    ------
    FileNotFoundError
        There is none.
    """
    if images is not None:
        return images
    folder = dataset_path("things", root=root) / "photos"
    if not folder.is_dir():
        msg = f"images is not given, and there are no photos of THINGS at {folder}; name the folder of images."
        raise FileNotFoundError(msg)
    return folder


def restrict_answers(triplets: Triplets | None, labels: Sequence[str], /) -> Triplets | None:
    """Return the answers among these objects, numbered in their order; None where there are none."""
    if triplets is None or triplets.labels == tuple(labels):
        return triplets
    try:
        return triplets.restrict(labels)
    except ValueError:
        if triplets.labels is None:
            raise
        return None


def repeated_answers(answers: Triplets | None, /) -> Triplets | None:
    """Return the answers to triplets that were answered more than once."""
    if answers is None:
        return None
    _, code = triplet_codes(answers.items)
    again = np.bincount(code)[code] > 1
    return answers.take(again) if again.any() else None
