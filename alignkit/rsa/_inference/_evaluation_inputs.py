"""What is evaluated: models and subjects over the same items, without what is missing."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from alignkit._check import NanPolicy
from alignkit._typing import BoolArray, FloatArray
from alignkit.rsa._align import OnMismatch
from alignkit.rsa._align_all import align_all
from alignkit.rsa._compare import as_list, compare
from alignkit.rsa._components import named_rdms, rows_of
from alignkit.rsa._condensed import squareform
from alignkit.rsa._container import RDM, condensed_rdm
from alignkit.rsa._inference._evaluated_models import check_complete, evaluated_models, fixed_rdms, read_controls
from alignkit.rsa._matrix_methods import ComparisonMethod
from alignkit.rsa._models import Model
from alignkit.rsa._pooling import checked_sigma_k
from alignkit.rsa._sigma_k import of_items
from alignkit.rsa._subjects import stack_of


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Models and subjects over the same items.

    ``models`` has shape (model, pairs) and ``data`` (subject, pairs). Under ``nan_policy="omit"`` a pair that is
    missing in any of them is NaN in all, and items without any pair are gone. Where any model is fitted, ``fitted``
    holds all of them, and ``models`` the components of each in its part of ``parts``.
    """

    names: tuple[str, ...]
    subjects: list[Any]
    models: FloatArray
    data: FloatArray
    labels: tuple[str, ...] | None
    n_items: int
    n_pairs: int
    n_dropped: int
    sigma_k: FloatArray | None
    sigma_kind: str
    aligned_by: str
    controls: FloatArray | None = None
    fitted: tuple[Model, ...] = ()
    parts: tuple[slice, ...] = ()

    @property
    def valid(self) -> BoolArray:
        """Which pairs of items count."""
        return np.asarray(~np.isnan(self.data).all(axis=0))

    def scores(self, method: ComparisonMethod, nan_policy: NanPolicy) -> FloatArray:
        """Return the similarity of every model to every subject, shape (model, subject); warn of what is undefined."""
        models = RDM(self.models, self.labels, dims=["model"], coords={"model": list(self.names)})
        data = condensed_rdm(self.data, self.labels, dims=["subject"], coords={"subject": self.subjects})
        with _naming():
            found = compare(
                models, data, method=method, sigma_k=self.sigma_k, controls=self.controls, nan_policy=nan_policy
            )
        return np.asarray(found.values, dtype=np.float64)


def evaluation_inputs(
    models: object,
    data: object,
    *,
    method: str,
    dim: str | None,
    sigma_k: object,
    controls: object = None,
    nan_policy: NanPolicy,
    on_mismatch: OnMismatch,
) -> Inputs:
    """Read and align models and subjects.

    Raises
    ------
    ValueError
        No subjects' axis or further ones, other items or too few of them, or controls that the method does not take.
    TypeError
        Values that are not real numbers.
    """
    stack = _one_per_subject(stack_of(data, dim, "an evaluation", "data"))
    fitted = evaluated_models(models)
    named, names = (fitted.named, fitted.names) if fitted else named_rdms(fixed_rdms(models))
    nuisance = read_controls(controls, method, fitted=bool(fitted))
    whole, *others = align_all([("the data", stack), *named, *nuisance], on_mismatch)
    sigma, kind = checked_sigma_k(sigma_k, method, stack.n_items)
    kept = np.arange(whole.n_items)
    if stack.labels is not None and whole.labels is not None and stack.labels != whole.labels:
        position = {label: i for i, label in enumerate(stack.labels)}
        kept = np.array([position[label] for label in whole.labels])
    aligned = "position" if any(one.labels is None for one in (whole, *others)) else "label"
    rows, subjects = rows_of(others), whole.values
    n_rows = len(rows) - sum(len(one.values.reshape(-1, one.n_pairs)) for _, one in nuisance)
    present = np.ones(whole.n_pairs, dtype=bool)
    if nan_policy == "omit":
        present = np.asarray(~np.isnan(np.concatenate([rows, subjects])).any(axis=0))
        full = squareform(present.astype(np.float64)).any(axis=0)
        _check_enough(int(full.sum()), int(present.sum()))
        whole, kept = whole.take(np.flatnonzero(full)), kept[full]
        inside = _pairs_among(full)
        rows, subjects, present = rows[:, inside], subjects[:, inside], present[inside]
        rows, subjects = (np.where(present, x, np.nan) for x in (rows, subjects))
    _check_enough(whole.n_items, int(present.sum()))
    if nan_policy != "omit" and (fitted or nuisance):
        check_complete(rows, subjects, controlled=bool(nuisance))
    return Inputs(
        names=tuple(names),
        subjects=as_list(stack.coords["subject"]) if "subject" in stack.coords else list(range(len(stack))),
        models=rows[:n_rows],
        data=subjects,
        labels=whole.labels,
        n_items=whole.n_items,
        n_pairs=int(present.sum()),
        n_dropped=stack.n_items - whole.n_items if nan_policy == "omit" else 0,
        sigma_k=None if sigma is None else of_items(sigma, kept.tolist()),
        sigma_kind=kind,
        aligned_by=aligned,
        controls=rows[n_rows:] if nuisance else None,
        fitted=fitted.models if fitted else (),
        parts=fitted.parts if fitted else (),
    )


def _check_enough(n_items: int, n_pairs: int) -> None:
    if n_items < 3 or n_pairs < 2:
        msg = f"an evaluation needs at least 3 items with values in all RDMs; {n_items} are left."
        raise ValueError(msg)


#: What a comparison calls its sides, and what they are here.
_WORDS = (
    ("the first RDM holds", "a model holds"),
    ("the second RDM holds", "the data hold"),
    ("of the first and", "of the models and"),
    ("of the second stack", "of the data"),
    ("in the first stack", "among the models"),
    ("in the second stack", "in the data"),
)


@contextmanager
def _naming() -> Iterator[None]:
    """Let warnings and refusals speak of models and data, and warnings point at the caller of ``evaluate``."""

    def worded(text: str) -> str:
        for theirs, ours in _WORDS:
            text = text.replace(theirs, ours)
        return text

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    except ValueError as error:
        raise ValueError(worded(str(error))) from error
    for one in caught:
        # this, contextlib's exit, the method, the steps and the function lie between
        warnings.warn(worded(str(one.message)), one.category, stacklevel=6)


def _pairs_among(items: BoolArray) -> BoolArray:
    """Return which condensed pairs join two of the marked items."""
    rows, columns = np.triu_indices(items.size, k=1)
    return np.asarray(items[rows] & items[columns])


def _one_per_subject(stack: RDM) -> RDM:
    if len(stack.dims) > 1:
        further = ", ".join(map(repr, stack.dims[1:]))
        msg = f"an evaluation takes one RDM per subject; the data have the further axes {further}: average or select."
        raise ValueError(msg)
    coords = {"subject": next(iter(stack.coords.values()))} if stack.coords else {}
    return condensed_rdm(stack.values, stack.labels, dims=["subject"], coords=coords)
