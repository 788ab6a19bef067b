"""Images that a model is asked about again and again while it trains: decoded once where memory allows it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from alignkit._threads import n_threads
from alignkit._typing import IntArray
from alignkit.models._preprocess import Preprocess

if TYPE_CHECKING:
    from PIL.Image import Image

#: Bytes that the pixels of all images may take for them to be kept.
_KEPT_BYTES = 1 << 28


class EvaluatedImages:
    """Inputs of an image tower for numbered images, however these are stored.

    Parameters
    ----------
    n : int
        Number of images.
    read : callable
        From a number to a PIL image; called by several threads.
    preprocess : Preprocess
    """

    def __init__(self, n: int, read: Callable[[int], Image], preprocess: Preprocess) -> None:
        self.n = n
        self._read = read
        self._preprocess = preprocess
        shape = (n, preprocess.size, preprocess.size, 3)
        self._kept = np.empty(shape, dtype=np.uint8) if math.prod(shape) <= _KEPT_BYTES else None
        self._have = np.zeros(n, dtype=bool)

    def __call__(self, numbers: IntArray, /) -> Mapping[str, Tensor]:
        """Return ``{"image": tensor}`` of shape (n, 3, size, size)."""
        if self._kept is None:
            pixels = self._decoded(numbers)
        else:
            new = np.unique(numbers[~self._have[numbers]])
            if new.size:
                self._kept[new] = self._decoded(new)
                self._have[new] = True
            pixels = self._kept[numbers]
        return {"image": torch.from_numpy(self._preprocess.normalise(pixels))}

    def _decoded(self, numbers: IntArray) -> npt.NDArray[np.uint8]:
        def one(number: int) -> npt.NDArray[np.uint8]:
            return self._preprocess.pixels(self._read(number))

        workers = min(n_threads(), len(numbers))
        if workers <= 1:
            return np.stack([one(int(number)) for number in numbers])
        with ThreadPoolExecutor(workers) as pool:
            return np.stack(list(pool.map(one, numbers.tolist())))
