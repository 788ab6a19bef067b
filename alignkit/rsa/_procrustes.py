"""Procrustes and shape metrics: how alike two sets of features are after the best rotation."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from alignkit._check import is_tensor
from alignkit._typing import IntArray
from alignkit.rsa._cca import forced_correlations, ranked_svd
from alignkit.rsa._feature_rows import Rows, cross, held, square_norms
from alignkit.rsa._namespace import is_tracked, namespace

Score = Literal["nbs", "angular", "euclidean"]


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """One layer's centred, partially whitened features, or others that differ by a rotation, and their norm."""

    rows: Rows
    norm: Any
    rank: int
    undefined: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Procrustes:
    r"""The nuclear norm of X'Y; its options are those of :func:`alignkit.rsa.similarity`.

    With :math:`X = U S V'` partial whitening replaces the singular values s by :math:`c\,(\alpha s + 1 - \alpha)`, with
    c such that the total variance stays.
    """

    score: Score = "nbs"
    alpha: float = 1.0

    @property
    def label(self) -> str:
        """What a figure calls the numbers."""
        name = {"nbs": "NBS", "angular": "angular distance", "euclidean": "Euclidean distance"}[self.score]
        return f"{name} (Procrustes)" if self.alpha == 1 else f"{name} (shape, alpha = {self.alpha:g})"

    @property
    def sentence(self) -> str:
        """What a Methods section calls the measure."""
        kind = {
            "nbs": "normalised Bures similarity",
            "angular": "angular Procrustes distance",
            "euclidean": "Euclidean Procrustes distance",
        }[self.score]
        return kind if self.alpha == 1 else f"{kind} after partial whitening (alpha = {self.alpha:g})"

    @property
    def is_distance(self) -> bool:
        """Whether smaller means more alike."""
        return self.score != "nbs"

    @property
    def min_items(self) -> int:
        """Fewest items for which it is defined."""
        return 3

    def prepare(self, rows: Rows, n_uses: int) -> Shape:
        """Return one layer's features, whitened as asked for and with no more channels than items."""
        rank = min(rows.n_items - 1, rows.n_channels)
        if self.alpha < 1:
            features, rank = _whitened(rows, self.alpha)
            rows = dataclasses.replace(held(features), exponent=rows.exponent)
        elif rows.n_channels > rows.n_items and not is_tracked(rows.source):
            rows = dataclasses.replace(held(_turned(rows)), exponent=rows.exponent)
        return Shape(rows, square_norms(rows).sum() ** 0.5, rank)

    def permute(self, shape: Shape, order: IntArray) -> Shape:
        """Return the features of the items in another order."""
        return dataclasses.replace(shape, rows=shape.rows.take(order))

    def value(self, x: Shape, y: Shape) -> Any:
        """Return the similarity or the distance of two layers."""
        mixed = cross(x.rows, y.rows)
        xp = namespace(mixed)
        nuclear = xp.linalg.svdvals(mixed).sum()
        if self.score == "euclidean":
            # in the larger of both units: squares in that of 1 may overflow
            largest = max(x.rows.exponent, y.rows.exponent)
            unit_x, unit_y = 2.0 ** (x.rows.exponent - largest), 2.0 ** (y.rows.exponent - largest)
            squares = (x.norm * unit_x) ** 2 + (y.norm * unit_y) ** 2
            # the best rotation leaves no negative square; rounding may
            return (squares - 2.0 * nuclear * unit_x * unit_y).clip(0.0, None) ** 0.5 * 2.0**largest
        # rounding alone can exceed 1
        cosine = (nuclear / (x.norm * y.norm)).clip(None, 1.0)
        return cosine if self.score == "nbs" else xp.arccos(cosine)

    def forced(self, x: Shape, y: Shape) -> tuple[int, int]:
        """Return how many of how many canonical correlations are 1 whatever the features are."""
        return forced_correlations(x.rows.n_items, x.rank, y.rank) if self.alpha == 0 else (0, 0)


def _turned(rows: Rows) -> Any:
    """Return as many channels as items that differ from the given ones by a rotation."""
    dense = rows.dense()
    triangle: Any = namespace(dense).linalg.qr(dense.T, mode="r")
    return (triangle[-1] if is_tensor(dense) else triangle).T


def _whitened(rows: Rows, alpha: float) -> tuple[Any, int]:
    u, s, _ = ranked_svd(rows)
    # whitening has no unit, unlike the features that it is mixed with
    mixed = alpha * s + (1.0 - alpha) * 2.0**-rows.exponent
    mixed = mixed / mixed[0]  # the largest: the squares of small features' inverse unit overflow
    mixed = mixed * ((s * s).sum() / (mixed * mixed).sum()) ** 0.5
    return u * mixed, len(s)
