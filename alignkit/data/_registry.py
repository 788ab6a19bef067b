"""The data sets alignkit reads: what they are, where their files come from, and where they lie."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any

from alignkit._check import check_choice, counted
from alignkit._io import check_file
from alignkit._typing import PathLike

#: Environment variable that names the folder with the data sets.
VARIABLE = "ALIGNKIT_DATA"


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of a data set.

    ``path`` is relative to the data set's folder; ``url`` is None where there is no direct download, and then
    ``by_hand`` says where to get the file; ``sha256`` and ``size`` (bytes) are known for files that are published
    as they are; ``aliases`` are names under which the file is published; a loader needs it unless ``optional``.
    """

    path: str
    url: str | None = None
    sha256: str | None = None
    size: int | None = None
    by_hand: str | None = None
    aliases: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True)
class DataFolder:
    """A folder of pictures that belongs to a data set.

    Parameters
    ----------
    path : str
        Where it lies, relative to the data set's folder.
    suffixes : tuple of str
        Endings of the pictures that count.
    by_hand : str
        How to get it.
    sha256 : str, optional
        Of its files' names and contents together.
    n_files : int, optional
        How many pictures it should hold.
    aliases : tuple of str
        Other names that an import may find it under.
    optional : bool
        Whether the data set is whole without it.
    """

    path: str
    suffixes: tuple[str, ...]
    by_hand: str
    sha256: str | None = None
    n_files: int | None = None
    aliases: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set of the registry.

    Parameters
    ----------
    name : str
        Its name, which is also its folder under the root.
    description, citation, licence, page : str
        What it holds, whom to cite, under which terms it may be used, and its home page.
    people, shows, cannot : str
        Whose answers or brains it holds, what it can show, and what it cannot.
    references : tuple of str
        Keys of the articles to cite, for :func:`bibtex`.
    files, folders : mapping of str to DataFile or DataFolder
        Its parts, by path relative to the data set's folder.
    max_gib : float
        Largest import accepted.
    """

    name: str
    description: str
    citation: str
    licence: str
    page: str
    people: str
    shows: str
    cannot: str
    references: tuple[str, ...] = ()
    files: Mapping[str, DataFile] = field(default_factory=dict)
    folders: Mapping[str, DataFolder] = field(default_factory=dict)
    max_gib: float = 8.0

    @property
    def size(self) -> str:
        """How large it is, as far as that is known: ``"7.9 MB in 14 files; 3 parts of unknown size"``."""
        known = [part.size for part in self.files.values() if part.size is not None]
        n_unknown = len(self.files) - len(known) + len(self.folders)
        unknown = f"{counted(n_unknown, 'part')} of unknown size" if n_unknown else ""
        if not known:
            return unknown or "unknown"
        sized = f"{sum(known) / 1e6:,.1f} MB in {counted(len(known), 'file')}"
        return f"{sized}; {unknown}" if unknown else sized

    def __repr__(self) -> str:
        n_direct = sum(part.url is not None for part in self.files.values())
        folders = f", {len(self.folders)} folder(s) of pictures" if self.folders else ""
        return (
            f"<Dataset {self.name!r}: {self.description}\n"
            f"  {len(self.files)} files ({n_direct} by direct download){folders}\n"
            f"  licence: {self.licence}\n  cite: {self.citation}\n  page: {self.page}>"
        )


def datasets() -> dict[str, Dataset]:
    """Return the data sets that alignkit knows.

    Returns
    -------
    dict of str to Dataset
        By name: description, citation, licence, and for each file its URL, SHA-256 and size where known.

    Examples
    --------
    >>> sorted(datasets())[:4]
    ['algonauts78', 'cichy118', 'cifar10h', 'fmri_haxby']
    >>> datasets()["things"].files["item_names.tsv"].url
    'https://osf.io/download/sz2ux/'
    """
    return dict(_entries())


@cache
def _entries() -> dict[str, Dataset]:
    text = resources.files("alignkit.data").joinpath("datasets.json").read_text(encoding="utf-8")
    return {entry["name"]: _dataset(entry) for entry in json.loads(text)}


def _dataset(entry: dict[str, Any]) -> Dataset:
    files = [DataFile(**{**part, "aliases": tuple(part.get("aliases", ()))}) for part in entry.pop("files")]
    folders = [
        DataFolder(**{**part, "suffixes": tuple(part["suffixes"]), "aliases": tuple(part.get("aliases", ()))})
        for part in entry.pop("folders")
    ]
    entry["references"] = tuple(entry["references"])
    return Dataset(**entry, files={part.path: part for part in files}, folders={part.path: part for part in folders})


def dataset(name: str) -> Dataset:
    """Return one data set, or raise a ValueError that lists the names."""
    entries = _entries()
    check_choice("the data set", name, sorted(entries))
    return entries[name]


def data_root(root: PathLike | None = None) -> Path:
    """Return the folder that holds the data sets: ``root``, else $ALIGNKIT_DATA, else the user's cache."""
    if root is None:
        root = os.environ.get(VARIABLE) or None
    if root is None:
        import pooch

        root = pooch.os_cache("alignkit")
    path = Path(root).expanduser()
    if path.exists() and not path.is_dir():
        msg = f"root must be a folder that holds the data sets; {path} is a file."
        raise NotADirectoryError(msg)
    return path


def dataset_path(name: str, file: str | None = None, /, *, root: PathLike | None = None) -> Path:
    """Return where a data set, or one of its files, lies (or belongs when it is not there yet).

    Parameters
    ----------
    name : str
        One of :func:`datasets`.
    file : str, optional
        A path inside the data set's folder, with forward slashes.
    root : path, optional
        Folder that holds the data sets; by default the environment variable ``ALIGNKIT_DATA``, else the user's cache.

    Returns
    -------
    pathlib.Path
        Not checked for existence; :func:`verify` does that.

    Raises
    ------
    ValueError
        An unknown data set, or a file path that leaves its folder.
    NotADirectoryError
        ``root`` is a file.

    Examples
    --------
    >>> dataset_path("things", "ratings/animacy.csv", root="/data").as_posix()
    '/data/things/ratings/animacy.csv'
    """
    folder = data_root(root) / dataset(name).name
    if file is None:
        return folder
    parts = PurePosixPath(file)
    if parts.is_absolute() or ".." in parts.parts or "\\" in file or ":" in file:
        msg = f"file must be a path inside the data set's folder; got {file!r}."
        raise ValueError(msg)
    return folder / parts


def locate(name: str, file: str, root: PathLike | None = None) -> Path:
    """Return the path of a file that is there and not empty, or say in one sentence how to get it."""
    path = dataset_path(name, file, root=root)
    if not path.exists():
        raise FileNotFoundError(missing_sentence(dataset(name), file, path))
    return check_file(path)


def missing_sentence(entry: Dataset, file: str, path: Path) -> str:
    """Return the sentence for a file that is not there: which, where it belongs, how to get it."""
    part = entry.files.get(file) or entry.folders.get(file)
    start = f"the data set {entry.name!r} needs {file}, which is not at {path}"
    if isinstance(part, DataFile) and part.url is not None:
        return (
            f"{start}: run `alignkit data fetch {entry.name}`, or download {part.url} to that path "
            f"(or name the folder that holds {entry.name}/ with root=... or {VARIABLE})."
        )
    source = part.by_hand if part is not None and part.by_hand else entry.page
    return (
        f"{start}: get it from {source}, then put it there or run "
        f"`alignkit data import {entry.name} --from PATH` (or name the folder that holds {entry.name}/ "
        f"with root=... or {VARIABLE})."
    )
