"""Whitening: roots of the noise precision, outside each fold or of all trials, of one time or of all."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from alignkit._threads import each, one_blas_thread
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.rsa._noise import root_of_precision

#: An eigenvalue (or squared pivot) below this part of the largest is zero but for rounding.
_RTOL = 1e-13
#: One below this part may be what single precision left of zero.
_SOLID = 1e-7


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """Noise covariances for a stretch of times, and the roots that make their noise white.

    ``matrices``, shape (sets, times or 1, channels, channels), are covariances: one set outside each fold and, last,
    one of all trials, or that one alone; or precisions, if ``inverted``. ``kept``, shape (sets,), are the directions
    that are not cut off: at most ``rank``. ``types`` are the positions of the channels of each type of sensor, whose
    units may differ.
    """

    matrices: FloatArray
    rank: int
    kept: IntArray
    types: tuple[IntArray, ...]
    dtype: np.dtype[Any]
    inverted: bool = False
    _known: dict[tuple[int, bool], AnyArray] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return int(self.matrices.shape[-1])

    @property
    def by_fold(self) -> bool:
        """Whether each fold has roots of its own."""
        return len(self.matrices) > 1

    @property
    def by_time(self) -> bool:
        """Whether each time has roots of its own."""
        return self.matrices.shape[1] > 1

    def roots(self, fold: int | None, *, symmetric: bool = False) -> AnyArray:
        """Return W such that ``x @ W`` has unit noise, shape (times or 1, channels, rank).

        Parameters
        ----------
        fold : int or None
            The noise is that of the trials outside this fold; None for all trials. Directions of the noise that too
            few trials leave unknown, in data of reduced rank, are columns of zeros.
        symmetric : bool
            The symmetric root instead, shape (times or 1, channels, channels), which keeps every channel as near to
            itself as can be: for measures that take the mean over channels out.
        """
        number = fold if self.by_fold and fold is not None else len(self.matrices) - 1
        key = (number, symmetric)
        if key in self._known:
            return self._known[key]
        kept, matrices = int(self.kept[number]), self.matrices[number]
        n_columns = self.n_channels if symmetric or self.inverted else self.rank
        roots = np.empty((len(matrices), self.n_channels, n_columns), dtype=self.dtype)

        def root(t: int) -> None:
            if self.inverted:
                roots[t] = _root_of_precision(matrices[t], symmetric=symmetric)
            else:
                roots[t] = root_of(matrices[t], self.types, self.rank, kept, symmetric=symmetric)

        each(root, range(len(matrices)))
        if not self.by_time:  # a stretch of times of their own is used once
            self._known[key] = roots
        return roots

    def describe(self) -> str:
        """Return what the roots are of, for a Methods section."""
        each_fold = ", outside each fold" if self.by_fold else ""
        of_rank = "" if self.rank == self.n_channels else f" of rank {self.rank}"
        return f"noise covariance of {self.n_channels} channels{of_rank}{each_fold}"


@one_blas_thread()
def root_of(
    covariance: FloatArray, types: Sequence[IntArray], rank: int, kept: int, *, symmetric: bool = False
) -> FloatArray:
    """Return W with W W' = inverse of the covariance, within the ``kept`` directions of largest variance.

    Channels are first brought to a mean variance of one within each type of sensor, so that the type with small units
    is not the one that is cut off.

    Parameters
    ----------
    covariance : ndarray, shape (channels, channels)
    types : sequence of ndarray of int
    rank, kept : int
        Number of columns, and of those that are not zero.
    symmetric : bool
        Return the symmetric root of the scaled channels.

    Returns
    -------
    ndarray, shape (channels, rank) or (channels, channels)

    Raises
    ------
    ValueError
        A covariance of lower rank.
    """
    scale = _scale_of(covariance, types)
    scaled = covariance / (scale[:, None] * scale)
    if kept == rank == len(covariance) and not symmetric:
        return _triangular_root(scaled) / scale[:, None]
    values, vectors = np.linalg.eigh(scaled)
    values, vectors = values[-kept:], vectors[:, -kept:]
    if values[0] <= _RTOL * values[-1] * len(covariance):
        refuse_singular(len(covariance), rank)
    root = vectors / np.sqrt(values)
    if symmetric:
        return root @ vectors.T / scale[:, None]
    return np.pad(root / scale[:, None], ((0, 0), (0, rank - kept)))


@one_blas_thread()
def solid_rank(covariance: FloatArray, types: Sequence[IntArray]) -> int:
    """Return the number of directions whose variance is more than what rounding leaves of none."""
    scale = _scale_of(covariance, types)
    values = np.linalg.eigvalsh(covariance / (scale[:, None] * scale))
    return int((values > _SOLID * values[-1]).sum())


def _scale_of(covariance: FloatArray, types: Sequence[IntArray]) -> FloatArray:
    """Return the root of the mean variance of each channel's type of sensor."""
    scale = np.empty(len(covariance))
    for of in types:
        level = np.diag(covariance)[of].mean()
        scale[of] = np.sqrt(level) if level > 0 else 1.0
    return scale


@one_blas_thread()
def _root_of_precision(precision: FloatArray, *, symmetric: bool) -> FloatArray:
    if not symmetric:
        return root_of_precision(precision)
    values, vectors = np.linalg.eigh(precision)
    return vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T


def _triangular_root(covariance: FloatArray) -> FloatArray:
    from scipy.linalg import solve_triangular

    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        factor = np.zeros_like(covariance)
    if np.diag(factor).min() ** 2 <= _RTOL * len(covariance):
        refuse_singular(len(covariance), len(covariance))
    return np.asarray(solve_triangular(factor, np.eye(len(factor)), lower=True)).T


def refuse_singular(n_channels: int, rank: int) -> None:
    """Raise because a covariance has no inverse."""
    msg = (
        f"the noise covariance of {n_channels} channels has a rank below {rank}, so that it cannot be inverted: use "
        "shrinkage='ledoit-wolf', more trials, or fewer channels."
    )
    raise ValueError(msg)
