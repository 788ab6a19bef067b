"""Pearson's correlation and the cosine in resamples of items: ratios of quadratic forms in the multiplicities."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._inference._forms import Forms, nowhere_defined, outcomes
from alignkit.rsa._inference._moments import Moments, around_their_means, moments_of
from alignkit.rsa._inference._task import Task


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LinearResamples:
    """Similarities and ceilings of blocks of resamples, for the methods ``pearson`` and ``cosine``."""

    task: Task
    moments: Moments
    nowhere: BoolArray

    @classmethod
    def of(cls, task: Task) -> LinearResamples:
        """Return what computes the resamples of a task."""
        rows = around_their_means(task)[0] if task.method == "pearson" else np.concatenate([task.data, task.models])
        return cls(task, moments_of(task, rows), nowhere_defined(task))

    def __call__(self, counts: IntArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return similarities, (resample, subject, model), and mean bounds, (m, resample, 2)."""
        return outcomes(self.task, counts, weights, self._forms(counts))

    def _forms(self, counts: IntArray) -> Forms:
        n = len(self.task.data)
        block = self.moments(counts)
        sums, squares, data, crossed = block.sums, block.squares, block.data, block.crossed
        own = squares
        if self.task.method == "pearson":
            with np.errstate(invalid="ignore", divide="ignore"):
                means = sums / block.total[:, None]
            own = squares - sums * means
            data = data - sums[:, :n, None] * means[:, None, :n]
            crossed = crossed - sums[:, :n, None] * means[:, None, n:]
        scales = np.ones((len(counts), n)) if self.task.pooling == "raw" else np.sqrt(np.maximum(own[:, :n], 0.0))
        return Forms(data, crossed, own[:, n:], squares, scales, self.nowhere, np.zeros(len(counts), dtype=bool))
