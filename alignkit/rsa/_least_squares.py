"""Least squares of many data RDMs on a few model RDMs: reduced once to a system of one row per model."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from alignkit._threads import one_blas_thread
from alignkit._typing import AnyArray, BoolArray, FloatArray
from alignkit.rsa._kernels._products import products

RegressionMethod = Literal["ols", "nnls"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class System:
    """``‖y - c - Xw‖²`` for every data RDM y, as ``‖z - Rw‖² + rest + n (mean(y) - c - mean(X) w)²``.

    ``R`` is (models, models), ``z`` (models, data RDMs); means are zero where there is no intercept.
    """

    root: FloatArray
    goals: FloatArray
    rest: FloatArray
    total: FloatArray
    model_means: FloatArray
    data_means: FloatArray
    n_pairs: int

    def without(self, model: int) -> System:
        """Return the system of all models but one."""
        return self.only(np.arange(self.model_means.size) != model)

    def only(self, models: AnyArray) -> System:
        """Return the system of some models."""
        return dataclasses.replace(self, root=self.root[:, models], model_means=self.model_means[models])

    def intercepts(self, weights: FloatArray) -> FloatArray:
        """Return the constant that goes with weights, shape (models, data RDMs)."""
        return np.asarray(self.data_means - self.model_means @ weights)

    def squared_error(self, weights: FloatArray, intercepts: FloatArray) -> FloatArray:
        """Return the sum of squared residuals of every data RDM."""
        fitted = np.square(self.goals - self.root @ weights).sum(axis=0)
        shift = self.data_means - intercepts - self.model_means @ weights
        return np.asarray(fitted + self.rest + self.n_pairs * np.square(shift))


def system(models: AnyArray, data: AnyArray, *, intercept: bool) -> System:
    """Return the system of rows ``data`` on rows ``models``, without NaN."""
    centred_models, model_means = _centred(models, intercept=intercept)
    centred_data, data_means = _centred(data, intercept=intercept)
    with one_blas_thread():  # the same bits for any number of threads
        basis, root = np.linalg.qr(centred_models.T)
        goals = products(np.ascontiguousarray(basis.T), centred_data)
        # one RDM after the other: what is left is as large as the data
        rest = [np.square(row - basis @ goal).sum() for row, goal in zip(centred_data, goals.T, strict=True)]
        total = [row @ row for row in centred_data]
    return System(
        root,
        goals,
        np.array(rest),
        np.array(total),
        model_means,
        data_means,
        models.shape[1],
    )


def _centred(rows: AnyArray, *, intercept: bool) -> tuple[FloatArray, FloatArray]:
    if not intercept:
        return rows, np.zeros(len(rows))
    means = rows.mean(axis=1)
    centred = rows - means[:, None]
    centred[np.ptp(rows, axis=1) == 0] = 0.0  # not the rounding of the mean
    return centred, means


def rank_of(root: FloatArray, n_pairs: int) -> int:
    """Return the number of columns that are not combinations of others, whatever their units."""
    norms = np.linalg.norm(root, axis=0)
    columns = root[:, norms > 0] / norms[norms > 0]
    if not columns.size:
        return 0
    values = np.linalg.svd(columns, compute_uv=False)
    return int((values > values[0] * np.sqrt(n_pairs) * 64 * np.finfo(np.float64).eps).sum())


def redundant_models(root: FloatArray, n_pairs: int) -> BoolArray:
    """Return which models are combinations of others (or constant), so that their weights are not unique."""
    n = root.shape[1]
    rank = rank_of(root, n_pairs)
    if rank == n:
        return np.zeros(n, dtype=bool)
    return np.array([rank_of(np.delete(root, j, axis=1), n_pairs) == rank for j in range(n)])


def solve(given: System, method: RegressionMethod) -> FloatArray:
    """Return the weights, shape (models, data RDMs); the smallest where they are not unique."""
    root, goals = given.root, given.goals
    if not root.shape[1]:
        return np.zeros((0, goals.shape[1]))
    if method == "nnls":
        return _solve_nonnegative(root, goals)
    norms = np.linalg.norm(root, axis=0)
    if rank_of(root, given.n_pairs) == root.shape[1]:
        # in units of the models' own size, large and small ones are solved alike
        return np.asarray(np.linalg.lstsq(root / norms, goals, rcond=None)[0] / norms[:, None])
    tolerance = np.sqrt(given.n_pairs) * 64 * np.finfo(np.float64).eps
    return np.asarray(np.linalg.lstsq(root, goals, rcond=tolerance)[0])


def _solve_nonnegative(root: FloatArray, goals: FloatArray) -> FloatArray:
    from scipy.optimize import nnls

    norms = np.linalg.norm(root, axis=0)
    norms[norms == 0] = 1.0
    sizes = np.linalg.norm(goals, axis=0)
    sizes[sizes == 0] = 1.0
    columns = [nnls(root / norms, goal / size)[0] * size for goal, size in zip(goals.T, sizes, strict=True)]
    return np.asarray(np.stack(columns, axis=1) / norms[:, None])
