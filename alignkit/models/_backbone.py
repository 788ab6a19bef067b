"""The image network that a run was trained on, found again from its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alignkit._check import shown
from alignkit.models._model import Model
from alignkit.models._options import Options
from alignkit.models._preprocess import Preprocess
from alignkit.models._towers import Towers, as_factory, as_image_model


def load_backbone(identity: Mapping[str, Any], options: Options, /, *, run: str) -> Towers:
    """Return the image tower that :attr:`Towers.identity` describes; there is no text tower with it.

    Parameters
    ----------
    identity : mapping
        From a manifest.
    options : Options
        ``weights`` in place of the recorded file; ``architecture`` confirms a function of the user's own;
        ``untrained`` leaves the weights away.
    run : str
        What it is for, in messages.

    Raises
    ------
    FileNotFoundError
        Weights that are not at hand.
    ValueError
        Other weights than the run was trained on, or an identity that is none.
    """
    _check(identity, run)
    name, layer = str(identity["backbone"]), str(identity["layer"])
    towers = _load(name, layer, identity, options, run)
    expected, got = identity.get("weights_sha256"), towers.model.weights_sha256
    if got != expected and not options.untrained:
        msg = (
            f"the weights of {name} are not those that the run {run} was trained on (SHA-256 {got[:12]}... instead of "
            f"{str(expected)[:12]}...); pass weights=FILE with these."
        )
        raise ValueError(msg)
    return towers


def _load(name: str, layer: str, identity: Mapping[str, Any], options: Options, run: str) -> Towers:
    preprocess = _preprocess(identity, run)
    factory = as_factory(name)
    if factory is None:
        options = options.replace(preprocess=preprocess)
        return Towers.from_models(_by_name(name, identity, options, run), None, layer=layer)
    if options.architecture != name:
        msg = (
            f"the backbone of the run {run} is {name}, a function of somebody's own, which is not called just because "
            f"a file says so; pass architecture={name!r} if you trust it."
        )
        raise ValueError(msg)
    made = factory()
    if isinstance(made, Towers):
        return made
    network = made[0] if isinstance(made, tuple) else made
    size = identity.get("img_size")
    return Towers.from_models(
        as_image_model(network, Options(name=name, img_size=size, preprocess=preprocess)), None, layer=layer
    )


def _by_name(name: str, identity: Mapping[str, Any], options: Options, run: str) -> Model:
    from alignkit.models._load import build

    options.refuse("architecture")
    weights = options.weights or (Path(identity["weights"]) if identity.get("weights") else None)
    architecture = None
    if Path(name).is_absolute():  # a file of weights by itself
        name, weights = str(weights or name), None
        architecture = identity["settings"].get("architecture")
    missing = next((path for path in (weights, Path(name)) if path and path.is_absolute() and not path.exists()), None)
    if missing is not None:
        msg = f"the run {run} was trained on the weights {missing}, which are not there any more; pass weights=FILE."
        raise FileNotFoundError(msg)
    return build(
        name,
        weights=weights,
        img_size=identity.get("img_size"),
        preprocess=options.preprocess,
        architecture=architecture,
        untrained=options.untrained,
    )


def _check(identity: Mapping[str, Any], run: str) -> None:
    kinds = {"backbone": str, "layer": str, "preprocess": dict, "settings": dict, "weights": str, "img_size": int}
    for name, kind in kinds.items():
        value = identity.get(name)
        if not isinstance(value, kind) and not (value is None and name in ("weights", "img_size")):
            msg = f"the manifest of the run {run} is damaged: {name} of its backbone is {shown(value)}."
            raise ValueError(msg)
    if identity["backbone"].startswith("run:"):
        msg = f"the run {run} names another run as its backbone ({identity['backbone']}), which is none."
        raise ValueError(msg)


def _preprocess(identity: Mapping[str, Any], run: str) -> Preprocess | None:
    settings = identity["preprocess"]
    if "callable" in settings:  # the backbone's own, which comes with it
        return None
    try:
        return Preprocess.from_dict(settings)
    except (TypeError, ValueError) as error:
        msg = f"the run {run} has preprocessing settings that make no sense ({error})."
        raise ValueError(msg) from error
