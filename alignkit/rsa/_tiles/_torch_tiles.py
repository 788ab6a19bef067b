"""Tiles of an RDM made, or brought, where torch computes."""

from __future__ import annotations

from typing import Any

import torch

from alignkit.rsa._dissimilarities import CLOSE
from alignkit.rsa._tiles._feature_tiles import LARGEST, MAX_ELEMENTS, FeatureTiles, Recipe
from alignkit.rsa._tiles._grid import Grid
from alignkit.rsa._tiles._source import Rows, Survey


class TorchTiles(FeatureTiles):
    """The tiles of the RDM of some features, as :class:`FeatureTiles` has them, with their products on a ``device``.

    Rows are prepared by numpy, in float64; blocks of them stay on the device, and so do tiles, but on Apple's, which
    have too few of the operations that follow: there tiles are arrays.

    Raises
    ------
    ValueError
        float64 on a device that has none.
    """

    def __init__(
        self,
        rows: Rows,
        survey: Survey,
        recipe: Recipe,
        grid: Grid,
        *,
        memory: int = 0,
        order: Any = None,
        device: str = "cpu",
    ) -> None:
        super().__init__(rows, survey, recipe, grid, memory=memory, order=order)
        self.device = device
        if on_host(device) and recipe.precision == "float64":
            msg = f"device={device!r} has no float64; say dtype='float32' as well."
            raise ValueError(msg)

    def tile(self, i: int, j: int) -> Any:
        """Return the dissimilarities of the items of block i with those of block j, float32; 0 on the diagonal.

        Raises
        ------
        ValueError
            Dissimilarities beyond float32.
        """
        left: Any = self._block(i)
        right: Any = left if i == j else self._block(j)
        tile = (self._angles(left, right) if self.recipe.angular else self._lengths(left, right)).float()
        if i == j:
            tile.fill_diagonal_(0.0)
        return tile.cpu().numpy() if on_host(self.device) else tile

    def _angles(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        # rounding alone can leave [0, 2]
        return (1.0 - left @ right.mT).clamp_(0.0, 2.0)

    def _lengths(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        total = _squares(left)[:, None] + _squares(right)[None, :]
        values = (left @ right.mT).mul_(-2.0).add_(total)
        _redo_close(values, total, left, right)
        if self.recipe.normalize:
            values /= self.rows.shape[1]
        squared = self.recipe.metric == "sqeuclidean"
        values = values if squared else values.sqrt()
        values = values if on_host(self.device) else values.double()
        exponent = self._exponent * (2 if squared else 1)
        # in two steps, as the power itself can leave what a float holds
        values = values * 2.0 ** (exponent // 2) * 2.0 ** (exponent - exponent // 2)
        if bool((values > LARGEST).any()):
            self._refuse()
        return values

    def _prepare(self, block: int) -> Any:
        return torch.from_numpy(super()._prepare(block)).to(self.device)


class BroughtTiles:
    """Tiles that lie in memory or on disk, brought to a device."""

    def __init__(self, tiles: Any, device: str) -> None:
        self._tiles, self._device = tiles, device

    def tile(self, i: int, j: int) -> torch.Tensor:
        """Return the dissimilarities of the items of block i with those of block j, float32."""
        return torch.from_numpy(self._tiles.tile(i, j)).to(self._device)


def on_host(device: str) -> bool:
    """Return whether what follows the products is left to the processor."""
    return device.startswith("mps")


def _squares(x: torch.Tensor) -> torch.Tensor:
    return torch.einsum("ij,ij->i", x, x)


def _redo_close(values: torch.Tensor, total: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
    """Take squares that lost their digits directly from the rows."""
    rows, columns = torch.where(values < CLOSE * total)
    step = max(1, MAX_ELEMENTS // left.shape[1])
    for start in range(0, len(rows), step):
        i, j = rows[start : start + step], columns[start : start + step]
        values[i, j] = _squares(left[i] - right[j])
