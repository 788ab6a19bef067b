"""Compiled kernels over maps of a statistic, one map per sign flip: cluster mass, and TFCE.

Maps have shape (maps, cells). The neighbours of cell ``i`` are ``near[start[i] : start[i + 1]]``. A NaN belongs to no
cluster. ``side`` is 1 for large values, -1 for small ones and 0 for both, which never form one cluster.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.rsa._kernels._numba import compiled


def _largest_runs(maps: AnyArray, threshold: float, side: int, out: AnyArray) -> None:
    """Write the mass of the heaviest run of neighbouring samples beyond the threshold; 0 where there is none."""
    n_maps, n_cells = maps.shape
    for i in range(n_maps):
        largest, up, down = 0.0, 0.0, 0.0
        for j in range(n_cells):
            value = maps[i, j]
            up = up + value if side >= 0 and value > threshold else 0.0
            down = down - value if side <= 0 and value < -threshold else 0.0
            if up > largest:
                largest = up
            if down > largest:
                largest = down
        out[i] = largest


def _top_of(top: AnyArray, cell: int) -> int:
    """Return the cell that stands for the set that a cell is in, and shorten the way to it."""
    while top[cell] != cell:
        top[cell] = top[top[cell]]
        cell = top[cell]
    return cell


_find: Any = compiled(_top_of)


def _largest_components(
    maps: AnyArray, start: AnyArray, near: AnyArray, threshold: float, side: int, out: AnyArray
) -> None:
    """Write the mass of the heaviest set of touching cells beyond the threshold; 0 where there is none.

    ``near`` holds the neighbours before a cell.
    """
    n_maps, n_cells = maps.shape
    top, mass = np.empty(n_cells, np.int64), np.empty(n_cells)
    for i in range(n_maps):
        largest = 0.0
        for j in range(n_cells):
            value = maps[i, j]
            top[j] = -1
            if not ((side >= 0 and value > threshold) or (side <= 0 and value < -threshold)):
                continue
            top[j], mass[j] = j, abs(value)
            for k in range(start[j], start[j + 1]):
                if top[near[k]] < 0 or (maps[i, near[k]] > 0.0) != (value > 0.0):
                    continue
                other = _find(top, near[k])
                if other != j:
                    top[other] = j
                    mass[j] += mass[other]
            if mass[j] > largest:
                largest = mass[j]
        out[i] = largest


def _enhance(
    keys: AnyArray,
    positive: AnyArray,
    heights: AnyArray,
    start: AnyArray,
    near: AnyArray,
    extents: AnyArray,
    score: AnyArray,
) -> None:
    """Write the enhanced score of every cell: the integral of extents over the heights that it stands on.

    Cells are taken from the highest (of the lowest, negative key) down. Each joins the sets that touch it and becomes
    the top of their tree; a set gains, between its own last height and the one at which it is joined, its extent times
    the growth of ``heights``, the integral of the height's power. What a set gains goes to all cells below it.
    """
    n_maps, n_cells = keys.shape
    parent, top, size = np.empty(n_cells, np.int64), np.empty(n_cells, np.int64), np.empty(n_cells, np.int64)
    for i in range(n_maps):
        parent[:], top[:], score[i] = -1, -1, 0.0
        order = np.argsort(keys[i])
        order = order[: np.count_nonzero(keys[i])]
        for j in order:
            top[j], size[j] = j, 1
            for k in range(start[j], start[j + 1]):
                if top[near[k]] < 0 or positive[i, near[k]] != positive[i, j]:
                    continue
                other = _find(top, near[k])
                if other == j:
                    continue
                top[other] = parent[other] = j
                size[j] += size[other]
                if heights[i, other] > heights[i, j]:
                    score[i, other] = extents[size[other]] * (heights[i, other] - heights[i, j])
        for j in order[::-1]:
            if parent[j] < 0:
                score[i, j] = extents[size[j]] * heights[i, j]
            else:
                score[i, j] += score[i, parent[j]]


_largest_runs_compiled: Any = compiled(_largest_runs)
_largest_components_compiled: Any = compiled(_largest_components)
_enhance_compiled: Any = compiled(_enhance)


def largest_mass(
    maps: FloatArray, threshold: float, side: int, neighbours: tuple[IntArray, IntArray] | None
) -> FloatArray:
    """Return the mass of the heaviest cluster of every map; cells form a line where ``neighbours`` is None."""
    out = np.empty(len(maps))
    if neighbours is None:
        _largest_runs_compiled(maps, threshold, side, out)
    else:
        _largest_components_compiled(maps, *neighbours, threshold, side, out)
    return out


def enhance(
    maps: FloatArray, heights: FloatArray, extents: FloatArray, side: int, neighbours: tuple[IntArray, IntArray]
) -> FloatArray:
    """Return the enhanced score of every cell.

    ``heights`` are the integral of the height's power up to each value, ``extents`` the powers of 0, 1, ... cells, and
    ``neighbours`` all of a cell's, before and after it.
    """
    extreme = np.abs(maps) if side == 0 else side * maps
    score = np.empty_like(maps)
    _enhance_compiled(np.where(extreme > 0, -extreme, 0.0), maps > 0, heights, *neighbours, extents, score)
    return score
