"""Ridge and banded ridge by himalaya, with penalties chosen for every channel within the training items."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from alignkit._check import require
from alignkit._typing import FloatArray, IntArray

Split = tuple[IntArray, IntArray]


@contextlib.contextmanager
def himalaya_backend(name: str) -> Iterator[Any]:
    """Make himalaya compute with a backend, which is one for the whole process, and put back the one before."""
    library = require("himalaya.backend", "encoding")
    before = library.get_backend().name
    try:
        yield library.set_backend(name)
    finally:
        library.set_backend(before)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LinearFit:
    """How responses are fitted: ``penalties`` in units of the mean squared length of the features."""

    penalties: FloatArray
    banded: bool
    n_iterations: int
    standardize: bool
    seed: int

    def predict(
        self, bands: Sequence[FloatArray], responses: FloatArray, others: Sequence[FloatArray], inner: list[Split]
    ) -> tuple[FloatArray, FloatArray]:
        """Fit responses, shape (items, channels), to features of each band; return predictions for other items.

        And the penalty of every channel; of banded ridge, of every band and channel: NaN for a band that is not used.
        """
        scaled = [_scaled(x, other, standardize=self.standardize) for x, other in zip(bands, others, strict=True)]
        with np.errstate(divide="ignore"):  # a band that gets no weight has an infinite penalty
            return self._banded(scaled, responses, inner) if self.banded else self._ridge(scaled, responses, inner)

    def _ridge(
        self, scaled: list[tuple[FloatArray, FloatArray]], responses: FloatArray, inner: list[Split]
    ) -> tuple[FloatArray, FloatArray]:
        x, other = (np.concatenate(part, axis=1) for part in zip(*scaled, strict=True))
        size = _size(x)
        if x.shape[1] <= x.shape[0]:
            model = require("himalaya.ridge", "encoding").RidgeCV(
                alphas=self.penalties * size, fit_intercept=True, cv=inner, solver_params={"warn": False}
            )
        else:  # as many unknowns as items, not as features
            model = require("himalaya.kernel_ridge", "encoding").KernelRidgeCV(
                alphas=self.penalties * size, fit_intercept=True, cv=inner, kernel="linear"
            )
        model.fit(x, responses)
        return _host(model.predict(other)), _host(model.best_alphas_) / size

    def _banded(
        self, scaled: list[tuple[FloatArray, FloatArray]], responses: FloatArray, inner: list[Split]
    ) -> tuple[FloatArray, FloatArray]:
        sizes = [_size(x) for x, _ in scaled]
        kernels, others = (
            np.stack([side @ x.T / size for (x, _), side, size in zip(scaled, sides, sizes, strict=True)])
            for sides in zip(*scaled, strict=True)
        )
        model = require("himalaya.kernel_ridge", "encoding").MultipleKernelRidgeCV(
            kernels="precomputed",
            solver="random_search",
            solver_params={"n_iter": self.n_iterations, "alphas": self.penalties, "progress_bar": False},
            fit_intercept=True,
            cv=inner,
            random_state=self.seed,
        )
        model.fit(kernels, responses)
        penalties = 1 / np.exp(_host(model.deltas_))
        return _host(model.predict(others)), np.where(np.isinf(penalties), np.nan, penalties)


def _scaled(x: FloatArray, other: FloatArray, *, standardize: bool) -> tuple[FloatArray, FloatArray]:
    """Return the features of training and other items on the scale of the training items; constant ones are zero."""
    mean, spread = x.mean(axis=0), x.std(axis=0)
    constant = x.max(axis=0) == x.min(axis=0)
    factor = np.where(constant, 0.0, 1 / np.where(constant, 1.0, spread) if standardize else 1.0)
    return (x - mean) * factor, (other - mean) * factor


def _size(x: FloatArray) -> float:
    """Return the mean squared length of the features; 1 where they are all zero."""
    return float(np.square(x).sum(axis=0).mean()) or 1.0


def _host(x: Any) -> FloatArray:
    """Return an array of any backend as one of numpy."""
    return np.asarray(x.detach().cpu().numpy() if hasattr(x, "detach") else x, dtype=np.float64)
