"""Tiles of an RDM from features: each by one matrix product of two blocks of rows."""

from __future__ import annotations

import collections
import dataclasses
import threading
from typing import Any, Literal, NoReturn

import numpy as np

from alignkit._check import check_choice
from alignkit._typing import AnyArray, FloatArray
from alignkit.rsa._dissimilarities import CLOSE
from alignkit.rsa._rescale import centre, rescale
from alignkit.rsa._similarity_methods import constant_rows
from alignkit.rsa._tiles._grid import Grid
from alignkit.rsa._tiles._source import Rows, Survey

TiledMetric = Literal["correlation", "cosine", "euclidean", "sqeuclidean"]
#: Dissimilarities that one product gives.
TILED_METRICS = ("correlation", "cosine", "euclidean", "sqeuclidean")
#: Numbers of rows whose squares are taken again directly, together.
MAX_ELEMENTS = 1 << 20
#: A dissimilarity can be no larger.
LARGEST = float(np.finfo(np.float32).max)


@dataclasses.dataclass(frozen=True, slots=True)
class Recipe:
    """Which dissimilarity is computed of features, and how: the same recipe and features give the same bits.

    ``precision`` is that of the products; the dissimilarities are float32 either way.
    """

    metric: str
    precision: Literal["float64", "float32"] = "float64"
    normalize: bool = False

    def __post_init__(self) -> None:
        if self.metric not in TILED_METRICS:
            msg = (
                f"RDMs in tiles have one of the metrics {', '.join(map(repr, TILED_METRICS))}; got {self.metric!r}. "
                "Whitened features (x @ P**0.5) have the mahalanobis distances as their euclidean ones."
            )
            raise ValueError(msg)
        check_choice("dtype", self.precision, ("float64", "float32"))
        if self.normalize and self.metric != "sqeuclidean":
            msg = f"normalize is for metric='sqeuclidean'; got {self.metric!r}."
            raise ValueError(msg)

    @property
    def angular(self) -> bool:
        """Whether it is one less a cosine."""
        return self.metric in ("correlation", "cosine")


class FeatureTiles:
    """The tiles of the RDM of some features.

    Parameters
    ----------
    rows : Rows
        The features.
    survey : Survey
        What one pass over them told.
    recipe : Recipe
        What is computed.
    grid : Grid
        How the items are cut; with ``order``, the items are these rows.
    memory : int
        Bytes that blocks of rows, prepared once and used again, may take.
    """

    def __init__(
        self, rows: Rows, survey: Survey, recipe: Recipe, grid: Grid, *, memory: int = 0, order: Any = None
    ) -> None:
        self.rows, self.survey, self.recipe, self.grid, self.order = rows, survey, recipe, grid, order
        self._exponent = int(np.frexp(survey.largest)[1])
        if not recipe.angular and not np.isfinite(survey.mean).all():
            msg = f"the features reach {survey.largest:.3g}, and their sums overflow; divide them by a constant."
            raise ValueError(msg)
        self._n_kept = memory // max(1, self.bytes_of_block)
        self._start()

    def _start(self) -> None:
        self._kept: collections.OrderedDict[int, AnyArray] = collections.OrderedDict()
        self._lock = threading.Lock()

    @property
    def bytes_of_block(self) -> int:
        """Bytes of a block of rows that is prepared."""
        return min(self.grid.n_items, self.grid.side) * self.rows.shape[1] * np.dtype(self.recipe.precision).itemsize

    @property
    def nbytes(self) -> int:
        """Bytes that travel to another process."""
        return self.rows.nbytes + self.survey.bad.nbytes + self.survey.mean.nbytes

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_kept", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def tile(self, i: int, j: int) -> AnyArray:
        """Return the dissimilarities of the items of block i with those of block j, float32; 0 on the diagonal.

        Raises
        ------
        ValueError
            Dissimilarities beyond float32.
        """
        left = self._block(i)
        right = left if i == j else self._block(j)
        with np.errstate(over="ignore", invalid="ignore"):
            values = self._angular(left, right) if self.recipe.angular else self._distances(left, right)
        tile = values.astype(np.float32)
        if i == j:
            np.fill_diagonal(tile, 0.0)
        return tile

    def _angular(self, left: AnyArray, right: AnyArray) -> AnyArray:
        values = left @ right.T
        np.subtract(1.0, values, out=values)
        # rounding alone can leave [0, 2]
        return np.clip(values, 0.0, 2.0, out=values)

    def _distances(self, left: AnyArray, right: AnyArray) -> AnyArray:
        total = _norms(left)[:, None] + _norms(right)[None, :]
        values = left @ right.T
        values *= -2.0
        values += total
        _redo_close(values, total, left, right)
        if self.recipe.normalize:
            values /= self.rows.shape[1]
        squared = self.recipe.metric == "sqeuclidean"
        values = np.ldexp(values if squared else np.sqrt(values), self._exponent * (2 if squared else 1))
        if (values > LARGEST).any():
            self._refuse()
        return values

    def _refuse(self) -> NoReturn:
        msg = f"the features reach {self.survey.largest:.3g}, and their distances leave float32; divide them."
        raise ValueError(msg)

    def _block(self, block: int) -> AnyArray:
        with self._lock:
            if block in self._kept:
                self._kept.move_to_end(block)
                return self._kept[block]
        prepared = self._prepare(block)
        with self._lock:
            if self._n_kept:
                self._kept[block] = prepared
                while len(self._kept) > self._n_kept:
                    self._kept.popitem(last=False)
        return prepared

    def _prepare(self, block: int) -> AnyArray:
        """Return rows whose products are all there is to do; NaN where there is nothing to multiply."""
        start, stop = self.grid.bounds(block)
        where = slice(start, stop) if self.order is None else self.order[start:stop]
        x = self.rows.read(where).astype(np.float64)
        bad = self.survey.bad[where]
        x[bad] = 0.0
        if self.recipe.angular:
            x = _unit(x, centred=self.recipe.metric == "correlation")
        else:
            # an offset, which matters to no distance, would cost digits
            x = np.ldexp(x, -self._exponent) - np.ldexp(self.survey.mean, -self._exponent)
        x[bad] = np.nan
        return np.ascontiguousarray(x, dtype=self.recipe.precision)


def _unit(x: FloatArray, *, centred: bool) -> FloatArray:
    """Return rows of length 1, less their means where ``centred``; NaN where they have no direction."""
    undefined = constant_rows(x) if centred else ~(x != 0).any(axis=-1)
    x, _ = rescale(x, -1)
    x = centre(x) if centred else x
    norms = np.linalg.norm(x, axis=-1, keepdims=True)
    unit: FloatArray = x / np.where(undefined[:, None], np.nan, norms)
    return unit


def _norms(x: AnyArray) -> AnyArray:
    norms: AnyArray = np.einsum("ij,ij->i", x, x)
    return norms


def _redo_close(values: AnyArray, total: AnyArray, left: AnyArray, right: AnyArray) -> None:
    """Take squares that lost their digits directly from the rows."""
    rows, columns = np.nonzero(values < CLOSE * total)
    step = max(1, MAX_ELEMENTS // left.shape[1])
    for start in range(0, len(rows), step):
        i, j = rows[start : start + step], columns[start : start + step]
        values[i, j] = _norms(left[i] - right[j])
