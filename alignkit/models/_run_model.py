"""A trained model as a folder has it: a manifest beside what was trained, which a frozen backbone completes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignkit._check import as_labels, join_names, require, shown
from alignkit._io import check_file, read_json, sha256, write_json
from alignkit._typing import PathLike
from alignkit._versions import versions
from alignkit.models._adapter_config import AdapterConfig
from alignkit.models._model import Model
from alignkit.models._options import Options
from alignkit.models._personal_model import as_seen_by, load_personal, personal_file
from alignkit.models._tensor_file import write_tensors
from alignkit.models._weights import read_weights

if TYPE_CHECKING:
    import torch
    from torch import nn

    from alignkit.models._prompt_model import PromptModel

MANIFEST, TENSORS = "model.json", "adapter.safetensors"
_KIND, _SCHEMA = "alignkit prompt model", 1
#: Kind of the models that unfold over time.
DYNAMIC = "alignkit dynamic model"
#: Kind of AligNet's students.
STUDENT = "alignkit student model"
#: Kind of CLIPs that were trained as a whole.
CLIP = "alignkit clip model"
#: Manifests are read whole, so that a file from elsewhere may not be of any size.
_MAX_BYTES = 64 << 20
#: What the manifest must hold, and of which type.
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "backbone": dict,
    "prompts": list,
    "dimensions": list,
    "adapter": dict,
    "paired": bool,
    "affine": bool,
    "log_scale": (int, float),
    "tensors_sha256": str,
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SavedModel:
    """What :func:`save_run_model` wrote.

    Parameters
    ----------
    path : Path
        The folder.
    manifest : dict
        Backbone, prompts, dimensions, adapter settings and what the training method added.
    trained : dict of str to Tensor
        Parameters that were trained, by name (:meth:`PromptModel.load_saved`).
    text_features : Tensor, shape (dimensions, channels)
        Embeddings of the prompts at the end.
    """

    path: Path
    manifest: dict[str, Any]
    trained: dict[str, torch.Tensor]
    text_features: torch.Tensor


def save_run_model(folder: PathLike, model: PromptModel, /, *, manifest: Mapping[str, Any]) -> None:
    """Write what makes a frozen backbone into a trained model: ``model.json`` and ``adapter.safetensors``.

    Parameters
    ----------
    folder : path-like
        An existing folder; files of these names are replaced.
    model : PromptModel
        On whatever device.
    manifest : mapping
        What the method has to say, in JSON's own types: ``method``, ``dimensions`` (names; by default the prompts),
        and whatever else.

    Raises
    ------
    ValueError
        A wrong number of dimensions, a name that is taken, or values that JSON does not know.
    """
    own = {
        "kind": _KIND,
        "schema": _SCHEMA,
        "backbone": model.identity,
        "prompts": list(model.prompts),
        "adapter": dataclasses.asdict(model.adapter),
        "paired": model.projection is not None,
        "affine": model.slope is not None,
        "log_scale": float(model.log_scale.detach()),
    }
    dimensions = as_labels("dimensions", manifest.get("dimensions", model.prompts), model.dimensions)
    content = joined_manifest(own, manifest, dimensions)
    tensors = {**model.trained(), **model.plain_projection(), "text_features": _text_features(model)}
    write_saved(Path(folder), content, tensors)


def joined_manifest(
    own: Mapping[str, Any], manifest: Mapping[str, Any], dimensions: Sequence[str], /
) -> dict[str, Any]:
    """Return what a model says of itself and what its method adds, as one manifest.

    Raises
    ------
    ValueError
        A name that is taken, or values that JSON does not know.
    """
    return {**joined(own, manifest), "dimensions": list(dimensions)}


def joined(own: Mapping[str, Any], manifest: Mapping[str, Any], /) -> dict[str, Any]:
    """Return what a model of any kind says of itself and what its method adds, as one manifest; errors as above."""
    own = {**own, "tensors": TENSORS, "versions": versions()}
    taken = sorted(set(own) & set(manifest))
    if taken:
        msg = f"the manifest may not hold {join_names(taken)}, which the model itself says."
        raise ValueError(msg)
    content = {**own, **manifest}
    _check_json(content)
    return content


def write_saved(folder: Path, content: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], /) -> None:
    """Write tensors, and a manifest with their checksum: a model is there once its manifest is."""
    checksum = write_tensors(folder / TENSORS, tensors)
    write_json(folder / MANIFEST, {**content, "tensors_sha256": checksum})


def read_run_model(folder: PathLike, /) -> SavedModel:
    """Read a folder that :func:`save_run_model` wrote, whatever else is in it.

    Raises
    ------
    FileNotFoundError
        No such folder, or none of a finished run.
    ValueError
        A damaged file, one that does not belong to the other, or a manifest of something else.
    """
    return read_saved(Path(folder), _KIND, _SCHEMA, _FIELDS)


def read_saved(folder: Path, kind: str, schema: int, fields: Mapping[str, type | tuple[type, ...]], /) -> SavedModel:
    """Read a manifest of some kind, with these fields, and the tensors that belong to it.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`read_run_model`.
    """
    manifest, tensors = read_parts(folder, kind, schema, fields)
    features = tensors.pop("text_features", None)
    if features is None or features.ndim != 2 or len(features) != len(manifest["dimensions"]):
        msg = (
            f"{folder / TENSORS} holds no text_features with a row for each of the {len(manifest['dimensions'])} "
            "dimensions."
        )
        raise ValueError(msg)
    return SavedModel(folder, manifest, tensors, features)


def read_parts(
    folder: Path, kind: str, schema: int, fields: Mapping[str, type | tuple[type, ...]], /
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Read a manifest of some kind, with these fields, and the tensors that it was written with.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`read_run_model`.
    """
    manifest = _read_manifest(folder, kind, schema, fields)
    path = check_file(folder / TENSORS)
    if sha256(path) != manifest["tensors_sha256"]:
        msg = f"{path} is not the file that {folder / MANIFEST} was written with: truncated, damaged or exchanged."
        raise ValueError(msg)
    return manifest, dict(read_weights(path))


def load_run(path: str, options: Options) -> Model:
    """Load ``run:PATH``: the run's backbone with what was trained in it; its output are the dimensions.

    The path of a person's file (``subject-<id>.json``, in the folder of the group's model) has these as the person
    weights them.

    Raises
    ------
    FileNotFoundError
        No finished run there, or weights of its backbone that are not at hand.
    ValueError
        Damaged files, or a backbone with other weights than the run was trained on.
    """
    options.refuse("img_size", "preprocess")
    require("torch", "train")
    if kind_of_run(path) == DYNAMIC:
        from alignkit.models._dynamic_run_model import load_dynamic_run

        return load_dynamic_run(path, options)
    if kind_of_run(path) == STUDENT:
        from alignkit.models._student_run_model import load_student_run

        return load_student_run(path, options)
    if kind_of_run(path) == CLIP:
        from alignkit.models._clip_run_model import load_clip_run

        return load_clip_run(path, options)
    person = personal_file(path)
    saved = read_run_model(path) if person is None else as_seen_by(read_run_model(person.parent), load_personal(person))
    model, image = _restore(saved, options)
    backbone = saved.manifest["backbone"]
    return Model.from_module(
        _as_network(model),
        image.preprocess,
        name=options.name,
        settings={
            "method": saved.manifest.get("method"),
            **({} if person is None else {"subject": saved.manifest["subject"], "person_sha256": sha256(person)}),
            "dimensions": saved.manifest["dimensions"],
            "backbone": {name: backbone.get(name) for name in ("backbone", "layer", "img_size", "weights_sha256")},
            "tensors_sha256": saved.manifest["tensors_sha256"],
        },
        n_prefix_tokens=image.n_prefix_tokens,
        class_token=image.class_token,
    )


def kind_of_run(folder: PathLike, /) -> str | None:
    """Return which kind of model a folder's manifest describes; None where there is none that can be read."""
    path = Path(folder) / MANIFEST
    try:
        manifest = read_json(path) if path.stat().st_size <= _MAX_BYTES else None
    except (OSError, ValueError):  # whoever reads it as a whole says what is wrong
        return None
    kind = manifest.get("kind") if isinstance(manifest, dict) else None
    return kind if isinstance(kind, str) else None


def _restore(saved: SavedModel, options: Options) -> tuple[PromptModel, Model]:
    """Return the model without its text network, which the kept embeddings of the prompts stand for."""
    from alignkit.models._backbone import load_backbone
    from alignkit.models._prompt_model import PromptModel, adapt

    manifest = saved.manifest
    adapter = adapter_of(saved)
    towers = load_backbone(manifest["backbone"], options, run=str(saved.path))
    adapt(towers.image, adapter, adapter.image_blocks, "image")
    model = PromptModel(
        towers.image,
        saved.text_features,
        log_scale=float(manifest["log_scale"]),
        paired=manifest["paired"],
        affine=manifest["affine"],
    )
    try:
        model.load_trained({name: value for name, value in saved.trained.items() if not name.startswith("texts.")})
    except ValueError as error:
        msg = f"{saved.path / TENSORS} does not fit the model that {MANIFEST} describes: {error}"
        raise ValueError(msg) from error
    return model.to(towers.model.device).eval(), towers.model


def _text_features(model: PromptModel) -> torch.Tensor:
    """Return the prompts' embeddings as the trained text network gives them, whatever mode it was left in."""
    import torch

    training = model.training
    model.eval()  # dropout would leave its mark in what stands for the text network from now on
    try:
        with torch.no_grad():
            return model.features().to("cpu", copy=True).contiguous()
    finally:
        model.train(training)


def _as_network(model: PromptModel) -> nn.Module:
    from alignkit.models._prompt_model import OfImages

    return OfImages(model)


def adapter_of(saved: SavedModel, /) -> AdapterConfig:
    """Return the adapter settings of a saved model, of rank no larger than what its file holds.

    Raises
    ------
    ValueError
        Settings that this version does not know, or that do not fit the file.
    """
    settings: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in saved.manifest["adapter"].items()
    }
    try:
        adapter = AdapterConfig(**settings)
    except (TypeError, ValueError) as error:
        msg = f"{saved.path / MANIFEST} holds adapter settings that this version does not know ({error})."
        raise ValueError(msg) from error
    ranks = {len(tensor) for name, tensor in saved.trained.items() if ".lora_A." in name}
    if ranks - {adapter.rank}:
        msg = f"{saved.path / TENSORS} has adapters of rank {max(ranks)}, and {MANIFEST} says {adapter.rank}."
        raise ValueError(msg)
    # what is made before it is filled from the file may be no larger than what the file has
    return adapter if ranks or adapter.kind == "full" else dataclasses.replace(adapter, kind="none")


def _read_manifest(
    folder: Path, kind: str, schema: int, fields: Mapping[str, type | tuple[type, ...]]
) -> dict[str, Any]:
    path = folder / MANIFEST
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        msg = f"{folder} {what}; the folder of a finished run is expected."
        raise FileNotFoundError(msg)
    if not path.exists():
        begun = (folder / "config.toml").is_file()
        what = "the run was not finished (train on with --resume auto)" if begun else "it holds no run"
        msg = f"{folder} has no {MANIFEST}: {what}."
        raise FileNotFoundError(msg)
    if check_file(path).stat().st_size > _MAX_BYTES:
        msg = f"{path} is larger than a manifest can be ({path.stat().st_size >> 20} MiB)."
        raise ValueError(msg)
    manifest = read_json(path)
    if not isinstance(manifest, dict) or manifest.get("kind") != kind:
        got = manifest.get("kind") if isinstance(manifest, dict) else manifest
        if got in (_KIND, DYNAMIC, STUDENT, CLIP):
            msg = f"{path} is of an {got}, and here an {kind} is expected."
        else:
            msg = f"{path} describes no trained model (kind {kind!r} is expected; got {shown(got)})."
        raise ValueError(msg)
    if manifest.get("schema") != schema:
        msg = f"{path} has schema {shown(manifest.get('schema'))}, and this version reads {schema}; update alignkit."
        raise ValueError(msg)
    _check_fields(path, manifest, fields)
    return manifest


def _check_fields(path: Path, manifest: Mapping[str, Any], fields: Mapping[str, type | tuple[type, ...]]) -> None:
    for name, kind in fields.items():
        value = manifest.get(name)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            msg = f"{path} is damaged: {name} is {'missing' if name not in manifest else shown(value)}."
            raise ValueError(msg)
    for name in ("prompts", "dimensions"):
        if name not in fields:
            continue
        if not manifest[name] or not all(isinstance(value, str) for value in manifest[name]):
            msg = f"{path} is damaged: {name} must be names, at least one."
            raise ValueError(msg)


def _check_json(content: Mapping[str, Any]) -> None:
    try:
        json.dumps(content, allow_nan=False)
    except (TypeError, ValueError) as error:
        msg = f"the manifest holds what JSON does not know ({error})."
        raise ValueError(msg) from error
