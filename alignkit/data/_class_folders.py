"""Zero-shot sets as folders of images: one folder for each class, or images with a table of captions."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import counted
from alignkit._threads import each
from alignkit._typing import PathLike
from alignkit.data._folder_pairs import open_folder_pairs
from alignkit.data._image_text_pairs import ImageTextPairs
from alignkit.data._pair_images import MAX_IMAGE, BrokenImageError, decode_image, what_is_wrong
from alignkit.data._verify import pictures
from alignkit.data._zero_shot_names import described, published_classes, read_lines
from alignkit.data._zero_shot_set import ZeroShotSet

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")
#: Tables of captions that a folder of images may hold.
CAPTIONS = ("captions.csv", "captions.tsv")
_WNID = re.compile(r"n\d{8}")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FolderImages:
    """Images of a folder, by their names in it."""

    folder: Path
    files: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.files)

    def name(self, i: int) -> str:
        """Return the file."""
        return self.files[i]

    def image(self, i: int) -> Image:
        """Return an image in RGB."""
        try:
            return decode_image((self.folder / self.files[i]).read_bytes())
        except (BrokenImageError, OSError) as error:
            msg = f"{self.folder / self.files[i]} cannot be used: {error}."
            raise ValueError(msg) from error


def class_folders(folder: Path, /) -> list[str]:
    """Return the names of the folders in a folder, sorted: the classes, where these hold images."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def has_class_folders(folder: Path, /) -> bool:
    """Return whether any folder in a folder holds images itself."""
    return any(path.suffix.lower() in SUFFIXES for name in class_folders(folder) for path in (folder / name).iterdir())


def open_class_folders(
    folder: Path,
    /,
    *,
    name: str,
    class_names: Sequence[str] | None,
    templates: Sequence[str] | None,
    root: PathLike | None,
    decode: bool,
) -> ZeroShotSet:
    """Look at the images of a folder whose folders are classes.

    Raises
    ------
    ValueError
        Another number of class names than of folders, or words for the classes that are not there.
    """
    folders = class_folders(folder)
    own = _names(folder, folders, name, class_names, root), _texts(folder, templates)
    names, texts = described(name, *own, root, files=str(folder / "templates.txt"))
    if len(names) != len(folders):
        msg = f"{folder} has {counted(len(folders), 'folder')}, and there are {len(names):,} class names for them."
        raise ValueError(msg)
    files = [file for file in pictures(folder, SUFFIXES) if "/" in file and "/." not in f"/{file}"]
    wrong = each(lambda file: _what_is_wrong(folder / file, decode), files)
    kept = [file for file, reason in zip(files, wrong, strict=True) if reason is None]
    numbers = {one: number for number, one in enumerate(folders)}
    return ZeroShotSet(
        name=name,
        kind="classification",
        images=FolderImages(folder, tuple(kept)),
        class_names=names,
        templates=texts,
        targets=np.array([numbers[file.split("/", 1)[0]] for file in kept], dtype=np.int64),
        bad=tuple((file, reason) for file, reason in zip(files, wrong, strict=True) if reason is not None),
    )


def open_captioned_folder(folder: Path, table: Path, /, *, name: str, decode: bool) -> ZeroShotSet:
    """Read a table of captions (columns file and caption) and look at its images.

    Raises
    ------
    FileNotFoundError
        No such table.
    ValueError
        A damaged one.
    """
    pairs = ImageTextPairs(open_folder_pairs(folder, table, None, decode=decode))
    return ZeroShotSet(
        name=name,
        kind="retrieval",
        images=pairs,
        targets=np.empty(0, dtype=np.int64),
        captions=tuple(pairs.captions(i) for i in range(len(pairs))),
        bad=pairs.bad,
    )


def _names(
    folder: Path, folders: Sequence[str], name: str, given: Sequence[str] | None, root: PathLike | None
) -> Sequence[str] | None:
    path = folder / "classnames.txt"
    if given is not None or path.is_file():
        return read_lines(path) if given is None else given
    if all(_WNID.fullmatch(one) for one in folders):  # numbers of WordNet are no words
        return published_classes(name, root)
    return [one.replace("_", " ") for one in folders]


def _texts(folder: Path, given: Sequence[str] | None) -> Sequence[str] | None:
    for path in (folder / "templates.txt", folder / "zeroshot_classification_templates.txt"):
        if given is None and path.is_file():
            return [line for line in read_lines(path) if line]
    return given


def _what_is_wrong(path: Path, decode: bool) -> str | None:
    try:
        size = path.stat().st_size
        if size > MAX_IMAGE:
            return f"it has {size:,} bytes, more than the {MAX_IMAGE:,} allowed"
        return what_is_wrong(path.read_bytes(), decode=decode)
    except OSError as error:
        return f"it cannot be read ({error})"
