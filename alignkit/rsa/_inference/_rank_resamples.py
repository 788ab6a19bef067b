"""Spearman's correlation and rho-a in resamples of items: mid-ranks in which a pair counts as often as it is there.

Nothing is sorted anew but the sums of subjects' ranks, of which the ceilings rank every one, as rsatoolbox does.
"""

from __future__ import annotations

import dataclasses
from importlib import import_module
from typing import Any

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._dispatch import kernels
from alignkit.rsa._inference._subject_means import means_of_bounds
from alignkit.rsa._inference._task import Task
from alignkit.rsa._kernels import _numpy, _weighted_ranks_numpy

#: Pairs of items, and resamples at least, that one thread takes in one go.
_BLOCK, _FEWEST = 1 << 18, 8
#: Ranks that torch holds together.
_TORCH_BLOCK = 1 << 25
_KERNEL = "alignkit.rsa._kernels._weighted_ranks"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RankResamples:
    """Similarities and ceilings of blocks of resamples, for the methods ``spearman`` and ``rho-a``."""

    task: Task
    rows: Any
    kernel: Any

    @classmethod
    def of(cls, task: Task, n_resamples: int) -> RankResamples:
        """Return what computes so many resamples of a task."""
        rows = np.concatenate([task.data, task.models])
        if task.device is not None:
            kernel = import_module(f"{_KERNEL}_torch")
            return cls(task, (kernel.SortedRows(rows, task.valid, task.n_items, task.device),), kernel)
        # plain numpy sorts every row, and a sum for every subject, anew
        n_sorted = n_resamples * (len(rows) + len(task.data) + 1)
        chosen = kernels("auto", 4.0 * n_sorted * task.valid.size * float(np.log2(max(task.valid.size, 2))))
        if chosen is _numpy:
            return cls(task, (rows, task.valid), _weighted_ranks_numpy)
        kernel = import_module(f"{_KERNEL}_numba")
        return cls(task, (kernel.SortedRows(rows, task.valid, task.n_items),), kernel)

    @property
    def n_together(self) -> int:
        """Number of resamples that are best taken together."""
        if self.task.device is not None:
            n_rows = len(self.task.data) + len(self.task.models)
            return max(1, _TORCH_BLOCK // (n_rows * self.task.valid.size))
        return max(_FEWEST, _BLOCK // self.task.valid.size)

    def __call__(self, counts: IntArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return similarities, (resample, subject, model), and mean bounds, (m, resample, 2)."""
        n = len(self.task.data)
        ways = weights if self.task.ceilings else weights[:0]
        total, products, crossed, own = self.kernel.resampled_ranks(*self.rows, counts, ways)
        lengths = products[:, n]
        similarities = self._similarity(
            products[:, :n, n:], lengths[:, :n, None] * lengths[:, None, n:], total[:, None, None]
        )
        bounds = np.full((len(weights), len(counts), 2), np.nan)
        if len(ways):
            per_subject = self._similarity(crossed, own * lengths[:, None, :n], total[:, None, None])
            bounds = means_of_bounds(per_subject, weights)
        return similarities, bounds

    def _similarity(self, products: FloatArray, squared: FloatArray, total: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.task.method == "rho-a":
                return np.asarray(3 * products / (total**3 - total))
            return np.asarray(np.clip(products / np.sqrt(np.where(squared > 0, squared, np.nan)), -1.0, 1.0))
