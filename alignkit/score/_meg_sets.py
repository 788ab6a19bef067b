"""Published MEG data sets as they lie on disk: whose RDMs, of which items, at which times."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from alignkit._check import join_names
from alignkit._natural import natural
from alignkit._typing import AnyArray, FloatArray, PathLike
from alignkit.data._registry import dataset, dataset_path, locate, missing_sentence
from alignkit.data._tables import text_lines, text_table
from alignkit.data._verify import pictures
from alignkit.meg._rdm_array import SquareArray, open_squares
from alignkit.meg._read_meg_rdms import KNOWN, seconds_of
from alignkit.meg._things_concepts import with_concepts
from alignkit.rsa._container import pair_index

#: Which concept has which number: one row per trial.
_CONCEPTS = "sample_attributes_P1.csv"
#: Names of images, and the folder that they lie in.
_NAMES, _STIMULI = "images.txt", "stimuli"
#: Bytes of RDMs that are compared at once: models are ranked anew for each stretch.
_STRETCH = 1 << 29


@dataclasses.dataclass(frozen=True, slots=True)
class MEGSet:
    """One data set: what it is called, its place in the registry, and what its file does not say."""

    part: str
    dataset: str
    files: tuple[str, ...]
    """Any of these holds the RDMs."""
    times: tuple[float, float] | None = None
    """First and last second, where the number of samples does not tell."""
    concepts: bool = False
    """Whether items are THINGS concepts rather than images."""
    n_group: int | None = None
    """How many people, the first ones, the papers' mean RDM is of; by default all."""


#: What the papers on CLIP-HBA evaluate models of MEG on, in their order.
MEG_SETS = (
    MEGSet("THINGS-MEG", "things_meg", ("validation-pairwise_decoding_RDM1854.mat",), concepts=True, n_group=3),
    MEGSet("Cichy-118", "cichy118", ("MEG_decoding_RDMs.mat", "Cichy_MEG_RDM_rescaled.npy")),
    MEGSet("ds1 (48 objects, clear)", "meg_ds1", ("ds1.mat",), (-0.1, 0.6)),
    MEGSet("ds2 (48 objects, blurred)", "meg_ds2", ("ds2.mat",), (-0.1, 0.6)),
    MEGSet("ds3 (36 objects, colour)", "meg_ds3", ("ds3.mat",), (-0.1, 0.6)),
)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Movie:
    """Everybody's RDMs over time in an open file, to be read a stretch of time at a time."""

    source: SquareArray
    labels: tuple[str, ...]
    times: FloatArray
    notes: tuple[str, ...]

    @property
    def subjects(self) -> tuple[str, ...]:
        """Names of the people."""
        return tuple(f"subject {i}" for i in range(1, self.source.sizes["subject"] + 1))

    def stretches(self, labels: Sequence[str]) -> Iterator[tuple[slice, AnyArray]]:
        """Give (which times, RDMs of these items, shape (subject, times, pairs)); sessions are averaged."""
        chosen = {axis: np.arange(self.source.sizes[axis]) for axis in ("subject", "session", "time")}
        place = {label: i for i, label in enumerate(self.labels)}
        items = np.array([place[label] for label in labels])
        rows, columns = np.triu_indices(items.size, k=1)
        where = pair_index(items[rows], items[columns], len(self.labels))
        waiting: list[AnyArray] = []
        start = 0
        for times, block in self.source.blocks(chosen):
            waiting.append(block.mean(axis=1)[..., where])
            if sum(part.nbytes for part in waiting) >= _STRETCH or times.stop == len(self.times):
                yield slice(start, times.stop), np.concatenate(waiting, axis=1)
                waiting, start = [], times.stop


def find_rdms(one: MEGSet, root: PathLike | None) -> Path:
    """Return the file of a data set that is at hand.

    Raises
    ------
    FileNotFoundError
        What it needs is not there; the sentence says how to get it.
    """
    there = [file for file in one.files if dataset_path(one.dataset, file, root=root).exists()]
    if not there:
        entry, file = dataset(one.dataset), one.files[0]
        raise FileNotFoundError(missing_sentence(entry, file, dataset_path(one.dataset, file, root=root)))
    if one.concepts:
        locate(one.dataset, _CONCEPTS, root)
    elif not dataset_path(one.dataset, _NAMES, root=root).exists() and not _stimuli(one, root):
        path = dataset_path(one.dataset, _NAMES, root=root)
        raise FileNotFoundError(missing_sentence(dataset(one.dataset), _NAMES, path))
    return locate(one.dataset, there[0], root)


@contextmanager
def open_movie(one: MEGSet, root: PathLike | None) -> Iterator[Movie]:
    """Open the RDMs of a data set, with the names of their items.

    Raises
    ------
    FileNotFoundError
        What it needs is not there.
    ValueError
        A damaged file, another layout than the published one, or names that do not fit.
    """
    with open_squares(find_rdms(one, root), variable=None, dims=None, known=KNOWN) as source:
        n_items = source.sizes["item"]
        labels, notes = _concepts(one, n_items, root) if one.concepts else _images(one, n_items, root)
        yield Movie(source, labels, seconds_of(source, one.times), notes)


def _concepts(one: MEGSet, n_items: int, root: PathLike | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of concepts in the order of their numbers, from the table of trials."""
    path = locate(one.dataset, _CONCEPTS, root)
    table = text_table(path, sep=",", columns=("things_category_nr", "image_path"))
    if "trial_type" in table.columns:
        table = table[table["trial_type"] == "exp"]
    named = with_concepts(table.dropna(subset="things_category_nr").drop(columns="concept", errors="ignore"))
    if named is None or not len(named):
        msg = f"{path} does not say which concept has which number: its paths and numbers differ; it is damaged."
        raise ValueError(msg)
    names = dict(zip(named["things_category_nr"].astype(int), named["concept"], strict=True))
    lacking = [number for number in range(1, n_items + 1) if number not in names]
    if lacking:
        msg = f"{path} does not name the concept(s) {join_names(lacking)} of {n_items:,}; it is truncated."
        raise ValueError(msg)
    return tuple(str(names[number]) for number in range(1, n_items + 1)), ()


def _images(one: MEGSet, n_items: int, root: PathLike | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of images in the order of the RDMs' rows, and what was taken for granted."""
    path = dataset_path(one.dataset, _NAMES, root=root)
    if path.exists():
        labels, notes = text_lines(path, n_items), []
    else:
        found = _stimuli(one, root)
        if len(found) != n_items:
            msg = (
                f"the RDMs of {one.dataset} have {n_items} items, but {path.parent / _STIMULI} holds {len(found)} "
                f"pictures; write the items' names, one a line in the order of the RDMs' rows, to {path}."
            )
            raise ValueError(msg)
        labels = tuple(sorted(found, key=natural))
        notes = [f"{one.part}: that row i of the RDMs is picture i of {_STIMULI}/, sorted by name, is an assumption."]
    if len(set(labels)) < n_items:
        twice = sorted({label for label in labels if labels.count(label) > 1})
        msg = f"{path} names {join_names(twice)} more than once; every image needs a name of its own."
        raise ValueError(msg)
    return labels, tuple(notes)


def _stimuli(one: MEGSet, root: PathLike | None) -> list[str]:
    folder = dataset(one.dataset).folders[_STIMULI]
    return pictures(dataset_path(one.dataset, _STIMULI, root=root), folder.suffixes)
