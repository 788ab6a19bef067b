"""A trained model back in open_clip: one file of weights, with the adapters merged."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignkit._check import require
from alignkit._typing import PathLike
from alignkit.models._tensor_file import as_tensors_path, write_tensors

if TYPE_CHECKING:
    from alignkit.models._run_model import SavedModel


def export_clip(run: PathLike, /, *, out: PathLike, weights: PathLike | None = None) -> Path:
    """Write a CLIP that was trained with ``alignkit train hba`` as a file of weights for open_clip.

    The adapters are merged into the weights that they adapt, so that the file has open_clip's own names and any code
    loads it, strictly: ``open_clip.create_model(ARCHITECTURE, pretrained=OUT)`` (with ``force_quick_gelu=True`` for
    OpenAI's), or ``alignkit.models.load("open_clip:ARCHITECTURE/TAG", weights=OUT)``. The prompts are not part of it.

    Parameters
    ----------
    run : path-like
        Folder of a finished run, or of :func:`import_published_hba`.
    out : path-like
        The ``.safetensors`` file to write.
    weights : path-like, optional
        A local file with the backbone's weights, where the recorded one is elsewhere now.

    Returns
    -------
    Path
        The file.

    Warns
    -----
    UserWarning
        Slopes and offsets of the dimensions, which open_clip has no place for.

    Raises
    ------
    FileNotFoundError
        No finished run there, or weights of its backbone that are not at hand.
    ValueError
        A run of another backbone than a CLIP of open_clip, other weights than it was trained on, a damaged run, or
        a name of a file that does not end in .safetensors.
    ImportError
        A library is missing; the message names the extra that brings it.

    Examples
    --------
    >>> export_clip("my-model", out="my-clip.safetensors")  # doctest: +SKIP
    >>> load("open_clip:ViT-L-14/openai", weights="my-clip.safetensors")  # doctest: +SKIP
    """
    require("torch", "train")
    from alignkit.models._plain_state_dict import plain_state_dict
    from alignkit.models._run_model import read_run_model

    out = as_tensors_path(out)
    saved = read_run_model(run)
    clip = _trained(saved, _architecture(saved), None if weights is None else Path(weights))
    write_tensors(out, plain_state_dict(clip))
    return out


def _architecture(saved: SavedModel) -> str:
    """Return open_clip's name of the run's backbone, with its tag."""
    backbone = saved.manifest["backbone"]
    prefix, _, rest = str(backbone.get("backbone")).partition(":")
    if prefix != "open_clip" or saved.manifest["paired"]:
        msg = f"the run {saved.path} was trained on {backbone.get('backbone')} with a projection; only a CLIP of "
        msg += "open_clip by itself goes back into open_clip."
        raise ValueError(msg)
    if saved.manifest["affine"]:
        warnings.warn(
            f"the run {saved.path} has a slope and an offset of every dimension, which open_clip has no place "
            f"for; they are left out. For the dimensions themselves load run:{saved.path}.",
            UserWarning,
            stacklevel=3,
        )
    return rest


def _trained(saved: SavedModel, rest: str, weights: Path | None) -> Any:
    """Return open_clip's own model with what was trained in it."""
    from alignkit.models._clip_text import clip_text, clip_tokenizer
    from alignkit.models._open_clip import read_open_clip
    from alignkit.models._options import Options
    from alignkit.models._prompt_model import PromptModel
    from alignkit.models._run_model import adapter_of
    from alignkit.models._towers import Towers

    backbone = saved.manifest["backbone"]
    recorded = backbone.get("weights")
    options = Options(
        name=f"open_clip:{rest}",
        weights=weights or (Path(recorded) if recorded else None),
        img_size=backbone.get("img_size"),
    )
    clip, image = read_open_clip(rest, options)
    if image.weights_sha256 != backbone.get("weights_sha256"):
        msg = f"the weights of {options.name} are not those that {saved.path} was trained on; pass weights=FILE."
        raise ValueError(msg)
    text = clip_text(clip, clip_tokenizer(rest.partition("/")[0]), name=options.name)
    towers = Towers.from_models(image, text, paired=False)
    # the towers share their parts with the model, which so is trained as well
    model = PromptModel.build(towers, saved.manifest["prompts"], adapter_of(saved), affine=saved.manifest["affine"])
    model.load_trained(saved.trained)
    return clip
