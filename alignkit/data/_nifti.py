"""NIfTI images: opened with checked sizes, read voxel by voxel, compared by their grids."""

from __future__ import annotations

import gzip
import io
import itertools
import logging
import math
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import require, shown
from alignkit._io import MAX_BYTES, check_file
from alignkit._typing import BoolArray, FloatArray

EXTRA = "fmri"
#: Deflate cannot shrink data further than this.
_MAX_RATIO = 1040
_BLOCK = 1 << 24
#: Header sizes that begin every NIfTI-1 and NIfTI-2 file.
_HEADERS = {348: "Nifti1Image", 540: "Nifti2Image"}
#: Seconds per unit, by the header's code for units of time.
_SECONDS = {8: 1.0, 16: 1e-3, 24: 1e-6}


@dataclass(frozen=True, slots=True)
class Image:
    """A 3-D or 4-D image whose voxels are read when they are asked for.

    ``shape`` and ``affine`` (voxel to mm) are its grid; ``n_volumes`` is 1 for a 3-D image; ``tr`` is the time between
    volumes in seconds where the header says it. A compressed file is unpacked by ``load``, each time anew: the runs of
    one person hardly fit in memory together.
    """

    name: str
    shape: tuple[int, int, int]
    n_volumes: int
    affine: FloatArray
    tr: float | None
    source: Any
    load: Callable[[], Any] | None = None

    def volume(self, index: int = 0) -> FloatArray:
        """Return one volume in float64."""
        return _volume(self._data(), index)

    def voxels(self, mask: BoolArray) -> FloatArray:
        """Return the voxels of a mask in every volume, shape (volumes, voxels)."""
        values = np.empty((self.n_volumes, int(mask.sum())))
        data = self._data()
        for i in range(self.n_volumes):
            values[i] = _volume(data, i)[mask]
        return values

    def _data(self) -> Any:
        return (self.source if self.load is None else self.load()).dataobj


def _volume(data: Any, index: int) -> FloatArray:
    return np.asarray(data[..., index] if len(data.shape) == 4 else data, dtype=np.float64)


def open_image(name: str, image: Any) -> Image:
    """Open a NIfTI file, or take an image that nibabel or nilearn made.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        Nothing there, or a folder.
    ValueError
        Another format, a truncated or damaged file, a header that claims more than the file holds, or an image that
        has neither three nor four axes.
    TypeError
        Neither a path nor an image.
    """
    nibabel = require("nibabel", EXTRA)
    if isinstance(image, str | os.PathLike):
        return _open_file(nibabel, Path(image))
    if not isinstance(image, nibabel.spatialimages.SpatialImage):
        msg = f"{name} must be a NIfTI file or a nibabel image (an array has no place in space); got {shown(image)}."
        raise TypeError(msg)
    return _as_image(image.get_filename() or name, image)


def open_images(name: str, images: Any) -> list[Image]:
    """Open one image or a sequence of different ones.

    Raises
    ------
    ValueError
        No image, or one that is given twice.
    """
    if isinstance(images, str | os.PathLike) or not isinstance(images, Iterable):
        return [open_image(name, images)]
    given = list(images)
    opened = [open_image(f"{name}[{i}]", each) for i, each in enumerate(given)]
    if not opened:
        msg = f"{name} names no image; give a NIfTI file or several."
        raise ValueError(msg)
    _check_different(name, given, opened)
    return opened


def _check_different(name: str, given: list[Any], opened: list[Image]) -> None:
    first: dict[str | int, int] = {}
    for i, image in enumerate(given):
        before = first.setdefault(_identity(image), i)
        if before != i:
            msg = (
                f"{opened[i].name} is given twice ({name}[{before}] and {name}[{i}] are the same image), and noise "
                "that counts twice looks like signal; give each image once."
            )
            raise ValueError(msg)


def _identity(image: Any) -> str | int:
    """Return what two images share that hold the same voxels: the file they are read from, or the array."""
    if isinstance(image, str | os.PathLike):
        return os.path.realpath(image)
    file = image.get_filename()
    # what was loaded and then changed is no longer read from its file
    read_from_file = file is not None and require("nibabel", EXTRA).is_proxy(image.dataobj)
    return os.path.realpath(file) if read_from_file else id(image.dataobj)


def check_same_grid(image: Image, other: Image, *, remedy: str) -> None:
    """Raise unless both images have the same shape and affine, to a hundredth of a voxel."""
    if not same_grid(image, other):
        msg = f"{other.name} ({_grid(other)}) does not lie on the grid of {image.name} ({_grid(image)}): {remedy}"
        raise ValueError(msg)


def same_grid(image: Image, other: Image) -> bool:
    """Return whether the corners of both grids lie in the same places, to a hundredth of a voxel."""
    if image.shape != other.shape:
        return False
    corners = np.array(list(itertools.product(*((0, size - 1) for size in image.shape))))
    apart = to_mm(image.affine, corners) - to_mm(other.affine, corners)
    return bool(np.linalg.norm(apart, axis=1).max() < 0.01 * _voxel_sizes(image).min())


def to_mm(affine: FloatArray, indices: Any) -> FloatArray:
    """Return the positions in mm of voxel indices, shape (n, 3)."""
    return np.asarray(indices) @ affine[:3, :3].T + affine[:3, 3]


def _voxel_sizes(image: Image) -> FloatArray:
    return np.linalg.norm(image.affine[:3, :3], axis=0)


def _grid(image: Image) -> str:
    sizes = " x ".join(f"{size:.3g}" for size in _voxel_sizes(image))
    origin = ", ".join(f"{place:.3g}" for place in image.affine[:3, 3])
    return f"{' x '.join(map(str, image.shape))} voxels of {sizes} mm, the first at {origin}"


def _as_image(name: str, source: Any, load: Callable[[], Any] | None = None) -> Image:
    shape = tuple(int(size) for size in source.shape)
    if len(shape) not in (3, 4) or min(shape) < 1:
        msg = f"{name} must be a 3-D image or a 4-D one (x, y, z, volume); its shape is {shape}."
        raise ValueError(msg)
    if source.get_data_dtype().kind not in "iufb":
        msg = f"{name} holds {source.get_data_dtype()} values; real numbers are expected."
        raise ValueError(msg)
    affine = np.array(source.affine, dtype=np.float64) if source.affine is not None else np.full((4, 4), np.nan)
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine) < 4:
        msg = f"{name} has an affine that says of no voxel where it lies; set its sform or qform."
        raise ValueError(msg)
    affine.flags.writeable = False
    tr = _repetition_time(source)
    return Image(name, (shape[0], shape[1], shape[2]), math.prod(shape[3:]), affine, tr, source, load)


def _repetition_time(source: Any) -> float | None:
    """Return the seconds between volumes where the header gives them with their unit."""
    header = source.header
    if len(source.shape) < 4 or "xyzt_units" not in getattr(header, "keys", tuple)():
        return None
    # as decimals: the float32 nearest to 1.4 is 1.39999998, and a thousand volumes later another volume
    seconds = float(str(header.get_zooms()[3])) * _SECONDS.get(int(header["xyzt_units"]) & 56, 0.0)
    return round(seconds, 9) if 0 < seconds < math.inf else None


def _open_file(nibabel: Any, path: Path) -> Image:
    path = check_file(path)
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with _damage(path):
        if not packed:
            return _as_image(str(path), _open_plain(nibabel, path))
        return _as_image(str(path), _start_of_packed(nibabel, path), partial(_unpack, nibabel, path))


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Turn what nibabel and gzip raise on damaged files into one sentence that names the file."""
    try:
        with _no_log():
            yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        msg = f"{path} cannot be unpacked ({str(error).rstrip('.')}); it is truncated or damaged."
        raise ValueError(msg) from error
    except Exception as error:  # nibabel raises a dozen kinds on damaged headers
        if str(path) in str(error):
            raise
        msg = f"{path} is no readable NIfTI image ({str(error).rstrip('.')}); it is damaged."
        raise ValueError(msg) from error


@contextmanager
def _no_log() -> Iterator[None]:
    """Keep nibabel from printing what it mends in a header; what it cannot mend it raises."""
    logger = logging.getLogger("nibabel.global")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _open_plain(nibabel: Any, path: Path) -> Any:
    with open(path, "rb") as file:
        kind, needed = _claim(nibabel, path, file.read(540))
    if path.stat().st_size < needed:
        raise ValueError(_short(path, needed, path.stat().st_size))
    if path.suffix == ".gz":
        msg = f"{path} is not compressed in spite of its name; rename it to .nii."
        raise ValueError(msg)
    return kind.from_filename(path)


def _start_of_packed(nibabel: Any, path: Path) -> Any:
    """Return the header of a .nii.gz as an image without voxels."""
    with gzip.open(path) as file:
        start = file.read(540)
        kind, needed = _claim(nibabel, path, start)
        if needed > _MAX_RATIO * path.stat().st_size:
            raise ValueError(_short(path, needed, None))
        offset = int(kind.header_class(start[: kind.header_class.sizeof_hdr], check=False).get_data_offset())
        return kind.from_stream(io.BytesIO(start + file.read(max(0, offset - len(start)))))


def _unpack(nibabel: Any, path: Path) -> Any:
    """Return the image of a .nii.gz, read to its end: only that tells whether its checksum is right."""
    with _damage(path), gzip.open(path) as file:
        start = file.read(540)
        kind, needed = _claim(nibabel, path, start)
        content = io.BytesIO()
        held = content.write(start)
        while held < needed and (part := file.read(min(_BLOCK, needed - held))):
            held += content.write(part)
        surplus = 0
        while part := file.read(_BLOCK):
            surplus += len(part)
            if surplus > MAX_BYTES:
                msg = f"{path} expands to more than its header says; it is damaged."
                raise ValueError(msg)
        if held < needed:
            raise ValueError(_short(path, needed, held))
        content.seek(0)
        return kind.from_stream(content)


def _claim(nibabel: Any, path: Path, start: bytes) -> tuple[Any, int]:
    """Return the class of image and how many bytes its header says that the file holds."""
    size = int.from_bytes(start[:4], "little")
    size = size if size in _HEADERS else int.from_bytes(start[:4], "big")
    if size not in _HEADERS or len(start) < size:
        msg = f"{path} is not a NIfTI image; give a .nii or .nii.gz file."
        raise ValueError(msg)
    kind = getattr(nibabel, _HEADERS[size])
    if start[344:347] == b"ni1" or start[4:7] == b"ni2":
        msg = f"{path} is the header of a pair of files (.hdr, .img); save it as one .nii or .nii.gz file."
        raise ValueError(msg)
    header = kind.header_class(start[:size], check=False)
    if header["magic"].item() not in (b"n+1", b"n+2"):
        msg = f"{path} is not a NIfTI image (Analyze has the same suffixes); save it as .nii or .nii.gz."
        raise ValueError(msg)
    header.check_fix(error_level=40)
    shape = header.get_data_shape()
    if not shape or min(shape) < 1:
        msg = f"{path} has the shape {tuple(shape)} by its header; it is damaged."
        raise ValueError(msg)
    needed = int(header.get_data_offset()) + math.prod(map(int, shape)) * header.get_data_dtype().itemsize
    if needed > MAX_BYTES:
        msg = f"{path} holds {needed / 2**30:.1f} GiB by its header, more than the {MAX_BYTES / 2**30:g} GiB allowed."
        raise ValueError(msg)
    return kind, needed


def _short(path: Path, needed: int, held: int | None) -> str:
    holds = "can hold" if held is None else f"holds ({held:,})"
    return f"{path} claims more bytes ({needed:,}) than it {holds}; it is truncated or damaged."
