"""Which calls of :func:`alignkit.rsa.rdm` can be done in tiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alignkit.rsa._tiles._feature_tiles import Recipe


def tiled_recipe(metric: str, dtype: Any, nan_policy: str, unused: Mapping[str, object], *, normalize: bool) -> Recipe:
    """Return what is computed tile by tile.

    Raises
    ------
    ValueError
        Options that need all rows at once.
    """
    given = [name for name, value in unused.items() if value is not None]
    if given:
        msg = f"{given[0]} cannot be used with out=, which takes one row per item; leave one of them out."
        raise ValueError(msg)
    if nan_policy == "omit":
        msg = "nan_policy='omit' cannot be used with out=, whose tiles need every channel of an item."
        raise ValueError(msg)
    return Recipe(metric, dtype or "float64", normalize)


def check_without_out(memory: object, client: object, device: object, progress: object) -> None:
    """Raise ValueError where options for tiles are given without a folder for them."""
    given = {
        "memory": (memory, "1 GB"),
        "client": (client, None),
        "device": (device, None),
        "progress": (progress, False),
    }
    for name, (value, usual) in given.items():
        if value is not usual and value != usual:
            msg = f"{name} is for RDMs in tiles; say where to write them with out='name.zarr'."
            raise ValueError(msg)
