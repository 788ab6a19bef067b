"""The upper triangle of an RDM cut into square tiles."""

from __future__ import annotations

import dataclasses

#: Items along the side of a tile. Fixed, as products have the same bits only where they are cut alike.
SIDE = 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Grid:
    """Where the tiles are: tile (i, j), i <= j, holds the pairs of the items of block i with those of block j."""

    n_items: int
    side: int = SIDE

    @property
    def n_blocks(self) -> int:
        """Number of blocks of items."""
        return -(-self.n_items // self.side)

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        return self.n_blocks * (self.n_blocks + 1) // 2

    @property
    def n_pairs(self) -> int:
        """Number of pairs of items, n(n-1)/2."""
        return self.n_items * (self.n_items - 1) // 2

    def bounds(self, block: int) -> tuple[int, int]:
        """Return the first item of a block, and the one after its last."""
        return block * self.side, min(self.n_items, (block + 1) * self.side)

    def size(self, block: int) -> int:
        """Return the number of items of a block."""
        start, stop = self.bounds(block)
        return stop - start

    def tiles(self) -> list[tuple[int, int]]:
        """Return all tiles, row by row."""
        return [(i, j) for i in range(self.n_blocks) for j in range(i, self.n_blocks)]

    def pairs_of(self, tile: tuple[int, int]) -> int:
        """Return the number of pairs in a tile; those on the diagonal hold each pair once."""
        i, j = tile
        n = self.size(i)
        return n * (n - 1) // 2 if i == j else n * self.size(j)
