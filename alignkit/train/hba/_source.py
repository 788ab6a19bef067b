"""Where inputs of photos come from: decoded anew, or (a prefix cache) from the disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from alignkit._typing import IntArray
from alignkit.train.hba._images import read_images

if TYPE_CHECKING:
    from alignkit.models._preprocess import Preprocess

#: What the model takes for photos of these numbers, on the CPU: ``{"image": ...}`` or ``{"hidden": ...}``.
Source = Callable[[IntArray], Mapping[str, Tensor]]


class ImageSource:
    """Photos, decoded and preprocessed whenever they are asked for.

    Parameters
    ----------
    photos : sequence of Path
        All photos, in the order of their numbers.
    preprocess : Preprocess
        The backbone's.
    """

    def __init__(self, photos: Sequence[Path], preprocess: Preprocess) -> None:
        self.photos = tuple(photos)
        self.preprocess = preprocess

    def __call__(self, numbers: IntArray, /) -> Mapping[str, Tensor]:
        """Return ``{"image": tensor}`` of shape (n, 3, size, size)."""
        images = read_images([self.photos[number] for number in numbers], self.preprocess)
        return {"image": torch.from_numpy(images)}
