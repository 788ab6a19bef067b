"""A CLIP that was trained as a whole, as a folder has it: its config, its preprocessing and all of its weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from alignkit._check import require, shown
from alignkit._typing import PathLike
from alignkit.models._build_clip import blank_clip
from alignkit.models._clip_architecture import clip_architecture, image_size
from alignkit.models._model import Model
from alignkit.models._open_clip import tokens_of
from alignkit.models._options import Options
from alignkit.models._preprocess import Preprocess
from alignkit.models._run_model import CLIP, MANIFEST, TENSORS, joined, read_parts, write_saved
from alignkit.models._weights import misfit

_SCHEMA = 1
_VISION = "visual."
_TOWERS = (("image",), ("image", "text"))
#: What the manifest must hold, and of which type.
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "architecture": dict,
    "preprocess": dict,
    "towers": list,
    "tensors_sha256": str,
}
_KNOWN = ("method", "arm", "stage", "epoch", "step")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SavedClip:
    """What :func:`save_clip_model` wrote.

    Parameters
    ----------
    path : Path
        The folder.
    manifest : dict
        Architecture, preprocessing, towers and what the training method added.
    state : dict of str to Tensor
        Weights and buffers under open_clip's names (``visual.*``, ...).
    towers : tuple of str
        ``("image",)`` or ``("image", "text")``.
    """

    path: Path
    manifest: dict[str, Any]
    state: dict[str, torch.Tensor]
    towers: tuple[str, ...]

    @property
    def architecture(self) -> dict[str, Any]:
        """The config, as :func:`build_clip` takes it."""
        config: dict[str, Any] = self.manifest["architecture"]
        return config

    @property
    def preprocess(self) -> Preprocess:
        """How an image becomes the image tower's input."""
        return Preprocess.from_dict(self.manifest["preprocess"])

    def build(self) -> nn.Module:
        """Return the model with its weights, on the CPU, in evaluation mode; towers not saved are placeholders."""
        clip = blank_clip(self.architecture, text="text" in self.towers)
        part = clip if "text" in self.towers else clip.get_submodule("visual")
        prefix = "" if "text" in self.towers else _VISION
        part.load_state_dict({name.removeprefix(prefix): value for name, value in self.state.items()})
        return clip.eval()


def save_clip_model(
    folder: PathLike,
    clip: nn.Module,
    /,
    *,
    architecture: str | Path | Mapping[str, Any],
    preprocess: Preprocess,
    manifest: Mapping[str, Any],
    towers: tuple[str, ...] = ("image", "text"),
) -> None:
    """Write a CLIP: ``model.json`` and ``adapter.safetensors`` with all weights of its towers.

    Parameters
    ----------
    folder : path-like
        An existing folder; files of these names are replaced.
    clip : Module
        As :func:`build_clip` makes it, on whatever device.
    architecture : str, Path or mapping
        What :func:`build_clip` took.
    preprocess : Preprocess
        Of the image tower.
    manifest : mapping
        What the method has to say, in JSON's own types.
    towers : tuple of str
        ``("image",)`` leaves the text tower and the scale away.

    Raises
    ------
    TypeError
        Preprocessing that cannot be written down.
    ValueError
        A name that is taken, values that JSON does not know, or a model of another architecture.
    """
    config = clip_architecture(architecture)
    _check_towers(towers)
    _check_size(config, preprocess)
    state = {name: value for name, value in clip.state_dict().items() if "text" in towers or name.startswith(_VISION)}
    problem = misfit(state, _expected(config, tuple(towers)))
    if problem:
        msg = f"the model is not of the architecture given: {problem}."
        raise ValueError(msg)
    own = {
        "kind": CLIP,
        "schema": _SCHEMA,
        "architecture": config,
        "preprocess": preprocess.to_dict(),
        "towers": list(towers),
    }
    write_saved(Path(folder), joined(own, manifest), state)


def read_clip_model(folder: PathLike, /) -> SavedClip:
    """Read a folder that :func:`save_clip_model` wrote, whatever else is in it.

    Raises
    ------
    FileNotFoundError
        No such folder, or none of a finished run.
    ValueError
        A damaged file, one that does not belong to the other, a manifest of something else, or weights that are not
        those of the architecture.
    """
    path = Path(folder)
    manifest, state = read_parts(path, CLIP, _SCHEMA, _FIELDS)
    try:
        config = clip_architecture(manifest["architecture"])
        towers = _check_towers(manifest["towers"])
        _check_size(config, Preprocess.from_dict(manifest["preprocess"]))
        problem = misfit(state, _expected(config, towers))
    except (TypeError, ValueError) as error:
        msg = f"{path / MANIFEST} is damaged: {error}"
        raise ValueError(msg) from error
    if problem:
        msg = f"{path / TENSORS} does not fit the model that {MANIFEST} describes: {problem}."
        raise ValueError(msg)
    return SavedClip(path, {**manifest, "architecture": config}, state, towers)


def load_clip_run(path: PathLike, options: Options, /) -> Model:
    """Load the image tower of ``run:PATH`` of a CLIP; its output is the joint embedding, not normalised.

    Raises
    ------
    FileNotFoundError
        No finished run there.
    ValueError
        Damaged files, or options that do not apply.
    """
    options.refuse("weights", "architecture", "img_size", "preprocess")
    require("open_clip", "train")
    saved = read_clip_model(path)
    return clip_image(saved, saved.build(), name=options.name)


def clip_image(saved: SavedClip, clip: nn.Module, /, *, name: str) -> Model:
    """Return the image tower of a model that :meth:`SavedClip.build` made."""
    visual = clip.get_submodule("visual")
    settings = {
        **{key: saved.manifest[key] for key in _KNOWN if key in saved.manifest},
        "architecture": saved.architecture,
        "towers": list(saved.towers),
        "tensors_sha256": saved.manifest["tensors_sha256"],
    }
    return Model.from_module(visual, saved.preprocess, name=name, settings=settings, **tokens_of(visual))


def _expected(config: Mapping[str, Any], towers: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Return the names and shapes of the weights that a config asks for, without any memory for them."""
    text = "text" in towers
    state = blank_clip(config, text=text, device="meta").state_dict()
    return {name: value for name, value in state.items() if text or name.startswith(_VISION)}


def _check_towers(towers: object) -> tuple[str, ...]:
    found = tuple(towers) if isinstance(towers, list | tuple) else ()
    if found not in _TOWERS:
        msg = f"towers must be ('image',) or ('image', 'text'); got {shown(towers)}."
        raise ValueError(msg)
    return found


def _check_size(config: Mapping[str, Any], preprocess: object) -> None:
    if not isinstance(preprocess, Preprocess):
        msg = f"preprocess must be a Preprocess, which a file can describe; got {shown(preprocess)}."
        raise TypeError(msg)
    size = image_size(config)
    if preprocess.size != size:
        msg = f"preprocess gives images of {preprocess.size:,} pixels, and the vision tower takes {size:,}."
        raise ValueError(msg)
