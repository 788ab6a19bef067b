"""Stimuli out of archives: a folder of pictures named by label, which `alignkit extract --images` can read."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path

from alignkit._io import atomic_write
from alignkit._typing import AnyArray, PathLike


def png_bytes(pixels: AnyArray) -> bytes:
    """Return an image of shape (height, width, 3), uint8, as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def write_pictures(folder: PathLike, names: Iterable[str], content: Callable[[int], bytes], progress: bool) -> Path:
    """Write one file per name, atomically, and return the folder (made if it does not exist)."""
    from tqdm import tqdm

    path = Path(folder)
    if path.exists() and not path.is_dir():
        msg = f"{path} is a file; give a folder for the pictures."
        raise NotADirectoryError(msg)
    path.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(tqdm(list(names), desc=f"write {path.name}", unit="file", disable=not progress)):
        with atomic_write(path / name) as file:
            file.write(content(i))
    return path
