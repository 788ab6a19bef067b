"""Features in, candidates out: which layers of which models are scored, and what they are called."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import join_names
from alignkit._typing import FloatArray, PathLike
from alignkit.models import Features, open_features
from alignkit.models._transform import as_fitted_items
from alignkit.score._suite import Candidate

if TYPE_CHECKING:
    from alignkit.models import Transform


def open_candidates(
    features: Features | PathLike | Sequence[Features | PathLike],
    layer: str | None,
    layers: str | Sequence[str],
    transform: Transform | None,
) -> list[Candidate]:
    """Open everything that is to be scored, under names that differ.

    Raises
    ------
    ValueError
        No features, unlabelled or broken ones, layers they do not hold, or options that exclude each other.
    TypeError
        Neither paths nor features.
    """
    many = isinstance(features, list | tuple)
    sources = list(features) if many else [features]  # type: ignore[arg-type]
    if not sources:
        msg = "features is empty; give at least one feature folder, file or Features object."
        raise ValueError(msg)
    if len(layers):
        _check_alone(layer, transform)
    opened = [open_one(source) for source in sources]
    if len(layers):
        return named_apart([_layered(one, layers) for one in opened])
    read = [_candidate(one, layer) for one in opened]
    if transform is not None:
        read = named_apart(read)
        read += [_transformed(candidate, transform) for candidate in read]
    return named_apart(read)


def _check_alone(layer: str | None, transform: Transform | None) -> None:
    if layer is not None:
        msg = f"give either layer={layer!r} (one layer by every measure) or layers= (a curve), not both."
        raise ValueError(msg)
    if transform is not None:
        msg = f"the transform {transform.name!r} was fitted to one layer; name it with layer=, without layers=."
        raise ValueError(msg)


def _layered(features: Features, layers: str | Sequence[str]) -> Candidate:
    """Return a candidate whose layers are read one by one."""
    everything = layers in ("all", ["all"], ("all",))
    chosen = list(features.layers) if everything else [layers] if isinstance(layers, str) else list(layers)
    twice = [name for name in dict.fromkeys(chosen) if chosen.count(name) > 1]
    if twice:
        msg = f"layers names {join_names(twice)} more than once."
        raise ValueError(msg)
    for name in chosen:
        _check_layer(features, name)
    last = _candidate(features, chosen[-1])
    reads: dict[str, Callable[[], FloatArray]] = {name: partial(_rows, features, name) for name in chosen}
    if len(chosen) == 1:
        return dataclasses.replace(last, layers=reads)
    identity = {
        **last.identity,
        "layer": chosen,
        "pool": {name: _identity(features, name).get("pool") for name in chosen},
    }
    return dataclasses.replace(last, name=features.name, identity=identity, layers=reads)


def open_one(source: object) -> Features:
    """Return features, whether they came as such or as a path."""
    if isinstance(source, Features):
        return source
    if isinstance(source, str | os.PathLike):
        return open_features(source)
    msg = f"features must be a path or a Features object; got {type(source).__name__}. See Features.from_array."
    raise TypeError(msg)


def named_apart(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates with numbers behind the names that occur more than once."""
    names = [candidate.name for candidate in candidates]
    taken = {name for name in names if names.count(name) == 1}
    result = []
    for candidate in candidates:
        name = candidate.name
        if names.count(name) > 1:
            name = next(new for k in itertools.count(1) if (new := f"{candidate.name} ({k})") not in taken)
            taken.add(name)
        result.append(dataclasses.replace(candidate, name=name))
    return result


def _candidate(features: Features, layer: str | None) -> Candidate:
    if features.labels is None:
        msg = f"the features {features.name!r} have no labels; open them with labels= (one name per row) to score them."
        raise ValueError(msg)
    chosen = features.layers[-1] if layer is None else layer
    _check_layer(features, chosen)
    name = f"{features.name} [{chosen}]" if len(features.layers) > 1 else features.name
    candidate = Candidate(name, _rows(features, chosen), features.labels, identity=_identity(features, chosen))
    transform = features.manifest.get("transform")
    if not isinstance(transform, dict):
        return candidate
    return _marked(candidate, str(transform.get("name")), as_fitted_items(transform.get("fitted_items")))


def _check_layer(features: Features, layer: str) -> None:
    if layer not in features.layers:
        msg = f"the features {features.name!r} hold the layers {join_names(features.layers)}, not {layer!r}."
        raise ValueError(msg)


def _rows(features: Features, layer: str) -> FloatArray:
    """Return one layer as float64, or name the items that are broken."""
    x: FloatArray = np.asarray(features.array(layer), dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if bad.size:
        assert features.labels is not None
        named = join_names(features.labels[i] for i in bad)
        name = features.name if len(features.layers) == 1 else f"{features.name} [{layer}]"
        msg = f"the features of {name!r} hold NaN or infinity for {named}; leave these items out or extract them again."
        raise ValueError(msg)
    return x


def _identity(features: Features, layer: str) -> dict[str, Any]:
    """Return what a reader needs to make the same features again, as far as it is known."""
    manifest = features.manifest
    known = {name: manifest[name] for name in ("model", "precision", "transform") if name in manifest}
    if isinstance(known.get("transform"), dict):  # every item's name does not help to make them again
        known["transform"] = {key: value for key, value in known["transform"].items() if key != "fitted_items"}
    if layer in manifest.get("pool", {}):
        known["pool"] = manifest["pool"][layer]
    return {"layer": layer, **known}


def _transformed(candidate: Candidate, transform: Transform) -> Candidate:
    identity = {**candidate.identity, "transform": {"name": transform.name, "sha256": transform.sha256}}
    name, x = f"{candidate.name} + {transform.name}", transform.apply(candidate.x)
    plain = Candidate(name, x, candidate.labels, identity=identity)
    return _marked(plain, transform.name, transform.fitted_items)


def _marked(candidate: Candidate, transform: str, fitted: tuple[str, ...] | None) -> Candidate:
    """Return a candidate that says that a transform was fitted, and to which items as far as that is known."""
    split = f"transform {transform} fitted elsewhere: in-sample wherever it saw these objects or answers"
    return dataclasses.replace(candidate, split=split, fitted_items=frozenset(fitted or ()))
