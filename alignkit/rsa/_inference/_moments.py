"""Weighted sums and products of subjects' and models' RDMs in blocks of resamples."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._inference._pair_sums import PairSums, filled_up
from alignkit.rsa._inference._task import Task
from alignkit.rsa._rescale import rescale


class Block(NamedTuple):
    """Sums over the pairs of items of every resample of a block."""

    total: FloatArray
    """Number of pairs: (resample,)."""
    sums: FloatArray
    """Of every RDM: (resample, subject + model)."""
    squares: FloatArray
    """Of every RDM: (resample, subject + model)."""
    plain_squares: FloatArray
    """The same of every subject, whatever the precision: (resample, subject)."""
    data: FloatArray
    """Products of subjects with subjects: (resample, subject, subject), without ceilings their diagonals alone."""
    crossed: FloatArray
    """Products of subjects with models: (resample, subject, model)."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """The sums of a task's RDMs, as functions of the multiplicities of items."""

    n_subjects: int
    n_models: int
    #: RDMs less a point of their own, (subject + model, pairs), and the powers of two that were taken out, (rows, 1).
    rows: Any
    exponents: IntArray
    plain: PairSums
    products: PairSums

    def __call__(self, counts: IntArray, precision: FloatArray | None = None) -> Block:
        """Return the sums for multiplicities ``counts``, (resample, items).

        With a ``precision``, (items,), products weigh by that of both items besides; the others do not.
        """
        full = filled_up(counts)
        n, k, b = self.n_subjects, self.n_models, len(counts)
        if precision is None:
            found = PairSums(self.plain.rows, self.plain.chosen[:1] + self.products.chosen)(full)
            plain_squares = found[n + k + 1 : 2 * n + k + 1]
        else:
            plain = self.plain(full)
            plain_squares = plain[n + k + 1 :]
            found = np.concatenate([plain[: n + k + 1], self.products(full * precision)])
        by_resample = np.ascontiguousarray(found[:, :b].T)
        ends = np.cumsum([1, n + k, n + k, n * k])
        total, sums, squares, crossed, upper = np.split(by_resample, ends, axis=1)
        data = np.zeros((b, n, n))
        data[:, np.arange(n), np.arange(n)] = squares[:, :n]
        if upper.shape[1]:
            first, second = np.triu_indices(n, k=1)
            data[:, first, second] = data[:, second, first] = upper
        return Block(total[:, 0], sums, squares, plain_squares[:, :b].T, data, crossed.reshape(b, n, k))


def moments_of(task: Task, rows: FloatArray) -> Moments:
    """Return the sums of ``rows``, shape (subject + model, pairs), which are zero where a pair does not count."""
    n, k = len(task.data), len(task.models)
    scaled, exponents = rescale(rows, -1)
    if task.pooling == "raw":  # the plain mean of subjects needs one unit
        scaled[:n], exponents[:n] = rescale(rows[:n], (-2, -1))
    stack: Any = np.concatenate([task.valid[None].astype(np.float64), scaled])
    if task.device is not None:
        import torch

        stack = torch.from_numpy(stack).to(task.device)
    everything, subjects, models = slice(1, n + k + 1), slice(1, n + 1), slice(n + 1, n + k + 1)
    products = [(everything, everything), *((slice(s, s + 1), models) for s in range(1, n + 1))]
    if task.ceilings:
        products += [(slice(s, s + 1), slice(s + 1, n + 1)) for s in range(1, n)]
    plain = PairSums(stack, ((slice(0, 1), slice(0, n + k + 1)), (subjects, subjects)))
    return Moments(n, k, stack[1:], exponents, plain, PairSums(stack, tuple(products)))


def around_their_means(task: Task) -> tuple[FloatArray, FloatArray]:
    """Return all RDMs less their means over the pairs that count, (subject + model, pairs), and the means (rows, 1).

    Sums of squares around a point nearby keep the digits that those around zero lose.
    """
    rows = np.concatenate([task.data, task.models])
    means = rows[:, task.valid].mean(axis=1, keepdims=True)
    return np.where(task.valid, rows - means, 0.0), means
