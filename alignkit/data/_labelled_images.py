"""Pictures with classes, and for tests of robustness the domain that each belongs to."""

from __future__ import annotations

import csv
import dataclasses
from collections import Counter
from pathlib import Path, PurePosixPath

from alignkit._check import join_names
from alignkit._io import atomic_write
from alignkit._typing import PathLike
from alignkit.data._tables import text_table
from alignkit.data._verify import pictures

#: Endings of pictures that count.
SUFFIXES = (".jpeg", ".jpg", ".png", ".webp", ".bmp")
_DOMAINS = ("source", "target")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class LabelledImages:
    """Pictures and their classes.

    Parameters
    ----------
    files : tuple of str
        Paths relative to their folder, with forward slashes.
    classes : tuple of str
        Class of each.
    domain : tuple of str
        Domain of each: ``"source"``, what a probe may be fitted to, or ``"target"``, what it is scored on besides;
        empty where there is one domain.
    name : str
        What they are called.
    """

    files: tuple[str, ...]
    classes: tuple[str, ...]
    domain: tuple[str, ...] = ()
    name: str = "classes"

    def __repr__(self) -> str:
        domains = "".join(f", {n:,} {name}" for name, n in sorted(Counter(self.domain).items()))
        return f"<LabelledImages {self.name}: {len(self.files):,} files, {len(set(self.classes)):,} classes{domains}>"

    def to_csv(self, path: PathLike) -> None:
        """Write the table that :func:`alignkit.score.score_suite` takes as ``classes``."""
        domain = self.domain or ("source",) * len(self.files)
        with atomic_write(path, "w") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("file", "class", "domain"))
            writer.writerows(zip(self.files, self.classes, domain, strict=True))


def read_labelled_images(path: PathLike, /) -> LabelledImages:
    """Read which picture is of which class: from a table, or from a folder with one folder per class.

    Parameters
    ----------
    path : path
        A ``.csv`` or ``.tsv`` with the columns ``file`` and ``class``, and ``domain`` (``source`` or ``target``) where
        a probe is fitted to one kind of pictures and scored on another; or a folder.

    Returns
    -------
    LabelledImages

    Raises
    ------
    FileNotFoundError
        Nothing there.
    ValueError
        A table without these columns, an unknown domain, files named twice, or a folder without pictures in folders.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg"):
    ...     (folder / name).parent.mkdir(exist_ok=True)
    ...     (folder / name).touch()
    >>> images = read_labelled_images(folder)
    >>> images.files, images.classes
    (('cat/1.jpg', 'cat/2.jpg', 'dog/1.jpg'), ('cat', 'cat', 'dog'))
    """
    target = Path(path)
    return _from_folder(target) if target.is_dir() else _from_table(target)


def _from_folder(folder: Path) -> LabelledImages:
    files = [name for name in pictures(folder, SUFFIXES) if "/" in name]
    if not files:
        msg = f"{folder} holds no pictures in folders named after their classes (class/file.jpg)."
        raise ValueError(msg)
    return LabelledImages(tuple(files), tuple(PurePosixPath(name).parent.name for name in files), name=folder.name)


def _from_table(path: Path) -> LabelledImages:
    sep = "\t" if path.suffix.lower() in (".tsv", ".txt") else ","
    table = text_table(path, sep=sep, columns=("file", "class"), as_text=True)
    columns = {name: tuple(str(cell).strip() for cell in table[name]) for name in ("file", "class")}
    for name, cells in columns.items():
        if not cells or not all(cells):
            msg = f"{path} leaves the column {name} empty in some rows, or has none; name every picture and its class."
            raise ValueError(msg)
    twice = [name for name, n in Counter(columns["file"]).items() if n > 1]
    if twice:
        msg = f"{path} names {join_names(twice)} more than once."
        raise ValueError(msg)
    domain = tuple(str(cell).strip() for cell in table["domain"]) if "domain" in table.columns else ()
    unknown = sorted(set(domain) - set(_DOMAINS))
    if unknown:
        msg = f"{path}: domain must be source or target; it holds {join_names(unknown)}."
        raise ValueError(msg)
    return LabelledImages(columns["file"], columns["class"], domain, path.stem)
