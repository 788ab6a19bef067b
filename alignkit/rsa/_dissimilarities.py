r"""The dissimilarities of :func:`rdm` that are made of matrix products, one function each; they check nothing.

Each takes :class:`Patterns` without NaN and returns condensed dissimilarities, shape (..., pairs), with what is
undefined. Rows and matrices are first multiplied by a power of two, which is exact, so that squares neither overflow
nor vanish whatever the unit.
"""

from __future__ import annotations

import numpy as np

from alignkit.rsa._arrays import Array, Precision, cast, precision_of, root, transposed
from alignkit.rsa._condensed import upper_triangle
from alignkit.rsa._namespace import like, namespace
from alignkit.rsa._patterns import Noise, Patterns, Undefined
from alignkit.rsa._rescale import centre, rescale, scale
from alignkit.rsa._ties import restore_ties

#: Squared distances below this part of the squared norms are computed again from the difference.
CLOSE = 1e-3
_MAX_ELEMENTS = 2**22
CONSTANT = "items with constant patterns, whose correlation is undefined"
ZERO = "items with all-zero patterns, whose cosine is undefined"


def correlation(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return 1 - r; undefined for constant rows."""
    x = patterns.x
    constant = constant_rows(x)
    x, _ = rescale(x, -1)
    x = namespace(x).where(constant[..., None], 0.0, centre(x))
    return _angular(cast(x, patterns.dtype)), [Undefined(CONSTANT, constant)]


def cosine(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return 1 - cosine; undefined for all-zero rows."""
    x, _ = rescale(patterns.x, -1)
    return _angular(cast(x, patterns.dtype)), [Undefined(ZERO, ~(x != 0).any(axis=-1))]


def euclidean(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return the length of the difference."""
    squares, exponent = _squares(patterns.x, patterns.dtype)
    return scale(root(squares), exponent[..., 0]), []


def sqeuclidean(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return the squared length of the difference."""
    squares, exponent = _squares(patterns.x, patterns.dtype)
    return scale(squares, 2 * exponent[..., 0]), []


def mahalanobis(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return the length of the difference of whitened rows."""
    squares, exponent = _squares(whiten(patterns.x, patterns.noise), patterns.dtype)
    return scale(root(squares), exponent[..., 0]), []


def sqmahalanobis(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return the squared length of the difference of whitened rows."""
    squares, exponent = _squares(whiten(patterns.x, patterns.noise), patterns.dtype)
    return scale(squares, 2 * exponent[..., 0]), []


def constant_rows(x: Array) -> Array:
    """Return which rows hold one value only, exactly: rounding in a mean must not decide this."""
    xp = namespace(x)
    return xp.amax(x, axis=-1) == xp.amin(x, axis=-1)


def whiten(x: Array, noise: Noise | None) -> Array:
    """Return rows (all moved by one and the same vector) whose dot products are x'Py."""
    if noise is None or noise.root is None:
        return x
    axes = tuple(range(-x.ndim, -1))
    return (x - x.mean(axis=axes, keepdims=True)) @ cast(like(noise.root, x), precision_of(x))


def _angular(x: Array) -> Array:
    xp = namespace(x)
    squares = (x * x).sum(axis=-1, keepdims=True)
    unit = x / root(xp.where(squares > 0, squares, 1.0))
    # rounding alone can leave [0, 2]
    values = xp.clip(1.0 - upper_triangle(unit @ transposed(unit)), 0.0, 2.0)
    return restore_ties(values, absolute=1e-14) if precision_of(values) == "float64" else values


def _squares(x: Array, dtype: Precision) -> tuple[Array, Array]:
    """Return squared distances of rescaled ``x`` and the exponents, shape (..., 1, 1), taken out of ``x``."""
    x, exponent = rescale(x, (-2, -1))
    # Distances do not change when columns are centred, but the Gram matrix loses far fewer digits.
    centred = cast(x - x.mean(axis=-2, keepdims=True), dtype)
    norms = (centred * centred).sum(axis=-1)
    total = upper_triangle(norms[..., :, None] + norms[..., None, :])
    values = total - 2.0 * upper_triangle(centred @ transposed(centred))
    values = redo_close_pairs(values, total, x, x)
    return (restore_ties(values, relative=1e-13) if precision_of(values) == "float64" else values), exponent


def redo_close_pairs(values: Array, total: Array, a: Array, b: Array) -> Array:
    """Return sums of (a_i - a_j)(b_i - b_j) in which those that lost their digits are taken directly from the rows.

    ``total`` is what the sums were subtracted from.
    """
    xp = namespace(values)
    close = xp.where(values < CLOSE * total)
    rows, columns = (like(index, values) for index in np.triu_indices(a.shape[-2], k=1))
    step = max(1, _MAX_ELEMENTS // a.shape[-1])
    for start in range(0, len(close[0]), step):
        *leading, pair = where = tuple(index[start : start + step] for index in close)
        i, j = (*leading, rows[pair]), (*leading, columns[pair])
        difference = a[i] - a[j]
        other = difference if b is a else b[i] - b[j]
        values[where] = cast(xp.einsum("ik,ik->i", difference, other), precision_of(values))
    return values
