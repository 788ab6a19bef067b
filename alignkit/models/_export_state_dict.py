"""A trained model as a plain file of weights, for whoever has the backbone's own code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from alignkit._check import require
from alignkit._typing import PathLike
from alignkit.models._tensor_file import as_tensors_path, write_tensors


def export_state_dict(
    run: PathLike, /, *, out: PathLike, weights: PathLike | None = None, architecture: str | None = None
) -> Path:
    """Write what a run has trained, with its backbone, as a file of plain tensors.

    The image network's weights have the names of its own library behind ``"image."``, with the adapters merged into
    them. Beside them are ``text_features`` (the embedded prompts, of length 1), ``log_scale``, a pair's ``projection``
    and the ``slope`` and ``offset`` of dimensions where there are any: predictions are exp(log_scale) times the cosine
    of the projected image embedding with each row of ``text_features``. The file's metadata hold the dimensions, the
    prompts and the backbone as JSON.

    Parameters
    ----------
    run : path-like
        Folder of a finished run, or of :func:`import_published_hba`.
    out : path-like
        The ``.safetensors`` file to write.
    weights : path-like, optional
        A local file with the backbone's weights, where the recorded one is elsewhere now.
    architecture : str, optional
        ``module:factory`` of a backbone of the user's own, which is called only when it is named here.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileNotFoundError
        No finished run there, or weights of its backbone that are not at hand.
    ValueError
        A damaged run, other weights than it was trained on, or a name of a file that does not end in .safetensors.
    ImportError
        A library is missing; the message names the extra that brings it.

    Examples
    --------
    >>> export_state_dict("my-model", out="my-model.safetensors")  # doctest: +SKIP
    """
    require("torch", "train")
    from alignkit.models._load import load
    from alignkit.models._plain_state_dict import plain_state_dict
    from alignkit.models._run_model import read_run_model

    out = as_tensors_path(out)
    manifest = read_run_model(run).manifest
    loaded = load(f"run:{run}", device="cpu", weights=weights, architecture=architecture)
    model: Any = loaded.module.model  # behind what takes images as they are
    state = {f"image.{name}": value for name, value in plain_state_dict(model.image.network).items()}
    state |= {name: value for name, value in model.state_dict().items() if not name.startswith(("image.", "texts."))}
    told = {name: json.dumps(manifest[name]) for name in ("dimensions", "prompts", "backbone")}
    write_tensors(out, state, metadata=told)
    return out
