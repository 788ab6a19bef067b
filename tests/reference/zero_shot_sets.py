"""Tiny sets of a zero-shot evaluation, each image of one colour that says its number, in every layout."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from reference.pairs import image_bytes, write_tar

COLOURS = ("red", "green", "blue")


def colour(number: int) -> tuple[int, int, int]:
    return (number, 2 * number, 255 - number)


def npy(flags: Sequence[int]) -> bytes:
    with io.BytesIO() as file:
        np.save(file, np.array(flags))
        return file.getvalue()


def label(kind: str, number: int) -> tuple[str, bytes]:
    """Return ending and content of what is said of an image: class ``number % 3``; that and 0; or two captions."""
    target = number % 3
    return {
        "classification": ("cls", str(target).encode()),
        "multilabel": ("npy", npy([int(k in (0, target)) for k in range(3)])),
        "retrieval": ("txt", f"number {number}\nthe {number}th".encode()),
    }[kind]


def wds_files(numbers: Sequence[int], kind: str = "classification", form: str = "png") -> list[tuple[str, bytes]]:
    """Return the files of a shard."""
    names = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}
    files = []
    for number in numbers:
        ending, content = label(kind, number)
        key = f"s{number:07d}"
        # CLIP_benchmark's writer sorts by ending
        files += sorted([(f"{key}.{form}", image_bytes(colour(number), names[form])), (f"{key}.{ending}", content)])
    return files


def write_wds(folder: Path, shards: Sequence[Sequence[int]], kind: str = "classification", form: str = "png") -> Path:
    """Write a set as CLIP_benchmark does."""
    (folder / "test").mkdir(parents=True)
    for k, numbers in enumerate(shards):
        write_tar(folder / "test" / f"{k}.tar", wds_files(numbers, kind, form))
    (folder / "test" / "nshards.txt").write_text(f"{len(shards)}\n")
    if kind != "classification":
        (folder / "dataset_type.txt").write_text(f"{kind}\n")
    if kind != "retrieval":
        (folder / "classnames.txt").write_text("".join(f"{name}\n" for name in COLOURS))
        (folder / "zeroshot_classification_templates.txt").write_text("a photo of a {c}.\nthe {c}.\n")
    return folder


def write_folders(folder: Path, numbers: Sequence[int], names: Sequence[str] = COLOURS) -> Path:
    """Write a folder of images by class."""
    for number in numbers:
        path = folder / names[number % 3] / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image_bytes(colour(number)))
    return folder


def write_captioned(folder: Path, numbers: Sequence[int]) -> Path:
    """Write images with a table of two captions each."""
    folder.mkdir(parents=True)
    lines = ["file,caption"]
    for number in numbers:
        (folder / f"{number}.png").write_bytes(image_bytes(colour(number)))
        lines += [f"{number}.png,number {number}", f"{number}.png,the {number}th"]
    (folder / "captions.csv").write_text("\n".join(lines) + "\n")
    return folder
