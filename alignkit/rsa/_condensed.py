"""Condensed and square forms of dissimilarities: the one door through which arrays enter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from alignkit._check import as_floats, check_n_items, check_square, is_tensor
from alignkit._typing import AnyArray


def n_items_of(n_pairs: int, name: str = "the RDM") -> int:
    """Return n with n(n-1)/2 = ``n_pairs``, or raise when no whole n fits."""
    n = round((1 + np.sqrt(1 + 8 * n_pairs)) / 2)
    if n * (n - 1) // 2 != n_pairs or n_pairs < 1:
        msg = (
            f"{name} has {n_pairs} values in its last axis, which is not n(n-1)/2 for any n: "
            "pass the condensed upper triangle or a square matrix."
        )
        raise ValueError(msg)
    return n


def condense(square: object, /) -> Any:
    """Return the upper triangle, row-major, of square dissimilarity matrices.

    Parameters
    ----------
    square : array_like or tensor, shape (..., items, items)
        Symmetric, with a zero or NaN diagonal.

    Returns
    -------
    ndarray or tensor, shape (..., items * (items - 1) / 2)
        In scipy's ``squareform`` order.

    Raises
    ------
    ValueError
        Not square, asymmetric, or a non-zero diagonal.
    TypeError
        Not real numbers.

    Examples
    --------
    >>> condense([[0, 1, 2], [1, 0, 3], [2, 3, 0]])
    array([1., 2., 3.])
    """
    array = as_floats("the RDM", square)
    _check_square("the RDM", array)
    return upper_triangle(array)


def squareform(condensed: object, /) -> Any:
    """Return square symmetric matrices with a zero diagonal from condensed dissimilarities.

    Parameters
    ----------
    condensed : array_like or tensor, shape (..., pairs)
        Upper triangles, row-major.

    Returns
    -------
    ndarray or tensor, shape (..., items, items)
        In the precision that came.

    Raises
    ------
    ValueError
        The last axis is not n(n-1)/2 long for any n.
    TypeError
        Not real numbers.

    Examples
    --------
    >>> squareform([1.0, 2.0, 3.0])
    array([[0., 1., 2.],
           [1., 0., 3.],
           [2., 3., 0.]])
    """
    array = as_floats("the RDM", condensed)
    n = n_items_of(array.shape[-1] if array.ndim else 0)
    shape = (*array.shape[:-1], n, n)
    if is_tensor(array):
        rows, columns = np.triu_indices(n, k=1)
        square = array.new_zeros(shape)
        square[..., rows, columns] = array
        square[..., columns, rows] = array
        return square
    square = np.zeros(shape, dtype=array.dtype)
    for i, pairs in enumerate(_rows_of_pairs(n)):
        square[..., i, i + 1 :] = array[..., pairs]
        square[..., i + 1 :, i] = array[..., pairs]
    return square


def upper_triangle(square: Any) -> Any:
    """Return the upper triangle, row-major, of the last two axes of an array or tensor, without any check."""
    n = square.shape[-1]
    if is_tensor(square):
        rows, columns = np.triu_indices(n, k=1)
        return square[..., rows, columns]
    # row by row: the positions of all pairs would take more time and memory than the pairs
    condensed = np.empty((*square.shape[:-2], n * (n - 1) // 2), dtype=square.dtype)
    for i, pairs in enumerate(_rows_of_pairs(n)):
        condensed[..., pairs] = square[..., i, i + 1 :]
    return condensed


def _rows_of_pairs(n: int) -> Iterator[slice]:
    """Return where the pairs of each item with those after it are among the condensed pairs."""
    start = 0
    for length in range(n - 1, 0, -1):
        yield slice(start, start + length)
        start += length


def as_condensed(name: str, x: object, n_leading: int | None = None) -> Any:
    """Return ``x`` condensed, whether it came condensed or square; float32 and tensors stay what they are.

    ``n_leading``, the number of leading axes, settles which of the two it is. Without it, an array whose last
    two axes are equal is square: a stack that could be either (6 RDMs of 4 items have shape (6, 6)) and is no
    valid square is refused rather than guessed, and so is a column, which could be one RDM or RDMs of two items.
    """
    array = as_floats(name, x)
    if array.ndim == 0 or 0 in array.shape:
        msg = f"{name} is empty; got shape {tuple(array.shape)}."
        raise ValueError(msg)
    square = array.ndim >= 2 and array.shape[-1] == array.shape[-2]
    if n_leading is None:
        square = square or _is_damaged_square(array)
    elif n_leading == array.ndim - 1:
        _refuse_lone_square(name, array, n_leading)
        square = False
    if square:
        _check_square(name, array, ambiguous=n_leading is None)
        check_n_items(name, array.shape[-1], 2)
        return upper_triangle(array)
    if n_leading is None and array.ndim > 1 and array.shape[-1] == 1:
        msg = (
            f"{name} is a column, shape {tuple(array.shape)}: give the pairs of one RDM as a row, or name the leading "
            "axes of RDMs of two items: RDM(..., dims=[...])."
        )
        raise ValueError(msg)
    check_n_items(name, n_items_of(array.shape[-1], name), 2)
    return array


def _check_square(name: str, array: Any, *, ambiguous: bool = False) -> None:
    try:
        check_square(name, as_host(array))
    except ValueError as error:
        n = array.shape[-1] if array.ndim >= 2 else 0
        if not ambiguous or n < 3 or not _is_triangular(n):
            raise
        stack = f"{array.shape[-2]} condensed RDMs of {n_items_of(n)} items"
        msg = f"{error} If these are {stack}, name the leading axes: RDM(..., dims=[...])."
        raise ValueError(msg) from error


def as_host(x: Any) -> AnyArray:
    """Return the numbers of an array or of a tensor, wherever it lies, as an array."""
    array: AnyArray = x.detach().cpu().numpy() if is_tensor(x) else x
    return array


def _refuse_lone_square(name: str, array: Any, n_leading: int) -> None:
    # 78 x 78 could be 78 condensed RDMs of 13 items, but symmetric and with a zero diagonal it is one RDM
    if array.ndim < 2 or array.shape[-1] != array.shape[-2] or not np.nan_to_num(as_host(array)).any():
        return
    try:
        _check_square(name, array)
    except ValueError:
        return
    msg = (
        f"{name} ends in square matrices, shape {array.shape}: that leaves {array.ndim - 2} leading axes, "
        f"but dims names {n_leading}."
    )
    raise ValueError(msg)


def _is_triangular(n: int) -> bool:
    return float((1 + np.sqrt(1 + 8 * n)) / 2).is_integer()


def _is_damaged_square(values: Any) -> bool:
    # A 92 x 91 table with zeros along a diagonal is a square that lost a column, not 92 RDMs of 14 items;
    # a 92 x 93 one cannot be anything else. Say so in those words.
    if values.ndim != 2 or values.shape[0] <= 3 or not 0 < abs(values.shape[0] - values.shape[1]) <= 2:
        return False
    array = as_host(values)
    if not _is_triangular(array.shape[1]):
        return True
    diagonals = (np.diagonal(array, offset) for offset in (-1, 0, 1))
    return any(bool(np.all((diagonal == 0) | np.isnan(diagonal))) for diagonal in diagonals)
