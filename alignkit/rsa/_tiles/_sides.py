"""What a streamed comparison reads: two RDMs in tiles, whatever they come from, of the same items in one order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import check_same_labels
from alignkit._threads import n_threads
from alignkit._typing import AnyArray
from alignkit.rsa._container import RDM
from alignkit.rsa._tiled_rdm import TiledRDM
from alignkit.rsa._tiles._feature_tiles import Recipe
from alignkit.rsa._tiles._grid import SIDE, Grid
from alignkit.rsa._tiles._source import Rows, Survey, as_rows, survey
from alignkit.rsa._tiles._store_files import is_tiled
from alignkit.rsa._tiles._write_tiles import prepared


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One RDM: in a folder, in memory, or that of features, of which ``seen`` says what one pass told."""

    name: str
    labels: tuple[str, ...] | None
    n_items: int
    stored: TiledRDM | None = None
    rdm: RDM | None = None
    rows: Rows | None = None
    seen: Survey | None = None
    recipe: Recipe | None = None

    def tiles(self, grid: Grid, memory: int, order: Any = None, device: str | None = None) -> tuple[Any, int]:
        """Return what gives tiles, on a ``device`` tensors, and how many may be made side by side within the memory."""
        if self.rows is not None and self.seen is not None and self.recipe is not None:
            return prepared(self.name, self.rows, self.seen, self.recipe, grid, memory, order=order, device=device)
        found, most = self._as_they_are(grid, memory, order)
        if device is None:
            return found, most
        from alignkit.rsa._tiles._torch_tiles import BroughtTiles, on_host

        return (found, most) if on_host(device) else (BroughtTiles(found, device), min(2, most))

    def _as_they_are(self, grid: Grid, memory: int, order: Any) -> tuple[Any, int]:
        if self.stored is not None:
            return self.stored, max(1, memory // (12 * grid.side**2))
        assert self.rdm is not None
        return CondensedTiles(self.rdm if order is None else self.rdm.take(order), grid), n_threads()


class CondensedTiles:
    """The tiles of an RDM in memory, rounded to float32."""

    def __init__(self, rdm: RDM, grid: Grid) -> None:
        self._values, self._grid = rdm.values, grid
        self.nbytes = int(rdm.values.nbytes)

    def tile(self, i: int, j: int) -> AnyArray:
        """Return the dissimilarities of the items of block i with those of block j, float32."""
        (top, bottom), (left, right) = self._grid.bounds(i), self._grid.bounds(j)
        tile, n = np.zeros((bottom - top, right - left), dtype=np.float32), self._grid.n_items
        for row, item in enumerate(range(top, bottom)):
            skipped = max(0, item + 1 - left)
            start = item * (2 * n - item - 1) // 2 + left + skipped - item - 1
            tile[row, skipped:] = self._values[start : start + right - left - skipped]
        return tile


def as_side(name: str, x: Any, labels: Iterable[Any] | None, recipe: Recipe) -> Side:
    """Return an RDM in tiles, one in memory, or that of features.

    Raises
    ------
    ValueError
        An RDM that is not finished, a stack of RDMs, or features that are none.
    """
    if isinstance(x, str | Path) and is_tiled(Path(x)):
        x = TiledRDM.open(x)
    if isinstance(x, TiledRDM):
        if not x.finished:
            msg = f"{x.path} is not finished; run again what writes it, and it continues."
            raise ValueError(msg)
        return Side(name, x.labels, x.n_items, stored=x)
    if isinstance(x, RDM):
        if x.shape:
            msg = f"{name} holds {x.shape} RDMs; one is streamed at a time: select it with .isel()."
            raise ValueError(msg)
        return Side(name, x.labels, x.n_items, rdm=x.numpy())
    rows, names = as_rows(name, x, labels)
    return Side(name, names, rows.shape[0], rows=rows, seen=survey(rows), recipe=recipe)


def in_one_order(a: Side, b: Side) -> tuple[Any, Any]:
    """Return the order of the items of either side (None: its own) that makes both the same.

    Raises
    ------
    ValueError
        Different items, or two folders in different orders.
    """
    if a.labels is None or b.labels is None:
        if a.n_items != b.n_items:
            msg = f"{a.name} has {a.n_items:,} items and {b.name} {b.n_items:,}; both must hold the same items."
            raise ValueError(msg)
        return None, None
    check_same_labels(a.name, a.labels, b.name, b.labels, "Leave the other items out of both first.")
    if a.labels == b.labels:
        return None, None
    if b.stored is None:
        return None, _positions(b.labels, a.labels)
    if a.stored is None:
        return _positions(a.labels, b.labels), None
    msg = f"{a.name} and {b.name} lie on disk with their items in different orders; write one of them anew."
    raise ValueError(msg)


def _positions(labels: tuple[str, ...], wanted: tuple[str, ...]) -> Any:
    place = {label: i for i, label in enumerate(labels)}
    return np.array([place[label] for label in wanted])


def common_grid(a: Side, b: Side) -> Grid:
    """Return how both are cut.

    Raises
    ------
    ValueError
        Two folders whose tiles differ in size.
    """
    sides = {one.stored.side for one in (a, b) if one.stored is not None}
    if len(sides) > 1:
        msg = f"{a.name} and {b.name} lie on disk in tiles of different sizes; write one of them anew."
        raise ValueError(msg)
    return Grid(a.n_items, sides.pop() if sides else SIDE)
