"""Dissimilarities over the channels that both rows have: products of masked rows, without a loop over pairs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alignkit.rsa._arrays import Array, cast, precision_of, root, transposed
from alignkit.rsa._condensed import as_host, upper_triangle
from alignkit.rsa._dissimilarities import CLOSE
from alignkit.rsa._namespace import like, namespace
from alignkit.rsa._patterns import Patterns, Undefined
from alignkit.rsa._rescale import rescale, scale
from alignkit.rsa._ties import restore_ties

NOTHING_SHARED = "items that share no channel with another"
FLAT = {
    "correlation": "items that are constant over the channels they share with another",
    "cosine": "items that are zero over the channels they share with another",
}
_MAX_ELEMENTS = 2**21

Result = tuple[Array, list[Undefined], tuple[int, int]]


def sqeuclidean(patterns: Patterns) -> Result:
    """Return the squared distance over shared channels, times the channels there are over those that are shared."""
    values, exponent, undefined, used = _squares(patterns)
    return scale(values, 2 * exponent[..., 0]), undefined, used


def euclidean(patterns: Patterns) -> Result:
    """Return the root of :func:`sqeuclidean`."""
    values, exponent, undefined, used = _squares(patterns)
    return scale(root(values), exponent[..., 0]), undefined, used


def _squares(patterns: Patterns) -> tuple[Array, Array, list[Undefined], tuple[int, int]]:
    rows, valid = _zero_where_missing(patterns.x)
    rows, exponent = rescale(rows, (-2, -1))
    centred = cast((rows - _mean(rows, valid, -2)) * valid, patterns.dtype)
    valid = cast(valid, patterns.dtype)
    squares = centred * centred
    total = upper_triangle(squares @ transposed(valid) + valid @ transposed(squares))
    shared = upper_triangle(valid @ transposed(valid))
    values = total - 2.0 * upper_triangle(centred @ transposed(centred))
    close = namespace(values).where(values < CLOSE * total)

    def direct(a: Array, b: Array, both: Array) -> Array:
        return (((a - b) * both) ** 2).sum(axis=-1)

    values = _redo(values, close, rows, valid, direct) * patterns.n_channels / _at_least_one(shared)
    values = restore_ties(values, relative=1e-13) if precision_of(values) == "float64" else values
    return values, exponent, [Undefined(NOTHING_SHARED, shared == 0, "pairs")], _range(shared)


def correlation(patterns: Patterns) -> Result:
    """Return 1 - r over shared channels, with means and variances over these too."""
    rows, valid = _zero_where_missing(patterns.x)
    rows, _ = rescale(rows, -1)
    rows = (rows - _mean(rows, valid, -1)) * valid
    return _angular(rows, valid, patterns, centred=True)


def cosine(patterns: Patterns) -> Result:
    """Return 1 - cosine over shared channels."""
    rows, valid = _zero_where_missing(patterns.x)
    rows, _ = rescale(rows, -1)
    return _angular(rows, valid, patterns, centred=False)


def _angular(rows: Array, valid: Array, patterns: Patterns, *, centred: bool) -> Result:
    xp = namespace(rows)
    work, mask = cast(rows, patterns.dtype), cast(valid, patterns.dtype)
    shared = mask @ transposed(mask)
    product, squares = work @ transposed(work), (work * work) @ transposed(mask)
    left = squares
    if centred:
        sums = work @ transposed(mask)
        product = product - sums * transposed(sums) / _at_least_one(shared)
        left = squares - sums * sums / _at_least_one(shared)
    # a row that is flat over the shared channels lost its digits: such pairs are taken directly
    doubtful = upper_triangle((left <= CLOSE * squares) | (transposed(left) <= CLOSE * transposed(squares)))
    lengths = root(xp.where(left > 0, left, 1.0))
    values = upper_triangle(product / (lengths * transposed(lengths)))

    def direct(a: Array, b: Array, both: Array) -> Array:
        return _cosine_of_pairs(a, b, both, centred)

    values = _redo(values, xp.where(doubtful), rows, valid, direct)
    flat = values != values
    values = xp.clip(1.0 - xp.where(flat, 0.0, values), 0.0, 2.0)
    values = restore_ties(values, absolute=1e-14) if precision_of(values) == "float64" else values
    shared = upper_triangle(shared)
    kind = "correlation" if centred else "cosine"
    nowhere = [Undefined(NOTHING_SHARED, shared == 0, "pairs"), Undefined(FLAT[kind], flat & (shared > 0), "pairs")]
    return values, nowhere, _range(shared)


def _cosine_of_pairs(a: Array, b: Array, both: Array, centred: bool) -> Array:
    """Return cosines of pairs of rows over the channels ``both`` have; NaN where one is flat there."""
    xp = namespace(a)
    flat = _flat(a, both, centred) | _flat(b, both, centred)
    a, b = a * both, b * both
    if centred:
        n = _at_least_one(both.sum(axis=-1, keepdims=True))
        for _ in range(2):  # the second time removes the rounding of the first
            a, b = (x - x.sum(axis=-1, keepdims=True) / n * both for x in (a, b))
    squares = (a * a).sum(axis=-1), (b * b).sum(axis=-1)
    flat = flat | (squares[0] == 0) | (squares[1] == 0)
    length_a, length_b = (root(xp.where(flat, 1.0, square)) for square in squares)
    return xp.where(flat, xp.nan, (a * b).sum(axis=-1) / (length_a * length_b))


def _flat(x: Array, both: Array, centred: bool) -> Array:
    """Return, exactly, which rows hold one value only (or zero only) over the channels that count."""
    xp = namespace(x)
    if not centred:
        return ~((x != 0) & (both > 0)).any(axis=-1)
    return xp.amax(xp.where(both > 0, x, -xp.inf), axis=-1) <= xp.amin(xp.where(both > 0, x, xp.inf), axis=-1)


def _redo(
    values: Array, where: tuple[Array, ...], rows: Array, valid: Array, direct: Callable[[Array, Array, Array], Array]
) -> Array:
    """Return ``values`` with those at ``where`` computed from their two rows and the channels both have."""
    first, second = (like(index, values) for index in np.triu_indices(rows.shape[-2], k=1))
    step = max(1, _MAX_ELEMENTS // rows.shape[-1])
    for start in range(0, len(where[0]), step):
        *leading, pair = part = tuple(index[start : start + step] for index in where)
        i, j = (*leading, first[pair]), (*leading, second[pair])
        both = cast(valid[i] * valid[j], precision_of(rows))
        values[part] = cast(direct(rows[i], rows[j], both), precision_of(values))
    return values


def _zero_where_missing(x: Array) -> tuple[Array, Array]:
    """Return ``x`` with zeros where it has no finite value, and ones where it has one, in its precision."""
    xp = namespace(x)
    valid = xp.isfinite(x)
    ones = valid.to(x.dtype) if xp is not np else valid.astype(x.dtype)
    return xp.where(valid, x, 0.0), ones


def _mean(x: Array, valid: Array, axis: int) -> Array:
    return x.sum(axis=axis, keepdims=True) / _at_least_one(valid.sum(axis=axis, keepdims=True))


def _at_least_one(n: Array) -> Array:
    return namespace(n).where(n > 0, n, 1.0)


def _range(shared: Array) -> tuple[int, int]:
    counts = as_host(shared)
    used = counts[counts > 0]
    return (int(used.min()), int(used.max())) if used.size else (0, 0)
