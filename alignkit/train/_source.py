"""Where inputs of photos come from: decoded anew, or (a prefix cache) from the disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from alignkit._typing import IntArray
from alignkit.models._preprocess import Preprocess
from alignkit.train._images import open_photo, read_images, read_pixels

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL.Image import Image

#: Bytes that the pixels of all photos may take for them to be kept in memory once they were decoded.
_KEPT_BYTES = 1 << 28
#: What the model takes for photos of these numbers, on the CPU: ``{"image": ...}`` or ``{"hidden": ...}``.
Source = Callable[[IntArray], Mapping[str, Tensor]]


class ImageSource:
    """Photos, decoded and preprocessed when they are asked for; the pixels of few and small ones are kept.

    Parameters
    ----------
    photos : sequence
        All photos, in the order of their numbers: files, or whatever ``read`` makes images of.
    preprocess : Preprocess
        The backbone's.
    read : callable
        From one of ``photos`` to a PIL image; called by several threads.
    """

    def __init__(
        self, photos: Sequence[Any], preprocess: Preprocess, *, read: Callable[[Any], Image] = open_photo
    ) -> None:
        self.photos = tuple(photos)
        self.preprocess = preprocess
        self.read = read
        self._kept = _empty(len(self.photos), preprocess)
        self._have = np.zeros(len(self.photos), dtype=bool)

    def __call__(self, numbers: IntArray, /) -> Mapping[str, Tensor]:
        """Return ``{"image": tensor}`` of shape (n, 3, size, size)."""
        if self._kept is None:
            images = read_images([self.photos[i] for i in numbers], self.preprocess, read=self.read)
        else:
            images = self.preprocess.normalise(self._pixels(self._kept, numbers))
        return {"image": torch.from_numpy(images)}

    def _pixels(self, kept: npt.NDArray[np.uint8], numbers: IntArray) -> npt.NDArray[np.uint8]:
        new = np.unique(numbers[~self._have[numbers]])
        if new.size:
            kept[new] = read_pixels([self.photos[i] for i in new], self.preprocess, read=self.read)
            self._have[new] = True
        return kept[numbers]


def _empty(n: int, preprocess: object) -> npt.NDArray[np.uint8] | None:
    """Return where the pixels of ``n`` photos go, or None where they are too many or never seen by themselves."""
    if not isinstance(preprocess, Preprocess):  # a function of the user's own
        return None
    shape = (n, preprocess.size, preprocess.size, 3)
    return np.empty(shape, dtype=np.uint8) if math.prod(shape) <= _KEPT_BYTES else None
