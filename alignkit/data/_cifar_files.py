"""CIFAR-10 and CIFAR-100 as zero-shot sets: the binary files of their authors, and JPEGs in one ``.npz``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import shown
from alignkit._io import check_file, load_npz
from alignkit._threads import each
from alignkit._typing import AnyArray, IntArray, PathLike
from alignkit.data._pair_images import BrokenImageError, decode_image, what_is_wrong
from alignkit.data._zero_shot_names import described, read_lines
from alignkit.data._zero_shot_set import ZeroShotSet

if TYPE_CHECKING:
    from PIL.Image import Image

_PIXELS = 3 * 32 * 32
#: By the file of test images: what the set is called, the bytes of labels before each image, and the file of names.
_LAYOUTS = {"test_batch.bin": ("cifar10", 1, "batches.meta.txt"), "test.bin": ("cifar100", 2, "fine_label_names.txt")}
#: JPEGs of CIFAR-10's test images.
NPZ = "cifar10_test_jpg.npz"
_ARRAYS = ("data", "offsets", "labels", "classes")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PlanarImages:
    """Images of 32 pixels, each the planes of red, green and blue one after the other."""

    file: Path
    pixels: AnyArray

    def __len__(self) -> int:
        return len(self.pixels)

    def name(self, i: int) -> str:
        """Return the file and the number in it."""
        return f"{self.file.name}/{i:05d}"

    def image(self, i: int) -> Image:
        """Return an image in RGB."""
        from PIL import Image as Images

        return Images.fromarray(np.array(self.pixels[i]).reshape(3, 32, 32).transpose(1, 2, 0))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PackedImages:
    """Encoded images one after the other, by where each begins and ends."""

    file: Path
    data: AnyArray
    spans: IntArray
    numbers: IntArray

    def __len__(self) -> int:
        return len(self.spans)

    def name(self, i: int) -> str:
        """Return the file and the number in it."""
        return f"{self.file.name}/{int(self.numbers[i]):05d}"

    def image(self, i: int) -> Image:
        """Return an image in RGB."""
        first, last = self.spans[i].tolist()
        try:
            return decode_image(self.data[first:last].tobytes())
        except BrokenImageError as error:
            msg = f"{self.name(i)} cannot be used: {error}."
            raise ValueError(msg) from error


def cifar_file(path: Path, /) -> Path | None:
    """Return the file of test images that a path is or that lies in it, or None."""
    if path.is_file():
        return path if path.name in _LAYOUTS or path.suffix.lower() == ".npz" else None
    return next((path / file for file in (*_LAYOUTS, NPZ) if (path / file).is_file()), None)


def cifar_name(file: Path, /) -> str:
    """Return what the set in a file is called."""
    if file.name in _LAYOUTS:
        return _LAYOUTS[file.name][0]
    return "cifar10" if file.name == NPZ else file.stem


def open_cifar(
    file: Path,
    /,
    *,
    name: str,
    class_names: Sequence[str] | None,
    templates: Sequence[str] | None,
    root: PathLike | None,
    decode: bool,
) -> ZeroShotSet:
    """Read one of the files that :func:`cifar_file` finds.

    Raises
    ------
    ValueError
        A damaged file, or words for the classes that are not there.
    """
    if file.suffix.lower() == ".npz":
        return _open_npz(file, name, class_names, templates, root, decode)
    n_labels, listed = _LAYOUTS[file.name][1:]
    size, row = check_file(file).stat().st_size, n_labels + _PIXELS
    if size % row:
        msg = f"{file} has {size:,} bytes, no multiple of {row:,}; it is truncated or no CIFAR file."
        raise ValueError(msg)
    if class_names is None and (file.parent / listed).is_file():
        class_names = [line for line in read_lines(file.parent / listed) if line]
    names, texts = described(name, class_names, templates, root)
    rows: AnyArray = np.memmap(file, dtype=np.uint8, mode="r").reshape(-1, row)
    return ZeroShotSet(
        name=name,
        kind="classification",
        images=PlanarImages(file, rows[:, n_labels:]),
        class_names=names,
        templates=texts,
        targets=rows[:, n_labels - 1].astype(np.int64),
    )


def _open_npz(
    file: Path,
    name: str,
    class_names: Sequence[str] | None,
    templates: Sequence[str] | None,
    root: PathLike | None,
    decode: bool,
) -> ZeroShotSet:
    arrays, _ = load_npz(file)
    data, offsets, labels, classes = _checked(file, arrays)
    own = [str(one) for one in classes.tolist()]
    names, texts = described(name, own if class_names is None else class_names, templates, root)
    spans = np.stack([offsets[:-1], offsets[1:]], axis=1)
    wrong = each(lambda span: what_is_wrong(data[span[0] : span[1]].tobytes(), decode=decode), spans.tolist())
    kept = np.flatnonzero([reason is None for reason in wrong])
    return ZeroShotSet(
        name=name,
        kind="classification",
        images=PackedImages(file, data, spans[kept], kept),
        class_names=names,
        templates=texts,
        targets=labels[kept],
        bad=tuple((f"{file.name}/{i:05d}", reason) for i, reason in enumerate(wrong) if reason is not None),
    )


def _checked(file: Path, arrays: dict[str, AnyArray]) -> tuple[AnyArray, IntArray, IntArray, AnyArray]:
    missing = [one for one in _ARRAYS if one not in arrays]
    if missing:
        msg = f"{file} must hold {', '.join(_ARRAYS)} (images as bytes); it has {shown(sorted(arrays))}."
        raise ValueError(msg)
    data, offsets, labels, classes = (arrays[one] for one in _ARRAYS)
    fits = (
        data.dtype == np.uint8
        and (data.ndim, offsets.ndim, labels.ndim, classes.ndim) == (1, 1, 1, 1)
        and np.issubdtype(offsets.dtype, np.integer)
        and np.issubdtype(labels.dtype, np.integer)
        and classes.dtype.kind == "U"
        and len(offsets) == len(labels) + 1 > 1
        and offsets[0] == 0
        and offsets[-1] == data.size
        and bool((offsets[1:] > offsets[:-1]).all())
    )
    if not fits:
        msg = f"{file}: data, offsets, labels and classes do not describe images; it is damaged or another version."
        raise ValueError(msg)
    return data, offsets.astype(np.int64), labels.astype(np.int64), classes
