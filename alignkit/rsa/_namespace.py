"""One code for numpy arrays and torch tensors: the module whose functions fit, and what the two spell differently."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from alignkit._check import is_tensor
from alignkit._typing import IntArray


def namespace(x: Any) -> Any:
    """Return numpy or torch, whichever made ``x``."""
    if not is_tensor(x):
        return np
    import torch

    return torch


def widen(x: Any) -> Any:
    """Return ``x`` in float64, where it lies; in float32 on Apple's graphics processors, which have no other."""
    if is_tensor(x):
        return x.float() if x.device.type == "mps" else x.double()
    return x.astype(np.float64, copy=False)


def take(x: Any, order: IntArray) -> Any:
    """Return the rows ``order`` of ``x``, a view where they follow each other."""
    start, stop = int(order[0]), int(order[-1]) + 1
    if stop - start == len(order) and np.array_equal(order, np.arange(start, stop)):
        return x[start:stop]
    if not is_tensor(x):
        return x[order]
    return x[namespace(x).as_tensor(order, device=x.device)]


def like(x: Any, reference: Any) -> Any:
    """Return an array as what ``reference`` is, on its device."""
    if not is_tensor(reference) or is_tensor(x):
        return x
    # numpy's read-only arrays may not be shared with torch
    return namespace(reference).tensor(np.array(x), device=reference.device)


def scalar(value: float, reference: Any) -> Any:
    """Return a number as a float64 scalar of the kind of ``reference``."""
    return like(np.float64(value), reference)


def untracked(x: Any) -> AbstractContextManager[Any]:
    """Return a context in which torch, where ``x`` is its tensor, records no gradient."""
    context: AbstractContextManager[Any] = namespace(x).no_grad() if is_tensor(x) else nullcontext()
    return context


def is_tracked(x: Any) -> bool:
    """Return whether torch records what is done with ``x``."""
    return is_tensor(x) and bool(x.requires_grad) and bool(namespace(x).is_grad_enabled())


def kth_largest(x: Any, k: int) -> Any:
    """Return the k-th largest value of every row, shape (rows, 1)."""
    if is_tensor(x):
        return x.topk(k, dim=1).values[:, -1:]
    return np.partition(x, x.shape[1] - k, axis=1)[:, x.shape[1] - k, None]


def median_of(x: Any) -> Any:
    """Return the median of all entries, the mean of the middle two where their number is even."""
    flat = x.reshape(-1)
    low, high = (len(flat) - 1) // 2, len(flat) // 2
    if is_tensor(x):
        return (flat.kthvalue(low + 1).values + flat.kthvalue(high + 1).values) / 2
    ordered = np.partition(flat, (low, high))
    return (ordered[low] + ordered[high]) / 2
