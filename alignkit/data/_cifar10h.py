"""CIFAR-10H: how people label the 10,000 CIFAR-10 test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alignkit._check import as_labels
from alignkit._io import load_npy, load_npz
from alignkit._typing import AnyArray, FloatArray, IntArray, PathLike
from alignkit.data._pictures import write_pictures
from alignkit.data._registry import locate
from alignkit.data._tables import frozen

_N, _CLASSES = 10_000, 10


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CIFAR10H:
    """CIFAR-10's test images with about 50 human labels each.

    Parameters
    ----------
    labels : tuple of str, shape (10000,)
        ``"00000"`` to ``"09999"``: the position in the test set.
    classes : tuple of str, shape (10,)
        Names of the classes.
    counts : ndarray of int, shape (10000, 10)
        How many people chose each class.
    probs : ndarray of float, shape (10000, 10)
        The same, each row divided by its sum.
    target : ndarray of int, shape (10000,)
        CIFAR-10's own class of each image, 0 to 9.
    data : ndarray of uint8
        The JPEG files, one after the other.
    offsets : ndarray of int, shape (10001,)
        Where each of them starts in ``data``.
    """

    labels: tuple[str, ...]
    classes: tuple[str, ...]
    counts: IntArray
    probs: FloatArray
    target: IntArray
    data: AnyArray
    offsets: IntArray

    def __repr__(self) -> str:
        votes = self.counts.sum(axis=1)
        return (
            f"<CIFAR10H {len(self.labels):,} images, {len(self.classes)} classes ({', '.join(self.classes[:3])}, ...), "
            f"{votes.min()}-{votes.max()} human labels an image>"
        )

    def jpeg(self, i: int, /) -> bytes:
        """Return image ``i`` as the bytes of a JPEG file.

        Raises
        ------
        IndexError
            ``i`` is not a position from 0 to 9,999.
        """
        if not 0 <= i < len(self.labels):
            msg = f"i must be a position from 0 to {len(self.labels) - 1}; got {i}."
            raise IndexError(msg)
        return self.data[self.offsets[i] : self.offsets[i + 1]].tobytes()

    def export_images(self, folder: PathLike, /, *, images: Sequence[int] | None = None, progress: bool = True) -> Path:
        """Write images as ``<label>.jpg`` into a folder (made if needed): all of them, or those at ``images``.

        Raises
        ------
        NotADirectoryError
            ``folder`` is a file.
        IndexError
            A position outside the set.
        """
        wanted = range(len(self.labels)) if images is None else images
        names = [f"{self.labels[i]}.jpg" for i in wanted]
        return write_pictures(folder, names, lambda k: self.jpeg(int(wanted[k])), progress)


def load_cifar10h(root: PathLike | None = None, /) -> CIFAR10H:
    """Read CIFAR-10H: human label counts and the images they belong to.

    Parameters
    ----------
    root : path, optional
        Folder that holds ``cifar10h/``; by default the environment variable ``ALIGNKIT_DATA``, else the user's cache.

    Returns
    -------
    CIFAR10H

    Raises
    ------
    FileNotFoundError
        A file is not there; the sentence says how to get it.
    ValueError
        A damaged file, or files that do not belong together.

    References
    ----------
    Peterson et al. (2019), https://doi.org/10.1109/ICCV.2019.00971

    Examples
    --------
    >>> load_cifar10h().labels[-1]  # doctest: +SKIP
    '09999'
    """
    path = locate("cifar10h", "cifar10_test_jpg.npz", root)
    arrays, _ = load_npz(path)
    _check_images(arrays, path)
    counts = load_npy(locate("cifar10h", "cifar10h-counts.npy", root))
    probs = load_npy(locate("cifar10h", "cifar10h-probs.npy", root))
    _check_counts(counts, probs)
    return CIFAR10H(
        labels=tuple(f"{i:05d}" for i in range(_N)),
        classes=as_labels("the classes", arrays["classes"], _CLASSES),
        counts=_readonly(counts.astype(np.int64)),
        probs=frozen(probs),
        target=_readonly(arrays["labels"].astype(np.int64)),
        data=_readonly(arrays["data"]),
        offsets=_readonly(arrays["offsets"].astype(np.int64)),
    )


def _check_images(arrays: dict[str, AnyArray], path: Path) -> None:
    missing = [name for name in ("data", "offsets", "labels", "classes") if name not in arrays]
    if missing:
        msg = f"{path} lacks the array(s) {', '.join(missing)}; it has {', '.join(arrays)}."
        raise ValueError(msg)
    data, offsets, labels = arrays["data"], arrays["offsets"], arrays["labels"]
    fits = (
        offsets.shape == (_N + 1,)
        and labels.shape == (_N,)
        and data.dtype == np.uint8
        and offsets[0] == 0
        and offsets[-1] == data.size
        and (np.diff(offsets) > 0).all()
        and labels.min() >= 0
        and labels.max() < _CLASSES
    )
    if not fits:
        msg = f"{path}: data, offsets and labels do not describe {_N:,} images; it is damaged or another version."
        raise ValueError(msg)


def _check_counts(counts: AnyArray, probs: AnyArray) -> None:
    shape = (_N, _CLASSES)
    if counts.shape != shape or probs.shape != shape or not (counts.sum(axis=1) > 0).all():
        msg = f"CIFAR-10H's counts and probabilities must have shape {shape}; got {counts.shape} and {probs.shape}."
        raise ValueError(msg)
    if not np.allclose(counts / counts.sum(axis=1, keepdims=True), probs, atol=1e-6):
        msg = (
            "CIFAR-10H's probabilities are not its counts divided by their sums; the two files do not belong together."
        )
        raise ValueError(msg)


def _readonly(array: AnyArray) -> AnyArray:
    array.flags.writeable = False
    return array
