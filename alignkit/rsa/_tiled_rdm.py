"""An RDM that lies on disk in tiles, for more items than fit into memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np

from alignkit._check import check_count
from alignkit._io import MAX_BYTES
from alignkit._memory import in_bytes
from alignkit._typing import AnyArray, PathLike
from alignkit.rsa._container import RDM, condensed_rdm
from alignkit.rsa._tiles._store_files import TileFiles, open_files


class TiledRDM:
    """One RDM in a ``.zarr`` folder, cut into square tiles of the upper triangle, float32.

    ``rdm(features, out="big.zarr")`` writes it, and :func:`alignkit.rsa.compare` and
    :func:`alignkit.rsa.stream_compare` read it tile by tile. 100,000 items take 20 GB on disk and some megabytes of
    memory. Tile (i, j), i <= j, holds the dissimilarities of the items of block i (rows) with those of block j
    (columns), 1,024 items a block; tiles on the diagonal are whole squares, with zeros on their diagonal.

    The folder is a Zarr group (version 3): the array ``values``, shape (items, items), of which only the upper tiles
    are there, one uncompressed file each; the array ``done``, one truth value for each tile, row by row; and the
    attributes ``labels`` and ``alignkit`` (``metric``, ``provenance``, ``n_items``, ``side``).

    Examples
    --------
    >>> import tempfile
    >>> from alignkit.rsa import rdm
    >>> folder = tempfile.mkdtemp() + "/small.zarr"
    >>> tiled = rdm(np.eye(4), metric="sqeuclidean", out=folder)
    >>> tiled
    <TiledRDM 4 items (unlabelled), metric: sqeuclidean, float32, 1 tile, 64 B, in .../small.zarr>
    >>> TiledRDM.open(folder).load().values
    array([2., 2., 2., 2., 2., 2.], dtype=float32)
    """

    __slots__ = ("_done", "_files")

    def __init__(self, files: TileFiles) -> None:
        self._files = files
        self._done = files.read_done()

    @classmethod
    def open(cls, path: PathLike, /) -> Self:
        """Open a folder for reading, finished or not.

        Raises
        ------
        FileNotFoundError
            No such folder.
        ValueError
            A damaged folder, or one that holds something else.
        """
        return cls(open_files(Path(path)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as a path: other processes open the folder for themselves."""
        return type(self).open, (os.path.abspath(self.path),)

    @property
    def path(self) -> Path:
        """The folder."""
        return self._files.path

    @property
    def labels(self) -> tuple[str, ...] | None:
        """Names of the items, where they have any."""
        return self._files.labels

    @property
    def metric(self) -> str:
        """What the dissimilarities are."""
        metric: str = self._files.meta["metric"]
        return metric

    @property
    def provenance(self) -> dict[str, Any]:
        """Where they come from: options, and ``features_sha256``, the SHA-256 of the features."""
        return dict(self._files.meta["provenance"])

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self._files.grid.n_items

    @property
    def n_pairs(self) -> int:
        """Number of pairs, n(n-1)/2."""
        return self._files.grid.n_pairs

    @property
    def side(self) -> int:
        """Items along a tile."""
        return self._files.grid.side

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        return self._files.grid.n_tiles

    @property
    def n_done(self) -> int:
        """Number of tiles on disk when it was opened."""
        return int(np.count_nonzero(self._done))

    @property
    def finished(self) -> bool:
        """Whether all tiles are on disk."""
        return bool(self._done.all())

    def __repr__(self) -> str:
        names = self.labels or ()
        first = ", ".join([*(label[:24] for label in names[:3]), "..."][: len(names)]) or "unlabelled"
        tiles = f"{self.n_tiles:,} tile{'' if self.n_tiles == 1 else 's'}"
        state = tiles if self.finished else f"{self.n_done:,} of {tiles} done"
        side = min(self.n_items, self.side)
        size = in_bytes(4.0 * side * side * self.n_tiles)
        path = self.path if len(self.path.parts) < 3 else Path("...", self.path.name)
        return (
            f"<TiledRDM {self.n_items:,} items ({first}), metric: {self.metric}, float32, {state}, {size}, in {path}>"
        )

    def tile(self, i: int, j: int, /) -> AnyArray:
        """Return the dissimilarities of the items of block i with those of block j, float32.

        Raises
        ------
        ValueError
            No such tile, one that is not computed yet, or a damaged file.
        """
        first, second = check_count("i", i), check_count("j", j)
        n = self._files.grid.n_blocks
        if not first <= second < n:
            msg = f"tile ({i}, {j}) is not among those of {n} blocks, i <= j < {n}."
            raise ValueError(msg)
        if not self._done[first * n - first * (first - 1) // 2 + second - first]:
            msg = f"{self.path}: tile ({i}, {j}) is not computed yet; run again what writes it, and it continues."
            raise ValueError(msg)
        return self._files.read((first, second))

    def tiles(self) -> Iterator[tuple[slice, slice, AnyArray]]:
        """Yield all tiles, row by row: which items the rows are, which the columns, and the dissimilarities.

        Raises
        ------
        ValueError
            A tile that is not computed yet, or a damaged file.
        """
        grid = self._files.grid
        for i, j in grid.tiles():
            yield slice(*grid.bounds(i)), slice(*grid.bounds(j)), self.tile(i, j)

    def load(self) -> RDM:
        """Return the RDM in memory, condensed, float32.

        Raises
        ------
        ValueError
            More than 8 GiB (some 65,000 items), tiles that are not computed yet, or a damaged file.
        """
        if 4 * self.n_pairs > MAX_BYTES:
            msg = (
                f"{self.path} takes {4 * self.n_pairs / 2**30:.1f} GiB in memory, more than the "
                f"{MAX_BYTES // 2**30} GiB allowed; compare() and tiles() read it in parts."
            )
            raise ValueError(msg)
        values: Any = np.empty(self.n_pairs, dtype=np.float32)
        for rows, columns, tile in self.tiles():
            for row, item in enumerate(range(rows.start, rows.stop)):
                skipped = max(0, item + 1 - columns.start)
                # the pairs of the items before it, then its own with those between it and the columns
                start = item * (2 * self.n_items - item - 1) // 2 + columns.start + skipped - item - 1
                values[start : start + tile.shape[1] - skipped] = tile[row, skipped:]
        return condensed_rdm(values, self.labels, metric=self.metric, provenance=self.provenance)
