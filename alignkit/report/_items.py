"""What is known of items besides their numbers: a category and a small picture each."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from alignkit._check import as_labels, counted, join_names
from alignkit._typing import PathLike
from alignkit.models._items import Item, UnreadableError, list_images

#: Longer side of a small picture, in pixels, and how many bytes of a page all of them may take.
SIDE, MOST_BYTES = 112, 4 << 20
#: THINGS' own stimuli are named concept_01b.jpg.
STIMULUS = re.compile(r"^(?P<concept>.+)_\d{2}[a-z]$")
#: What the columns of a table of categories may be called.
_ITEM, _CATEGORY = ("item", "label", "file", "name", "uniqueID", "concept"), ("category", "class", "group")


@dataclasses.dataclass(frozen=True, slots=True)
class Items:
    """Pictures and categories of items by label; either may be empty.

    Parameters
    ----------
    pictures : mapping of str to str
        A data URI of each item that has a picture.
    categories : mapping of str to str
    notes : sequence of str
        Which pictures are not there, and why.
    """

    pictures: Mapping[str, str] = dataclasses.field(default_factory=dict)
    categories: Mapping[str, str] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()

    def pictures_of(self, labels: Iterable[str]) -> dict[str, str]:
        """Return the pictures of these items, of those that have one."""
        return {label: self.pictures[label] for label in labels if label in self.pictures}

    def groups(self, labels: Sequence[str]) -> list[str]:
        """Return the category of each item, "" where it has none."""
        return [_of(self.categories, label) for label in labels]


def read_categories(path: PathLike, /) -> dict[str, str]:
    """Return the categories that a table says: a csv or tsv with the columns item and category.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A file that is no such table, or an item in two categories.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 text; a table with the columns item and category is expected."
        raise ValueError(msg) from error
    rows = list(csv.reader(io.StringIO(text), delimiter="\t" if path.suffix == ".tsv" else ","))
    head = [cell.strip() for cell in rows[0]] if rows else []
    item, category = (next((name for name in names if name in head), None) for names in (_ITEM, _CATEGORY))
    if item is None or category is None:
        msg = f"{path} needs the columns item and category; it has {join_names(head) or 'none'}."
        raise ValueError(msg)
    a, b = head.index(item), head.index(category)
    pairs = [(row[a].strip(), row[b].strip()) for row in rows[1:] if len(row) > max(a, b) and row[a].strip()]
    found = dict(zip(as_labels(item, [name for name, _ in pairs]), (kind for _, kind in pairs), strict=True))
    if not found:
        msg = f"{path} has no rows; give the category of every item."
        raise ValueError(msg)
    return found


def small_pictures(folder: PathLike, labels: Iterable[str], /, *, most_bytes: int = MOST_BYTES) -> Items:
    """Return small pictures of items from a folder of photos, in the order of the labels, as long as there is room.

    A photo shows an item when its path, its name, its name without the ending (or THINGS' ``_01b``), or its folder is
    the item's label.

    Raises
    ------
    FileNotFoundError
        No such folder.
    ValueError
        No photo shows any of the items.
    """
    folder = Path(folder)
    if not folder.is_dir():
        msg = f"{folder} is not a folder; give the folder with the photos of the items."
        raise FileNotFoundError(msg)
    files = _files_by_name(folder)
    names = list(dict.fromkeys(labels))
    photos = {label: photo for label in names if (photo := _find(files, label)) is not None}
    if names and not photos:
        msg = f"no photo in {folder} is named as one of the items ({join_names(names, 3)})."
        raise ValueError(msg)
    pictures: dict[str, str] = {}
    damaged, left, size = [], 0, 0
    for label, photo in photos.items():
        if size >= most_bytes:
            left += 1
            continue
        try:
            pictures[label] = _small(photo)
            size += len(pictures[label])
        except (UnreadableError, OSError):
            damaged.append(photo.name)
    return Items(pictures, notes=_told(len(names) - len(photos), left, damaged, most_bytes))


def _told(missing: int, left: int, damaged: Sequence[str], most_bytes: int) -> list[str]:
    have = "has" if missing == 1 else "have"
    notes = [f"{counted(missing, 'item')} {have} no photo in the folder."] if missing else []
    notes += [f"Photos that cannot be read are left out: {join_names(damaged, 3)}."] if damaged else []
    room = f"{most_bytes / 2**20:.3g} MiB"
    return notes + ([f"Pictures of {counted(left, 'item')} are left out: a page holds {room} of them."] if left else [])


def _files_by_name(folder: Path) -> dict[str, Path]:
    """Return the first photo of each name that it may go by; a name that says more goes before one that says less."""
    kinds: list[dict[str, Path]] = [{} for _ in range(5)]
    for photo in list_images(folder):
        inside = PurePosixPath(photo.relative_to(folder).as_posix())
        named = STIMULUS.match(inside.stem)
        names = (str(inside), inside.name, inside.stem, named["concept"] if named else "", inside.parent.name)
        for kind, name in zip(kinds, names, strict=True):
            kind.setdefault(name, photo)
    return {name: photo for kind in reversed(kinds) for name, photo in kind.items() if name}


def _find(files: Mapping[str, Path], label: str) -> Path | None:
    path = PurePosixPath(label)
    return next((files[name] for name in (label, path.name, path.stem) if name in files), None)


def _of(known: Mapping[str, str], label: str) -> str:
    path = PurePosixPath(label)
    return next((known[name] for name in (label, path.name, path.stem, path.parent.name) if name in known), "")


def _small(photo: Path) -> str:
    """Return a small JPEG of a photo as a data URI; what is transparent is white."""
    from PIL import Image

    image = Item(photo.name, photo).read()[0].convert("RGBA")
    image.thumbnail((SIDE, SIDE))
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    buffer = io.BytesIO()
    white.save(buffer, format="JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
