"""What a chain knows before its first step: items and their photos, people's answers, images, and who is held out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from alignkit._check import join_names
from alignkit._typing import IntArray
from alignkit.data import Things
from alignkit.data._item_manifest import read_item_manifest
from alignkit.models import open_features
from alignkit.models._items import list_images
from alignkit.rsa import Triplets
from alignkit.train._answers_file import read_answers
from alignkit.train._images import ImagesByObject, find_images
from alignkit.train._names_file import read_names
from alignkit.train._splits import Splits, hold_out_objects, split_objects
from alignkit.train._things_items import images_folder, repeated_answers, restrict_answers, things_at_hand
from alignkit.train.alignet._chain_config import AligNetChainConfig

#: Fewer answers to learn from make no teacher.
_MIN_ANSWERS = 30


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ChainData:
    """Items, photos and answers of a chain.

    Parameters
    ----------
    folder : Path
        The images to learn from.
    photos : mapping of str to tuple of Path
        Photos of each item; empty where only features of the items are known.
    apart : bool
        Whether these photos lie elsewhere than the images.
    splits : Splits
        Of the items: ``train`` is learned from, ``held_out`` is scored on.
    images : mapping of str to Path
        Images by their names, without those of held-out items.
    sides : Splits
        Of these images: triplets to train on, and to choose weights on.
    answers : Triplets
        All answers, with names.
    repeats : Triplets or None
        Repeated ones.
    things : Things or None
        Where its files are at hand and the items are its concepts.
    """

    folder: Path
    photos: ImagesByObject
    apart: bool
    splits: Splits
    images: dict[str, Path]
    sides: Splits
    answers: Triplets
    repeats: Triplets | None
    things: Things | None

    def learned(self, kept: Triplets | None = None) -> Triplets:
        """Return the answers about items that are not held out alone."""
        found = restrict_answers(self.answers if kept is None else kept, self.splits.train)
        n = 0 if found is None else len(found)
        if found is None or n < _MIN_ANSWERS:
            msg = (
                f"{n} answers are about the {len(self.splits.train):,} items that are learned from alone, which is too "
                "few for a teacher; hold out fewer items, or name photos (features) of more of them."
            )
            raise ValueError(msg)
        return found

    def sources(self) -> list[tuple[Path, ...]]:
        """Return the photos of each item that is learned from: items that share one belong together."""
        return [self.photos.get(name, ()) for name in self.splits.train]

    def groups(self) -> IntArray | None:
        """Return a number for each item that is learned from, the same for those that share a photo."""
        from alignkit.train._splits import linked_objects

        return linked_objects(self.splits.train, self.sources()) if self.photos else None


def read_chain_data(config: AligNetChainConfig, /) -> ChainData:
    """Read what a config names, and divide items and images.

    Raises
    ------
    FileNotFoundError
        A file or folder that is not there.
    ValueError
        Items without photos, features or answers, or too few of them on one side; the sentence says which.
    """
    folder = images_folder(config.images, config.root)
    things = things_at_hand(config.root)
    photos, names = _items(config, folder, things)
    answers, repeats = _answers(config, things, names)
    assert answers.labels is not None
    known = set(answers.labels)
    judged = [name for name in names if name in known]
    splits = hold_out_objects(
        judged, held_out=_held_out(config, judged), seed=config.split_seed, sources=[photos.get(n, ()) for n in judged]
    )
    paths = {path.relative_to(folder).as_posix(): path for path in list_images(folder)}
    shows: dict[Path, list[str]] = {}
    for item, own in photos.items():
        for path in own:
            shows.setdefault(path, []).append(item)
    closed = set(splits.held_out)
    images = {name: path for name, path in paths.items() if closed.isdisjoint(shows.get(path, ()))}
    sides = split_objects(
        images,
        val_share=config.val_share,
        seed=config.split_seed,
        sources=[(*shows.get(path, ()), path) for path in images.values()],
    )
    is_things = things is not None and len(set(things.labels) & known) > 0
    apart = config.item_images is not None and config.item_images.resolve() != folder.resolve()
    return ChainData(folder, photos, apart, splits, images, sides, answers, repeats, things if is_things else None)


def _items(config: AligNetChainConfig, folder: Path, things: Things | None) -> tuple[ImagesByObject, tuple[str, ...]]:
    """Return photos of items, and the names of all items that a teacher can learn from."""
    where = config.item_images or folder
    if config.item_features is None:
        photos = find_images(where, _named(config, where, things), items=config.items)
        return photos, tuple(photos)
    labels = open_features(config.item_features).labels
    if labels is None:
        msg = f"item_features {config.item_features} name no items; answers are about items by name."
        raise ValueError(msg)
    try:
        return find_images(where, labels, items=config.items), labels
    except ValueError:
        if config.item_images is not None or config.items is not None:
            raise
        return {}, labels  # the images are of something else: nothing can be scored, all else can be done


def _named(config: AligNetChainConfig, folder: Path, things: Things | None) -> Things | tuple[str, ...]:
    """Return the items that photos may show: those of a table, concepts of THINGS, or whatever the answers name."""
    if config.items is not None:
        shown = read_item_manifest(config.items).shown
        found = tuple(dict.fromkeys(item for items in shown.values() for item in items))
        return things if things is not None and set(found) <= set(things.labels) else found
    if config.answers is None and things is not None:
        return things
    paths = list_images(folder)
    names = tuple(sorted({path.stem for path in paths} | {path.parent.name for path in paths}))
    if config.answers is None:
        return names
    labels = read_answers(config.answers, names).labels
    return tuple(name for name in names if name in set(labels or ()))


def _answers(
    config: AligNetChainConfig, things: Things | None, names: tuple[str, ...]
) -> tuple[Triplets, Triplets | None]:
    if config.answers is not None:
        answers = read_answers(config.answers, names)
        return answers, repeated_answers(answers)
    if things is None:
        msg = "answers is not given, and those about THINGS are not at hand; name a file of odd-one-out answers."
        raise FileNotFoundError(msg)
    if not set(things.labels) & set(names):
        msg = f"none of the items ({join_names(names, 3)}) is a concept of THINGS; name people's answers about them."
        raise ValueError(msg)
    return things.test10, things.repeats


def _held_out(config: AligNetChainConfig, judged: list[str]) -> tuple[str, ...]:
    if config.held_out is not None:
        return read_names(config.held_out, tuple(judged), "items that have no photos (features) or no answers")
    order = np.random.default_rng(config.split_seed).permutation(len(judged))
    return tuple(judged[i] for i in order[: round(config.held_out_share * len(judged))])
