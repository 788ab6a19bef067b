"""AligNet's student as a folder has it: complete but for what was frozen of its backbone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from alignkit._check import shown
from alignkit._typing import PathLike
from alignkit.models._backbone import load_backbone
from alignkit.models._model import Model
from alignkit.models._options import Options
from alignkit.models._run_model import (
    MANIFEST,
    STUDENT,
    TENSORS,
    SavedModel,
    adapter_of,
    joined,
    read_parts,
    write_saved,
)
from alignkit.models._student_model import StudentModel, StudentNetwork, adapt_tower

_SCHEMA = 1
#: What the manifest must hold, and of which type.
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "backbone": dict,
    "adapter": dict,
    "head": (int, type(None)),
    "temperature": (int, float),
    "tensors_sha256": str,
}
_KNOWN = ("method", "arm", "objective")


def save_student_model(folder: PathLike, model: StudentModel, /, *, manifest: Mapping[str, Any]) -> None:
    """Write what makes a backbone into a student: ``model.json`` and ``adapter.safetensors``.

    Parameters
    ----------
    folder : path-like
        An existing folder; files of these names are replaced.
    model : StudentModel
        On whatever device.
    manifest : mapping
        What the method has to say, in JSON's own types.

    Raises
    ------
    ValueError
        A name that is taken, or values that JSON does not know.
    """
    own = {
        "kind": STUDENT,
        "schema": _SCHEMA,
        "backbone": model.identity,
        "adapter": dataclasses.asdict(model.adapter),
        "head": None if model.head is None else model.head.out_features,
        "temperature": float(model.temperature),
    }
    write_saved(Path(folder), joined(own, manifest), model.trained())


def read_student_model(folder: PathLike, /) -> SavedModel:
    """Read a folder that :func:`save_student_model` wrote, whatever else is in it; there are no text features.

    Raises
    ------
    FileNotFoundError
        No such folder, or none of a finished run.
    ValueError
        A damaged file, one that does not belong to the other, or a manifest of something else.
    """
    path = Path(folder)
    manifest, trained = read_parts(path, STUDENT, _SCHEMA, _FIELDS)
    head, temperature = manifest["head"], manifest["temperature"]
    weight = trained.get("head.weight")
    # no larger than what the file has
    if isinstance(head, bool) or head != (None if weight is None or weight.ndim != 2 else len(weight)):
        msg = f"{path / TENSORS} does not hold the head of {shown(head)} channels that {MANIFEST} describes."
        raise ValueError(msg)
    if not 0 < temperature < float("inf"):
        msg = f"{path / MANIFEST} is damaged: temperature is {shown(temperature)}."
        raise ValueError(msg)
    return SavedModel(path, manifest, trained, torch.empty(0, 0))


def load_student_run(path: PathLike, options: Options, /) -> Model:
    """Load ``run:PATH`` of an AligNet student.

    The layer ``embedding`` is the trained backbone's, ``head`` the layer on top; the output is the head's (or the
    embedding, without one) divided by the square root of the temperature, so that softmaxes of its dot products are
    the student's choice probabilities.

    Raises
    ------
    FileNotFoundError
        No finished run there, or weights of its backbone that are not at hand.
    ValueError
        Damaged files, or a backbone with other weights than the run was trained on.
    """
    saved = read_student_model(path)
    manifest, adapter = saved.manifest, adapter_of(saved)
    towers = load_backbone(manifest["backbone"], options, run=str(saved.path))
    adapt_tower(towers.image, adapter)
    student = StudentModel(towers, head=manifest["head"], temperature=float(manifest["temperature"]))
    try:
        student.load_trained(saved.trained)
    except ValueError as error:
        msg = f"{saved.path / TENSORS} does not fit the model that {MANIFEST} describes: {error}"
        raise ValueError(msg) from error
    image, backbone = towers.model, manifest["backbone"]
    return Model.from_module(
        StudentNetwork(student.to(image.device)).eval(),
        image.preprocess,
        name=options.name,
        settings={
            **{name: manifest.get(name) for name in _KNOWN},
            "temperature": manifest["temperature"],
            "backbone": {name: backbone.get(name) for name in ("backbone", "layer", "img_size", "weights_sha256")},
            "tensors_sha256": manifest["tensors_sha256"],
        },
        n_prefix_tokens=image.n_prefix_tokens,
        class_token=image.class_token,
    )
