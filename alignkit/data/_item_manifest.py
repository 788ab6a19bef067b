"""Tables that say what photos show: many photos of one item, one photo of several."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import as_labels, check_choice, join_names
from alignkit._typing import BoolArray, PathLike
from alignkit.data._tables import text_table

if TYPE_CHECKING:
    import pandas as pd

#: What the column of the items may be called, the first that is there.
ITEM_COLUMNS = ("item", "concept", "uniqueID")
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".npy"}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ItemManifest:
    """What each photo of a manifest shows.

    ``shown`` has every file of the table, also those whose rows were all filtered out: they show nothing.
    """

    path: Path
    table: pd.DataFrame
    column: str
    shown: Mapping[str, tuple[str, ...]]

    def find(self, labels: Sequence[str]) -> list[str | None]:
        """Return the file of the manifest that each label names: as it is, by its file name, or without its suffix.

        Names that several files share name none of them.

        Raises
        ------
        ValueError
            Two labels that name one file.
        """
        owners: dict[str, set[str]] = {}
        for file in self.shown:
            for key in file_names(file):
                owners.setdefault(key, set()).add(file)
        names = {key: next(iter(files)) for key, files in owners.items() if len(files) == 1}
        names |= {file: file for file in self.shown}
        found = [next((names[key] for key in file_names(label) if key in names), None) for label in labels]
        counts = Counter(file for file in found if file is not None)
        twice = next((file for file, count in counts.items() if count > 1), None)
        if twice is not None:
            both = [label for label, file in zip(labels, found, strict=True) if file == twice]
            msg = f"the inputs {join_names(both)} all name {twice!r} of {self.path}; name files there with folders."
            raise ValueError(msg)
        return found

    def check_items(self, known: Collection[str], dataset: str) -> None:
        """Raise, naming them, when the photos show items that the data set does not have."""
        unknown = sorted({item for items in self.shown.values() for item in items}.difference(known))
        if unknown:
            msg = (
                f"{self.path} names {self.column}s that are not in {dataset}: {join_names(unknown)}; "
                f"the data set's are {join_names(known, 3)}."
            )
            raise ValueError(msg)


def read_item_manifest(path: PathLike, *, relation: str = "any", where: Iterable[str] = ()) -> ItemManifest:
    """Read a table of photos and the items they show.

    Parameters
    ----------
    path : path-like
        A ``.csv`` (or ``.tsv``) with the columns ``file`` and ``item`` (or ``concept``, or ``uniqueID``); a file may
        have several rows. Others are for filters.
    relation : {"any", "exact"}
        ``"exact"`` keeps the rows whose ``relation`` is ``exact``; a table without that column is exact throughout.
    where : sequence of str
        Further filters, ``column=value``: rows with this value are kept; several of one column keep either.

    Returns
    -------
    ItemManifest

    Raises
    ------
    ValueError
        Missing columns, empty cells, a file listed twice for one item, a filter that keeps nothing.
    FileNotFoundError
        No such file.
    """
    check_choice("relation", relation, ("any", "exact"))
    path = Path(path)
    sep = "\t" if path.suffix.lower() in (".tsv", ".tab") else ","
    table = text_table(path, sep=sep, columns=("file",), as_text=True)
    column = next((name for name in ITEM_COLUMNS if name in table.columns), None)
    if column is None:
        msg = f"{path} has no column {' or '.join(map(repr, ITEM_COLUMNS))}; it has {join_names(table.columns, 8)}."
        raise ValueError(msg)
    _check_cells(path, table, column)
    filters = [*where, *(["relation=exact"] if relation == "exact" and "relation" in table.columns else [])]
    used = dict.fromkeys([column, *(one.partition("=")[0] for one in filters)])
    twice = [name for name in used if f"{name}.1" in table.columns]  # pandas numbers headers that repeat
    if twice:
        msg = f"{path} has more than one column {join_names(twice)}; give each its own name."
        raise ValueError(msg)
    kept = _keep(path, table, filters)
    shown: dict[str, list[str]] = {file: [] for file in table["file"]}
    for file, item in zip(table["file"][kept], table[column][kept], strict=True):
        shown[file].append(item)
    return ItemManifest(path, table, column, {file: tuple(items) for file, items in shown.items()})


def _check_cells(path: Path, table: pd.DataFrame, column: str) -> None:
    if not len(table):
        msg = f"{path} has a header and no rows; it must say what the photos show."
        raise ValueError(msg)
    for name in ("file", column):
        empty = np.flatnonzero(table[name].str.strip() == "")
        if empty.size:
            msg = f"{path} has no {name} in row {int(empty[0]) + 1} below its header; fill it in or drop the row."
            raise ValueError(msg)
        # é may be typed in two ways
        table[name] = as_labels(f"the column {name!r} of {path}", table[name], unique=False)
    twice = table[table.duplicated(["file", column])]
    if len(twice):
        pairs = [f"{file} for {item}" for file, item in zip(twice["file"], twice[column], strict=True)]
        msg = f"{path} lists photos twice for the same {column}: {join_names(pairs)}; keep one row each."
        raise ValueError(msg)


def _keep(path: Path, table: pd.DataFrame, filters: Iterable[str]) -> BoolArray:
    allowed: dict[str, list[str]] = {}
    for one in filters:
        name, equals, value = one.partition("=")
        if not equals or name not in table.columns:
            msg = (
                f"the filter {one!r} must be column=value with a column of {path}, which has "
                f"{join_names(table.columns, 8)}."
            )
            raise ValueError(msg)
        if value not in set(table[name]):
            held = join_names(sorted(set(table[name])))
            msg = f"no row of {path} has {name} {value!r}; that column holds {held}."
            raise ValueError(msg)
        allowed.setdefault(name, []).append(value)
    kept: BoolArray = np.ones(len(table), dtype=bool)
    for name, values in allowed.items():
        kept &= table[name].isin(values).to_numpy()
    if not kept.any():
        msg = f"no row of {path} passes all the filters {join_names(filters)}; drop some."
        raise ValueError(msg)
    return kept


def file_names(label: str) -> tuple[str, str, str]:
    """Return what a file may be called: as it is, without its folders, and without a picture's suffix."""
    path = PurePosixPath(label.replace("\\", "/"))
    return label, path.name, stem(path)


def stem(path: PurePosixPath) -> str:
    """Return a file's name without a picture's suffix; an item's name may hold a dot."""
    return path.stem if path.suffix.lower() in _SUFFIXES else path.name
