"""Which pairs of items two stacks of RDMs share: RDMs with the same missing pairs are compared together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from alignkit._check import NanPolicy, is_tensor
from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._condensed import as_host
from alignkit.rsa._namespace import like, namespace


def shared_masks(
    a: Any, b: Any, nan_policy: NanPolicy, among: BoolArray | None = None
) -> Iterator[tuple[IntArray, IntArray, BoolArray]]:
    """Yield (rows of a, rows of b, pairs without NaN in both) for all that can be compared.

    Without ``nan_policy="omit"`` rows with NaN are left out; ``among`` marks the pairs that count.
    """
    for mask_a, rows_a in by_mask(a):
        for mask_b, rows_b in by_mask(b):
            valid = mask_a & mask_b if among is None else mask_a & mask_b & among
            if nan_policy == "omit" or valid.all():
                yield rows_a, rows_b, valid


def masked_groups(rows: FloatArray, nan_policy: NanPolicy, among: BoolArray) -> Iterator[tuple[IntArray, BoolArray]]:
    """Yield (rows, pairs without NaN in them and marked in ``among``) of rows that miss the same pairs.

    Without ``nan_policy="omit"`` rows with NaN are left out, all of them where ``among`` does not mark every pair.
    """
    for mask, own in by_mask(rows):
        valid = mask & among
        if nan_policy == "omit" or valid.all():
            yield own, valid


def by_mask(x: Any) -> list[tuple[BoolArray, IntArray]]:
    """Return the patterns of pairs without NaN, each with the rows that have it."""
    holes = as_host(namespace(x).isnan(namespace(x).amin(x, -1)))
    full = np.flatnonzero(~holes)
    groups: dict[bytes, list[int]] = {}
    masks = {int(i): ~as_host(namespace(x).isnan(x[int(i)])) for i in np.flatnonzero(holes)}
    for i, mask in masks.items():
        groups.setdefault(mask.tobytes(), []).append(i)
    found = [(np.ones(x.shape[-1], dtype=bool), full)] if full.size else []
    return found + [(masks[rows[0]], np.array(rows)) for rows in groups.values()]


def part_of(x: Any, rows: IntArray, valid: BoolArray) -> Any:
    """Return the marked pairs of some rows; ``x`` itself where that is all of it."""
    if len(rows) != len(x) or (rows[1:] < rows[:-1]).any():
        x = x[like(rows, x)]
    if valid.all():
        return x
    # by position: twice as fast as by mark
    pairs = np.flatnonzero(valid)
    return x[:, like(pairs, x)] if is_tensor(x) else np.take(x, pairs, axis=1)
