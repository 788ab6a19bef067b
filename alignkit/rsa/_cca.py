"""Canonical correlations of features: their mean, within the leading components (SVCCA), or weighted (PWCCA)."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from alignkit._typing import IntArray
from alignkit.rsa._feature_rows import Rows
from alignkit.rsa._namespace import namespace, take

CCAMethod = Literal["cca", "svcca", "pwcca"]


@dataclasses.dataclass(frozen=True, slots=True)
class Subspace:
    """One layer's directions: an orthonormal ``basis``, shape (items, rank), and the channels' ``loads`` on it."""

    basis: Any
    loads: Any
    undefined: str | None = None

    @property
    def rank(self) -> int:
        """Number of directions."""
        return int(self.basis.shape[1])


@dataclasses.dataclass(frozen=True, slots=True)
class CCA:
    """Canonical correlations in one number; the options are those of :func:`alignkit.rsa.similarity`."""

    method: CCAMethod = "cca"
    squared: bool = False
    variance: float = 0.99

    @property
    def label(self) -> str:
        """What a figure calls the numbers."""
        name = {"cca": "CCA", "svcca": "SVCCA", "pwcca": "PWCCA"}[self.method]
        return f"R² ({name})" if self.squared else name

    @property
    def sentence(self) -> str:
        """What a Methods section calls the measure."""
        if self.method == "pwcca":
            return "projection-weighted canonical correlation"
        kind = f"mean {'squared ' if self.squared else ''}canonical correlation"
        within = f" of the components that hold {100 * self.variance:g} % of the variance (SVCCA)"
        return kind + within if self.method == "svcca" else kind

    @property
    def is_distance(self) -> bool:
        """Whether smaller means more alike."""
        return False

    @property
    def min_items(self) -> int:
        """Fewest items for which it is defined."""
        return 3

    def prepare(self, rows: Rows, n_uses: int) -> Subspace:
        """Return the directions of one layer."""
        u, s, vt = ranked_svd(rows)
        if self.method == "svcca":
            u, s, vt = _leading(u, s, vt, self.variance)
        return Subspace(u, s[:, None] * vt if self.method == "pwcca" else None)

    def permute(self, subspace: Subspace, order: IntArray) -> Subspace:
        """Return the directions of the items in another order."""
        return dataclasses.replace(subspace, basis=take(subspace.basis, order))

    def value(self, x: Subspace, y: Subspace) -> Any:
        """Return the similarity of two layers."""
        mixed = x.basis.T @ y.basis
        xp = namespace(mixed)
        if self.method == "pwcca":
            return _projection_weighted(mixed, x, y)
        # rounding alone can exceed 1
        correlations = xp.linalg.svdvals(mixed).clip(None, 1.0)
        return (correlations**2 if self.squared else correlations).mean()

    def forced(self, x: Subspace, y: Subspace) -> tuple[int, int]:
        """Return how many of how many canonical correlations are 1 whatever the features are."""
        return forced_correlations(len(x.basis), x.rank, y.rank)


def ranked_svd(rows: Rows) -> tuple[Any, Any, Any]:
    """Return the singular value decomposition of centred rows without the values that are rounding."""
    dense = rows.dense()
    u, s, vt = namespace(dense).linalg.svd(dense, full_matrices=False)
    rank = int((s > s[0] * max(dense.shape) * np.finfo(np.float64).eps).sum())
    return u[:, :rank], s[:rank], vt[:rank]


def forced_correlations(n_items: int, rank_x: int, rank_y: int) -> tuple[int, int]:
    """Return how many of how many canonical correlations are 1 because two subspaces do not fit beside each other."""
    return max(0, rank_x + rank_y - (n_items - 1)), min(rank_x, rank_y)


def _leading(u: Any, s: Any, vt: Any, variance: float) -> tuple[Any, Any, Any]:
    shares = (s * s).cumsum(0) / (s * s).sum()
    # the last share is 1 but for rounding
    n_kept = min(int((shares < variance).sum()) + 1, len(s))
    return u[:, :n_kept], s[:n_kept], vt[:n_kept]


def _projection_weighted(mixed: Any, x: Subspace, y: Subspace) -> Any:
    a, correlations, bt = namespace(mixed).linalg.svd(mixed, full_matrices=False)
    # all variates of the side with fewer of them
    projections = a.T @ x.loads if x.rank <= y.rank else bt @ y.loads
    weights = abs(projections).sum(1)
    return (weights * correlations.clip(None, 1.0)).sum() / weights.sum()
