"""Pearson, cosine and whitened similarities of two RDMs from sums over their tiles."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from alignkit._executor import Executor
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._condensed import as_host
from alignkit.rsa._tiles._counting import Tile, bits_of
from alignkit.rsa._tiles._grid import Grid
from alignkit.rsa._tiles._kernels import kernels
from alignkit.rsa._tiles._over_tiles import over_tiles
from alignkit.rsa._tiles._sums_folder import SumsFolder


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Sums over the pairs that both RDMs hold, less a shift each; every sum rounded once over the tiles.

    ``first``, ``second``, ``squares_a``, ``squares_b``, ``products``; ``ends``: smallest and largest values of both;
    ``items``, shape (2, items): sums over every item's pairs, where asked for; ``missing`` as in RankSums.
    """

    n: int
    first: float
    second: float
    squares_a: float
    squares_b: float
    products: float
    ends: tuple[float, float, float, float]
    shifts: tuple[float, float]
    items: FloatArray
    missing: tuple[int, int]


def moment_sums(
    a: Any,
    b: Any,
    grid: Grid,
    executor: Executor,
    *,
    chosen: str,
    shifted: bool,
    items: bool,
    bar: Any,
    kept: SumsFolder,
) -> Sums:
    """Return the sums of two RDMs given by tiles, in one pass; ``shifted`` by about their means."""
    rows, found, totals = np.zeros((grid.n_tiles, 9)), np.zeros(3, dtype=np.int64), np.zeros((2, grid.n_items))
    means = np.full(2, np.nan)
    stage = kept.stage("moments", {"rows": rows, "found": found, "totals": totals, "shifts": means})
    if not stage.done.any():
        means[:] = (_about(a, grid), _about(b, grid)) if shifted else (0.0, 0.0)
    shifts = (float(means[0]), float(means[1]))
    blocks = grid.tiles()
    shared = (a, b, chosen, shifts, items)
    for number, (sums, counts, own) in over_tiles(stage, grid, bar, executor, _moments, shared):
        rows[number] = sums
        found += counts
        # tile after tile in one order, whoever computed them
        for total, (by_row, by_column) in zip(totals, own, strict=False):
            total[slice(*grid.bounds(blocks[number][0]))] += by_row
            total[slice(*grid.bounds(blocks[number][1]))] += by_column
    first, second, *squares = (math.fsum(column) for column in rows[:, :5].T)
    ends = (rows[:, 5].min(), rows[:, 6].max(), rows[:, 7].min(), rows[:, 8].max())
    low_a, high_a, low_b, high_b = map(float, ends)
    return Sums(
        int(found[2]),
        first,
        second,
        squares[0],
        squares[1],
        squares[2],
        (low_a, high_a, low_b, high_b),
        shifts,
        totals,
        (int(found[0]), int(found[1])),
    )


def _moments(
    a: Any, b: Any, chosen: str, shifts: tuple[float, float], items: bool, tile: Tile
) -> tuple[FloatArray, IntArray, list[tuple[FloatArray, FloatArray]]]:
    x, y = bits_of(a, b, tile)
    diagonal, kernel = tile[0] == tile[1], kernels(chosen)
    sums: FloatArray = kernel.moments(x, y, diagonal, *shifts)
    counts: IntArray = kernel.valid_counts(x, y, diagonal)
    own = [kernel.item_sums(z, diagonal, shift) for z, shift in zip((x, y), shifts, strict=True)] if items else []
    return sums, counts, own


def _about(side: Any, grid: Grid) -> float:
    """Return about the mean of an RDM, from three of its tiles: near enough to lose no digits."""
    last = grid.n_blocks - 1
    values = [side.tile(*tile) for tile in sorted({(0, last // 2), (0, last), (last // 2, last)})]
    everything = np.concatenate([one[np.isfinite(one)] for one in map(as_host, values)]).astype(np.float64)
    return float(everything.mean()) if everything.size else 0.0


def pearson(sums: Sums) -> float:
    """Return the correlation; NaN where an RDM is constant."""
    low_a, high_a, low_b, high_b = sums.ends
    if low_a == high_a or low_b == high_b:
        return float("nan")
    a = sums.squares_a - sums.first**2 / sums.n
    b = sums.squares_b - sums.second**2 / sums.n
    return _clipped((sums.products - sums.first * sums.second / sums.n) / math.sqrt(a) / math.sqrt(b))


def cosine(sums: Sums) -> float:
    """Return the cosine of sums without a shift; NaN where an RDM is zero."""
    if not sums.squares_a or not sums.squares_b:
        return float("nan")
    return _clipped(sums.products / math.sqrt(sums.squares_a) / math.sqrt(sums.squares_b))


def whitened(sums: Sums, n_items: int, *, centred: bool) -> float:
    """Return the whitened cosine, or correlation where ``centred``; NaN where it is undefined."""
    from alignkit.rsa._whitened_sums import form_of_sums

    low_a, high_a, low_b, high_b = sums.ends
    flat = (low_a == high_a, low_b == high_b) if centred else (low_a == high_a == 0.0, low_b == high_b == 0.0)
    if any(flat):
        return float("nan")
    form, norms = form_of_sums(
        sums.items,
        np.array([sums.squares_a, sums.squares_b]),
        np.array([[sums.products]]),
        np.array(sums.shifts),
        n_items,
        centred=centred,
    )
    own = np.sqrt(norms)
    return _clipped(float(form[0, 0] / own[0] / own[1]))


def _clipped(value: float) -> float:
    # rounding alone can leave [-1, 1]
    return min(1.0, max(-1.0, value))
