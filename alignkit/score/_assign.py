"""Which rows of the features stand for which item, and how several become one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from alignkit._typing import FloatArray, IntArray


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """Rows of features and the items they show; a row may show several items, and an item have several rows."""

    rows: IntArray
    items: IntArray
    labels: tuple[str, ...]
    """Names of the items."""

    @classmethod
    def by_label(cls, labels: Sequence[str]) -> Assignment:
        """Return one item per distinct label, in order of appearance."""
        distinct = tuple(dict.fromkeys(labels))
        number = {label: i for i, label in enumerate(distinct)}
        return cls(np.arange(len(labels)), np.array([number[label] for label in labels], dtype=np.int64), distinct)

    @property
    def is_plain(self) -> bool:
        """Whether every item has one row."""
        return len(self.rows) == len(self.labels)

    def apply(self, x: FloatArray, many: str) -> FloatArray:
        """Return one row of features per item: the mean of its rows (``average``) or the most typical one (``best``).

        The most typical row is the one nearest to their mean (Euclidean; of equals the first): features alone choose
        it, never what people answered.
        """
        if self.is_plain:
            order = self.rows[np.argsort(self.items)]
            return x if np.array_equal(order, np.arange(len(x))) else x[order]
        shown = x[self.rows]
        means = self._means(shown)
        return means if many == "average" else shown[self._nearest(shown, means)]

    def _means(self, shown: FloatArray) -> FloatArray:
        sums = np.zeros((len(self.labels), shown.shape[1]))
        np.add.at(sums, self.items, shown)
        return sums / np.bincount(self.items)[:, None]

    def _nearest(self, shown: FloatArray, means: FloatArray) -> IntArray:
        distances = np.linalg.norm(shown - means[self.items], axis=1)
        # rounding in a mean of two must not choose between them
        tied = distances <= self._smallest(distances)[self.items] * (1 + 1e-9)
        first: IntArray = np.full(len(self.labels), len(self.rows))
        np.minimum.at(first, self.items[tied], np.flatnonzero(tied))
        return first

    def _smallest(self, distances: FloatArray) -> FloatArray:
        smallest = np.full(len(self.labels), np.inf)
        np.minimum.at(smallest, self.items, distances)
        return smallest
