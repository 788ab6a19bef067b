"""Plain numpy kernels: the oracle of the compiled ones."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._typing import AnyArray, FloatArray, IntArray

#: Two sides of a decision that differ by less than this part of the size of their terms cannot be told apart after
#: float64 has rounded the means, the whitening and the products: a tie, such as that of two conditions with equal data.
TIE = 2.0**-40
#: Test trials compared at once.
ROWS = 128


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Trials or means, shape (n, channels), and their lengths."""

    values: FloatArray
    norms: FloatArray


def prepare(values: FloatArray) -> Rows:
    """Return trials or means as :func:`count_decisions` takes them; once for any number of calls."""
    return Rows(values, np.linalg.norm(values, axis=1))


def count_decisions(test: Rows, condition: IntArray, means: Rows, half_norms: FloatArray, halves: AnyArray) -> None:
    """Add to ``halves``, shape (conditions, conditions), what every test trial says of its condition i against j.

    Two where g_i > g_j, one for a tie, with g_c = x . u_c - |u_c|^2 / 2. The trials are of ``condition``;
    ``half_norms`` are |u_c|^2 / 2, NaN for a condition that cannot be decided. The diagonal stays 0.
    """
    for start in range(0, len(condition), ROWS):
        x, own = test.values[start : start + ROWS], condition[start : start + ROWS]
        g = x @ means.values.T - half_norms
        margin = g[np.arange(len(x)), own][:, None] - g
        bound = test.norms[start : start + ROWS, None] * (means.norms + means.norms[own][:, None])
        bound = TIE * (bound + half_norms + half_norms[own][:, None])
        with np.errstate(invalid="ignore"):
            said = 2 * (margin > bound).astype(halves.dtype) + (np.abs(margin) <= bound)
        said[np.arange(len(x)), own] = 0
        np.add.at(halves, own, said.astype(halves.dtype))
