"""Exact ranks of any number of float32 values by counting them: sums of products in whole numbers, in any order."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from alignkit._executor import Executor
from alignkit._memory import in_bytes
from alignkit._typing import AnyArray, IntArray
from alignkit.rsa._tiles._grid import Grid
from alignkit.rsa._tiles._kernels import kernels

_BUCKETS = 1 << 16
#: Parts of the work for each thread of a cluster while keys are counted: every part brings a table of its own.
_PARTS = 4
#: Ranks up to here fit 32 bits.
_NARROW = 1 << 31
Tile = tuple[int, int]


@dataclasses.dataclass(frozen=True, slots=True)
class RankSums:
    """Sums of whole ranks (less their mean, doubled) over the pairs that both RDMs hold, exact.

    ``missing`` counts the pairs that are NaN in the first and in the second.
    """

    n: int
    crossed: int = 0
    own_a: int = 0
    own_b: int = 0
    missing: tuple[int, int] = (0, 0)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One entry for each of 65,536 keys of every bucket that holds any; ``slots`` says where, -1 for none."""

    slots: AnyArray
    entries: AnyArray

    @property
    def nbytes(self) -> int:
        """Bytes that travel with it."""
        return int(self.slots.nbytes + self.entries.nbytes)


def rank_sums(
    a: Any, b: Any, grid: Grid, executor: Executor, *, chosen: str, memory: int, omit: bool, tick: Any
) -> RankSums:
    """Return the sums of ranks of two RDMs given by tiles, in three passes.

    The first counts the upper 16 bits of the keys, the second all keys of the buckets that hold any, and the third adds
    up products of ranks, which are read from that table.

    Raises
    ------
    ValueError
        Too little memory for the tables.
    """
    tiles = grid.tiles()
    coarse = np.zeros((2, _BUCKETS), dtype=np.int64)
    found = np.zeros(3, dtype=np.int64)
    for tile, (places, counts, part) in zip(tiles, executor.map(_coarse, tiles, (a, b, chosen)), strict=True):
        coarse.reshape(-1)[places] += counts
        found += part
        tick(grid.pairs_of(tile))
    missing, n = (int(found[0]), int(found[1])), int(found[2])
    if n < 2 or (any(missing) and not omit):
        return RankSums(n, missing=missing)
    tables = _empty_tables(coarse, n, memory)
    _count(a, b, grid, executor, tables, chosen, tick)
    owns = []
    ranked = []
    for table, counts in zip(tables, coarse, strict=True):
        own, ranks = _ranked(table, counts, n, chosen)
        owns.append(own)
        ranked.append(ranks)
    total = [0, 0, 0, 0]
    for tile, parts in zip(tiles, executor.map(_crossed, tiles, (a, b, *ranked, chosen)), strict=True):
        total = [whole + int(part) for whole, part in zip(total, parts, strict=True)]
        tick(grid.pairs_of(tile))
    crossed = total[0] + (total[1] << 32) + (total[2] << 20) + (total[3] << 52)
    return RankSums(n, crossed, owns[0], owns[1], missing)


def _empty_tables(coarse: IntArray, n: int, memory: int) -> list[Table]:
    dtype = np.dtype(np.uint32 if n < _NARROW else np.int64)
    occupied = [np.flatnonzero(counts) for counts in coarse]
    needed = sum(map(len, occupied)) * _BUCKETS * dtype.itemsize
    if needed > memory:
        msg = (
            f"exact ranks of these {n:,} pairs need tables of {in_bytes(needed)}; "
            f"give memory={in_bytes(2.2 * needed)!r} or more."
        )
        raise ValueError(msg)
    tables = []
    for buckets in occupied:
        slots = np.full(_BUCKETS, -1, dtype=np.int32)
        slots[buckets] = np.arange(len(buckets))
        tables.append(Table(slots, np.zeros(len(buckets) * _BUCKETS, dtype=dtype)))
    return tables


def _count(a: Any, b: Any, grid: Grid, executor: Executor, tables: list[Table], chosen: str, tick: Any) -> None:
    tiles = grid.tiles()
    if executor.in_process:
        locks = (threading.Lock(), threading.Lock())
        for tile, _ in zip(tiles, executor.map(_count_into, tiles, (a, b, tables, locks, chosen)), strict=True):
            tick(grid.pairs_of(tile))
        return
    # counts add up in any order: every worker counts a part into tables of its own
    step = -(-len(tiles) // (_PARTS * executor.n_workers))
    parts = [tiles[i : i + step] for i in range(0, len(tiles), step)]
    slots = tuple(table.slots for table in tables)
    for part, counted in zip(parts, executor.map(_count_part, parts, (a, b, slots, chosen)), strict=True):
        for table, counts in zip(tables, counted, strict=True):
            table.entries[:] += counts
        tick(sum(map(grid.pairs_of, part)))


def _coarse(a: Any, b: Any, chosen: str, tile: Tile) -> tuple[IntArray, IntArray, IntArray]:
    counts = np.zeros((2, _BUCKETS), dtype=np.int64)
    x, y = bits_of(a, b, tile)
    found: IntArray = kernels(chosen).coarse_counts(x, y, tile[0] == tile[1], *counts)
    places = np.flatnonzero(counts)
    return places, counts.reshape(-1)[places], found


def _count_into(a: Any, b: Any, tables: Sequence[Table], locks: Any, chosen: str, tile: Tile) -> None:
    x, y = bits_of(a, b, tile)
    count, diagonal = kernels(chosen).fine_counts, tile[0] == tile[1]
    with locks[0]:
        count(x, y, diagonal, tables[0].slots, tables[0].entries)
    with locks[1]:
        count(y, x, diagonal, tables[1].slots, tables[1].entries)


def _count_part(a: Any, b: Any, slots: Sequence[AnyArray], chosen: str, tiles: Sequence[Tile]) -> list[AnyArray]:
    # a part has fewer than 2^32 pairs as long as it has fewer than 4,096 tiles
    narrow = len(tiles) < 4096
    tables = [
        Table(one, np.zeros((int(one.max()) + 1) * _BUCKETS, dtype=np.uint32 if narrow else np.int64)) for one in slots
    ]
    locks = (threading.Lock(), threading.Lock())
    for tile in tiles:
        _count_into(a, b, tables, locks, chosen, tile)
    return [table.entries for table in tables]


def _ranked(table: Table, coarse: IntArray, n: int, chosen: str) -> tuple[int, Table]:
    """Return the sum of squared ranks and the ranks, in the memory of the counts."""
    counts = table.entries
    ranks = counts.view(np.int32 if counts.dtype == np.uint32 else np.int64)
    below = (np.cumsum(coarse) - coarse)[coarse > 0]
    low, high, long = kernels(chosen).rank_table(counts, ranks, below, n)
    cubes = int(low) + (int(high) << 32) + sum(int(t) ** 3 - int(t) for t in long)
    return (n**3 - n - cubes) // 3, Table(table.slots, ranks)


def _crossed(a: Any, b: Any, ranks_a: Table, ranks_b: Table, chosen: str, tile: Tile) -> IntArray:
    x, y = bits_of(a, b, tile)
    tables = (ranks_a.slots, ranks_a.entries, ranks_b.slots, ranks_b.entries)
    found: IntArray = kernels(chosen).crossed(x, y, tile[0] == tile[1], *tables)
    return found


def bits_of(a: Any, b: Any, tile: Tile) -> tuple[AnyArray, AnyArray]:
    """Return a tile of both RDMs as the bits of float32."""
    x = a.tile(*tile)
    y = x if b is a else b.tile(*tile)
    return x.view(np.uint32), y.view(np.uint32)
