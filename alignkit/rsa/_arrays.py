"""Precision and shape of numpy arrays and torch tensors, spelled once for both."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from alignkit._check import is_tensor
from alignkit._typing import AnyArray
from alignkit.rsa._namespace import like, namespace

#: A numpy array or a torch tensor.
Array: TypeAlias = Any
Precision: TypeAlias = Literal["float32", "float64"]


def precision_of(x: Array) -> Precision:
    """Return the precision of an array or tensor of floats."""
    return "float64" if str(x.dtype).endswith("float64") else "float32"


def cast(x: Array, dtype: Precision) -> Array:
    """Return ``x`` in another precision, without a copy where it has that already."""
    return x.to(getattr(namespace(x), dtype)) if is_tensor(x) else x.astype(dtype, copy=False)


def floats_like(numbers: AnyArray, x: Array) -> Array:
    """Return numbers as the kind of array that ``x`` is, in its precision and on its device."""
    return like(numbers.astype(precision_of(x), copy=False), x)


def transposed(x: Array) -> Array:
    """Return ``x`` with its last two axes swapped."""
    return x.swapaxes(-1, -2)


def diagonal(x: Array) -> Array:
    """Return the diagonal of the last two axes."""
    return x.diagonal(0, -2, -1)


def root(x: Array) -> Array:
    """Return the square root, with a gradient of zero rather than infinity where ``x`` is zero."""
    if not is_tensor(x):
        return np.sqrt(x)
    torch = namespace(x)
    positive = x > 0
    return torch.where(positive, torch.where(positive, x, 1.0).sqrt(), 0.0)


def has_double(x: Array) -> bool:
    """Return whether float64 can be had where ``x`` lies; Apple's graphics processors have none."""
    return not is_tensor(x) or x.device.type != "mps"
