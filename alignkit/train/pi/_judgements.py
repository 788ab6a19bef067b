"""All that stage 1 knows: judgements, which of them teach and which are kept back, and the images they are about."""

from __future__ import annotations

import csv
import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from alignkit._check import counted, join_names
from alignkit._io import check_file
from alignkit._typing import FloatArray, IntArray
from alignkit.data import load_material2afc, load_nights, load_things, read_two_afc
from alignkit.data._tables import text_table
from alignkit.rsa import Triplets, TwoAFC
from alignkit.train._answers_file import read_answers
from alignkit.train._images import ImagesByObject, find_images
from alignkit.train._things_items import images_folder, of_the_48
from alignkit.train.pi._label_judgements import draw_label_judgements
from alignkit.train.pi.config import NIGHTS_VOTES, PerceptualConfig

Kind = Literal["2afc", "odd-one-out"]
#: Items of judgements, shape (n, 3), and their votes for left and right, shape (n, 2).
Part = tuple[IntArray, IntArray]
_NIGHTS_PARTS = ("train", "val", "test_imagenet", "test_no_imagenet")
#: Longest first line of a table.
_MAX_HEADER = 1 << 16


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Judgements:
    """Judgements about images, by the side of the split that they are on.

    Parameters
    ----------
    kind : {"2afc", "odd-one-out"}
        Whether columns are reference, left and right, or two items and the odd one out.
    names : tuple of str
        Of the items.
    photos : tuple of Path
        Images.
    photos_of : tuple of ndarray of int, one per item
        Which of them show it.
    parts : mapping of str to (ndarray of int, shape (n, 3), ndarray of int, shape (n, 2))
        Items of the judgements and votes for left and right (of odd-one-out answers, 0 and 1), by what they are for:
        ``train``, and whatever is kept back.
    soft : bool
        Whether every vote counts, and not the majority's alone.
    notes : tuple of str
        What a reader should know about the data.
    """

    kind: Kind
    names: tuple[str, ...]
    photos: tuple[Path, ...]
    photos_of: tuple[IntArray, ...]
    parts: Mapping[str, Part]
    soft: bool = False
    notes: tuple[str, ...] = ()

    def right(self, part: str, /) -> FloatArray:
        """Return what is learnt of a part, shape (n,): the share of votes for right, or whether most are for it."""
        _, votes = self.parts[part]
        share: FloatArray = votes[:, 1] / votes.sum(axis=1)
        return share if self.soft else np.where(share > 0.5, 1.0, 0.0)

    def trials(self, part: str, /) -> TwoAFC:
        """Return a part's judgements as 2AFC trials about all items; an odd-one-out answer is two of them.

        Who finds the third the odd one finds each of the others closer to the other than to it.
        """
        items, votes = self.parts[part]
        if self.kind == "odd-one-out":
            items, votes = np.concatenate([items[:, [0, 2, 1]], items[:, [1, 2, 0]]]), np.concatenate([votes, votes])
        return TwoAFC(items, votes, self.names)

    @property
    def kept_back(self) -> tuple[str, ...]:
        """The parts that nothing is fitted to."""
        return tuple(name for name in self.parts if name != "train")


def read_judgements(config: PerceptualConfig, /) -> Judgements:
    """Read what a config names.

    Raises
    ------
    FileNotFoundError
        A table or images that are not there; the sentence names them.
    ValueError
        Another kind of table, a damaged one, or no judgement left to train on or to keep back.
    """
    found = _read(config)
    parts = dict(found.parts)
    if "train" not in parts:
        msg = f"there are no judgements to train on, of the split 'train'; there are {join_names(parts)}."
        raise ValueError(msg)
    if "val" not in parts:
        kept = {name: parts[name] for name in parts if name != "train"}
        parts = {**_split(found.kind, parts["train"], config), **kept}
    if config.choices == "shuffled":
        parts["train"] = shuffled(found.kind, *parts["train"], seed=config.split_seed)
    return dataclasses.replace(found, parts=parts)


def shuffled(kind: Kind, items: IntArray, votes: IntArray, /, *, seed: int) -> Part:
    """Return judgements that say nothing: votes exchanged at random, or another item the odd one."""
    rng = np.random.default_rng([seed, len(items)])
    if kind == "odd-one-out":
        return rng.permuted(items, axis=1), votes
    return items, np.where(rng.random((len(items), 1)) < 0.5, votes, votes[:, ::-1])


def _read(config: PerceptualConfig) -> Judgements:
    if config.label_images is not None:
        return _of_classes(config)
    if config.judgements is None:
        return _materials(config) if config.dataset == "material2afc" else _things(config)
    path = Path(config.judgements)
    columns = _header(path) if path.suffix.lower() in (".csv", ".tsv") else ()
    if "ref_path" in columns:
        return _two_afc(_nights(path, columns, config), config, path)
    if "reference" in columns:
        return _two_afc(_own_table(path, columns, config), config, path)
    if {"first", "second", "odd"} <= set(columns) or path.suffix.lower() in (".json", ".npz"):
        return _answers(path, config)
    msg = (
        f"judgements must be NIGHTS' data.csv, a table with the columns reference, left, right, left_votes and "
        f"right_votes, or odd-one-out answers (first, second, odd); {path} has {join_names(columns, 8) or 'no header'}."
    )
    raise ValueError(msg)


def _header(path: Path) -> tuple[str, ...]:
    with open(check_file(path), encoding="utf-8-sig", errors="replace", newline="") as file:
        line = file.readline(_MAX_HEADER)
    return tuple(next(csv.reader([line], delimiter="\t" if path.suffix.lower() == ".tsv" else ","), ()))


def _nights(path: Path, columns: Sequence[str], config: PerceptualConfig) -> dict[str, TwoAFC]:
    least = NIGHTS_VOTES if config.min_votes is None else config.min_votes
    if "split" not in columns:
        return {"train": load_nights(path, min_votes=least)}
    wanted = _NIGHTS_PARTS if "is_imagenet" in columns else ("train", "val", "test")
    there = set(text_table(path, sep=",", columns=("split",), as_text=True)["split"])
    parts: dict[str, TwoAFC] = {}
    for part in wanted:
        if part.partition("_")[0] in there:
            try:
                parts[part] = load_nights(path, split=part, min_votes=least)  # type: ignore[arg-type]
            except ValueError as error:
                if "has no rows" not in str(error):
                    raise
    return parts


def _own_table(path: Path, columns: Sequence[str], config: PerceptualConfig) -> dict[str, TwoAFC]:
    least = 1 if config.min_votes is None else config.min_votes
    if "split" not in columns:
        return {"train": read_two_afc(path, min_votes=least)}
    sep = "\t" if path.suffix.lower() == ".tsv" else ","
    words = dict.fromkeys(text_table(path, sep=sep, columns=("split",), as_text=True)["split"])
    return {word: read_two_afc(path, split=word, min_votes=least) for word in words}


def _materials(config: PerceptualConfig) -> Judgements:
    data = load_material2afc(config.root)
    trials = {"train": data.train, "test": data.test}
    if config.min_votes is not None:
        trials = {name: one.take(one.votes.sum(axis=1) >= config.min_votes) for name, one in trials.items()}
    return _two_afc(trials, config, Path("material2afc"), data.image_folder)


def _two_afc(
    trials: Mapping[str, TwoAFC], config: PerceptualConfig, path: Path, images: Path | None = None
) -> Judgements:
    number: dict[str, int] = {}
    parts: dict[str, Part] = {}
    n_tied = 0
    for name, one in trials.items():
        kept = one if config.soft_votes else one.take(~one.tied)
        n_tied += len(one) - len(kept)
        assert kept.labels is not None
        numbers = np.array([number.setdefault(label, len(number)) for label in kept.labels])
        parts[name] = (numbers[kept.items], kept.votes)
    folder = config.images if images is None else images
    if folder is None:
        msg = f"{path} names images; give images, the folder that they are in."
        raise ValueError(msg)
    photos = _files(folder, tuple(number), path)
    notes = (f"{counted(n_tied, 'judgement')} with tied votes were left out.",) if n_tied else ()
    own = tuple(np.array([i]) for i in range(len(photos)))
    return Judgements("2afc", tuple(number), photos, own, parts, config.soft_votes, notes)


def _files(folder: Path, names: Sequence[str], table: Path) -> tuple[Path, ...]:
    """Return the files of these names in the folder, as they are: names are never rebuilt."""
    # by their names: links that lie in the folder are its owner's, and lead to wherever images are kept
    root = os.path.abspath(folder)
    outside = [name for name in names if not Path(os.path.abspath(os.path.join(root, name))).is_relative_to(root)]
    if outside:
        msg = f"{table} names images outside {folder}: {join_names(outside, 3)}; names must be paths in that folder."
        raise ValueError(msg)
    paths = tuple(folder / name for name in names)
    missing = [name for name, path in zip(names, paths, strict=True) if not path.is_file()]
    if missing:
        msg = (
            f"{counted(len(missing), 'image')} of {table} are not in {folder}: {join_names(missing, 3)}; images must "
            "be the folder that the table's paths begin in."
        )
        raise FileNotFoundError(msg)
    return paths


def _answers(path: Path, config: PerceptualConfig) -> Judgements:
    if config.images is None:
        msg = f"{path} is about items; give images, the folder of photos that show them."
        raise ValueError(msg)
    answers = read_answers(path, _labels_of(path))
    assert answers.labels is not None
    return _odd_one_out(answers, find_images(config.images, answers.labels, items=config.items))


def _things(config: PerceptualConfig) -> Judgements:
    """Return THINGS' answers about concepts that have photos, but for those about its 48 fully sampled objects."""
    things = load_things(config.root)
    folder = images_folder(config.images, config.root)
    manifest = folder.parent / "photos_manifest.csv"
    items = config.items or (manifest if config.images is None and manifest.is_file() else None)
    held_out = set(of_the_48(things.labels))
    shown = {name: own for name, own in find_images(folder, things, items=items).items() if name not in held_out}
    return _odd_one_out(things.test10, shown)


def _odd_one_out(answers: Triplets, shown: ImagesByObject) -> Judgements:
    photos = tuple(dict.fromkeys(photo for own in shown.values() for photo in own))
    place = {photo: i for i, photo in enumerate(photos)}
    names = tuple(shown)
    kept = answers.restrict(names)
    lost = len(answers) - len(kept)
    notes = (f"{counted(lost, 'answer')} about items without an image were left out.",) if lost else ()
    part = (kept.items, _votes(len(kept), right=1))
    photos_of = tuple(np.array([place[photo] for photo in shown[name]]) for name in names)
    return Judgements("odd-one-out", names, photos, photos_of, {"train": part}, notes=notes)


def _labels_of(path: Path) -> tuple[str, ...]:
    """Return the items that a table of answers names."""
    if path.suffix.lower() == ".npz":
        return Triplets.load(path).labels or ()
    if path.suffix.lower() == ".json":
        msg = f"{path}: answers of jsPsych name files; write them as .npz with Triplets.save first."
        raise ValueError(msg)
    table = text_table(path, sep="\t" if path.suffix.lower() == ".tsv" else ",", columns=("first",), as_text=True)
    return tuple(dict.fromkeys(table[["first", "second", "odd"]].to_numpy(dtype=str).ravel().tolist()))


def _of_classes(config: PerceptualConfig) -> Judgements:
    assert config.label_images is not None
    names, photos, items = draw_label_judgements(config.label_images, config.n_label_judgements, seed=config.split_seed)
    own = tuple(np.array([i]) for i in range(len(photos)))
    note = "The judgements were drawn from classes of images; nobody made them."
    # the second of the two that belong together stands left
    return Judgements("2afc", names, photos, own, {"train": (items, _votes(len(items), right=0))}, notes=(note,))


def _votes(n: int, *, right: int) -> IntArray:
    return np.tile([1 - right, right], (n, 1))


def _split(kind: Kind, part: Part, config: PerceptualConfig) -> dict[str, Part]:
    """Return judgements to train on and to follow, divided at random; those of one triplet stay together."""
    items, votes = part
    n_val = round(config.val_share * len(items))
    order = np.random.default_rng([config.split_seed, len(items)]).permutation(len(items))
    # the same question, asked again, would let what was learned be taken for what is followed
    asked = np.sort(items, axis=1) if kind == "odd-one-out" else np.column_stack([items[:, :1], np.sort(items[:, 1:])])
    _, triplet, sizes = np.unique(asked, axis=0, return_inverse=True, return_counts=True)
    _, first = np.unique(triplet[order], return_index=True)
    drawn = np.argsort(first)
    before = np.cumsum(sizes[drawn]) - sizes[drawn]
    followed = np.isin(triplet, drawn[before < n_val])
    if not followed.any() or followed.all():
        msg = f"{counted(len(items), 'judgement')} cannot be divided by val_share {config.val_share:g}; give more."
        raise ValueError(msg)
    return {"train": (items[~followed], votes[~followed]), "val": (items[followed], votes[followed])}
