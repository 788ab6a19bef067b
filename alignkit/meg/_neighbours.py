"""Which cells of a map touch: samples in time, cells of a grid, and sensors beside each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignkit._check import as_array, check_finite
from alignkit._typing import AnyArray, IntArray


def neighbours(shape: tuple[int, ...], adjacency: Any = None) -> IntArray:
    """Return the pairs of cells that touch, shape (pairs, 2), the earlier cell of each first.

    Cells one step apart along one axis touch. ``adjacency`` (array or sparse matrix, shape (n, n)) says which of the
    first axis' cells do instead, or, where it is as large as the whole map, which of all cells do.

    Raises
    ------
    ValueError
        An adjacency of another shape, or with NaN.
    """
    if adjacency is None:
        return _grid(shape)
    matrix = adjacency if hasattr(adjacency, "tocoo") else as_array("adjacency", adjacency)
    check_finite("adjacency", matrix.tocoo().data if hasattr(matrix, "tocoo") else matrix)
    n_cells = int(np.prod(shape))
    whole = matrix.shape == (n_cells, n_cells)
    if not whole and (matrix.shape != (shape[0],) * 2 or len(shape) < 2):
        most = f"({shape[0]}, {shape[0]}) for the axis after subjects, or " if len(shape) > 1 else ""
        msg = f"adjacency must have shape {most}({n_cells}, {n_cells}) for all cells; got {matrix.shape}."
        raise ValueError(msg)
    one, other = matrix.nonzero()
    touching = np.unique(np.sort(np.stack([one, other], axis=1)[one != other], axis=1), axis=0).astype(np.int64)
    return touching if whole else _grid(shape, touching)


def _grid(shape: tuple[int, ...], first: IntArray | None = None) -> IntArray:
    cells = np.arange(int(np.prod(shape))).reshape(shape)
    pairs = []
    for axis in range(len(shape)):
        along = np.moveaxis(cells, axis, 0)
        given = axis == 0 and first is not None
        one, other = (along[first[:, 0]], along[first[:, 1]]) if given else (along[:-1], along[1:])  # type: ignore[index]
        pairs.append(np.stack([one.ravel(), other.ravel()], axis=1))
    return np.concatenate(pairs)


def neighbour_lists(pairs: IntArray, n_cells: int, *, both: bool) -> tuple[IntArray, IntArray]:
    """Return where every cell's neighbours start, shape (cells + 1,), and the neighbours one cell after the other.

    They are those before the cell, or, for ``both``, all.
    """
    of, who = pairs[:, 1], pairs[:, 0]
    if both:
        of, who = np.concatenate([of, pairs[:, 0]]), np.concatenate([who, pairs[:, 1]])
    order = np.lexsort((who, of))
    start = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=n_cells))])
    return start.astype(np.int64), who[order].astype(np.int64)


def components(member: AnyArray, pairs: IntArray) -> IntArray:
    """Return the number of the set of touching cells that each cell is in, from 1 by the first cell; 0 for none.

    ``member``, shape (cells,), is 0 for cells in no set; cells of different values form no set.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_cells = len(member)
    joined = pairs[(member[pairs[:, 0]] == member[pairs[:, 1]]) & (member[pairs[:, 0]] != 0)]
    graph = coo_array((np.ones(len(joined), dtype=bool), (joined[:, 0], joined[:, 1])), shape=(n_cells, n_cells))
    root = connected_components(graph, directed=False)[1]
    label = np.zeros(n_cells, dtype=np.int64)
    found = np.flatnonzero(member)
    _, first, number = np.unique(root[found], return_index=True, return_inverse=True)
    label[found] = np.argsort(np.argsort(first))[number] + 1
    return label
