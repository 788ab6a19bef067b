"""What goes in: a folder, a list, a mapping or arrays become labelled items, read one at a time."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_labels, join_names

if TYPE_CHECKING:
    from PIL.Image import Image

    from alignkit.models._model import Kind

#: What counts as an image when a folder is searched; a list of paths may name anything PIL reads.
SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".jp2", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp", ".avif"}
)
_DEEP = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})


class UnreadableError(ValueError):
    """An item that cannot be read: its reason, and its hash when there were bytes to hash."""

    def __init__(self, reason: str, sha256: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sha256 = sha256


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One labelled input: a path, a PIL image, a uint8 array, or (for text models) a string."""

    label: str
    source: Any

    def read(self) -> tuple[Any, str]:
        """Return what the preprocessing takes (an 8-bit PIL image, or the text) and the item's SHA-256."""
        if isinstance(self.source, Path):
            return _open(self._bytes())
        return self.source, self._digest()

    def sha256(self) -> str | None:
        """Return the SHA-256 of the file's bytes, of the text, or of the pixels; None when the file is gone."""
        try:
            return self._digest()
        except UnreadableError:
            return None

    def _digest(self) -> str:
        if isinstance(self.source, Path):
            return _digest(self._bytes())
        return _digest(self.source.encode()) if isinstance(self.source, str) else _pixel_digest(self.source)

    def _bytes(self) -> bytes:
        try:
            if self.source.exists() and not self.source.is_file():  # a pipe would be waited for
                reason = "not a file"
                raise UnreadableError(reason)
            content: bytes = self.source.read_bytes()
        except OSError as error:
            reason = error.strerror or str(error)
            raise UnreadableError(reason) from error
        return content


def as_items(kind: Kind, inputs: object, labels: Iterable[Any] | None) -> list[Item]:
    """Return the inputs as labelled items in a fixed order.

    Raises
    ------
    FileNotFoundError
        A folder that does not exist or holds no images.
    TypeError
        Inputs that the kind of model does not take.
    ValueError
        No inputs, or labels that are empty, duplicate or too few.
    """
    found, sources = _text_sources(inputs) if kind == "text" else _image_sources(inputs)
    if not sources:
        msg = "inputs are empty; give at least one item."
        raise ValueError(msg)
    names = as_labels("the labels of the inputs", found if labels is None else labels, len(sources))
    return [Item(label, source) for label, source in zip(names, sources, strict=True)]


def list_images(folder: Path) -> list[Path]:
    """Return every image below ``folder``, sorted by its relative POSIX path; hidden files are left out.

    Raises
    ------
    PermissionError
        A folder that cannot be read: its images must not go missing without a word.
    """
    seen: set[str] = set()
    found: list[Path] = []
    for root, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        # a link back to a parent would walk for ever: each real folder is visited once
        seen.add(os.path.realpath(root))
        folders[:] = [
            name
            for name in folders
            if not name.startswith((".", "__MACOSX")) and os.path.realpath(os.path.join(root, name)) not in seen
        ]
        found += [
            Path(root, name) for name in files if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _refuse(error: OSError) -> None:
    raise error


def _image_sources(inputs: object) -> tuple[list[str], list[Any]]:
    if isinstance(inputs, str | os.PathLike):
        return _folder_sources(Path(inputs))
    if isinstance(inputs, Mapping):
        return [str(label) for label in inputs], [_image_source(value) for value in inputs.values()]
    if isinstance(inputs, np.ndarray) or not isinstance(inputs, Sequence):
        inputs = _array_sources(inputs)
    sources = [_image_source(value) for value in inputs]
    return [source.as_posix() if isinstance(source, Path) else str(i) for i, source in enumerate(sources)], sources


def _folder_sources(folder: Path) -> tuple[list[str], list[Any]]:
    if folder.is_file():
        msg = f"{folder} is a file; give a folder of images, or a list of image paths."
        raise NotADirectoryError(msg)
    if not folder.is_dir():
        msg = f"the folder {folder} does not exist."
        raise FileNotFoundError(msg)
    paths = list_images(folder)
    if not paths:
        msg = f"{folder} holds no images (looked for {', '.join(sorted(SUFFIXES))}, in subfolders too)."
        raise FileNotFoundError(msg)
    return [path.relative_to(folder).as_posix() for path in paths], list(paths)


def _array_sources(inputs: object) -> Sequence[Any]:
    if not isinstance(inputs, np.ndarray) or inputs.dtype != np.uint8 or inputs.ndim != 4 or inputs.shape[3] != 3:
        got = f"{inputs.dtype}, shape {inputs.shape}" if isinstance(inputs, np.ndarray) else type(inputs).__name__
        msg = f"images must be a folder, a list of paths, a mapping, or a uint8 array (n, height, width, 3); got {got}."
        raise TypeError(msg)
    return list(inputs)


def _image_source(value: object) -> Any:
    from PIL import Image

    if isinstance(value, str | os.PathLike):
        return Path(value)
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3 and value.shape[2] == 3:
        return Image.fromarray(np.ascontiguousarray(value))
    if isinstance(value, Image.Image):
        return value
    msg = f"an image must be a path, a PIL image or a uint8 array (height, width, 3); got {type(value).__name__}."
    raise TypeError(msg)


def _text_sources(inputs: object) -> tuple[list[str], list[Any]]:
    if isinstance(inputs, Mapping):
        labels, texts = [str(label) for label in inputs], list(inputs.values())
    elif isinstance(inputs, Sequence) and not isinstance(inputs, str | bytes):
        labels, texts = [str(text) for text in inputs], list(inputs)
    else:
        msg = (
            "a text model takes a list of texts or a mapping of label to text (read_texts makes one from a table); "
            f"got {inputs if isinstance(inputs, str | os.PathLike) else type(inputs).__name__!s}."
        )
        raise TypeError(msg)
    wrong = [text for text in texts if not isinstance(text, str)]
    if wrong:
        msg = f"texts must be strings; got {type(wrong[0]).__name__}."
        raise TypeError(msg)
    empty = [label for label, text in zip(labels, texts, strict=True) if not text.strip()]
    if empty:
        msg = f"{len(empty)} text(s) are empty, with the labels {join_names(empty)}; give every item a text."
        raise ValueError(msg)
    return labels, texts


def _open(content: bytes) -> tuple[Image, str]:
    from PIL import Image, UnidentifiedImageError

    digest = _digest(content)
    if not content:
        reason = "the file is empty (0 bytes)"
        raise UnreadableError(reason, digest)
    try:
        image = Image.open(BytesIO(content))
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        # PIL's text for an unknown format shows a memory address: say the same without it
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "not an image of a known format" if unknown else f"{error}"
        raise UnreadableError(reason, digest) from error
    if image.mode in _DEEP:
        reason = f"its pixels have more than 8 bits (mode {image.mode}); convert it to an 8-bit image"
        raise UnreadableError(reason, digest)
    return image, digest


def _pixel_digest(image: Image) -> str:
    header = f"{image.mode} {image.size[0]}x{image.size[1]} "
    return _digest(header.encode() + image.tobytes())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
