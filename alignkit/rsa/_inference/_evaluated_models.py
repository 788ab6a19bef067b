"""Models that an evaluation is given, fixed and fitted ones, and what it controls for."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from alignkit._typing import FloatArray
from alignkit.rsa._align_all import as_rdms, numbered
from alignkit.rsa._container import RDM
from alignkit.rsa._models import FixedModel, Model
from alignkit.rsa._partial import PARTIAL_METHODS


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class EvaluatedModels:
    """Models of which any is fitted, their names, and what errors call the RDMs that they are made of."""

    models: tuple[Model, ...]
    names: list[str]
    named: list[tuple[str, RDM]]

    @property
    def parts(self) -> tuple[slice, ...]:
        """Where the components of every model are among those of all."""
        return parts_of([model.n_components for model in self.models])


def parts_of(numbers: Sequence[int]) -> tuple[slice, ...]:
    """Return consecutive slices of so many elements each."""
    starts = [0, *itertools.accumulate(numbers)]
    return tuple(slice(start, stop) for start, stop in itertools.pairwise(starts))


def evaluated_models(models: object) -> EvaluatedModels | None:
    """Return the models where any is fitted, RDMs among them as fixed ones; else None."""
    if isinstance(models, Model):
        many: dict[str, object] = {"model 0": models}
    elif isinstance(models, Mapping):
        many = {str(name): one for name, one in models.items()}
    elif isinstance(models, list | tuple):
        many = {f"model {i}": one for i, one in enumerate(models)}
    else:
        return None
    if not any(isinstance(one, Model) and one.flexible for one in many.values()):
        return None
    made = {name: one if isinstance(one, Model) else FixedModel(one) for name, one in many.items()}
    named = [(f"the model {name!r}", one.rdms) for name, one in made.items()]
    return EvaluatedModels(tuple(made.values()), list(made), named)


def fixed_rdms(models: object) -> object:
    """Return models with the RDM of every fixed model in its place."""
    if isinstance(models, Model):
        return _rdm_of(models)
    if isinstance(models, Mapping):
        return {name: _rdm_of(one) for name, one in models.items()}
    if isinstance(models, list | tuple) and any(isinstance(one, Model) for one in models):
        return [_rdm_of(one) for one in models]
    return models


def _rdm_of(model: object) -> object:
    return model.predict([1.0]) if isinstance(model, Model) else model


def read_controls(controls: object, method: str, *, fitted: bool) -> list[tuple[str, RDM]]:
    """Return the RDMs to control for with what errors call them."""
    if controls is None:
        return []
    methods = ("pearson",) if fitted else PARTIAL_METHODS
    if method not in methods:
        which = " beside models that are fitted" if fitted else ""
        msg = f"controls{which} are for the methods {' and '.join(map(repr, methods))}; got method={method!r}."
        raise ValueError(msg)
    return numbered("the controls", as_rdms("the controls", controls))


def check_complete(rows: FloatArray, data: FloatArray, *, controlled: bool) -> None:
    """Raise where fits, or what controls leave, would differ between models because of missing pairs."""
    if np.isnan(rows).any() or np.isnan(data).any():
        what = "controls need" if controlled else "models that are fitted need"
        msg = f"{what} RDMs without NaN; nan_policy='omit' leaves pairs that are missing anywhere out for all."
        raise ValueError(msg)
