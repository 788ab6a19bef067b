"""Units and offsets taken out of rows before squares are summed, without losing digits."""

from __future__ import annotations

import numpy as np

from alignkit._check import is_tensor
from alignkit._typing import AnyArray, IntArray
from alignkit.rsa._arrays import Array
from alignkit.rsa._namespace import namespace

#: Between these powers of two numbers have squares whose sums neither overflow nor lose digits.
SAFE_EXPONENT = {"float64": 200, "float32": 20}


def rescale(x: Array, axis: int | tuple[int, ...]) -> tuple[Array, Array]:
    """Return ``x`` with a largest magnitude of about 0.5 to 1 along ``axis``, and the exponents of two taken out.

    A power of two is exact, and keeps squares from overflowing or vanishing whatever the unit.
    """
    if is_tensor(x):
        torch = namespace(x)
        largest = x.detach().abs().amax(axis, keepdim=True)
        exponent = torch.where(largest > 0, largest, 0.5).log2().floor().to(torch.int64) + 1
    else:
        exponent = np.frexp(np.abs(x).max(axis=axis, keepdims=True))[1]
    return scale(x, -exponent), exponent


def rescale_if_needed(x: AnyArray, axis: int | tuple[int, ...]) -> tuple[AnyArray, IntArray]:
    """Return what :func:`rescale` does, or ``x`` itself and zeros where squares and their sums stay within range."""
    largest = np.maximum(x.max(axis=axis, keepdims=True), -x.min(axis=axis, keepdims=True))
    exponent = np.frexp(largest)[1].astype(np.int64)
    if (np.abs(exponent) <= SAFE_EXPONENT[x.dtype.name]).all():
        return x, np.zeros_like(exponent)
    return scale(x, -exponent), exponent


def scale(x: Array, exponent: Array) -> Array:
    """Return ``x`` times two to the power of ``exponent``; an array itself where all exponents are zero."""
    if not is_tensor(x):
        if not exponent.any():
            return x
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(x, exponent)
    # in halves: the power alone may be out of range where the product is not
    half, two = exponent // 2, x.new_tensor(2.0)
    return x * two**half * two ** (exponent - half)


def centre(x: Array) -> Array:
    """Return rows less their mean.

    Taken twice: the second time removes the rounding of the first mean, which is all there is of a row that is
    constant but for its last digits.
    """
    x = x - x.mean(axis=-1, keepdims=True)
    return x - x.mean(axis=-1, keepdims=True)
