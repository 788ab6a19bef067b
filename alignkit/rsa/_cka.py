"""Centred kernel alignment of features, linear or Gaussian, plain or debiased."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from alignkit._typing import IntArray
from alignkit.rsa._feature_rows import Rows, cross, gram, square_norms, through
from alignkit.rsa._namespace import median_of, namespace, take

#: Most items for which a matrix of items by items is chosen only to save time.
_MAX_ITEMS = 8192
#: Below this share of the sum that it is the rest of, a difference is rounding.
_ROUNDING = 256 * np.finfo(np.float64).eps
_EQUIDISTANT = "debiased CKA is undefined for features whose items all lie equally far apart"
_COINCIDENT = "the RBF kernel is undefined for features where half of all distances are 0"


@dataclasses.dataclass(frozen=True, slots=True)
class CenteredKernel:
    """The centred kernel matrix K of one layer: itself (``gram``) or the features whose products it holds (``rows``).

    ``diagonal`` is that of K, ``own`` the inner product of K with itself.
    """

    gram: Any
    rows: Rows | None
    diagonal: Any
    own: Any = None
    undefined: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class CKA:
    r"""The cosine of two centred kernel matrices; its options are those of :func:`alignkit.rsa.similarity`.

    A linear kernel is held in whichever form costs less; both give the same numbers:
    :math:`S = \sum_{ij} K_{ij}L_{ij} = |X'Y|^2` for centred X, Y. Since the rows of K add up to 0 once X is centred,
    the unbiased estimate needs no more than the diagonals u, v besides:
    :math:`S - \frac{n}{n-2} u'v + \frac{\sum u\sum v}{(n-1)(n-2)}`.
    """

    kernel: Literal["linear", "rbf"] = "linear"
    debiased: bool = True
    bandwidth: float = 1.0

    @property
    def label(self) -> str:
        """What a figure calls the numbers."""
        return f"{'debiased' if self.debiased else 'biased'} {self.kernel.replace('rbf', 'RBF')} CKA"

    @property
    def sentence(self) -> str:
        """What a Methods section calls the measure."""
        width = f" (bandwidth {self.bandwidth:g} times the median distance)" if self.kernel == "rbf" else ""
        return f"{'debiased' if self.debiased else 'biased'} centred kernel alignment, {self.kernel} kernel{width}"

    @property
    def is_distance(self) -> bool:
        """Whether smaller means more alike."""
        return False

    @property
    def min_items(self) -> int:
        """Fewest items for which it is defined."""
        return 4 if self.debiased else 3

    def prepare(self, rows: Rows, n_uses: int) -> CenteredKernel:
        """Return the kernel of one layer, in the form that costs less for that many products with others."""
        if self.kernel == "rbf":
            return self._gaussian(rows)
        if _prefers_gram(rows, n_uses):
            matrix = gram(rows)
            kernel = CenteredKernel(matrix, None, matrix.diagonal())
        else:
            kernel = CenteredKernel(None, rows, square_norms(rows))
        total = _products(kernel, kernel)
        own = self._inner(kernel, kernel, total)
        return dataclasses.replace(kernel, own=own, undefined=_if_rounding(own, total))

    def _gaussian(self, rows: Rows) -> CenteredKernel:
        matrix = _gaussian(rows, self.bandwidth)
        if matrix is None:
            return CenteredKernel(None, rows, None, undefined=_COINCIDENT)
        centred = _u_centred(matrix) if self.debiased else _double_centred(matrix)
        own = (centred * centred).sum()
        undefined = _if_rounding(own, (matrix * matrix).sum()) if self.debiased else None
        return CenteredKernel(centred, None, centred.diagonal(), own, undefined)

    def permute(self, kernel: CenteredKernel, order: IntArray) -> CenteredKernel:
        """Return the kernel of the items in another order."""
        matrix = None if kernel.gram is None else take(take(kernel.gram, order).T, order)
        rows = None if kernel.rows is None else kernel.rows.take(order)
        return dataclasses.replace(kernel, gram=matrix, rows=rows, diagonal=take(kernel.diagonal, order))

    def value(self, x: CenteredKernel, y: CenteredKernel) -> Any:
        """Return the alignment of two layers."""
        ratio = self._inner(x, y, _products(x, y)) / (x.own**0.5 * y.own**0.5)
        # rounding alone can leave [-1, 1]
        return ratio.clip(-1.0, 1.0)

    def forced(self, x: CenteredKernel, y: CenteredKernel) -> tuple[int, int]:
        """Return that no part of the measure is given by geometry alone."""
        return 0, 0

    def _inner(self, x: CenteredKernel, y: CenteredKernel, total: Any) -> Any:
        """Return the inner product of two kernels, given that of their matrices."""
        if not self.debiased or self.kernel == "rbf":
            return total
        u, v = x.diagonal, y.diagonal
        n = len(u)
        return total - n / (n - 2) * (u @ v) + u.sum() * v.sum() / ((n - 1) * (n - 2))


def _prefers_gram(rows: Rows, n_uses: int) -> bool:
    # one item-by-item matrix serves all products of a layer: the more there are, the sooner it pays
    n, p = rows.n_items, rows.n_channels
    return n <= p or (n <= _MAX_ITEMS and n <= (2 if n_uses <= 2 else 4) * p)


def _if_rounding(own: Any, total: Any) -> str | None:
    return None if bool(own > _ROUNDING * total) else _EQUIDISTANT


def _gaussian(rows: Rows, bandwidth: float) -> Any:
    """Return the kernel matrix, possibly less 1 everywhere, which centring takes out; None without a width."""
    inner = gram(rows)
    norms = inner.diagonal()
    # rounding alone makes squares negative
    squared = (norms[:, None] + norms[None, :] - 2.0 * inner).clip(0.0, None)
    width = median_of(squared)
    if not bool(width > 0):
        return None
    # a wide kernel is 1 and little less, a narrow one hardly more than 0: either way the digits are in the difference
    function = namespace(inner).expm1 if bandwidth > 1 else namespace(inner).exp
    return function(squared * (-0.5 / (bandwidth**2 * width)))


def _double_centred(matrix: Any) -> Any:
    means = matrix.mean(0)
    return matrix - means[:, None] - means[None, :] + means.mean()


def _u_centred(matrix: Any) -> Any:
    """Return a matrix centred without its diagonal, which becomes 0 (Szekely and Rizzo)."""
    n, xp = len(matrix), namespace(matrix)
    matrix = matrix - xp.diag(matrix.diagonal())
    sums = matrix.sum(0)
    centred = matrix - sums[:, None] / (n - 2) - sums[None, :] / (n - 2) + sums.sum() / ((n - 1) * (n - 2))
    return centred - xp.diag(centred.diagonal())


def _products(x: CenteredKernel, y: CenteredKernel) -> Any:
    """Return the sum over all entries of the product of two kernels."""
    if x.gram is not None and y.gram is not None:
        return x.gram.reshape(-1) @ y.gram.reshape(-1)
    if x.rows is not None and y.rows is not None:
        mixed = cross(x.rows, y.rows)
        return (mixed * mixed).sum()
    matrix, rows = (x.gram, y.rows) if y.rows is not None else (y.gram, x.rows)
    assert rows is not None
    return through(matrix, rows)
