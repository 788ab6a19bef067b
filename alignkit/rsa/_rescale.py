"""Units and offsets taken out of rows before squares are summed, without losing digits."""

from __future__ import annotations

import numpy as np

from alignkit._typing import AnyArray, FloatArray


def rescale(x: FloatArray, axis: int | tuple[int, ...]) -> tuple[FloatArray, AnyArray]:
    """Return ``x`` with a largest magnitude in [0.5, 1) along ``axis``, and the exponents of two taken out.

    A power of two is exact, and keeps squares from overflowing or vanishing whatever the unit.
    """
    exponent = np.frexp(np.abs(x).max(axis=axis, keepdims=True))[1]
    return np.ldexp(x, -exponent), exponent


def centre(x: FloatArray) -> FloatArray:
    """Return rows less their mean.

    Taken twice: the second time removes the rounding of the first mean, which is all there is of a row that is
    constant but for its last digits.
    """
    x = x - x.mean(axis=-1, keepdims=True)
    x -= x.mean(axis=-1, keepdims=True)
    return x
