"""A model that unfolds over time, as a folder has it: complete but for its frozen backbone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from alignkit._check import as_labels, shown
from alignkit._typing import PathLike
from alignkit.models._build_dynamic_model import assemble, plain_network, put_adapters
from alignkit.models._dynamic_model import DynamicModel, DynamicSettings, Start
from alignkit.models._final_step import FinalStep
from alignkit.models._model import Model
from alignkit.models._options import Options
from alignkit.models._run_model import (
    DYNAMIC,
    MANIFEST,
    TENSORS,
    SavedModel,
    adapter_of,
    joined_manifest,
    read_saved,
    write_saved,
)
from alignkit.models._time_names import is_after_onset, time_names
from alignkit.models._weights import check_fit

_SCHEMA = 1
_START = "start."
#: What is neither trained nor found in the backbone, but part of the model.
_KEPT = ("gain", "noise_level", "spread", "slope", "offset")
_PAIR = ("projection.weight", "projection.bias")
#: What the manifest must hold, and of which type.
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "backbone": dict,
    "prompts": list,
    "dimensions": list,
    "adapter": dict,
    "dynamics": dict,
    "final_step": dict,
    "start": (dict, type(None)),
    "paired": bool,
    "log_scale": (int, float),
    "tensors_sha256": str,
}


def save_dynamic_model(folder: PathLike, model: DynamicModel, /, *, manifest: Mapping[str, Any]) -> None:
    """Write what makes a frozen backbone into a model that unfolds: ``model.json`` and ``adapter.safetensors``.

    What the run that it started at had put into the backbone is written too, so that this run is not needed again.

    Parameters
    ----------
    folder : path-like
        An existing folder; files of these names are replaced.
    model : DynamicModel
        On whatever device.
    manifest : mapping
        What the method has to say, in JSON's own types: ``method``, ``dimensions`` (names; by default the prompts),
        and whatever else.

    Raises
    ------
    ValueError
        A wrong number of dimensions, a name that is taken, or values that JSON does not know.
    """
    step = model.final_step
    own = {
        "kind": DYNAMIC,
        "schema": _SCHEMA,
        "backbone": model.identity,
        "prompts": list(model.prompts),
        "adapter": dataclasses.asdict(model.adapter),
        "dynamics": dataclasses.asdict(model.settings),
        # a pair's projection is written with it, and holds the network's own
        "final_step": {"norm": step.norm, "projection": None if model.paired else step.projection},
        "start": None if model.start is None else {"adapter": dataclasses.asdict(model.start.adapter)},
        "paired": model.paired,
        "log_scale": float(model.log_scale),
    }
    dimensions = as_labels("dimensions", manifest.get("dimensions", model.prompts), model.dimensions)
    content = joined_manifest(own, manifest, dimensions)
    write_saved(Path(folder), content, _tensors(model))


def read_dynamic_model(folder: PathLike, /) -> SavedModel:
    """Read a folder that :func:`save_dynamic_model` wrote, whatever else is in it; ``trained`` holds all tensors.

    Raises
    ------
    FileNotFoundError
        No such folder, or none of a finished run.
    ValueError
        A damaged file, one that does not belong to the other, or a manifest of something else.
    """
    return read_saved(Path(folder), DYNAMIC, _SCHEMA, _FIELDS)


def restore_dynamic_model(
    folder: PathLike, /, *, weights: PathLike | None = None, architecture: str | None = None
) -> DynamicModel:
    """Return the model of a finished run on the CPU, to be used or trained on from there.

    Parameters
    ----------
    folder : path-like
        The run's.
    weights : path-like, optional
        A local file with the backbone's weights, where that is elsewhere now.
    architecture : str, optional
        Confirms a backbone that is a function of the user's own.

    Raises
    ------
    FileNotFoundError
        No finished run, or weights of its backbone that are not at hand.
    ValueError
        Damaged files, or a backbone with other weights than the run was trained on.
    """
    options = Options(
        name=f"run:{folder}", weights=None if weights is None else Path(weights), architecture=architecture
    )
    return _restore(read_dynamic_model(folder), options)


def load_dynamic_run(path: PathLike, options: Options, /) -> Model:
    """Load ``run:PATH`` of a model that unfolds over time.

    Each time is a layer (``-100ms``, ``0ms``); the output is the mean over the times from 0 on.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`restore_dynamic_model`.
    """
    saved = read_dynamic_model(path)
    model = _restore(saved, options)
    backbone = saved.manifest["backbone"]
    assert model.backbone is not None  # just loaded
    known = {name: saved.manifest[name] for name in ("method", "subject") if name in saved.manifest}
    return Model.from_module(
        OverTime(model),
        model.backbone.preprocess,
        name=options.name,
        settings={
            **known,
            "times": list(model.times),
            "dimensions": saved.manifest["dimensions"],
            "backbone": {name: backbone.get(name) for name in ("backbone", "layer", "img_size", "weights_sha256")},
            "tensors_sha256": saved.manifest["tensors_sha256"],
        },
        n_prefix_tokens=model.backbone.n_prefix_tokens,
        class_token=model.backbone.class_token,
        main_layers=time_names(model.times),
    )


class OverTime(nn.Module):
    """A :class:`DynamicModel` that takes images as they are; the dimensions of each time are a layer named after it.

    Its output is their mean over the times from 0 on (over all where none is).
    """

    def __init__(self, model: DynamicModel) -> None:
        super().__init__()
        self.model = model
        self.names = time_names(model.times)
        for number, name in enumerate(self.names):
            self.add_module(name, _AtTime(number))
        self.register_buffer("_late", torch.tensor(is_after_onset(model.times)), persistent=False)
        model.image.split_at(len(model.image.block_names))  # nothing is trained here: one pass through all blocks

    def forward(self, images: Tensor) -> Tensor:
        """Return the mean dimensions of the response, shape (B, D)."""
        # its forward, not itself: what it gives, (T, D) for an image, is no layer that could be pooled like tokens
        x_BTD = self.model.forward({"image": images})
        for name in self.names:
            self.get_submodule(name)(x_BTD)
        return x_BTD[:, self.get_buffer("_late")].mean(dim=1)


class _AtTime(nn.Module):
    """The dimensions at one time."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def forward(self, x_BTD: Tensor) -> Tensor:
        return x_BTD[:, self.number]


def _tensors(model: DynamicModel) -> dict[str, Tensor]:
    kept = {name: getattr(model, name) for name in (*_KEPT, "text_features")}
    if model.paired:
        assert model.projection is not None  # that of the pair
        kept |= {f"projection.{name}": value for name, value in model.projection.state_dict().items()}
    start = {} if model.start is None else model.start.tensors
    return {**model.trained(), **kept, **{f"{_START}{name}": value for name, value in start.items()}}


def _restore(saved: SavedModel, options: Options) -> DynamicModel:
    manifest = saved.manifest
    settings, start = settings_of(saved), _start(saved)
    tensors = {name: value for name, value in saved.trained.items() if not name.startswith(_START)}
    adapter = adapter_of(dataclasses.replace(saved, trained=tensors))
    _check_table(saved, tensors, settings)
    tower, source = plain_network(manifest["backbone"], start, options, folder=saved.path)
    try:
        model = assemble(
            tower,
            source,
            saved.text_features,
            settings,
            name=source.name,
            step=_final_step(manifest["final_step"]),
            pair=_pair(tensors) if manifest["paired"] else None,
            log_scale=float(manifest["log_scale"]),
        )
        put_adapters(model, adapter)
        _fill(model, tensors)
    except (KeyError, ValueError) as error:
        msg = f"{saved.path / TENSORS} does not fit the model that {MANIFEST} describes: {error}"
        raise ValueError(msg) from error
    model.start, model.identity, model.prompts = start, dict(manifest["backbone"]), tuple(manifest["prompts"])
    return model.to(source.device).eval()


def settings_of(saved: SavedModel, /) -> DynamicSettings:
    """Return how a saved model unfolds.

    Raises
    ------
    ValueError
        Settings that this version does not know.
    """
    content = saved.manifest["dynamics"]
    try:
        return DynamicSettings(**{**content, "times": tuple(content["times"])})
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{saved.path / MANIFEST} holds dynamics that this version does not know ({error})."
        raise ValueError(msg) from error


def _start(saved: SavedModel) -> Start | None:
    content = saved.manifest["start"]
    tensors = {name.removeprefix(_START): value for name, value in saved.trained.items() if name.startswith(_START)}
    if content is None and tensors:
        msg = f"{saved.path / TENSORS} holds a start, of which {MANIFEST} says nothing; one of them was exchanged."
        raise ValueError(msg)
    if content is None:
        return None
    if not isinstance(content.get("adapter"), dict):
        msg = f"{saved.path / MANIFEST} is damaged: the adapter of its start is {shown(content.get('adapter'))}."
        raise ValueError(msg)
    adapter = adapter_of(dataclasses.replace(saved, manifest={"adapter": content["adapter"]}, trained=tensors))
    return Start(adapter, tensors)


def _final_step(content: Mapping[str, Any]) -> FinalStep:
    values = [content.get(name) for name in ("norm", "projection")]
    if not all(value is None or isinstance(value, str) for value in values):
        msg = f"its final step is {shown(dict(content))}"
        raise ValueError(msg)
    return FinalStep(*values)


def _pair(tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    weight, bias = (tensors.get(name) for name in _PAIR)
    if weight is None or bias is None or weight.ndim != 2 or bias.shape != weight.shape[:1]:
        msg = "it holds no projection of a pair"
        raise ValueError(msg)
    return weight, bias


def _check_table(saved: SavedModel, tensors: Mapping[str, Tensor], settings: DynamicSettings) -> None:
    """Raise where weights are of other times, before anything of their number is made."""
    table = tensors.get("mixing.table")
    if table is None or table.ndim != 2 or len(table) != len(settings.times):
        got = "none" if table is None else f"shape {tuple(table.shape)}"
        msg = (
            f"{saved.path / TENSORS} holds no mixing.table with a row for each of {len(settings.times)} times ({got})."
        )
        raise ValueError(msg)


def _fill(model: DynamicModel, tensors: Mapping[str, Tensor]) -> None:
    """Put everything in its place.

    Raises
    ------
    ValueError
        Names or shapes that do not fit.
    """
    kept = {name: getattr(model, name) for name in _KEPT}
    check_fit("what noise and dimensions are scaled by", {n: v for n, v in tensors.items() if n in kept}, kept)
    for name, buffer in kept.items():
        buffer.copy_(tensors[name])
    others = (*_KEPT, *_PAIR) if model.paired else _KEPT
    model.load_trained({name: value for name, value in tensors.items() if name not in others})
    width = model.projection.out_features if model.projection is not None else model.image.width
    if width != model.text_features.shape[1]:
        msg = f"images have {width} channels, and text_features {model.text_features.shape[1]}"
        raise ValueError(msg)
