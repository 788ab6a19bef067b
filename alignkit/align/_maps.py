"""The kinds of linear maps that a teacher may be, as vectors of numbers to fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

import numpy as np

from alignkit._typing import FloatArray


class Map(Protocol):
    """A matrix W, shape (channels, dims), as a function of a vector of numbers."""

    @property
    def reference(self) -> FloatArray:
        """What W is a multiple of before anything is learned: the identity, or the leading principal directions."""

    @property
    def n_parameters(self) -> int:
        """Numbers that are free."""

    def start(self, weights: FloatArray, /) -> FloatArray:
        """Return the vector of the map nearest to W."""

    def weights(self, vector: FloatArray, /) -> FloatArray:
        """Return W."""

    def pull(self, vector: FloatArray, gradient: FloatArray, /) -> FloatArray:
        """Return the gradient for the vector from that for W."""


@dataclasses.dataclass(frozen=True, slots=True)
class FreeMap:
    """Every entry of W is free: ``full``, and ``lowrank`` where there are fewer dimensions than channels."""

    reference: FloatArray

    @property
    def n_parameters(self) -> int:
        """Numbers that are free."""
        return self.reference.size

    def start(self, weights: FloatArray, /) -> FloatArray:
        """Return the vector of W."""
        return weights.ravel().copy()

    def weights(self, vector: FloatArray, /) -> FloatArray:
        """Return W."""
        return vector.reshape(self.reference.shape)

    def pull(self, vector: FloatArray, gradient: FloatArray, /) -> FloatArray:
        """Return the gradient for the vector from that for W."""
        return gradient.ravel()


@dataclasses.dataclass(frozen=True, slots=True)
class DiagonalMap:
    """One weight per channel."""

    reference: FloatArray

    @property
    def n_parameters(self) -> int:
        """Numbers that are free."""
        return len(self.reference)

    def start(self, weights: FloatArray, /) -> FloatArray:
        """Return the diagonal of W."""
        return np.diagonal(weights).copy()

    def weights(self, vector: FloatArray, /) -> FloatArray:
        """Return W."""
        return np.diag(vector)

    def pull(self, vector: FloatArray, gradient: FloatArray, /) -> FloatArray:
        """Return the gradient for the vector from that for W."""
        return np.diagonal(gradient).copy()


@dataclasses.dataclass(frozen=True, slots=True)
class OrthogonalMap:
    r"""A scale times orthonormal columns, :math:`W = c\,A(A'A)^{-1/2}`: the vector holds log c and A."""

    reference: FloatArray

    @property
    def n_parameters(self) -> int:
        """Numbers that are free: the scale, and a point on the Stiefel manifold."""
        p, q = self.reference.shape
        return 1 + p * q - q * (q + 1) // 2

    def start(self, weights: FloatArray, /) -> FloatArray:
        """Return log c and orthonormal columns."""
        scale = np.linalg.norm(weights) / np.sqrt(weights.shape[1])
        return np.concatenate([[np.log(scale)], weights.ravel() / scale])

    def weights(self, vector: FloatArray, /) -> FloatArray:
        """Return W."""
        left, _, right = self._factors(vector)
        return float(np.exp(vector[0])) * (left @ right)

    def pull(self, vector: FloatArray, gradient: FloatArray, /) -> FloatArray:
        """Return the gradient for the vector from that for W."""
        left, values, right = self._factors(vector)
        scale = float(np.exp(vector[0]))
        turned = left.T @ gradient @ right.T
        inner = left @ ((turned - turned.T) / np.add.outer(values, values))
        outer = (gradient @ right.T - left @ turned) / values
        along = scale * float(np.trace(turned))
        return np.concatenate([[along], (scale * ((inner + outer) @ right)).ravel()])

    def _factors(self, vector: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        left, values, right = np.linalg.svd(vector[1:].reshape(self.reference.shape), full_matrices=False)
        return left, values, right


@dataclasses.dataclass(frozen=True, slots=True)
class ScaleMap:
    """One scale for all channels: an orthogonal W of all dimensions changes no dot product but by it."""

    reference: FloatArray
    n_parameters: int = 1

    def start(self, weights: FloatArray, /) -> FloatArray:
        """Return the scale."""
        return np.array([np.diagonal(weights).mean()])

    def weights(self, vector: FloatArray, /) -> FloatArray:
        """Return W."""
        return float(vector[0]) * self.reference

    def pull(self, vector: FloatArray, gradient: FloatArray, /) -> FloatArray:
        """Return the gradient for the vector from that for W."""
        return np.array([np.trace(gradient)])


def make_map(kind: str, x: FloatArray, rank: int | None) -> Map:
    """Return the map of a kind, for features of shape (items, channels)."""
    n_channels = x.shape[1]
    if rank is None:
        kinds: dict[str, Callable[[FloatArray], Map]]
        kinds = {"full": FreeMap, "diagonal": DiagonalMap, "orthogonal": ScaleMap}
        return kinds[kind](np.eye(n_channels))
    _, vectors = np.linalg.eigh(x.T @ x)
    leading = np.ascontiguousarray(vectors[:, ::-1][:, :rank])
    # eigenvectors come with any sign
    leading *= np.where(leading[np.abs(leading).argmax(axis=0), np.arange(rank)] < 0, -1.0, 1.0)
    if kind == "lowrank":
        return FreeMap(leading)
    return OrthogonalMap(leading)


def scale_of(weights: FloatArray, reference: FloatArray) -> float:
    """Return the c for which c times the reference is nearest to W: the mean of the diagonal where that is I."""
    return float(np.vdot(reference, weights) / np.vdot(reference, reference))
