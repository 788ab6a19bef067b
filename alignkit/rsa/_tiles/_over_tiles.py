"""One pass over the tiles of a grid that are not in a sum yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from alignkit._executor import Executor
from alignkit.rsa._tiles._grid import Grid
from alignkit.rsa._tiles._sums_folder import Stage


def over_tiles(
    stage: Stage, grid: Grid, bar: Any, executor: Executor, function: Callable[..., Any], shared: Sequence[Any]
) -> Iterator[tuple[int, Any]]:
    """Yield the number of every tile that is not done, in the order of the grid, and ``function(*shared, tile)`` of it.

    A tile is done, and may be kept, as soon as the next one is asked for: add it up before.
    """
    tiles = grid.tiles()
    left = np.flatnonzero(~stage.done).tolist()
    if not left:
        skip(bar, grid.n_pairs)
        return
    skip(bar, grid.n_pairs - sum(grid.pairs_of(tiles[number]) for number in left))
    for number, outcome in zip(left, executor.map(function, [tiles[k] for k in left], shared), strict=True):
        yield number, outcome
        stage.done[number] = True
        bar.update(grid.pairs_of(tiles[number]))
        stage.keep()
    stage.keep(now=True)


def skip(bar: Any, n_pairs: int) -> None:
    """Let a bar begin further on: what was done before tells nothing of how fast this is."""
    if n_pairs:
        bar.initial = getattr(bar, "initial", 0) + n_pairs  # a bar that is not shown has none
        bar.update(n_pairs)
