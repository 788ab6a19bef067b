"""All that a run of CLIP-HBA knows of its objects: images, targets, prompts, splits, and people's answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from alignkit._check import join_names
from alignkit._typing import FloatArray, PathLike
from alignkit.data import SimulatedLab, Things, load_things
from alignkit.rsa import RDM, Triplets
from alignkit.train._answers_file import read_answers
from alignkit.train._images import ImagesByObject, find_images
from alignkit.train._names_file import read_names
from alignkit.train._prompts import check_prompts, read_prompts, things_prompts
from alignkit.train._shown_items import ShownItems
from alignkit.train._splits import Splits, describe_splits, split_objects
from alignkit.train._things_items import (
    images_folder,
    of_the_48,
    recognise_things,
    repeated_answers,
    select48,
)
from alignkit.train._things_items import restrict_answers as restrict_answers
from alignkit.train.hba._targets import Targets, read_targets, scale_targets, things_targets
from alignkit.train.hba.config import HBAConfig


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class HBAData(ShownItems):
    """Objects that have images and targets; made by :func:`read_data`, :meth:`from_lab` or :func:`join_data`.

    Parameters
    ----------
    labels : tuple of str, shape (objects,)
        Names of the objects.
    images : tuple of tuples of Path, one per object
        What shows them; one photo may show several objects.
    targets : ndarray, shape (objects, dimensions)
        On a scale from 0 to 100.
    scale : (float, float)
        What 0 and 100 are in the targets' own units.
    dimensions, prompts : tuple of str, shape (dimensions,)
        Names of the dimensions, and what they are called in words.
    splits : Splits
        Objects to train on, to choose on, and held out.
    always : tuple of str
        Objects that are held out in every split: those of the 48 that have images (by whatever names).
    answers : Triplets or None
        People's answers to train on where the loss asks for them: those among training objects alone are used.
    triplets, repeats : Triplets or None
        Answers to be scored on, and repeated ones that give their ceiling, over ``labels``.
    rdm48 : RDM or None
        People's dissimilarities of those of the 48 fully sampled objects that have images.
    name : str
        Of the targets.
    notes : tuple of str
        What a reader should know about the data.
    """

    labels: tuple[str, ...]
    images: tuple[tuple[Path, ...], ...]
    targets: FloatArray
    scale: tuple[float, float]
    dimensions: tuple[str, ...]
    prompts: tuple[str, ...]
    splits: Splits
    always: tuple[str, ...] = ()
    answers: Triplets | None = None
    triplets: Triplets | None = None
    repeats: Triplets | None = None
    rdm48: RDM | None = None
    name: str = ""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"<HBAData {len(self.labels):,} objects, {len(self.photos):,} images, {len(self.dimensions)} dimensions "
            f"of {self.name}; {describe_splits(self.splits)}>"
        )

    def in_units(self, embedding: FloatArray, /) -> FloatArray:
        """Return an embedding on the scale from 0 to 100 in the targets' own units, whose dot products count."""
        low, high = self.scale
        return low + embedding / 100 * (high - low)

    def split(self, *, held_out: Iterable[str] = (), val_share: float, seed: int) -> Self:
        """Return the same data split anew, with other objects held out besides :attr:`always`."""
        out = [*held_out, *self.always]
        splits = split_objects(self.labels, held_out=out, val_share=val_share, seed=seed, sources=self.images)
        return dataclasses.replace(self, splits=splits)

    @classmethod
    def from_lab(cls, lab: SimulatedLab, folder: PathLike, /, *, val_share: float = 0.2, seed: int = 1) -> HBAData:
        """Return the simulated lab's data: its true latents to learn, its test objects held out.

        Targets are divided by the root of the simulated people's temperature, so that a softmax over dot products has
        the probabilities of their answers.

        Parameters
        ----------
        lab : SimulatedLab
            From :func:`alignkit.data.simulate`.
        folder : path
            Where the lab's images are, or are written to where one is missing.
        val_share, seed : float, int
            Of the split of the lab's training objects.
        """
        folder = Path(folder)
        try:
            images = find_images(folder, lab.labels)
        except FileNotFoundError:
            images = {}
        if len(images) < len(lab.labels):
            lab.export_images(folder)
            images = find_images(folder, lab.labels)
        latents = lab.embedding / np.sqrt(lab.noise) if lab.noise > 0 else lab.embedding
        targets = scale_targets(
            latents, lab.labels, lab.dimension_names, name="the simulated lab's latents", limits=None
        )
        return join_data(
            targets,
            lab.dimension_names,
            images,
            held_out=lab.split["test"],
            val_share=val_share,
            seed=seed,
            answers=lab.triplets,
            triplets=lab.held_out,
            repeats=lab.repeats,
            notes=("Objects and people are simulated; nothing here says anything about real people.",),
        )


def join_data(
    targets: Targets,
    prompts: Sequence[str],
    images: ImagesByObject,
    /,
    *,
    held_out: Iterable[str] = (),
    val_share: float = 0.2,
    seed: int = 1,
    answers: Triplets | None = None,
    triplets: Triplets | None = None,
    repeats: Triplets | None = None,
    rdm48: RDM | None = None,
    always: Iterable[str] = (),
    notes: Iterable[str] = (),
) -> HBAData:
    """Return what objects with both images and targets have, all matched by name.

    Parameters
    ----------
    targets : Targets
        What to learn.
    prompts : sequence of str, shape (dimensions,)
        In the order of the targets' dimensions.
    images : mapping of str to tuple of Path
        Images by object.
    held_out : sequence of str
        Objects that nothing is fitted to or chosen on, besides those of ``rdm48``.
    val_share, seed : float, int
        Of the split of the others.
    answers, triplets, repeats : Triplets, optional
        Labelled answers: to train on, to be scored on, and for the ceiling.
    rdm48 : RDM, optional
        Labelled dissimilarities of objects that are always held out.
    always : sequence of str
        Further objects that are.
    notes : sequence of str
        What a reader should know.

    Raises
    ------
    ValueError
        No object with both, or too few to split.
    """
    labels = tuple(label for label in targets.labels if label in images)
    if not labels:
        msg = f"no item of {targets.name} has an image; its first are {join_names(targets.labels, 3)}."
        raise ValueError(msg)
    row = {label: i for i, label in enumerate(targets.labels)}
    held = dict.fromkeys([*(() if rdm48 is None else rdm48.labels or ()), *always])
    always = tuple(label for label in held if label in row and label in images)
    shown = tuple(images[label] for label in labels)
    return HBAData(
        labels=labels,
        images=shown,
        targets=targets.values[[row[label] for label in labels]],
        scale=(targets.low, targets.high),
        dimensions=targets.dimensions,
        prompts=check_prompts(prompts, len(targets.dimensions), "prompts"),
        splits=split_objects(labels, held_out=[*held_out, *always], val_share=val_share, seed=seed, sources=shown),
        always=always,
        answers=restrict_answers(answers, labels),
        triplets=restrict_answers(triplets, labels),
        repeats=restrict_answers(repeats, labels),
        rdm48=select48(rdm48, labels),
        name=targets.name,
        notes=tuple(notes),
    )


def read_data(config: HBAConfig, /) -> HBAData:
    """Read what a config names: images, targets, prompts, answers.

    Raises
    ------
    FileNotFoundError
        A file or folder that is not there.
    ValueError
        Items of a csv without an image, or anything else that does not fit; the sentence says what.
    """
    if config.targets in ("spose66", "spose49"):
        return _read_things(config)
    return _read_table(config)


def _read_things(config: HBAConfig) -> HBAData:
    things = load_things(config.root, order="fixed")
    rows = things if config.order == "fixed" else load_things(config.root, order="published")
    targets = things_targets(rows, config.targets)
    prompts = things_prompts(len(targets.dimensions), config.root)
    if config.targets == "spose49":  # its columns have no names
        targets = dataclasses.replace(targets, dimensions=prompts)
    if config.prompts is not None:
        prompts = read_prompts(config.prompts, targets.dimensions)
    images = find_images(images_folder(config.images, config.root), things, items=config.items)
    notes = []
    if len(images) < len(targets.labels):
        notes.append(f"{len(images):,} of the {len(targets.labels):,} concepts have images.")
    if config.order == "published":
        notes.append("Targets are paired with images as CLIP-HBA published them: 21 concepts carry another's vector.")
    return _join(config, targets, prompts, images, things, notes, of_the_48(targets.labels))


def _read_table(config: HBAConfig) -> HBAData:
    targets = read_targets(config.targets)
    prompts = targets.dimensions if config.prompts is None else read_prompts(config.prompts, targets.dimensions)
    if config.images is None:
        msg = "images is not given; name the folder that holds the images of the items."
        raise ValueError(msg)
    images = find_images(config.images, targets.labels, items=config.items)
    missing = [label for label in targets.labels if label not in images]
    if missing:
        msg = (
            f"{len(missing)} of the {len(targets.labels)} items of {targets.name} have no image in {config.images}: "
            f"{join_names(missing)}; add their images, or drop their rows."
        )
        raise ValueError(msg)
    things, always, notes = recognise_things(targets.labels, config.root)
    return _join(config, targets, prompts, images, things, notes, always)


def _join(
    config: HBAConfig,
    targets: Targets,
    prompts: Sequence[str],
    images: ImagesByObject,
    things: Things | None,
    notes: Iterable[str],
    always: Iterable[str],
) -> HBAData:
    answers = _answers(config, things, targets.labels)
    own = config.triplets is not None or things is None
    return join_data(
        targets,
        prompts,
        images,
        held_out=_held_out(config, targets.labels),
        val_share=config.val_share,
        seed=config.split_seed,
        answers=answers,
        triplets=answers if own else things.test10,  # type: ignore[union-attr]
        # the ceiling of other people's answers says nothing of one's own
        repeats=repeated_answers(answers) if own else things.repeats,  # type: ignore[union-attr]
        rdm48=None if things is None else things.rdm48,
        always=always,
        notes=notes,
    )


def _answers(config: HBAConfig, things: Things | None, labels: Sequence[str]) -> Triplets | None:
    """Return people's answers to train on: those of a file, or all of THINGS (of one participant: the repeats)."""
    if config.triplets is not None:
        answers: Triplets | None = read_answers(config.triplets, labels)
    elif things is None:
        answers = None
    elif config.subject is not None:
        answers = things.repeats
    else:
        items = np.concatenate([things.test10.items, things.repeats.items])
        answers = Triplets(items, things.labels)
    if answers is None and config.answers == "human":
        msg = "answers='human' needs triplets=, a file of people's answers, where the items are not those of THINGS."
        raise ValueError(msg)
    if answers is None or config.subject in (None, "all"):
        return answers
    return answers_of(answers, str(config.subject))


def answers_of(answers: Triplets, subject: str, /) -> Triplets:
    """Return the answers of one participant.

    Raises
    ------
    ValueError
        Answers that do not say whose they are, or a participant who gave none.
    """
    if answers.participant is None:
        msg = f"subject {subject!r} is asked for, but the answers do not say who gave them."
        raise ValueError(msg)
    own = answers.participant.astype(str) == subject
    if not own.any():
        known = np.unique(answers.participant).tolist()
        msg = f"subject {subject!r} gave no answers; those who did are {join_names(known)}."
        raise ValueError(msg)
    return answers.take(own)


def _held_out(config: HBAConfig, labels: Sequence[str]) -> tuple[str, ...]:
    return () if config.held_out is None else read_names(config.held_out, labels, "items that the targets do not have")
