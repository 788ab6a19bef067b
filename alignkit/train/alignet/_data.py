"""All that a run of AligNet's student knows of its images: which triplets teach, which are chosen on, who is asked."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from alignkit.data import Things, dataset_path
from alignkit.data._item_manifest import read_item_manifest
from alignkit.models._items import list_images
from alignkit.rsa import Triplets
from alignkit.train._answers_file import read_answers
from alignkit.train._images import ImagesByObject, find_images
from alignkit.train._names_file import read_names
from alignkit.train._shown_items import ShownItems
from alignkit.train._splits import Splits, describe_splits, hold_out_objects, split_objects
from alignkit.train._things_items import images_folder, repeated_answers, things_at_hand
from alignkit.train.alignet._named_images import find_named
from alignkit.train.alignet._probe_images import ProbeImages, read_probe
from alignkit.train.alignet._teacher_triplets import TeacherTriplets
from alignkit.train.alignet.config import AligNetConfig

#: Fewer triplets say nothing about which weights are best.
_MIN_VAL = 10


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class AligNetData(ShownItems):
    """Images, the triplets that they are in, and what is known of the items that they show.

    Parameters
    ----------
    labels : tuple of str
        Names that triplets have for images (or for items, which may have several).
    images : tuple of tuples of Path, one per name
        The images.
    teaching, choosing : TeacherTriplets
        What weights are fitted to, and what they are chosen on; no image is in both.
    splits : Splits
        Of the names.
    arm : str
        What the similarities are.
    items : mapping of str to tuple of Path
        Images by the item that they show, where that is known.
    held_out_items : tuple of str
        Items whose images are in no triplet.
    answers, repeats : Triplets or None
        People's answers about items, and repeated ones.
    probe : ProbeImages or None
        Images with classes.
    notes : tuple of str
        What a reader should know about the data.
    """

    labels: tuple[str, ...]
    images: tuple[tuple[Path, ...], ...]
    teaching: TeacherTriplets
    choosing: TeacherTriplets
    splits: Splits
    arm: str
    items: ImagesByObject = dataclasses.field(default_factory=dict)
    held_out_items: tuple[str, ...] = ()
    answers: Triplets | None = None
    repeats: Triplets | None = None
    probe: ProbeImages | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"<AligNetData {len(self.teaching):,} triplets of {len(self.labels):,} images ({self.arm}); "
            f"{describe_splits(self.splits)}>"
        )


def photos_in_use(data: AligNetData, /) -> tuple[Path, ...]:
    """Return all images by number: of the triplets' names, of items that are scored, and the probe's.

    Training and scoring number them alike, so that what is computed once serves both.
    """
    val = {path for name in data.val for path in data.images[name]}
    held = set(data.held_out_items)
    scored = [paths for item, paths in data.items.items() if item in held or not val.isdisjoint(paths)]
    probe = () if data.probe is None else data.probe.paths
    return tuple(dict.fromkeys([*data.photos, *(path for paths in scored for path in paths), *probe]))


def read_data(config: AligNetConfig, /) -> AligNetData:
    """Read what a config names: triplets, images, what these show, and people's answers.

    Raises
    ------
    FileNotFoundError
        A file or folder that is not there.
    ValueError
        Triplets of images that are not there, too few of them on either side of the split, similarities of another arm
        than the config says, or anything else that does not fit; the sentence says what.
    """
    if config.triplets is None:
        msg = "triplets is not given; name a file of triplets with a teacher's similarities (alignkit align triplets)."
        raise ValueError(msg)
    folder = images_folder(config.images, config.root)
    things = things_at_hand(config.root) if _are_items_wanted(config, folder) else None
    items = _find_items(config, folder, things)
    held_items = _held_out(config, items)
    triplets, chosen = _read_triplets(config)
    images = find_named(triplets.names, list_images(folder), folder, items)
    splits = _split(config, triplets.names, images, items, held_items, chosen)
    teaching = triplets.within(splits.index("train", triplets.names))
    choosing = (triplets if chosen is None else chosen).within(splits.index("val", triplets.names))
    _check_enough(config, teaching, choosing, splits)
    answers, repeats = _read_people(config, things, items)
    return AligNetData(
        labels=triplets.names,
        images=images,
        teaching=teaching,
        choosing=choosing,
        splits=splits,
        arm=_arm(config, triplets),
        items=items,
        held_out_items=held_items,
        answers=answers,
        repeats=repeats,
        probe=None if config.probe is None else read_probe(config.probe, n=config.n_probe),
        notes=_notes(triplets, teaching, choosing),
    )


def _are_items_wanted(config: AligNetConfig, folder: Path) -> bool:
    named = (config.items, config.held_out, config.answers)
    own = dataset_path("things", root=config.root) / "photos"
    return any(path is not None for path in named) or folder.resolve() == own.resolve()


def _find_items(config: AligNetConfig, folder: Path, things: Things | None) -> ImagesByObject:
    """Return the images of each item, where the config or THINGS say what images show."""
    if config.items is not None and (things is None or not _of_things(config.items, things)):
        manifest = read_item_manifest(config.items)
        known = tuple(dict.fromkeys(item for shown in manifest.shown.values() for item in shown))
        return find_images(folder, known, items=config.items)
    if things is not None:
        return find_images(folder, things, items=config.items)
    wanted = config.held_out or config.answers
    if wanted is None:
        return {}
    # named by their files or folders
    names = {path.stem for path in list_images(folder)} | {path.parent.name for path in list_images(folder)}
    return find_images(folder, sorted(names))


def _of_things(path: Path, things: Things) -> bool:
    shown = {item for items in read_item_manifest(path).shown.values() for item in items}
    return shown <= set(things.labels)


def _held_out(config: AligNetConfig, items: ImagesByObject) -> tuple[str, ...]:
    if config.held_out is None:
        return ()
    return read_names(config.held_out, tuple(items), "items that have no images")


def _read_triplets(config: AligNetConfig) -> tuple[TeacherTriplets, TeacherTriplets | None]:
    """Return all triplets, and those that weights are to be chosen on where they have a file of their own."""
    assert config.triplets is not None
    triplets = TeacherTriplets.read(config.triplets, config.n_triplets)
    chosen = None
    if config.val_triplets is not None:
        chosen = TeacherTriplets.read(config.val_triplets)
        names = tuple(dict.fromkeys([*triplets.names, *chosen.names]))
        triplets, chosen = triplets.renamed(names), chosen.renamed(names)
    if config.arm == "shuffled" and triplets.arm != "shuffled":
        triplets = triplets.shuffled(config.split_seed)
        chosen = None if chosen is None else chosen.shuffled(config.split_seed)
    return triplets, chosen


def _arm(config: AligNetConfig, triplets: TeacherTriplets) -> str:
    if config.arm in (None, triplets.arm) or triplets.arm is None or config.arm == "shuffled":
        return config.arm or triplets.arm or "aligned"
    msg = f"arm is {config.arm!r}, but {config.triplets} says that its similarities are {triplets.arm}; leave arm out."
    raise ValueError(msg)


def _split(
    config: AligNetConfig,
    names: tuple[str, ...],
    images: tuple[tuple[Path, ...], ...],
    items: ImagesByObject,
    held_items: tuple[str, ...],
    chosen: TeacherTriplets | None,
) -> Splits:
    """Split names so that images of one item, and what one image shows, stay on one side."""
    shows: dict[Path, list[str]] = {}
    for item, paths in items.items():
        for path in paths:
            shows.setdefault(path, []).append(item)
    sources = [[one for path in own for one in (*shows.get(path, ()), path)] for own in images]
    held = set(held_items)
    out = [name for name, own in zip(names, sources, strict=True) if not held.isdisjoint(own)]
    if chosen is None:
        return split_objects(names, held_out=out, val_share=config.val_share, seed=config.split_seed, sources=sources)
    rest = hold_out_objects(names, held_out=out, sources=sources)
    val = {names[place] for place in np.unique(chosen.items)} & set(rest.train)
    train = tuple(name for name in rest.train if name not in val)
    return Splits(train, tuple(name for name in rest.train if name in val), rest.held_out, config.split_seed)


def _check_enough(config: AligNetConfig, teaching: TeacherTriplets, choosing: TeacherTriplets, splits: Splits) -> None:
    if not len(teaching):
        msg = f"no triplet of {config.triplets} has training images alone ({len(splits.train):,} of them)."
        raise ValueError(msg)
    if len(choosing) < _MIN_VAL:
        msg = (
            f"{len(choosing)} triplets are about the {len(splits.val):,} images to choose weights on alone, which is "
            "too few; sample more triplets, raise val_share, or give val_triplets."
        )
        raise ValueError(msg)


def _read_people(
    config: AligNetConfig, things: Things | None, items: ImagesByObject
) -> tuple[Triplets | None, Triplets | None]:
    if config.answers is not None:
        answers = read_answers(config.answers, tuple(items))
        return answers, repeated_answers(answers)
    return (None, None) if things is None else (things.test10, things.repeats)


def _notes(triplets: TeacherTriplets, teaching: TeacherTriplets, choosing: TeacherTriplets) -> tuple[str, ...]:
    kept = f"{len(teaching):,} of {len(triplets):,} triplets are about training images alone"
    return (f"{kept}, {len(choosing):,} about images that weights were chosen on.",)
