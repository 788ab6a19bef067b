"""Exact ranks of any number of float32 values by counting them: sums of products in whole numbers, in any order."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from alignkit._check import is_tensor
from alignkit._executor import Executor
from alignkit._memory import in_bytes
from alignkit._typing import AnyArray, IntArray
from alignkit.rsa._namespace import namespace
from alignkit.rsa._tiles._grid import Grid
from alignkit.rsa._tiles._kernels import choose, kernels
from alignkit.rsa._tiles._over_tiles import over_tiles, skip
from alignkit.rsa._tiles._sums_folder import Stage, SumsFolder

_BUCKETS = 1 << 16
_HALF = (1 << 32) - 1
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

    slots: Any
    entries: Any

    @property
    def nbytes(self) -> int:
        """Bytes that travel with it."""
        return int(self.slots.nbytes + self.entries.nbytes)

    def on(self, device: str | None) -> Table:
        """Return the table as tensors on a device; itself where there is none."""
        if device is None:
            return self
        import torch

        # torch has no arithmetic of uint32, and no count reaches 2^31 there
        entries = self.entries.view(np.int32) if self.entries.dtype == np.uint32 else self.entries
        return Table(torch.from_numpy(self.slots).to(device), torch.from_numpy(entries).to(device))

    def fetch(self, there: Table) -> None:
        """Take the entries over from a table on a device."""
        if there is not self and there.entries.device.type != "cpu":  # the processor's share their memory
            self.entries.view(f"i{self.entries.itemsize}")[...] = there.entries.cpu().numpy()


def rank_sums(
    a: Any,
    b: Any,
    grid: Grid,
    executor: Executor,
    *,
    chosen: str,
    memory: int,
    omit: bool,
    bar: Any,
    kept: SumsFolder,
    device: str | None = None,
) -> RankSums:
    """Return the sums of ranks of two RDMs given by tiles, in three passes.

    The first counts the upper 16 bits of the keys, the second all keys of the buckets that hold any, and the third adds
    up products of ranks, which are read from that table.

    Raises
    ------
    ValueError
        Too little memory for the tables.
    """
    coarse = np.zeros((2, _BUCKETS), dtype=np.int64)
    found = np.zeros(3, dtype=np.int64)
    first = kept.stage("coarse", {"counts": coarse, "found": found})
    for _, (places, counts, part) in over_tiles(first, grid, bar, executor, _coarse, (a, b, chosen)):
        coarse.reshape(-1)[places] += counts
        found += part
    missing, n = (int(found[0]), int(found[1])), int(found[2])
    if n < 2 or (any(missing) and not omit):
        return RankSums(n, missing=missing)
    totals = np.zeros((4, 2), dtype=np.int64)
    third = kept.stage("crossed", {"totals": totals})
    if third.finished:
        skip(bar, 2 * grid.n_pairs)
    else:
        tables = _empty_tables(coarse, n, memory)
        _count(a, b, grid, executor, tables, chosen, bar, kept, device)
        owns, ranked = _all_ranked(tables, coarse, n, chosen)
        third.notes = {"own": owns}
        shared = (a, b, *(table.on(device) for table in ranked), chosen)
        for _, parts in over_tiles(third, grid, bar, executor, _crossed, shared):
            # no sum of halves overflows, whatever the number of tiles
            totals[:, 0] += parts & _HALF
            totals[:, 1] += parts >> 32
    kept.drop(("fine_a", "fine_b"))
    parts = [int(low) + (int(high) << 32) for low, high in totals]
    crossed = parts[0] + (parts[1] << 32) + (parts[2] << 20) + (parts[3] << 52)
    return RankSums(n, crossed, *_owns(third), missing)


def _owns(stage: Stage) -> tuple[int, int]:
    owns = stage.notes.get("own")
    if not isinstance(owns, list) or [type(own) for own in owns] != [int, int]:
        msg = "the folder of resume is damaged: it does not say the sums of squared ranks; remove it."
        raise ValueError(msg)
    return owns[0], owns[1]


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


class _Counter:
    """The table of one RDM, to which threads add in turn, and which is kept from time to time."""

    def __init__(self, table: Table, stage: Stage, device: str | None) -> None:
        self.stage, self._table, self._there = stage, table, table.on(device)
        self._lock = threading.Lock()

    def add(self, x: Any, y: Any, diagonal: bool, number: int, chosen: str) -> None:
        """Count the keys of x in a tile, unless they are counted already."""
        with self._lock:
            if not self.stage.done[number]:
                kernels(chosen).fine_counts(x, y, diagonal, self._there.slots, self._there.entries)
                self.stage.done[number] = True

    def keep(self, *, now: bool = False) -> None:
        """Write the table, when it is due or ``now``, as it is between two tiles."""
        if now or self.stage.due:
            with self._lock:
                self._table.fetch(self._there)
                self.stage.keep(now=now)


def _count(
    a: Any,
    b: Any,
    grid: Grid,
    executor: Executor,
    tables: list[Table],
    chosen: str,
    bar: Any,
    kept: SumsFolder,
    device: str | None,
) -> None:
    stages = [
        kept.stage(name, {"counts": table.entries}) for name, table in zip(("fine_a", "fine_b"), tables, strict=True)
    ]
    todo = ~np.array([stage.done for stage in stages])
    tiles = grid.tiles()
    tasks = [(number, tiles[number]) for number in np.flatnonzero(todo.any(axis=0)).tolist()]
    skip(bar, grid.n_pairs - sum(grid.pairs_of(tile) for _, tile in tasks))
    if executor.in_process:
        counters = [_Counter(table, stage, device) for table, stage in zip(tables, stages, strict=True)]
        for (_, tile), _ in zip(tasks, executor.map(_count_into, tasks, (a, b, counters, chosen)), strict=True):
            bar.update(grid.pairs_of(tile))
            for counter in counters:
                counter.keep()
        for counter in counters:
            counter.keep(now=True)
        return
    # counts add up in any order: every worker counts a part into tables of its own
    step = max(1, -(-len(tasks) // (_PARTS * executor.n_workers)))
    parts = [[(tile, todo[:, k].tolist()) for k, tile in tasks[i : i + step]] for i in range(0, len(tasks), step)]
    slots = tuple(table.slots for table in tables)
    for start, counted in zip(
        range(0, len(tasks), step), executor.map(_count_part, parts, (a, b, slots, chosen)), strict=True
    ):
        part = tasks[start : start + step]
        for table, stage, counts in zip(tables, stages, counted, strict=True):
            table.entries[:] += counts
            stage.done[[number for number, _ in part]] = True
            stage.keep()
        bar.update(sum(grid.pairs_of(tile) for _, tile in part))
    for stage in stages:
        stage.keep(now=True)


def _coarse(a: Any, b: Any, chosen: str, tile: Tile) -> tuple[IntArray, IntArray, IntArray]:
    counts = np.zeros((2, _BUCKETS), dtype=np.int64)
    x, y = bits_of(a, b, tile)
    found: IntArray = kernels(chosen).coarse_counts(x, y, tile[0] == tile[1], *counts)
    places = np.flatnonzero(counts)
    return places, counts.reshape(-1)[places], found


def _count_into(a: Any, b: Any, counters: Sequence[_Counter], chosen: str, task: tuple[int, Tile]) -> None:
    number, tile = task
    x, y = bits_of(a, b, tile)
    counters[0].add(x, y, tile[0] == tile[1], number, chosen)
    counters[1].add(y, x, tile[0] == tile[1], number, chosen)


def _count_part(
    a: Any, b: Any, slots: Sequence[AnyArray], chosen: str, part: Sequence[tuple[Tile, Sequence[bool]]]
) -> list[AnyArray]:
    # a part has fewer than 2^32 pairs as long as it has fewer than 4,096 tiles
    narrow = len(part) < 4096
    tables = [
        Table(one, np.zeros((int(one.max()) + 1) * _BUCKETS, dtype=np.uint32 if narrow else np.int64)) for one in slots
    ]
    count = kernels(chosen).fine_counts
    for tile, todo in part:
        x, y = bits_of(a, b, tile)
        for table, needed, (keys, others) in zip(tables, todo, ((x, y), (y, x)), strict=True):
            if needed:
                count(keys, others, tile[0] == tile[1], table.slots, table.entries)
    return [table.entries for table in tables]


def _all_ranked(tables: Sequence[Table], coarse: IntArray, n: int, chosen: str) -> tuple[list[int], list[Table]]:
    """Return the sums of squared ranks of both sides and their ranks, in the memory of the counts."""
    # nothing is gained by a device here
    chosen = choose("auto", n) if chosen == "torch" else chosen
    found = [_ranked(table, counts, n, chosen) for table, counts in zip(tables, coarse, strict=True)]
    return [own for own, _ in found], [ranks for _, ranks in found]


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


def bits_of(a: Any, b: Any, tile: Tile) -> tuple[Any, Any]:
    """Return a tile of both RDMs as the bits of float32."""
    x = a.tile(*tile)
    y = x if b is a else b.tile(*tile)
    return _bits(x), _bits(y)


def _bits(x: Any) -> Any:
    return x.view(namespace(x).int32) if is_tensor(x) else x.view(np.uint32)
