"""Partial and semi-partial correlation of RDMs: what is left when other RDMs are controlled for."""

from __future__ import annotations

from typing import Literal

import numpy as np

from alignkit._typing import AnyArray, FloatArray
from alignkit.rsa._dispatch import Backend
from alignkit.rsa._rank import midranks
from alignkit.rsa._similarity_methods import METHODS, standardise

Partial = Literal["both", "first", "second"]
#: Methods that have a partial form.
PARTIAL_METHODS = ("pearson", "spearman")


def partial_similarities(
    a: AnyArray, b: AnyArray, controls: AnyArray, method: str, partial: Partial, backend: Backend = "auto"
) -> FloatArray:
    """Return the (a, b) correlations of rows without NaN, less what the rows of ``controls`` explain.

    Rows that are constant, or that the controls explain altogether, give NaN.
    """
    basis = control_basis(scaled(controls, method, backend))
    first, second = scaled(a, method, backend), scaled(b, method, backend)
    if partial in ("both", "first"):
        first = without(first, basis)
    if partial in ("both", "second"):
        second = without(second, basis)
    return np.asarray(METHODS["cosine"].product(first, second, backend))


def scaled(rows: AnyArray, method: str, backend: Backend) -> FloatArray:
    """Return rows, or their ranks, centred and of unit norm; constant rows are NaN."""
    return np.asarray(standardise(midranks(rows, backend) if method == "spearman" else rows.astype(np.float64)))


def control_basis(controls: FloatArray) -> FloatArray:
    """Return orthonormal rows that span ``controls``, however collinear; constant ones (NaN) span nothing."""
    varying = controls[~np.isnan(controls[:, 0])]
    if not len(varying):
        return varying
    _, values, basis = np.linalg.svd(varying, full_matrices=False)
    # controls are of unit norm: what is this small is the rounding of their own entries
    return np.asarray(basis[values > _rounding(controls.shape[1]) * values[0]])


def without(rows: FloatArray, basis: FloatArray) -> FloatArray:
    """Return rows of unit norm less their projection on the basis; NaN where nothing but rounding is left."""
    rest = rows - (rows @ basis.T) @ basis
    # the second time removes what rounding left the first time
    rest -= (rest @ basis.T) @ basis
    norms = np.linalg.norm(rest, axis=1, keepdims=True)
    norms[norms <= _rounding(rows.shape[1])] = np.nan
    return np.asarray(rest / norms)


def _rounding(n_pairs: int) -> float:
    return float(64 * np.finfo(np.float64).eps * np.sqrt(n_pairs))
