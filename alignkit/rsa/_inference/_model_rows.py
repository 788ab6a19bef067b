"""Models as they are given, and what to call each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alignkit._typing import FloatArray
from alignkit.rsa._align import as_rdm
from alignkit.rsa._align_all import as_rdms, numbered
from alignkit.rsa._compare import as_list
from alignkit.rsa._components import refuse_fitted
from alignkit.rsa._container import RDM


def named_models(models: object) -> tuple[list[tuple[str, RDM]], tuple[str, ...]]:
    """Return model RDMs with what errors call them, and the models' names (one for each RDM of a stack).

    Parameters
    ----------
    models : RDM, array_like, sequence of RDMs, or mapping of str to RDM
        One model, a stack of them, or models by name.

    Returns
    -------
    named : list of (str, RDM)
        What to align.
    names : tuple of str
        Keys of the mapping, the coordinate of the stack's only axis, or ``"model 0"`` and so on.

    Raises
    ------
    ValueError
        An empty mapping, or stacks within a mapping.
    """
    refuse_fitted(models)
    if not isinstance(models, Mapping):
        found = as_rdms("the models", models)
        return numbered("the models", found), _names(found)
    if not models:
        msg = "models is empty; give at least one model RDM."
        raise ValueError(msg)
    named = [(f"the model {name!r}", as_rdm(f"the model {name!r}", one)) for name, one in models.items()]
    for what, one in named:
        if one.shape:
            msg = f"{what} holds a stack of shape {one.shape}; give one RDM per name."
            raise ValueError(msg)
    return named, tuple(str(name) for name in models)


def model_rows(models: list[RDM]) -> FloatArray:
    """Return all RDMs below each other, shape (models, pairs)."""
    return np.concatenate([one.values.reshape(-1, one.n_pairs) for one in models])


def _names(models: list[RDM]) -> tuple[str, ...]:
    if len(models) == 1 and len(models[0].dims) == 1 and models[0].dims[0] in models[0].coords:
        return tuple(str(value) for value in as_list(models[0].coords[models[0].dims[0]]))
    return tuple(f"model {j}" for j in range(sum(int(np.prod(one.shape)) for one in models)))
