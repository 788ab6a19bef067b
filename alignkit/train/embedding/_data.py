"""The answers that an embedding is learnt from, and which of them are kept for choosing and for scoring."""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import check_choice, join_names
from alignkit._typing import FloatArray, IntArray
from alignkit.data import load_things, read_triplets
from alignkit.data._tables import text_table
from alignkit.rsa import Triplets
from alignkit.rsa._grouping import triplet_codes
from alignkit.train._answers_file import read_answers
from alignkit.train._names_file import read_lines
from alignkit.train.embedding.config import EmbeddingConfig

#: Files of numbers, which do not name their items.
_NUMBERS = frozenset({".txt", ".npy"})


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class EmbeddingData:
    """Answers, and rows of them.

    Attributes
    ----------
    triplets : Triplets
        All answers, with labels, the odd one out last; where they have soft labels, these are learned from.
    train, val, test : ndarray of int
        Rows; answers to the same three items are on one side.
    """

    triplets: Triplets
    train: IntArray
    val: IntArray
    test: IntArray

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the items."""
        return labels_of(self.triplets)

    def part(self, name: str, /) -> Triplets:
        """Return the answers of ``"train"``, ``"val"`` or ``"test"``."""
        check_choice("name", name, ("train", "val", "test"))
        return self.triplets.take(getattr(self, name))

    def to_splits(self) -> dict[str, Any]:
        """Return how many answers are on each side, and a checksum of these: rows by the million are no reading."""
        sides = {name: getattr(self, name) for name in ("train", "val", "test")}
        items, soft = self.triplets.items, self.triplets.soft
        return {
            name: {"n": len(rows), "sha256": _sha256(items[rows], None if soft is None else soft[rows])}
            for name, rows in sides.items()
        }


def read_data(config: EmbeddingConfig, /) -> EmbeddingData:
    """Read the answers that a config names, and split them.

    Raises
    ------
    FileNotFoundError
        No such file, or no THINGS where no file is named.
    ValueError
        A damaged file, or too few answers to split.
    """
    return split_data(_read(config), config)


def split_data(triplets: Triplets, config: EmbeddingConfig, /) -> EmbeddingData:
    """Split answers by triples of items, at random.

    Raises
    ------
    ValueError
        A side that would be empty.
    """
    n, place = triplet_codes(triplets.items)
    n_val, n_test = round(config.val_share * n), round(config.test_share * n)
    if n_val == 0 or n - n_val - n_test < 1 or (config.test_share and n_test == 0):
        msg = (
            f"{n} different triples of items are too few to choose on {config.val_share:g} of them and to score on "
            f"{config.test_share:g}."
        )
        raise ValueError(msg)
    side = np.zeros(n, dtype=np.int8)
    order = np.random.default_rng(config.split_seed).permutation(n)
    side[order[:n_val]], side[order[n_val : n_val + n_test]] = 1, 2
    rows = side[place]
    found = EmbeddingData(triplets, *(np.flatnonzero(rows == number) for number in range(3)))
    _warn_of_unseen(found)
    return found


def labels_of(triplets: Triplets) -> tuple[str, ...]:
    """Return the names of the items; numbers where they have none."""
    return triplets.labels or tuple(f"item {i}" for i in range(triplets.n_items))


def _read(config: EmbeddingConfig) -> Triplets:
    path = config.triplets
    if path is None:
        return load_things(config.root).test10
    names = None if config.labels is None else read_lines(config.labels)
    if path.suffix.lower() in _NUMBERS:
        return read_triplets(path, odd=config.odd, base=config.base, labels=names)
    if path.suffix.lower() == ".npz":
        return _named(Triplets.load(path), names, path)
    if names is None:
        msg = f"labels is needed to read {path}: a text file with its items, one a line."
        if path.suffix.lower() not in (".csv", ".tsv"):
            raise ValueError(msg)
        names = tuple(_names_in(path))
    return read_answers(path, names)


def _named(triplets: Triplets, names: Any, path: Path) -> Triplets:
    if names is None or triplets.labels is not None:
        return triplets
    if len(names) < triplets.n_items:
        msg = f"labels has {len(names)} items, and {path} uses the item number {triplets.n_items - 1}."
        raise ValueError(msg)
    return Triplets(triplets.items, names, participant=triplets.participant, soft=triplets.soft)


def _names_in(path: Path) -> list[str]:
    """Return the items that a table names, in order of their first appearance."""
    columns = ("first", "second", "odd")
    table = text_table(path, sep="\t" if path.suffix.lower() == ".tsv" else ",", columns=columns, as_text=True)
    return list(dict.fromkeys(cell for cell in table[list(columns)].to_numpy(dtype=str).ravel() if cell))


def _warn_of_unseen(data: EmbeddingData) -> None:
    seen = np.zeros(len(data.labels), dtype=bool)
    seen[data.triplets.items[data.train].ravel()] = True
    if not seen.all():
        unseen = [label for label, there in zip(data.labels, seen, strict=True) if not there]
        msg = (
            f"no answer that is trained on shows {join_names(unseen)}; nothing is learnt of them. Add answers that "
            "show them, or leave them out of labels=."
        )
        warnings.warn(msg, stacklevel=2)


def _sha256(items: IntArray, soft: FloatArray | None) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(items, dtype="<i8").tobytes())
    if soft is not None:
        digest.update(np.ascontiguousarray(soft, dtype="<f8").tobytes())
    return digest.hexdigest()
