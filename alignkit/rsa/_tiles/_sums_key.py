"""What tells one streamed comparison from another: all that its sums depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from alignkit import __version__
from alignkit.rsa._tiles._grid import Grid
from alignkit.rsa._tiles._sides import Side


def sums_key(sides: Sequence[Side], orders: Sequence[Any], grid: Grid, *options: Any) -> str:
    """Return a code of both sides, the order of their items, the size of tiles, and options.

    Features count by their SHA-256, RDMs in memory by all their numbers, and those on disk by what they say of
    themselves (the SHA-256 of their features among it) and three of their tiles, as 20 GB would take long to read.
    """
    settings = {"version": __version__, "n_items": grid.n_items, "side": grid.side, "options": options}
    found = hashlib.sha256(json.dumps(settings).encode())
    for side, order in zip(sides, orders, strict=True):
        found.update(json.dumps(["side", side.labels]).encode())
        _add(found, np.arange(grid.n_items) if order is None else np.asarray(order, dtype=np.int64))
        if side.seen is not None and side.recipe is not None:
            recipe = side.recipe
            found.update(json.dumps([recipe.metric, recipe.precision, recipe.normalize, side.seen.sha256]).encode())
        elif side.stored is not None:
            found.update(json.dumps([side.stored.metric, side.stored.provenance], sort_keys=True, default=str).encode())
            last = grid.n_blocks - 1
            for tile in sorted({(0, 0), (0, last), (last, last)}):
                _add(found, side.stored.tile(*tile))
        elif side.rdm is not None:
            _add(found, side.rdm.values)
    return found.hexdigest()


def _add(found: Any, array: Any) -> None:
    found.update(f"{array.shape} {array.dtype.str}".encode())
    found.update(np.ascontiguousarray(array).data)
