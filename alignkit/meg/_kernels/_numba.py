"""Compiled kernels, equal to those in ``_numpy``; compiled on first use and cached."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.meg._kernels._numpy import ROWS, TIE
from alignkit.rsa._kernels._numba import compiled

#: What rounding to float32 may change, at most, relative to the value.
_UNIT = 2.0**-24


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Trials or means, shape (n, channels), their lengths, and both in float32, times ``scale``, a power of two."""

    values: FloatArray
    norms: FloatArray
    scale: float
    single: AnyArray


def prepare(values: FloatArray) -> Rows:
    """Return trials or means as :func:`count_decisions` takes them; once for any number of calls."""
    norms: FloatArray = np.sqrt(np.einsum("ij,ij->i", values, values))
    largest = float(norms.max(initial=0.0))
    scale = float(2.0 ** -np.round(np.log2(largest))) if 0.0 < largest < np.inf else 1.0
    single = np.empty(values.shape, dtype=np.float32)
    np.multiply(values, scale, out=single, casting="same_kind")
    return Rows(values, norms, scale, single)


def count_decisions(test: Rows, condition: IntArray, means: Rows, half_norms: FloatArray, halves: AnyArray) -> None:
    """Add to ``halves`` what every test trial says of its condition against all others, as ``_numpy`` does.

    The products are made in float32, twice as fast. A product of n terms is wrong by at most n u / (1 - n u) |x| |u_c|
    with u = 2^-24 (Higham 2002, doi:10.1137/1.9780898718027, section 3.1): the few decisions closer than that are made
    again in float64. No decision depends on the precision of the products.
    """
    n_terms = test.values.shape[1] + 8
    share = 1.01 * n_terms * _UNIT / max(_UNIT, 1.0 - n_terms * _UNIT)
    scale = test.scale * means.scale
    half = (scale * half_norms).astype(np.float32)
    slope = (share * means.scale * means.norms).astype(np.float32)
    offset = (5.0 * _UNIT * scale * half_norms).astype(np.float32)
    reach = (test.scale * test.norms).astype(np.float32)
    products = np.empty((min(ROWS, len(condition)), len(half)), dtype=np.float32)
    for start in range(0, len(condition), ROWS):
        rows = slice(start, min(start + ROWS, len(condition)))
        block = products[: rows.stop - start]
        np.matmul(test.single[rows], means.single.T, out=block)
        _compare(block, half, slope, offset, reach[rows], condition[rows], halves,
                 test.values[rows], means.values, half_norms, means.norms, test.norms[rows])  # fmt: skip


@compiled
def _compare(products, half, slope, offset, reach, condition, halves, test, means, half_norms, size, length):  # type: ignore[no-untyped-def]
    for a in range(products.shape[0]):
        i = condition[a]
        row, said = products[a], halves[i]
        own, far = row[i] - half[i], reach[a]
        base = far * slope[i] + offset[i]
        near = 0
        for j in range(row.size):
            margin = own - (row[j] - half[j])
            bound = far * slope[j] + (offset[j] + base)
            right = margin > bound
            said[j] += right + right
            near += abs(margin) <= bound
        if near > 1:  # its own condition is one
            exact = _product(test[a], means[i]) - half_norms[i]
            for j in range(row.size):
                margin = own - (row[j] - half[j])
                if j != i and abs(margin) <= far * slope[j] + (offset[j] + base):
                    difference = exact - (_product(test[a], means[j]) - half_norms[j])
                    tie = TIE * (length[a] * (size[i] + size[j]) + half_norms[i] + half_norms[j])
                    said[j] += 2 if difference > tie else 1 if abs(difference) <= tie else 0


@compiled
def _product(x, y):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(x.size):
        total += x[k] * y[k]
    return total
