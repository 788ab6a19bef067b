"""RDMs of any number of items, written tile by tile and continued after a kill."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import NanPolicy, as_flag
from alignkit._executor import Executor, as_executor
from alignkit._memory import as_bytes, in_bytes
from alignkit._threads import n_threads
from alignkit._typing import AnyArray, PathLike
from alignkit.rsa._condensed import as_host
from alignkit.rsa._dissimilarities import CONSTANT, ZERO
from alignkit.rsa._nan import name_items, report_all
from alignkit.rsa._tiled_rdm import TiledRDM
from alignkit.rsa._tiles._feature_tiles import FeatureTiles, Recipe
from alignkit.rsa._tiles._grid import SIDE, Grid
from alignkit.rsa._tiles._progress import pairs_bar
from alignkit.rsa._tiles._source import Rows, Survey, as_rows, survey
from alignkit.rsa._tiles._store_files import TileFiles, create_files
from alignkit.rsa._torch_device import torch_device

#: What a tile in the making takes, in its own values of float64.
_TIMES = 5


def write_tiles(
    x: Any,
    out: PathLike,
    recipe: Recipe,
    *,
    labels: Iterable[Any] | None = None,
    nan_policy: NanPolicy = "propagate",
    memory: int | str = "1 GB",
    client: Any = None,
    device: str | None = None,
    progress: bool = False,
    side: int = SIDE,
) -> TiledRDM:
    """Write the RDM of features in tiles, those that are not there yet, and return it."""
    n_bytes, progress = as_bytes(memory), as_flag("progress", progress)
    there = torch_device(device, client)
    rows, names = as_rows("x", x, labels)
    grid = Grid(rows.shape[0], side)
    seen = survey(rows)
    tiles, most = prepared("x", rows, seen, recipe, grid, n_bytes, device=there)
    executor = as_executor(client, most)
    _report(rows, seen, recipe, names, nan_policy)
    meta = {
        "metric": recipe.metric,
        "provenance": _provenance(recipe, seen, there),
        "n_items": grid.n_items,
        "side": side,
    }
    files, lock = create_files(Path(os.path.abspath(out)), names, meta)
    try:
        _write(files, tiles, executor, progress)
    finally:
        lock.release()
    return TiledRDM(files)


def prepared(
    name: str,
    rows: Rows,
    seen: Survey,
    recipe: Recipe,
    grid: Grid,
    n_bytes: int,
    *,
    order: Any = None,
    device: str | None = None,
) -> tuple[FeatureTiles, int]:
    """Return the tiles of features, and how many may be made side by side within so many bytes.

    On a ``device`` these bytes are the device's, and two at a time are enough: one is made while the other is used.

    Raises
    ------
    ValueError
        Too little memory for one tile.
    """
    kind: Callable[..., FeatureTiles] = FeatureTiles
    if device is not None:
        from alignkit.rsa._tiles._torch_tiles import TorchTiles

        kind = functools.partial(TorchTiles, device=device)
    one = kind(rows, seen, recipe, grid, order=order)
    side = min(grid.n_items, grid.side)
    # its two blocks, which are read, widened and centred on the way, and the tile
    task = 3 * one.bytes_of_block + _TIMES * 8 * side * side
    if task > n_bytes:
        msg = (
            f"memory={in_bytes(n_bytes)} is too little for one tile of {name} ({rows.shape[1]:,} channels), "
            f"which takes {in_bytes(task)}."
        )
        raise ValueError(msg)
    most = n_bytes // task if device is None else min(2, n_bytes // task)
    kept = max(0, n_bytes - min(most, n_threads()) * task)
    return kind(rows, seen, recipe, grid, memory=kept, order=order), most


def _provenance(recipe: Recipe, seen: Survey, device: str | None) -> dict[str, Any]:
    found = {"normalize": recipe.normalize, "products": recipe.precision, "features_sha256": seen.sha256}
    # other devices round otherwise: what one has begun, another does not go on with
    return found if device is None else {**found, "device": device.partition(":")[0]}


def _report(rows: Rows, seen: Survey, recipe: Recipe, names: tuple[str, ...] | None, nan_policy: NanPolicy) -> None:
    reasons = {"x holds NaN or infinite values in the items": name_items(names, np.flatnonzero(seen.bad).tolist())}
    if recipe.angular:
        what = CONSTANT if recipe.metric == "correlation" else ZERO
        reasons[f"x holds {what}"] = name_items(names, without_direction(rows, seen, recipe))
    report_all(reasons, nan_policy, stacklevel=5)


def without_direction(rows: Rows, seen: Survey, recipe: Recipe) -> list[int]:
    """Return the items whose rows have no angle with others: constant, or all zero."""
    found = []
    for start in range(0, rows.shape[0], SIDE):
        x = rows.read(slice(start, min(rows.shape[0], start + SIDE)))
        flat = x.max(axis=1) == x.min(axis=1) if recipe.metric == "correlation" else ~x.any(axis=1)
        found += (start + np.flatnonzero(flat & ~seen.bad[start : start + len(x)])).tolist()
    return found


def _write(files: TileFiles, tiles: FeatureTiles, executor: Executor, progress: bool) -> None:
    done = files.read_done()
    every = files.grid.tiles()
    missing = [number for number in range(len(every)) if not done[number]]
    with pairs_bar(files.grid.n_pairs, "tiles", shown=progress) as bar:
        bar.initial = bar.n = sum(files.grid.pairs_of(every[k]) for k in np.flatnonzero(done))
        computed = executor.map(one_tile, [every[k] for k in missing], (tiles,))
        for number, values in zip(missing, computed, strict=True):
            files.write(every[number], values)
            done[number] = True
            files.write_done(done)
            bar.update(files.grid.pairs_of(every[number]))


def one_tile(tiles: Any, where: tuple[int, int]) -> AnyArray:
    """Return a tile; a function of its own, which other processes can be told to call."""
    return as_host(tiles.tile(*where))
