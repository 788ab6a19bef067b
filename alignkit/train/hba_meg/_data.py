"""All that a run of CLIP-HBA-MEG knows of its items: images, people's RDMs over time, splits, and answers."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import counted, join_names
from alignkit._config import read_toml
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.data import Things
from alignkit.meg._slices import Slices
from alignkit.rsa import RDM, Triplets
from alignkit.rsa._container import condensed_rdm
from alignkit.train._answers_file import read_answers
from alignkit.train._images import ImagesByObject, find_images
from alignkit.train._names_file import read_names
from alignkit.train._run_folder import CONFIG, SPLITS
from alignkit.train._shown_items import ShownItems
from alignkit.train._splits import Splits, describe_splits, hold_out_objects, split_objects
from alignkit.train._things_items import (
    images_folder,
    recognise_things,
    repeated_answers,
    restrict_answers,
    select48,
)
from alignkit.train.hba_meg._targets import read_people
from alignkit.train.hba_meg.config import HBAMEGConfig

#: Fewer items have too few pairs to choose epochs by.
MIN_ITEMS = 4
#: Bytes of one person's RDMs that are read at a time.
_BLOCK = 1 << 27


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class HBAMEGData(ShownItems):
    """Items that have images and RDMs over time; made by :func:`read_data`.

    Parameters
    ----------
    labels : tuple of str, shape (items,)
        Names of the items.
    images : tuple of tuples of Path, one per item
        What shows them; one photo may show several items.
    splits : Splits
        Items to train on, to choose on (none where there are too few), and held out.
    rdms : Slices
        RDMs of all people over these items, in this order, read from where they lie.
    test_rdms : Slices or None
        RDMs of some or all of these people from other sessions, over the same items and times.
    train_people, held_out_people : tuple of str
        Whose RDMs are trained on, and whose nothing is trained on.
    times : ndarray, shape (times,)
        Seconds.
    triplets, repeats : Triplets or None
        People's answers to be scored on, and repeated ones that give their ceiling, over ``labels``.
    rdm48 : RDM or None
        People's dissimilarities of those of THINGS' 48 fully sampled objects that have images and RDMs.
    name : str
        Of the RDMs.
    notes : tuple of str
        What a reader should know about the data.
    group_people, group_items : tuple of str
        Of a person's model: whose RDMs, of which items, the group's model was trained on, at which it started.
    """

    labels: tuple[str, ...]
    images: tuple[tuple[Path, ...], ...]
    splits: Splits
    rdms: Slices
    test_rdms: Slices | None
    train_people: tuple[str, ...]
    held_out_people: tuple[str, ...]
    times: FloatArray
    triplets: Triplets | None = None
    repeats: Triplets | None = None
    rdm48: RDM | None = None
    name: str = ""
    notes: tuple[str, ...] = ()
    group_people: tuple[str, ...] = ()
    group_items: tuple[str, ...] = ()

    def __repr__(self) -> str:
        people = f"{counted(len(self.train_people), 'participant')} to train on"
        if self.held_out_people:
            people += f", {len(self.held_out_people)} held out"
        return (
            f"<HBAMEGData {len(self.labels):,} items, {len(self.photos):,} images, {counted(len(self.times), 'time')} "
            f"of {self.name}; {people}; {describe_splits(self.splits)}>"
        )

    @property
    def people(self) -> tuple[str, ...]:
        """Names of all people, in the order of ``rdms``."""
        return self.rdms.subjects

    def movie(self, items: IntArray, people: Sequence[str], /, *, test: bool = False) -> RDM:
        """Return people's RDMs over time of some items.

        Parameters
        ----------
        items : ndarray of int
            Rows of the items, each at most once; the RDMs have their order.
        people : sequence of str
            Names.
        test : bool
            Those of the other sessions.

        Returns
        -------
        RDM
            With the axes ``("subject", "time")``, labels, and times in seconds; float32. Pairs without a number stay
            NaN.

        Raises
        ------
        ValueError
            People who have no such RDMs.
        """
        slices = self.test_rdms if test else self.rdms
        known = () if slices is None else slices.subjects
        missing = [name for name in people if name not in known]
        if missing or slices is None:
            which = "from other sessions" if test else "in the data"
            msg = f"there are no RDMs {which} of {join_names(missing or people)}; there are those of "
            msg += f"{join_names(known) or 'nobody'}."
            raise ValueError(msg)
        part = slices.take(np.asarray(items, dtype=np.int64))
        values: AnyArray = np.empty((len(people), part.n_times, part.n_pairs), dtype=np.float32)
        step = max(1, _BLOCK // (8 * self.rdms.n_pairs))
        for own, name in zip(values, people, strict=True):
            person = part.one(name)
            for start in range(0, part.n_times, step):
                stop = min(start + step, part.n_times)
                own[start:stop] = person.read(start, stop)[0]
        coords = {"subject": np.array(list(people)), "time": self.times}
        return condensed_rdm(values, part.labels, dims=("subject", "time"), coords=coords, metric=part.metric)


def read_data(config: HBAMEGConfig, /, *, warn: bool = False) -> HBAMEGData:
    """Read what a config names: people's RDMs, images, splits, answers.

    Items are those that have both RDMs and an image; the 48 fully sampled objects of THINGS are held out, besides those
    that the config names.

    Parameters
    ----------
    config : HBAMEGConfig
    warn : bool
        Warn of items that have no image as well, and not in the notes alone: before training, when it is not too late.

    Raises
    ------
    FileNotFoundError
        A file or folder that is not there.
    ValueError
        People who are not in the RDMs, fewer than three items, or anything else that does not fit; the sentence says
        what.
    """
    rdms = read_people(config)
    known = rdms.labels or ()
    train_people, held_out_people = _people(config, rdms.subjects)
    things, always, notes = recognise_things(known, config.root)
    images = _images(config, known, things)
    labels = tuple(label for label in known if label in images)
    of_images = _without_images(known, labels)
    for note in of_images if warn else ():
        warnings.warn(note, stacklevel=2)
    rdms = rdms.take(np.array([i for i, label in enumerate(known) if label in images], dtype=np.int64))
    test_rdms = _test_rdms(config, rdms) if config.test_rdms else None
    shown = tuple(images[label] for label in labels)
    held = () if config.held_out is None else read_names(config.held_out, known, "items that the RDMs do not have")
    splits, of_splits = _splits(config, labels, shown, [*held, *always])
    answers = None if config.triplets is None else read_answers(config.triplets, known)
    own = config.triplets is not None or things is None
    return HBAMEGData(
        labels=labels,
        images=shown,
        splits=splits,
        rdms=rdms,
        test_rdms=test_rdms,
        train_people=train_people,
        held_out_people=held_out_people,
        times=rdms.times,
        triplets=restrict_answers(answers if own else things.test10, labels),  # type: ignore[union-attr]
        repeats=restrict_answers(repeated_answers(answers) if own else things.repeats, labels),  # type: ignore[union-attr]
        rdm48=None if things is None else select48(things.rdm48, labels),
        name=_name(config),
        notes=(*notes, *of_images, *of_splits, *_known_to_start(config, splits), *_without_test(rdms, test_rdms)),
    )


def _people(config: HBAMEGConfig, known: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return who is trained on and who is held out, in the order of the RDMs."""
    subject = () if config.subject in (None, "all") else (str(config.subject),)
    named = {"people": config.people, "held_out_people": config.held_out_people, "subject": subject}
    for field, names in named.items():
        unknown = [name for name in names if name not in known]
        if unknown:
            msg = f"{field} names {join_names(unknown)}, but the RDMs are those of {join_names(known, 12)}."
            raise ValueError(msg)
        if len(set(names)) < len(names):
            msg = f"{field} names somebody twice: {join_names(names, 12)}."
            raise ValueError(msg)
    held_out = tuple(name for name in known if name in config.held_out_people)
    chosen = config.people or [name for name in known if name not in held_out]
    train = tuple(name for name in known if name in chosen)
    if not train:
        msg = f"all {counted(len(known), 'participant')} are held out; leave out of held_out_people whom to train on."
        raise ValueError(msg)
    return train, held_out


def _images(config: HBAMEGConfig, known: Sequence[str], things: Things | None) -> ImagesByObject:
    if things is None and config.images is None:
        msg = "images is not given; name the folder that holds the images of the items."
        raise ValueError(msg)
    folder = images_folder(config.images, config.root)
    if things is None or not set(known) <= set(things.labels):
        return find_images(folder, known, items=config.items)
    found = find_images(folder, things, items=config.items)
    return {label: found[label] for label in known if label in found}


def _test_rdms(config: HBAMEGConfig, rdms: Slices) -> Slices:
    """Return RDMs of other sessions over the same items, in the same order, and times."""
    test = read_people(config, test=True)
    strangers = [name for name in test.subjects if name not in rdms.subjects]
    if strangers:
        msg = f"test_rdms are of {join_names(strangers)} too, of whom rdms have nothing; call people alike in both."
        raise ValueError(msg)
    if len(test.times) != len(rdms.times) or np.abs(test.times - rdms.times).max() > 1e-6:
        spans = [f"{len(one.times):,} ({one.times[0]:g} to {one.times[-1]:g} s)" for one in (rdms, test)]
        msg = f"rdms and test_rdms have different times: {spans[0]} and {spans[1]}; give both on one grid."
        raise ValueError(msg)
    position = {label: i for i, label in enumerate(test.labels or ())}
    missing = [label for label in rdms.labels or () if label not in position]
    if missing:
        msg = f"test_rdms lack {counted(len(missing), 'item')} that rdms have: {join_names(missing)}."
        raise ValueError(msg)
    test = test.take(np.array([position[label] for label in rdms.labels or ()], dtype=np.int64))
    same = [name for name in test.subjects if _are_the_same(rdms.one(name), test.one(name))]
    if same:
        msg = f"test_rdms hold the very numbers that rdms have of {join_names(same)}; give RDMs of other sessions, or "
        msg += "leave test_rdms away."
        raise ValueError(msg)
    return test


def _are_the_same(rdms: Slices, test: Slices) -> bool:
    """Return whether two RDMs over time of one person are the same in the middle of it, and no constant."""
    middle = rdms.n_times // 2
    a, b = (one.read(middle, middle + 1) for one in (rdms, test))
    numbers = a[~np.isnan(a)]
    return numbers.size > 0 and numbers.min() < numbers.max() and np.array_equal(a, b, equal_nan=True)


def _splits(
    config: HBAMEGConfig, labels: Sequence[str], shown: Sequence[tuple[Path, ...]], held_out: Sequence[str]
) -> tuple[Splits, list[str]]:
    """Return splits, without items to choose on where there are too few, and what is to be said of them."""
    options: dict[str, Any] = {"held_out": held_out, "seed": config.split_seed, "sources": shown}
    try:
        chosen = split_objects(labels, val_share=config.val_share, **options) if config.val_share else None
    except ValueError:
        chosen = None
    if chosen is not None and len(chosen.val) >= MIN_ITEMS:
        return chosen, []
    few = f"{counted(len(labels), 'item')} are too few to set any apart to choose epochs on"
    if not config.val_share:
        few = "No items are set apart to choose epochs on (val_share is 0)"
    splits = hold_out_objects(labels, **options)
    if splits.held_out:
        return splits, [f"{few}; models are tested on {counted(len(splits.held_out), 'item')} held out."]
    what = "scores of people who were trained on are in-sample, and say how well a model was fitted"
    return splits, [f"{few} or to test on: {what}."]


def _known_to_start(config: HBAMEGConfig, splits: Splits) -> list[str]:
    """Return what is to be said of held-out items that the run which training starts at was fitted to."""
    said, start, what = [], config.start, "the model starts"
    for _ in range(2):  # a person's starts at the group's, and that at another method's
        if start is None or not (start / SPLITS).is_file():
            break
        seen = Splits.load(start / SPLITS)
        known = [name for name in splits.held_out if name in {*seen.train, *seen.val}]
        if known:
            said.append(
                f"{len(known):,} of the {counted(len(splits.held_out), 'item')} held out were trained or chosen on by "
                f"the run in {start}, at which {what}: {join_names(known)}."
            )
        start, what = _start_of(start), "its start started"
    return said


def _start_of(run: Path) -> Path | None:
    """Return the run at which a run started, as its settings say."""
    named = read_toml(run / CONFIG).get("start") if (run / CONFIG).is_file() else None
    return Path(named) if isinstance(named, str) else None


def _without_images(known: Sequence[str], labels: Sequence[str]) -> list[str]:
    missing = sorted(set(known) - set(labels))
    if len(labels) < 3:
        msg = f"{len(labels)} of the {len(known)} items of the RDMs have images, fewer than 3; the others are "
        msg += f"{join_names(missing)}."
        raise ValueError(msg)
    if not missing:
        return []
    return [f"{len(missing):,} of the {len(known):,} items of the RDMs have no image: {join_names(missing)}."]


def _without_test(rdms: Slices, test: Slices | None) -> list[str]:
    missing = [] if test is None else [name for name in rdms.subjects if name not in test.subjects]
    if not missing:
        return []
    return [
        f"{len(missing)} of {counted(rdms.n_subjects, 'participant')} have no RDMs from other sessions: "
        f"{join_names(missing)}."
    ]


def _name(config: HBAMEGConfig) -> str:
    first = config.rdms[0]
    return first.stem if len(config.rdms) == 1 else f"{first.parent.name} ({len(config.rdms)} files)"
