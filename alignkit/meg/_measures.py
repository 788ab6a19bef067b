"""Models prepared once, to be compared with row after row of data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from alignkit._typing import AnyArray, FloatArray
from alignkit.rsa._bures import Configurations, bures_product, configurations
from alignkit.rsa._compare_rows import Options
from alignkit.rsa._kernels._products import products
from alignkit.rsa._matrix_methods import BURES, WHITENED
from alignkit.rsa._partial import control_basis, scaled, without
from alignkit.rsa._similarity_methods import METHODS
from alignkit.rsa._whitened import whitened


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """One method and its models.

    ``prepare`` does once per row of data what can be done once (ranks, centring, norms); ``against`` returns the
    similarities of all models to prepared rows, shape (models, rows). Rows hold every pair. ``negative`` is how far
    from Euclidean the models are, shape (models,), for the Bures methods.
    """

    prepare: Callable[[AnyArray], Any]
    against: Callable[[Any], FloatArray]
    negative: FloatArray | float = 0.0


def measure_of(models: AnyArray, options: Options) -> Measure:
    """Return the measure of complete ``models``, shape (models, pairs)."""
    if options.controls is not None:
        return _partial(models, options.controls, options)
    if options.method in BURES:
        return _bures(models, metric=options.method == "bures-metric")
    if options.method in WHITENED:
        every = np.ones(models.shape[1], dtype=bool)
        kind = whitened(every, options.sigma_k, centred=options.method == "whitened-pearson")
    else:
        kind = METHODS[options.method]
    own = kind.prepare(models, options.backend)
    return Measure(
        lambda rows: kind.prepare(rows, options.backend), lambda rows: kind.product(own, rows, options.backend)
    )


def _bures(models: AnyArray, *, metric: bool) -> Measure:
    own = configurations(models)

    def against(rows: Configurations) -> FloatArray:
        return bures_product(own, rows, metric=metric)

    return Measure(configurations, against, own.negative)


def _partial(models: AnyArray, controls: AnyArray, options: Options) -> Measure:
    basis = control_basis(scaled(controls, options.method, options.backend))
    own = scaled(models, options.method, options.backend)
    if options.partial in ("both", "first"):
        own = without(own, basis)

    def prepare(rows: AnyArray) -> FloatArray:
        return residuals(rows, basis, options) if options.partial in ("both", "second") else _unit(rows, options)

    return Measure(prepare, lambda rows: np.asarray(np.clip(products(own, rows), -1.0, 1.0)))


def residuals(rows: AnyArray, basis: FloatArray, options: Options) -> FloatArray:
    """Return what is left of rows, or of their ranks, without what lies along ``basis``; of unit norm."""
    return without(_unit(rows, options), basis)


def _unit(rows: AnyArray, options: Options) -> FloatArray:
    return scaled(rows, options.method, options.backend)
