"""The same as ``_kernels_numpy`` for tensors, where they lie: whole numbers equal, sums of floats to rounding.

``a`` and ``b``, shape (rows, columns), are the bits of float32 (int32, as torch has no arithmetic of uint32). What a
tile comes to is returned as arrays; tables stay on the device. Tables of ranks are made of counts by the other kernels.
"""

from __future__ import annotations

import numpy as np
import torch

from alignkit._typing import AnyArray, FloatArray, IntArray

_SIGN, _HALF = 1 << 31, (1 << 32) - 1
_LOW, _LOWER = (1 << 20) - 1, 0xFFFF


def keys(bits: torch.Tensor) -> torch.Tensor:
    """Return whole numbers in the order of the floats with these bits; one for both zeros."""
    wide = bits.long() & _HALF
    wide = torch.where(wide == _SIGN, 0, wide)
    return torch.where(wide >= _SIGN, _HALF - wide, wide + _SIGN)


def _floats(bits: torch.Tensor) -> torch.Tensor:
    return bits.view(torch.float32)


def _counting(a: torch.Tensor, diagonal: bool) -> torch.Tensor:
    """Return which places of a tile are pairs."""
    everything = torch.ones_like(a, dtype=torch.bool)
    return everything.triu(1) if diagonal else everything


def _valid(a: torch.Tensor, b: torch.Tensor, diagonal: bool) -> torch.Tensor:
    return _counting(a, diagonal) & ~_floats(a).isnan() & ~_floats(b).isnan()


def _host(values: list[torch.Tensor]) -> AnyArray:
    # together, as every way back to the processor waits for the device
    found: AnyArray = torch.stack(values).cpu().numpy()
    return found


def moments(a: torch.Tensor, b: torch.Tensor, diagonal: bool, shift_a: float, shift_b: float) -> FloatArray:
    """Return the sums of a, b, a², b² and ab less their shifts, and the smallest and largest a and b."""
    valid = _valid(a, b, diagonal)
    x, y = _floats(a).double(), _floats(b).double()
    u, v = torch.where(valid, x - shift_a, 0.0), torch.where(valid, y - shift_b, 0.0)
    ends = [
        end
        for one in (x, y)
        for end in (torch.where(valid, one, torch.inf).amin(), torch.where(valid, one, -torch.inf).amax())
    ]
    return _host([u.sum(), v.sum(), (u * u).sum(), (v * v).sum(), (u * v).sum(), *ends])


def valid_counts(a: torch.Tensor, b: torch.Tensor, diagonal: bool) -> IntArray:
    """Return how many pairs are missing in a, in b, and in neither."""
    pairs, no_a, no_b = _counting(a, diagonal), _floats(a).isnan(), _floats(b).isnan()
    return _host([(pairs & no_a).sum(), (pairs & no_b).sum(), (pairs & ~no_a & ~no_b).sum()])


def item_sums(a: torch.Tensor, diagonal: bool, shift: float) -> tuple[FloatArray, FloatArray]:
    """Return the sums of every row and of every column less a shift each; NaN where anything is."""
    values = _floats(a).double() - shift
    if diagonal:
        values = values.triu(1)
    return values.sum(1).cpu().numpy(), values.sum(0).cpu().numpy()


def coarse_counts(a: torch.Tensor, b: torch.Tensor, diagonal: bool, counts_a: IntArray, counts_b: IntArray) -> IntArray:
    """Count the upper halves of the keys; return how many pairs are missing in a, in b, and in neither."""
    valid = _valid(a, b, diagonal)
    for bits, counts in ((a, counts_a), (b, counts_b)):
        counts += torch.bincount(keys(bits[valid]) >> 16, minlength=counts.size).cpu().numpy()
    return valid_counts(a, b, diagonal)


def fine_counts(a: torch.Tensor, b: torch.Tensor, diagonal: bool, slots: torch.Tensor, table: torch.Tensor) -> None:
    """Count the keys of a whose upper half has a slot, each slot 65,536 entries of the table."""
    places = _places(keys(a[_valid(a, b, diagonal)]), slots)
    places = places[places >= 0]
    # whole numbers add up to the same in any order
    table.scatter_add_(0, places, torch.ones_like(places, dtype=table.dtype))


def _places(found: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
    slot = slots[found >> 16].long()
    return torch.where(slot < 0, -1, (slot << 16) | (found & _LOWER))


def crossed(
    a: torch.Tensor,
    b: torch.Tensor,
    diagonal: bool,
    slots_a: torch.Tensor,
    ranks_a: torch.Tensor,
    slots_b: torch.Tensor,
    ranks_b: torch.Tensor,
) -> IntArray:
    """Return the sum of products of ranks of the pairs that have a slot on both sides, in four parts.

    They weigh 1, 2^32, 2^20 and 2^52: no sum over a tile overflows.
    """
    valid = _valid(a, b, diagonal)
    u, v = _places(keys(a[valid]), slots_a), _places(keys(b[valid]), slots_b)
    both = (u >= 0) & (v >= 0)
    p, q = ranks_a[u[both]].long(), ranks_b[v[both]].long()
    low, high = (p & _LOW) * q, (p >> 20) * q
    return np.asarray(_host([(low & _HALF).sum(), (low >> 32).sum(), (high & _HALF).sum(), (high >> 32).sum()]))
