"""Several model RDMs with their names, in whatever form they come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from alignkit._typing import FloatArray
from alignkit.rsa._align import as_rdm
from alignkit.rsa._align_all import align_all, as_rdms, numbered
from alignkit.rsa._compare import as_list
from alignkit.rsa._container import RDM, condensed_rdm


def named_rdms(models: object) -> tuple[list[tuple[str, RDM]], list[str]]:
    """Return model RDMs with what errors call each, and the models' names.

    Raises
    ------
    ValueError
        No models, or a name that holds several RDMs.
    TypeError
        Values that are not real numbers.
    """
    refuse_fitted(models)
    if isinstance(models, Mapping):
        if not models:
            msg = "models is empty; give at least one model RDM."
            raise ValueError(msg)
        named = [(f"the model {name!r}", _single(f"the model {name!r}", one)) for name, one in models.items()]
        return named, [str(name) for name in models]
    found = as_rdms("the models", models)
    return numbered("the models", found), _names(found)


def refuse_fitted(models: object) -> None:
    """Refuse models that are made of RDMs where RDMs themselves are asked for."""
    from alignkit.rsa._models import Model

    many: Iterable[object] = (models,)
    if isinstance(models, Mapping):
        many = models.values()
    elif isinstance(models, list | tuple):
        many = models
    for one in many:
        if isinstance(one, Model):
            msg = (
                f"models holds a {type(one).__name__}, which only evaluate() takes; give RDMs: its components (.rdms), "
                "or its prediction from weights (.predict)."
            )
            raise TypeError(msg)


def rows_of(rdms: list[RDM]) -> FloatArray:
    """Return RDMs as rows below one another, shape (models, pairs)."""
    return np.concatenate([one.values.reshape(-1, one.n_pairs) for one in rdms])


def component_stack(models: object) -> tuple[RDM, tuple[str, ...]]:
    """Return model RDMs as one stack over the same items, shape (components,), and their names."""
    named, names = named_rdms(models)
    rdms = align_all(named, "raise")
    labels = None if any(one.labels is None for one in rdms) else rdms[0].labels
    return condensed_rdm(rows_of(rdms), labels, dims=["component"], coords={"component": names}), tuple(names)


def _single(name: str, x: object) -> RDM:
    model = as_rdm(name, x)
    if model.shape:
        msg = f"{name} holds a stack of shape {model.shape}; give one RDM per name."
        raise ValueError(msg)
    return model


def _names(models: list[RDM]) -> list[str]:
    if len(models) == 1 and len(models[0].dims) == 1 and models[0].dims[0] in models[0].coords:
        return [str(value) for value in as_list(models[0].coords[models[0].dims[0]])]
    return [f"model {j}" for j in range(sum(int(np.prod(one.shape)) for one in models))]
