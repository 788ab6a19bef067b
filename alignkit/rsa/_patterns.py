"""What the dissimilarities of :func:`rdm` are computed from, and how they say where they are undefined."""

from __future__ import annotations

import dataclasses
from typing import Literal

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._arrays import Array, Precision
from alignkit.rsa._condensed import upper_triangle
from alignkit.rsa._namespace import namespace

CrossValidation = Literal["leave-one-fold-out", "fold-pairs", "observation-pairs"]


@dataclasses.dataclass(frozen=True, slots=True)
class Folds:
    """The independent partitions of a cross-validated dissimilarity.

    ``counts``, shape (folds, items), are the rows behind the mean of each item in each fold; 0 where it is missing.
    ``origin``, shape (..., 1, 1, channels), is the mean over items of all their rows; None may stand for it where the
    design is balanced and the noise one, which do without.
    """

    counts: IntArray
    names: tuple[str, ...]
    origin: Array

    @property
    def complete(self) -> bool:
        """Whether every item occurs in every fold."""
        return bool(self.counts.all())


@dataclasses.dataclass(frozen=True, slots=True)
class Noise:
    """The noise of the channels: one precision matrix P = root root', or one covariance per fold.

    ``kind`` says what it is or how it was estimated, ``shrinkage`` with which weights (one, or one per fold).
    """

    kind: str
    root: FloatArray | None = None
    covariances: FloatArray | None = None
    shrinkage: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class MetricOptions:
    """What some dissimilarities can be told; see :func:`rdm`."""

    cv: CrossValidation | None = None
    normalize: bool = False
    p: float = 2.0
    prior_lambda: float = 1.0
    prior_weight: float = 0.1
    variance_floor: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Patterns:
    """Rows without NaN (unless channels are to be left out), and what else a dissimilarity needs.

    ``x`` has shape (..., items, channels), cross-validated (..., folds, items, channels); ``dtype`` is the precision
    of the products and of the result, whatever that of ``x``; ``bad``, shape ``x.shape[:-1]``, marks the rows that
    only stand in for rows with NaN.
    """

    x: Array
    dtype: Precision = "float64"
    folds: Folds | None = None
    noise: Noise | None = None
    options: MetricOptions = MetricOptions()
    bad: Array = None

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return int(self.x.shape[-1])

    @property
    def n_items(self) -> int:
        """Number of items."""
        return int(self.x.shape[-2])


@dataclasses.dataclass(frozen=True, slots=True)
class Undefined:
    """Why some dissimilarities have no value, and which: a mask over (..., items) or over (..., pairs)."""

    reason: str
    mask: Array
    of: Literal["items", "pairs"] = "items"


def mark(values: Array, undefined: Undefined) -> Array:
    """Return condensed ``values`` with NaN where they are undefined."""
    mask, xp = undefined.mask, namespace(values)
    if not mask.any():
        return values
    if undefined.of == "items":
        mask = upper_triangle(mask[..., :, None] | mask[..., None, :])
    return xp.where(mask, xp.nan, values)
