r"""The dissimilarities of :func:`rdm` that are made of matrix products, one function each; they check nothing.

Each takes :class:`Patterns` without NaN and returns condensed dissimilarities, shape (..., pairs), with what is
undefined. Where squares would overflow or vanish, rows and matrices are first multiplied by a power of two, which is
exact. Arrays go through the fused kernels, tensors through the same steps one after the other.
"""

from __future__ import annotations

import numpy as np

from alignkit._check import is_tensor
from alignkit.rsa._arrays import Array, Precision, cast, floats_like, precision_of, root, transposed
from alignkit.rsa._condensed import upper_triangle
from alignkit.rsa._kernels import _gram_numpy
from alignkit.rsa._namespace import like, namespace
from alignkit.rsa._patterns import Noise, Patterns, Undefined
from alignkit.rsa._rescale import centre, rescale, rescale_if_needed, scale
from alignkit.rsa._ties import restore_ties

#: Squared distances below this part of the squared norms are computed again from the difference.
CLOSE = 1e-3
_MAX_ELEMENTS = 2**22
CONSTANT = "items with constant patterns, whose correlation is undefined"
ZERO = "items with all-zero patterns, whose cosine is undefined"


def correlation(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return 1 - r; undefined for constant rows."""
    values, constant = _angular(patterns, centred=True)
    return values, [Undefined(CONSTANT, constant)]


def cosine(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return 1 - cosine; undefined for all-zero rows."""
    values, zero = _angular(patterns, centred=False)
    return values, [Undefined(ZERO, zero)]


def euclidean(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return the length of the difference."""
    squares, exponent = _squares(patterns.x, patterns.dtype)
    return scale(_rooted(squares), exponent[..., 0]), []


def sqeuclidean(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return the squared length of the difference."""
    squares, exponent = _squares(patterns.x, patterns.dtype)
    return scale(squares, 2 * exponent[..., 0]), []


def mahalanobis(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return the length of the difference of whitened rows."""
    squares, exponent = _squares(_whitened(patterns), patterns.dtype)
    return scale(_rooted(squares), exponent[..., 0]), []


def sqmahalanobis(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return the squared length of the difference of whitened rows."""
    squares, exponent = _squares(_whitened(patterns), patterns.dtype)
    return scale(squares, 2 * exponent[..., 0]), []


def _rooted(squares: Array) -> Array:
    return root(squares) if is_tensor(squares) else np.sqrt(squares, out=squares)


def constant_rows(x: Array) -> Array:
    """Return which rows hold one value only, exactly: rounding in a mean must not decide this."""
    xp = namespace(x)
    return xp.amax(x, axis=-1) == xp.amin(x, axis=-1)


def whiten(x: Array, noise: Noise | None) -> Array:
    """Return rows whose dot products are x'Py; as they are where there is no noise, or one for each fold."""
    if noise is None or noise.root is None:
        return x
    return x @ floats_like(noise.root, x)


def _whitened(patterns: Patterns) -> Array:
    # an offset, which matters to no distance, would cost digits
    return whiten(patterns.x - patterns.x.mean(axis=-2, keepdims=True), patterns.noise)


def _angular(patterns: Patterns, *, centred: bool) -> tuple[Array, Array]:
    """Return one minus the cosine of all pairs of rows, and which rows have no direction."""
    angular = angular_of_tensor if is_tensor(patterns.x) else _gram_numpy.angular
    values, empty = angular(patterns.x, centred=centred, dtype=patterns.dtype)
    return _with_ties(values, absolute=1e-14), empty


def angular_of_tensor(x: Array, *, centred: bool, dtype: Precision) -> tuple[Array, Array]:
    """Return one minus the cosine of all pairs of rows of a tensor, and which rows have no direction."""
    torch = namespace(x)
    empty = constant_rows(x) if centred else ~(x != 0).any(dim=-1)
    x, _ = rescale(x, -1)
    x = cast(torch.where(empty[..., None], 0.0, centre(x) if centred else x), dtype)
    squares = (x * x).sum(dim=-1, keepdim=True)
    unit = x / root(torch.where(squares > 0, squares, 1.0))
    # rounding alone can leave [0, 2]
    return (1.0 - upper_triangle(unit @ transposed(unit))).clamp(0.0, 2.0), empty


def _squares(x: Array, dtype: Precision) -> tuple[Array, Array]:
    """Return squared distances of rescaled ``x`` and the exponents, shape (..., 1, 1), taken out of ``x``."""
    squares, rescaled = (squares_of_tensor, rescale) if is_tensor(x) else (_gram_numpy.squares, rescale_if_needed)
    x, exponent = rescaled(x, (-2, -1))
    return _with_ties(squares(x, dtype=dtype), relative=1e-13), exponent


def squares_of_tensor(x: Array, *, dtype: Precision) -> Array:
    """Return the squared distances of all pairs of rows of a tensor."""
    # Distances do not change when columns are centred, but the Gram matrix loses far fewer digits.
    centred = cast(x - x.mean(dim=-2, keepdim=True), dtype)
    norms = (centred * centred).sum(dim=-1)
    total = upper_triangle(norms[..., :, None] + norms[..., None, :])
    values = total - 2.0 * upper_triangle(centred @ transposed(centred))
    return redo_close_pairs(values, total, x, x)


def _with_ties(values: Array, **tolerance: float) -> Array:
    # in float32 the distances of continuous patterns lie closer together than rounding breaks ties
    return restore_ties(values, **tolerance) if precision_of(values) == "float64" else values


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
