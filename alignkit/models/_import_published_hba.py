"""A published CLIP-HBA checkpoint as a trained model of alignkit's own."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alignkit._check import as_labels, check_positive, join_names, require
from alignkit._io import check_file, sha256
from alignkit._typing import PathLike
from alignkit.models._adapter_config import AdapterConfig

if TYPE_CHECKING:
    from alignkit.models._prompt_model import PromptModel
    from alignkit.models._published_hba import PublishedAdapter, PublishedHBA
    from alignkit.models._split_tower import SplitTower
    from alignkit.models._towers import Towers


def import_published_hba(
    checkpoint: PathLike,
    /,
    *,
    prompts: PathLike | Sequence[str],
    out: PathLike,
    backbone: str = "open_clip:ViT-L-14/openai",
    weights: PathLike | None = None,
    dimensions: Sequence[str] | None = None,
    alpha: float = 16.0,
) -> Path:
    """Make a published CLIP-HBA checkpoint a folder that ``load("run:FOLDER")`` reads.

    Both layouts are read, without pickle: the state dict of a whole model, and adapters alone. The adapted weights are
    the published ones to rounding. Images are preprocessed as there (``"hba"``: squashed to a square).

    Parameters
    ----------
    checkpoint : path-like
        The ``.pth`` file.
    prompts : path-like or sequence of str
        The prompt of each dimension, in order; a text file has one a line. Checkpoints do not hold them.
    out : path-like
        Folder to write; it may not hold a model already.
    backbone : str
        The CLIP that it was trained on.
    weights : path-like, optional
        A local file with the backbone's weights.
    dimensions : sequence of str, optional
        Names of the dimensions; by default the prompts.
    alpha : float
        What the adapters' updates were scaled by, over their rank; checkpoints do not hold it either.

    Returns
    -------
    Path
        The folder.

    Warns
    -----
    UserWarning
        A checkpoint of CLIP-HBA-MEG, whose tables over time have no part in a model of behaviour.

    Raises
    ------
    FileNotFoundError
        No such file, or weights that are neither at hand nor downloadable.
    FileExistsError
        A folder that holds a model already.
    ValueError
        A damaged file, one of another model, or one made with other weights of the backbone.
    ImportError
        A library is missing; the message names the extra that brings it.

    Examples
    --------
    >>> import_published_hba("epoch97_dora_params.pth", prompts="prompts66.txt", out="clip-hba")  # doctest: +SKIP
    >>> load("run:clip-hba")  # doctest: +SKIP
    """
    check_positive("alpha", alpha)
    path, out = check_file(checkpoint), Path(out)
    texts = _read_prompts(prompts)
    names = texts if dimensions is None else as_labels("dimensions", dimensions, len(texts))
    require("torch", "train")
    from alignkit.models._published_hba import read_published_hba
    from alignkit.models._run_model import MANIFEST, save_run_model
    from alignkit.models._towers import load_towers

    if (out / MANIFEST).exists():
        msg = f"{out} holds a model already; choose another folder."
        raise FileExistsError(msg)
    found = read_published_hba(path)
    _warn_of_tables(path, found)
    towers = load_towers(backbone, weights=weights, preprocess="hba")
    model = _build(found, towers, texts, alpha)
    out.mkdir(parents=True, exist_ok=True)
    source = {"file": path.name, "sha256": sha256(path), "alpha": alpha}
    save_run_model(out, model, manifest={"method": "hba", "dimensions": list(names), "published": source})
    return out


def _read_prompts(prompts: PathLike | Sequence[str]) -> tuple[str, ...]:
    if not isinstance(prompts, str | os.PathLike):
        return as_labels("prompts", prompts)
    path = check_file(prompts)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        msg = f"{path} is not a text file ({error})."
        raise ValueError(msg) from error
    return as_labels(f"the prompts of {path}", [line.strip() for line in lines if line.strip()])


def _warn_of_tables(path: Path, found: PublishedHBA) -> None:
    if found.tables:
        warnings.warn(
            f"{path} is a CLIP-HBA-MEG: its adapters are imported, its tables over time ({join_names(found.tables)}) "
            "are not, so this is not its time-resolved model; alignkit train hba-meg trains one.",
            UserWarning,
            stacklevel=3,
        )


def _build(found: PublishedHBA, towers: Towers, prompts: Sequence[str], alpha: float) -> PromptModel:
    """Return the model with adapters where the checkpoint has them, of the highest rank among them."""
    from alignkit.models._prompt_model import PromptModel

    image, text = found.tower("image"), found.tower("text")
    adapter = AdapterConfig(
        kind="dora",
        rank=max(adapter.rank for adapter in found.adapters.values()),
        alpha=alpha,
        init="kaiming-both",
        image_blocks=len(image),
        text_blocks=len(text),
    )
    model = PromptModel.build(towers, prompts, adapter)
    _load(model.image, image, alpha)
    if model.texts is not None:
        _load(model.texts.tower, text, alpha)
    return model


def _load(tower: SplitTower, adapters: Mapping[str, PublishedAdapter], alpha: float) -> None:
    from alignkit.models._adapters import load_adapter_state
    from alignkit.models._published_hba import published_adapter_state

    if adapters:
        load_adapter_state(tower.network, published_adapter_state(adapters, tower.network, alpha=alpha))
