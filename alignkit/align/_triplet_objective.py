"""The cross-entropy of triplets and its gradient, through the matrix of similarities: gather, softmax, sum back.

With S = Y Y' a triplet's logits are three entries of S, so that their gradients are sums over entries of S, which two
matrix products bring back to Y. An answer costs three reads and three additions whatever the number of channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from alignkit._check import is_tensor
from alignkit._threads import each
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.rsa._similarity_matrix import MATRIX_LIMIT

#: Rows of a matrix product, and triplets, that one task handles: not a matter of how many threads there are.
_ROWS, _TRIPLETS = 256, 1 << 15


class TripletObjective(Protocol):
    """The mean cross-entropy of triplets under similarities that are dot products of rows."""

    def __call__(self, y: Any, /) -> tuple[float, Any]:
        """Return the value in nats per triplet and its gradient, both from rows of shape (items, dims)."""


def triplet_objective(items: IntArray, n_items: int, probabilities: FloatArray | None, like: Any) -> TripletObjective:
    """Return the objective that suits the number of items and what holds the features.

    Parameters
    ----------
    items : ndarray of int, shape (n, 3)
        Rows of the items; the odd one out is last.
    n_items : int
        Number of rows.
    probabilities : ndarray, shape (n, 3), optional
        Probability that each column is the odd one; by default certainty of the last.
    like : ndarray or Tensor
        What will be passed, or something of its kind.

    Returns
    -------
    TripletObjective
    """
    if is_tensor(like):
        from alignkit.align._triplet_objective_torch import TorchTriplets

        return TorchTriplets(items, n_items, probabilities, like)
    pairs = _AllPairs(items, n_items) if n_items <= MATRIX_LIMIT else _SomePairs(items, n_items)
    return _NumpyTriplets(pairs, probabilities)


class _NumpyTriplets:
    """Mean of -Σ_k p_k log q_k, where q is the softmax of the three similarities of a triplet."""

    def __init__(self, pairs: _AllPairs | _SomePairs, probabilities: FloatArray | None) -> None:
        self._pairs = pairs
        self._wanted = None if probabilities is None else np.ascontiguousarray(probabilities.T)

    def __call__(self, y: FloatArray, /) -> tuple[float, FloatArray]:
        """Return the value and its gradient."""
        values = self._pairs.similarities(y)
        places = self._pairs.places
        n = places.shape[1]
        weights = np.empty(places.shape)

        def task(start: int) -> float:
            block = np.s_[:, start : start + _TRIPLETS]
            out = weights[block]
            for k in range(3):  # mode="clip" skips the bounds check: the numbers were checked at the door
                out[k] = np.take(values, places[k, start : start + _TRIPLETS], mode="clip")
            return _soften(out, None if self._wanted is None else self._wanted[block], n)

        total = float(np.sum(each(task, range(0, n, _TRIPLETS))))
        return total / n, self._pairs.pull(weights, y)


def _soften(logits: FloatArray, wanted: FloatArray | None, n: int) -> float:
    """Turn logits, shape (3, block), into the gradient of the mean over ``n`` triplets; return the sum of the costs."""
    logits -= logits.max(axis=0)
    # -Σ p log q = log Σ exp - Σ p s
    aim = logits[2].sum() if wanted is None else np.einsum("ij,ij->", wanted, logits)
    with np.errstate(under="ignore"):
        np.exp(logits, out=logits)
    size = logits.sum(axis=0)
    cost = float(np.log(size).sum() - aim)
    size *= n
    logits /= size
    if wanted is None:
        logits[2] -= 1.0 / n
    else:
        logits -= wanted / n
    return cost


class _AllPairs:
    """Every pair of items has an entry in one matrix.

    Matrices are kept from call to call: asking for fresh memory would cost as much as the products do.
    """

    def __init__(self, items: IntArray, n_items: int) -> None:
        entries = np.stack([low * n_items + high for low, high in _pairs(items)])
        shown = np.zeros(n_items**2, dtype=bool)
        shown[entries] = True
        self._shown = np.flatnonzero(shown)
        self._mirrored = self._shown % n_items * n_items + self._shown // n_items
        self.places = (np.cumsum(shown) - 1)[entries]
        self._n = n_items
        self._products, self._sums = np.zeros((2, n_items, n_items))

    def similarities(self, y: FloatArray) -> FloatArray:
        """Return the dot products of the pairs, by place."""
        matrix = self._products

        def fill(start: int) -> None:
            np.matmul(y[start : start + _ROWS], y[start:].T, out=matrix[start : start + _ROWS, start:])

        each(fill, range(0, self._n, _ROWS))
        return matrix.ravel()[self._shown]

    def pull(self, weights: FloatArray, y: FloatArray) -> FloatArray:
        """Return Σ over the triplets' pairs (i, j) of the weight times y_j in row i, and times y_i in row j."""
        sums = np.bincount(self.places.ravel(), weights.ravel(), minlength=len(self._shown))
        self._sums.reshape(-1)[self._shown] = sums
        self._sums.reshape(-1)[self._mirrored] = sums
        return product(self._sums, y)


class _SomePairs:
    """Of many items only the pairs that some triplet shows have a place."""

    def __init__(self, items: IntArray, n_items: int) -> None:
        codes = np.stack([low * n_items + high for low, high in _pairs(items)])
        unique, places = np.unique(codes, return_inverse=True)
        self.places = places.reshape(codes.shape)
        self._rows, self._columns = unique // n_items, unique % n_items
        self._starts = np.searchsorted(self._rows, np.arange(n_items + 1))
        self._n = n_items

    def similarities(self, y: FloatArray) -> FloatArray:
        """Return the dot products of the pairs, by place."""
        out = np.empty(len(self._rows))
        block = max(1, (1 << 20) // y.shape[1])

        def fill(start: int) -> None:
            part = np.s_[start : start + block]
            np.einsum("ij,ij->i", y[self._rows[part]], y[self._columns[part]], out=out[part])

        each(fill, range(0, len(out), block))
        return out

    def pull(self, weights: FloatArray, y: FloatArray) -> FloatArray:
        """Return Σ over the triplets' pairs (i, j) of the weight times y_j in row i, and times y_i in row j."""
        from scipy.sparse import csr_array

        total = np.zeros(len(self._rows))
        for place, weight in zip(self.places, weights, strict=True):
            total += np.bincount(place, weight, minlength=len(total))
        matrix = csr_array((total, self._columns, self._starts), shape=(self._n, self._n))
        result: FloatArray = matrix @ y + matrix.T @ y
        return result


def _pairs(items: IntArray) -> list[tuple[IntArray, IntArray]]:
    """Return the pair that remains without item 0, 1 and 2 of each triplet, the smaller number first."""
    a, b, c = items.T
    return [(np.minimum(i, j), np.maximum(i, j)) for i, j in ((b, c), (a, c), (a, b))]


def product(a: AnyArray, b: AnyArray) -> AnyArray:
    """Return ``a @ b``; of arrays, with the same bits for any number of threads."""
    if is_tensor(a):
        result: AnyArray = a @ b
        return result
    out = np.empty((a.shape[0], b.shape[1]))
    task: Callable[[int], Any] = lambda start: np.matmul(a[start : start + _ROWS], b, out=out[start : start + _ROWS])  # noqa: E731
    each(task, range(0, len(a), _ROWS))
    return out
