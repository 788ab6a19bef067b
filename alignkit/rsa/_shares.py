"""Shares of variance that every subset of models explains, from one product with an orthonormal basis of them all."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable

import numpy as np

from alignkit._check import NanPolicy
from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray
from alignkit.rsa._kernels._products import products
from alignkit.rsa._masks import masked_groups, part_of
from alignkit.rsa._partial import control_basis, scaled
from alignkit.rsa._similarity_methods import undefined_rows


def subsets_of(n: int) -> list[tuple[int, ...]]:
    """Return all subsets of ``n`` models but the empty one: single ones first, all together last."""
    return [subset for size in range(1, n + 1) for subset in itertools.combinations(range(n), size)]


def part_names(members: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return what to call the parts of a variance that exactly these models have in common."""
    return tuple(f"{'unique' if len(own) == 1 else 'common'}: {', '.join(own)}" for own in members)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Span:
    """An orthonormal basis of all models, and of every subset of them within it.

    ``basis`` has the shape (rank, pairs); every entry of ``parts`` the shape (rank of the subset, rank).
    """

    basis: FloatArray
    parts: tuple[FloatArray, ...]

    def explained(self, units: FloatArray) -> FloatArray:
        """Return R² of every subset, shape (subsets, rows), in rows that are centred and of unit norm."""
        along = products(self.basis, units)
        shares = np.stack([np.square(part @ along).sum(axis=0) for part in self.parts])
        # rounding alone can leave more than all
        return np.minimum(shares, 1.0)


def span_of(models: AnyArray, method: str) -> Span | None:
    """Return the span of complete models; None where one of them is constant."""
    units = scaled(models, method, "auto")
    if np.isnan(units).any():
        return None
    basis = control_basis(units)
    coordinates = products(units, basis)
    return Span(basis, tuple(control_basis(coordinates[list(subset)]) for subset in subsets_of(len(models))))


@dataclasses.dataclass(slots=True, eq=False)
class Shares:
    """R² of every subset of models, shape (subset, subject, time); all others (subject, time).

    ``missing`` marks RDMs with NaN, ``flat`` constant ones.
    """

    r2: FloatArray
    n_pairs: IntArray
    missing: BoolArray
    flat: BoolArray


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Sharing:
    """Models, whose span is found once, and how rows are explained by them."""

    models: AnyArray
    method: str
    nan_policy: NanPolicy
    span: Span | None = dataclasses.field(init=False)
    among: BoolArray = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        among = np.asarray(~np.isnan(self.models).any(axis=0))
        object.__setattr__(self, "among", among)
        object.__setattr__(self, "span", span_of(self.models, self.method) if among.all() else None)

    @property
    def nbytes(self) -> int:
        """Bytes of the models, and of their span, that go to the workers of a cluster."""
        return 2 * self.models.nbytes

    def __call__(self, rows: AnyArray) -> Shares:
        """Explain RDMs of shape (subject, time, pairs)."""
        flat = rows.reshape(-1, rows.shape[-1])
        missing = np.isnan(flat.max(axis=-1)) if flat.dtype.kind == "f" else np.zeros(len(flat), dtype=bool)
        r2 = np.full((2 ** len(self.models) - 1, len(flat)), np.nan)
        n_pairs = np.zeros(len(flat), dtype=np.int64)
        if not missing.any() and self.among.all():
            self._explain(flat, self.span, np.arange(len(flat)), r2, n_pairs)
        else:
            floats = flat if flat.dtype.kind == "f" else flat.astype(np.float64)
            every = np.arange(len(self.models))
            for own, valid in masked_groups(floats, self.nan_policy, self.among):
                if valid.sum() > len(self.models):
                    span = span_of(part_of(self.models, every, valid), self.method)
                    self._explain(part_of(floats, own, valid), span, own, r2, n_pairs)
        shape = rows.shape[:2]
        constant = undefined_rows(flat, self.method)
        return Shares(r2.reshape(-1, *shape), n_pairs.reshape(shape), missing.reshape(shape), constant.reshape(shape))

    def _explain(self, rows: AnyArray, span: Span | None, own: IntArray, r2: FloatArray, n_pairs: IntArray) -> None:
        n_pairs[own] = rows.shape[1]
        if span is not None and rows.shape[1] > len(self.models):
            r2[:, own] = span.explained(scaled(rows, self.method, "auto"))


def commonalities(r2: FloatArray, n_models: int) -> FloatArray:
    """Return what exactly the models of every subset have in common, from the R² of every subset.

    What all models explain beyond those that are not in a subset T is the sum of the parts of all subsets of T; the
    parts follow by inclusion and exclusion. Single models' parts are their unique variance; all parts add up to the R²
    of all models.
    """
    subsets = [frozenset(subset) for subset in subsets_of(n_models)]
    where = {subset: k for k, subset in enumerate(subsets)}
    beyond = {subset: r2[-1] - (r2[where[rest]] if (rest := subsets[-1] - subset) else 0.0) for subset in subsets}
    signs = [[(inner, (-1) ** len(outer - inner)) for inner in subsets if inner <= outer] for outer in subsets]
    return np.stack([sum((sign * beyond[inner] for inner, sign in own), np.zeros(r2.shape[1:])) for own in signs])
