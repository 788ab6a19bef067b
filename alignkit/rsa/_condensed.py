"""Condensed and square forms of dissimilarities: the one door through which arrays enter."""

from __future__ import annotations

import numpy as np

from alignkit._check import as_float_array, check_n_items, check_square
from alignkit._typing import FloatArray


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


def condense(square: object, /) -> FloatArray:
    """Return the upper triangle, row-major, of square dissimilarity matrices.

    Parameters
    ----------
    square : array_like, shape (..., items, items)
        Symmetric, with a zero or NaN diagonal.

    Returns
    -------
    ndarray, shape (..., items * (items - 1) / 2)
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
    array = as_float_array("the RDM", square)
    check_square("the RDM", array)
    rows, columns = np.triu_indices(array.shape[-1], k=1)
    return array[..., rows, columns]


def squareform(condensed: object, /) -> FloatArray:
    """Return square symmetric matrices with a zero diagonal from condensed dissimilarities.

    Parameters
    ----------
    condensed : array_like, shape (..., pairs)
        Upper triangles, row-major.

    Returns
    -------
    ndarray, shape (..., items, items)

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
    array = as_float_array("the RDM", condensed)
    n = n_items_of(array.shape[-1] if array.ndim else 0)
    rows, columns = np.triu_indices(n, k=1)
    square = np.zeros((*array.shape[:-1], n, n))
    square[..., rows, columns] = array
    square[..., columns, rows] = array
    return square


def as_condensed(name: str, x: object) -> FloatArray:
    """Return ``x`` condensed, whether it came condensed or square.

    An array whose last two axes are equal is square, unless it is too small to tell (a stack of
    three condensed RDMs of three items has shape (3, 3)): then a zero diagonal makes it square.
    """
    array = as_float_array(name, x)
    if array.ndim == 0 or array.size == 0:
        msg = f"{name} is empty; got shape {array.shape}."
        raise ValueError(msg)
    if array.ndim >= 2 and array.shape[-1] == array.shape[-2] and not _is_stack_of_triples(array):
        check_square(name, array)
        check_n_items(name, array.shape[-1])
        rows, columns = np.triu_indices(array.shape[-1], k=1)
        return array[..., rows, columns]
    if array.ndim == 2 and _is_nearly_square(array):
        check_square(name, array)
    n = n_items_of(array.shape[-1], name)
    check_n_items(name, n)
    return array


def _is_stack_of_triples(array: FloatArray) -> bool:
    if array.shape[-1] != 3:
        return False
    diagonal = np.diagonal(array, axis1=-2, axis2=-1)
    return not np.all((diagonal == 0) | np.isnan(diagonal))


def _is_nearly_square(array: FloatArray) -> bool:
    # A 92 x 91 table is a damaged square, not 92 condensed RDMs: say so in those words.
    rows, columns = array.shape
    possible = (1 + np.sqrt(1 + 8 * columns)) / 2
    return rows > 3 and abs(rows - columns) <= 2 and not float(possible).is_integer()
