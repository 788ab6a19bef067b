"""A model that unfolds over time, made of a finished run or of a backbone and prompts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from alignkit._check import shown
from alignkit._typing import PathLike
from alignkit.models._adapter_config import AdapterConfig
from alignkit.models._adapters import merge_adapters
from alignkit.models._backbone import load_backbone
from alignkit.models._dynamic_model import DynamicModel, DynamicSettings, Start
from alignkit.models._final_step import FinalStep, find_final_step, frozen_linear
from alignkit.models._layer_tokens import LayerTokens
from alignkit.models._options import Options, PreprocessLike
from alignkit.models._prompt_model import PromptModel, adapt
from alignkit.models._run_model import DYNAMIC, SavedModel, adapter_of, kind_of_run, read_run_model
from alignkit.models._split_tower import SplitTower
from alignkit.models._time_names import time_names
from alignkit.models._towers import Towers, load_towers
from alignkit.models._weights import check_fit

if TYPE_CHECKING:
    from alignkit.models._model import Model

_IMAGE = "image."


def build_dynamic_model(
    settings: DynamicSettings,
    adapter: AdapterConfig,
    /,
    *,
    start: PathLike | None = None,
    start_image: bool = True,
    backbone: PathLike | None = None,
    prompts: Sequence[str] = (),
    weights: PathLike | None = None,
    img_size: int | None = None,
    preprocess: PreprocessLike = "own",
    architecture: str | None = None,
    seed: int = 0,
) -> DynamicModel:
    """Return a model that unfolds over time, at every time the start's as yet, on the CPU.

    Parameters
    ----------
    settings : DynamicSettings
    adapter : AdapterConfig
        What the second stage trains; more image blocks than there are mean all. Prompts stay as they are.
    start : path-like, optional
        Folder of a finished run of ``alignkit train hba``: its backbone, image adapters (merged), prompts, projection
        and scale. Or of one of ``alignkit train hba-meg``, of the same settings and adapters but for noise and dropout:
        training goes on from its weights over time and its adapters.
    start_image : bool
        Take its image adapters; otherwise the plain backbone, with its prompts' embeddings, projection and scale.
    backbone : path-like, optional
        A CLIP, where there is no ``start``; :func:`load_towers` takes it with ``img_size`` and ``preprocess``.
    prompts : sequence of str
        One per dimension, where there is no ``start``.
    weights : path-like, optional
        A local file with the backbone's weights.
    architecture : str, optional
        Confirms a backbone of ``start`` that is a function of the user's own.
    seed : int
        Of the adapters' start.

    Raises
    ------
    FileNotFoundError
        No finished run, or weights that are not at hand.
    ValueError
        A network without class tokens behind blocks, or whose embedding is not made of the last one; neither or both
        of ``start`` and ``backbone``; or text blocks to adapt.

    Examples
    --------
    >>> import tempfile
    >>> from alignkit.models._run_model import save_run_model
    >>> from alignkit.models import AdapterConfig, load_towers
    >>> towers = load_towers("random:test_vit", text="minilm", img_size=32)
    >>> folder, frozen = tempfile.mkdtemp(), AdapterConfig(kind="none")
    >>> save_run_model(folder, PromptModel.build(towers, ["red", "a tool"], frozen), manifest={"method": "hba"})
    >>> model = build_dynamic_model(DynamicSettings(times=(-0.1, 0.0, 0.1)), frozen, start=folder)
    >>> tuple(model({"image": torch.zeros(4, 3, 32, 32)}).shape)
    (4, 3, 2)
    """
    if (start is None) == (backbone is None):
        msg = "give either start, the folder of a finished run, or backbone, a CLIP's name."
        raise ValueError(msg)
    check_no_texts(adapter)
    if start is not None and kind_of_run(start) == DYNAMIC:
        return _from_dynamic(start, settings, adapter, weights=weights, architecture=architecture, seed=seed)
    if start is not None:
        options = Options(name=f"run:{start}", weights=_path(weights), architecture=architecture)
        model = _from_run(read_run_model(start), settings, options, image=start_image)
    else:
        assert backbone is not None
        towers = load_towers(backbone, weights=weights, img_size=img_size, preprocess=preprocess)
        model = _from_towers(towers, prompts, settings)
    put_adapters(model, adapter, seed=seed)
    return model


def check_no_texts(adapter: AdapterConfig) -> None:
    """Raise where adapters are asked for that time-resolved models have no place for.

    Raises
    ------
    ValueError
        Text blocks.
    """
    if adapter.kind != "none" and adapter.text_blocks:
        msg = (
            f"the prompts of a time-resolved model stay as its start has them, so that adapter.text_blocks must be 0; "
            f"got {adapter.text_blocks}."
        )
        raise ValueError(msg)


def put_adapters(model: DynamicModel, adapter: AdapterConfig, /, *, seed: int = 0) -> None:
    """Freeze a model's network and put adapters into its last blocks, all of them where more are asked for."""
    n_blocks = min(adapter.image_blocks, len(model.image.block_names))
    model.adapter = dataclasses.replace(adapter, image_blocks=n_blocks)
    adapt(model.image, model.adapter, n_blocks, "image", seed=seed)
    model.note_adapters()


def assemble(
    tower: SplitTower,
    source: Model,
    text_features: Tensor,
    settings: DynamicSettings,
    /,
    *,
    name: str,
    step: FinalStep | None = None,
    pair: tuple[Tensor, Tensor] | None = None,
    **more: Any,
) -> DynamicModel:
    """Return the model of a network that is as it is to stay, without adapters of its own.

    Parameters
    ----------
    tower : SplitTower
        The network with its embedding.
    source : Model
        The same network as it was loaded.
    text_features : Tensor, shape (D, E)
    settings : DynamicSettings
    name : str
        The network's, in messages.
    step : FinalStep, optional
        From a class token to the embedding; by default it is looked for.
    pair : tuple of Tensor, optional
        Weight and bias of a pair's projection, which the embedding goes through.
    **more
        ``log_scale``, ``slope`` and ``offset`` of :class:`DynamicModel`.
    """
    tower.network.requires_grad_(False)
    tokens = LayerTokens.from_model(source, tower.block_names[-1] if tower.block_names else None)
    step = find_final_step(tower, tokens, name=name) if step is None else step
    norm, projection = step.parts(tokens.network, tokens.width)
    model = DynamicModel(tokens, text_features, settings, norm=norm, projection=_joined(projection, pair), **more)
    model.backbone, model.final_step, model.paired = source, step, pair is not None
    return model


def plain_network(identity: Any, start: Start | None, options: Options, /, *, folder: Path) -> tuple[SplitTower, Model]:
    """Return the network that a run unfolds: its backbone, with what the run it started at had put in, merged.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`load_backbone`, or adapters that do not fit it.
    """
    towers = load_backbone(identity, options, run=str(folder))
    blocks = towers.image.block_names
    if start is not None:
        adapt(towers.image, start.adapter, start.adapter.image_blocks, "image")
        own = {f"{_IMAGE}{name}": value for name, value in towers.image.named_parameters() if value.requires_grad}
        check_fit(f"what {folder} holds of the run it started at does not fit its backbone", start.tensors, own)
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(start.tensors[name])
        merge_adapters(towers.image.network)
        towers.image.block_names = blocks  # a network that was trained as a whole had but one
        towers.image.split_at(len(blocks))
    return towers.image, towers.model


def _from_run(saved: SavedModel, settings: DynamicSettings, options: Options, *, image: bool) -> DynamicModel:
    manifest, trained = saved.manifest, saved.trained
    start = None
    adapter = adapter_of(saved)
    tensors = {name: value for name, value in trained.items() if name.startswith(_IMAGE)}
    if image and tensors:
        start = Start(adapter, tensors)
    tower, source = plain_network(manifest["backbone"], start, options, folder=saved.path)
    pair = (trained["projection.weight"], trained["projection.bias"]) if manifest["paired"] else None
    log_scale = trained["log_scale"] if "log_scale" in trained else manifest["log_scale"]
    model = assemble(
        tower,
        source,
        saved.text_features,
        settings,
        name=source.name,
        pair=pair,
        log_scale=float(log_scale),
        slope=trained.get("slope"),
        offset=trained.get("offset"),
    )
    model.start, model.identity, model.prompts = start, dict(manifest["backbone"]), tuple(manifest["prompts"])
    return model


def _from_towers(towers: Towers, prompts: Sequence[str], settings: DynamicSettings) -> DynamicModel:
    if towers.paired:
        msg = (
            f"the two networks of {towers.model.name} share no space, so that a projection between them must have been "
            "trained before: give the folder of a finished `alignkit train hba` as start."
        )
        raise ValueError(msg)
    plain = PromptModel.build(towers, prompts, AdapterConfig(kind="none"))
    model = assemble(
        towers.image,
        towers.model,
        plain.text_features,
        settings,
        name=towers.model.name,
        log_scale=float(plain.log_scale),
    )
    model.identity, model.prompts = dict(towers.identity), plain.prompts
    return model


def _from_dynamic(
    folder: PathLike, settings: DynamicSettings, adapter: AdapterConfig, /, *, seed: int, **where: Any
) -> DynamicModel:
    """Return a finished run's model, to be trained on."""
    from alignkit.models._dynamic_run_model import restore_dynamic_model

    model = restore_dynamic_model(folder, **where)
    _check_same(f"the dynamics of the run {folder}", _comparable(model.settings), _comparable(settings))
    model.settings = settings
    if model.adapter.kind == "none":
        put_adapters(model, adapter, seed=seed)
        return model
    n_blocks = min(adapter.image_blocks, len(model.image.block_names))
    asked = dataclasses.replace(adapter, image_blocks=n_blocks)
    _check_same(f"the adapters of the run {folder}", _comparable(model.adapter), _comparable(asked))
    return model


def _comparable(settings: Any) -> dict[str, Any]:
    """Return what decides which parameters there are, and what they mean."""
    found = dataclasses.asdict(settings)
    if "times" in found:
        found["times"] = time_names(found["times"])
    return {name: value for name, value in found.items() if name not in ("noise", "init", "dropout")}


def _check_same(what: str, own: dict[str, Any], asked: dict[str, Any]) -> None:
    differ = [name for name in own if own[name] != asked[name]]
    if differ:
        said = ", ".join(f"{name} {shown(own[name])} (not {shown(asked[name])})" for name in differ)
        msg = f"{what} can be gone on with as they are alone: {said}; ask for the same, or give another start."
        raise ValueError(msg)


def _joined(projection: nn.Linear | None, pair: tuple[Tensor, Tensor] | None) -> nn.Linear | None:
    """Return a network's own projection and a pair's as one."""
    if pair is None:
        return projection
    weight, bias = (value.double() for value in pair)
    if projection is not None:
        bias = bias if projection.bias is None else bias + weight @ projection.bias.double()
        weight = weight @ projection.weight.double()
    return frozen_linear(weight.float(), bias.float())


def _path(path: PathLike | None) -> Path | None:
    return None if path is None else Path(path)
