"""Dissimilarities of all conditions at every time of a stretch, by what :func:`alignkit.rsa.rdm` is made of."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from alignkit._threads import each
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.meg._fold_products import FoldProducts, fold_products
from alignkit.meg._trials import Design
from alignkit.meg._whiten import Whitening
from alignkit.rsa._arrays import Precision
from alignkit.rsa._condensed import upper_triangle
from alignkit.rsa._crossvalidated import APART, NO_VARIANCE, ROUNDING, is_balanced
from alignkit.rsa._metrics import METRICS, compute
from alignkit.rsa._patterns import Folds, MetricOptions, Noise, Patterns, Undefined, mark

#: Dissimilarities that whitened patterns are handed to.
_WEIGHED = {"euclidean": "mahalanobis", "sqeuclidean": "sqmahalanobis"}
_ANGLES = ("correlation", "cosine", "correlation_cv", "cosine_cv")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Means:
    """How trials are averaged, found once: by condition, or by condition within each fold.

    ``counts``, shape (folds, conditions), are the trials behind each mean; ``folds`` is False where there is one mean
    for each condition.
    """

    counts: IntArray
    folds: bool
    order: IntArray | slice
    adding: Any = None

    @classmethod
    def of(cls, design: Design, *, by_fold: bool) -> Means:
        """Return the averages of a design."""
        counts = design.counts if by_fold else design.counts.sum(axis=0, keepdims=True)
        cell = design.condition
        if by_fold:
            assert design.fold is not None
            cell = design.fold * design.n_conditions + cell
        order = np.argsort(cell, kind="stable")
        if (counts == 1).all():
            in_order = bool((np.diff(order) == 1).all())
            return cls(counts, by_fold, slice(None) if in_order else order)
        from scipy.sparse import csr_array

        ends = np.concatenate(([0], np.cumsum(counts)))
        weights = np.repeat(1.0 / np.maximum(counts.reshape(-1), 1), counts.reshape(-1))
        return cls(counts, by_fold, order, csr_array((weights, order, ends), (counts.size, design.n_trials)))

    def __call__(self, x: AnyArray, dtype: Any) -> AnyArray:
        """Return means, shape (times, [folds,] conditions, channels); zero where a fold has none of a condition."""
        if self.adding is None:
            found = x[:, self.order].astype(dtype, copy=False)
        else:
            found = np.stack(each(lambda time: (self.adding @ time).astype(dtype, copy=False), list(x)))
        shape = self.counts.shape if self.folds else self.counts.shape[1:]
        return found.reshape(len(x), *shape, x.shape[-1])


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """The engine of distances: a metric of :func:`alignkit.rsa.rdm` and its options, for one design."""

    metric: str
    means: Means
    fold_names: tuple[str, ...]
    options: MetricOptions
    dtype: Precision

    @classmethod
    def of(cls, metric: str, design: Design, options: MetricOptions, dtype: Precision) -> Distances:
        """Return the engine of a metric."""
        by_fold = METRICS[metric].crossvalidated
        means = Means.of(design, by_fold=by_fold)
        if by_fold and options.cv is None:
            alike = bool((means.counts == means.counts[:1]).all()) and bool(means.counts.all())
            cv = "leave-one-fold-out" if alike else "observation-pairs"
            options = dataclasses.replace(options, cv=cv)  # type: ignore[arg-type]
        return cls(metric, means, design.folds, options, dtype)

    def __call__(self, x: AnyArray, whitening: Whitening | None) -> tuple[AnyArray, list[Undefined]]:
        """Return dissimilarities, shape (times, pairs), and what of them is undefined.

        Parameters
        ----------
        x : ndarray, shape (times, trials, channels)
        whitening : Whitening or None
        """
        means = self.means(x, self.dtype)
        if self.means.folds and whitening is not None and whitening.by_fold:
            values, undefined = self._with_noise_of_training(means, whitening)
        else:
            values, undefined = self._with_one_noise(means, whitening)
        if self.options.normalize:
            values /= x.shape[-1]
        for one in undefined:
            values = mark(values, one)
        return values, undefined

    def _with_one_noise(self, means: AnyArray, whitening: Whitening | None) -> tuple[AnyArray, list[Undefined]]:
        metric, noise = self.metric, None
        if whitening is not None:
            roots = whitening.roots(None, symmetric="correlation" in metric)
            roots = roots[:, None] if self.means.folds else roots
            if metric in _ANGLES:
                means = means @ roots
            else:
                metric, noise = _WEIGHED.get(metric, metric), Noise("", root=roots)
        patterns = Patterns(means, self.dtype, None, noise, self.options)
        if self.means.folds:
            counts = self.means.counts
            origin = None if is_balanced(counts) else _origin(means, counts)
            patterns = dataclasses.replace(patterns, folds=Folds(counts, self.fold_names, origin))
        return compute(metric, patterns, omit=False)[:2]

    def _with_noise_of_training(self, means: AnyArray, whitening: Whitening) -> tuple[AnyArray, list[Undefined]]:
        angles = self.metric in _ANGLES
        products = fold_products(
            means,
            self.means.counts,
            whitening,
            str(self.options.cv),
            centred=self.metric == "correlation_cv",
            differences=not angles,
        )
        apart = [Undefined(APART[str(self.options.cv)], products.missing, "pairs")] if products.missing.any() else []
        if angles:
            values, empty = _angles(products, self.options.variance_floor, self.dtype)
            return values, [*apart, Undefined(NO_VARIANCE, empty, "pairs")]
        values = _squares(products)
        return (values / means.shape[-1] if self.metric == "crossnobis" else values), apart


def _origin(means: AnyArray, counts: IntArray) -> AnyArray:
    """Return the mean over conditions of the mean of all their trials, shape (times, 1, 1, channels)."""
    weights = (counts / np.maximum(counts.sum(axis=0), 1) / counts.shape[1]).astype(means.dtype)
    return np.einsum("kn,tknc->tc", weights, means)[:, None, None, :]


def _squares(products: FoldProducts) -> AnyArray:
    own, cross = products.own, products.cross
    squares = own + own.swapaxes(-1, -2)
    squares -= cross
    squares -= cross.swapaxes(-1, -2)
    return upper_triangle(squares)


def _angles(products: FoldProducts, floor: float, dtype: Precision) -> tuple[AnyArray, AnyArray]:
    own, cross = products.own, products.cross
    plain: FloatArray = products.plain[..., :, None]
    own = np.maximum(own, floor * plain) if floor else own
    empty = own <= ROUNDING[dtype] * plain
    lengths = np.sqrt(np.where(empty, 1.0, own)).astype(cross.dtype, copy=False)
    cosines = (cross + cross.swapaxes(-1, -2)) / 2 / (lengths * lengths.swapaxes(-1, -2))
    return upper_triangle(1.0 - cosines), upper_triangle(empty | empty.swapaxes(-1, -2))
