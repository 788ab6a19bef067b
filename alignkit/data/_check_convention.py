"""Which column of a triplet file is the odd one out? A known embedding tells."""

from __future__ import annotations

import numpy as np

from alignkit._check import as_float_array, check_finite
from alignkit._typing import FloatArray
from alignkit.rsa import Triplets, similarity_matrix

_COLUMNS = ("first", "second", "third")
#: From so many answers on, one column must stand out by three standard errors.
_MANY = 300


def check_convention(triplets: object, embedding: object, /) -> FloatArray:
    """Check that the last column of odd-one-out triplets is the odd one, by an embedding known to predict people.

    For each row the pair with the largest dot product counts as the most similar one; its complement is the predicted
    odd one out (ties are shared). In the wrong convention another column is predicted more often than the last: for
    THINGS the SPoSE embedding [1]_ picks the right item in 64 % of the answers and either wrong one in 18 %.

    Parameters
    ----------
    triplets : Triplets or array_like of int, shape (n, 3)
        0-based item numbers, the odd one out last.
    embedding : array_like of float, shape (items, dims)
        One row per item, in the order that the numbers count.

    Returns
    -------
    ndarray, shape (3,)
        Share of the answers for which each column is predicted as the odd one; sums to 1.

    Raises
    ------
    ValueError
        Another column than the last is predicted most often; with 300 answers or more, no column stands out by three
        standard errors; or numbers beyond the embedding's rows.
    TypeError
        Not numbers.

    References
    ----------
    .. [1] Hebart et al. (2020), https://doi.org/10.1038/s41562-020-00951-3

    Examples
    --------
    >>> check_convention([[0, 1, 2], [1, 0, 2]], [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    array([0., 0., 1.])
    """
    items = (triplets if isinstance(triplets, Triplets) else Triplets(triplets)).items
    x = as_float_array("embedding", embedding, ndim=2)
    check_finite("embedding", x)
    if items.max() >= len(x):
        msg = (
            f"the triplets use the item number {items.max()}, but the embedding has {len(x)} rows (0 to {len(x) - 1}); "
            "check whether the file counts from 0 or 1."
        )
        raise ValueError(msg)
    shares = _odd_shares(similarity_matrix(x), items)
    best = int(shares.argmax())
    others = np.delete(shares, best)
    if len(items) >= _MANY and shares[best] - others.max() < 3 * _margin_error(shares[best], others.max(), len(items)):
        msg = (
            f"the embedding finds no column to be the odd one out ({', '.join(f'{share:.0%}' for share in shares)} of "
            "the triplets): this file may keep the order shown and the answer apart; read it with "
            "Triplets.from_columns(..., odd=<positions of the odd one>), or check that both count the same items."
        )
        raise ValueError(msg)
    if best != 2:
        msg = (
            f"the embedding picks the {_COLUMNS[best]} column as the odd one out in {shares[best]:.0%} of the triplets "
            f"and the last only in {shares[2]:.0%}: this file keeps the odd one out elsewhere; read it with "
            f"Triplets.from_columns(..., odd={_COLUMNS[best]!r}, base=0)."
        )
        raise ValueError(msg)
    return shares


def _odd_shares(similarity: FloatArray, items: np.ndarray) -> FloatArray:
    a, b, c = items.T
    # column k is the odd one when the pair without it is the most similar
    pairs = np.stack([similarity[b, c], similarity[a, c], similarity[a, b]], axis=1)
    top = pairs == pairs.max(axis=1, keepdims=True)
    return (top / top.sum(axis=1, keepdims=True)).mean(axis=0)


def _margin_error(first: float, second: float, n: int) -> float:
    """Return the standard error of the difference between two of the shares."""
    return float(np.sqrt((first + second - (first - second) ** 2) / n))
