"""Tiny shards of image-text pairs, made with tarfile and PIL."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from PIL import Image


def image_bytes(color: tuple[int, int, int], form: str = "PNG", size: tuple[int, int] = (8, 6)) -> bytes:
    """Return an image of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, form)
    return buffer.getvalue()


def write_tar(path: Path, files: Iterable[tuple[str, bytes]], **options: object) -> Path:
    """Write files into a tar, in order."""
    with tarfile.open(path, "w", **options) as tar:  # type: ignore[call-overload]
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def sample(number: int, ending: str = "png") -> list[tuple[str, bytes]]:
    """Return the two files of a good sample: its number is its colour and its caption."""
    form = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP"}[ending]
    key = f"{number:06d}"
    return [(f"{key}.{ending}", image_bytes((number, 0, 255 - number), form)), (f"{key}.txt", f"n {number}".encode())]


def write_shards(folder: Path, sizes: Iterable[int]) -> list[Path]:
    """Write shards of these sizes, their samples numbered through."""
    folder.mkdir(exist_ok=True)
    paths, first = [], 0
    for k, size in enumerate(sizes):
        files = [file for number in range(first, first + size) for file in sample(number)]
        paths.append(write_tar(folder / f"{k:05d}.tar", files))
        first += size
    return paths
