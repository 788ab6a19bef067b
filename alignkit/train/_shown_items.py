"""Items that images show, on either side of a split: what the data of all methods are about."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alignkit._typing import IntArray
from alignkit.train._splits import Splits


class ShownItems:
    """Where items' images and the sides of their split are, for data with ``labels``, ``images``, ``splits``."""

    __slots__ = ()

    labels: tuple[str, ...]
    images: tuple[tuple[Path, ...], ...]
    splits: Splits

    @property
    def photos(self) -> tuple[Path, ...]:
        """All images, once each, in order of first appearance."""
        return tuple(dict.fromkeys(path for paths in self.images for path in paths))

    @property
    def photos_of(self) -> tuple[IntArray, ...]:
        """Where each item's images stand among :attr:`photos`."""
        number = {path: i for i, path in enumerate(self.photos)}
        return tuple(np.array([number[path] for path in paths], dtype=np.int64) for paths in self.images)

    @property
    def train(self) -> IntArray:
        """Rows of the items that weights are fitted to."""
        return self.splits.index("train", self.labels)

    @property
    def val(self) -> IntArray:
        """Rows of the items that epochs and penalties are chosen on; there may be none."""
        return self.splits.index("val", self.labels)

    @property
    def held_out(self) -> IntArray:
        """Rows of the items that nothing is fitted to or chosen on."""
        return self.splits.index("held_out", self.labels)
