"""From data and settings to the parts of a task: the model, where its head starts, and where its inputs come from."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from alignkit.align._ridge import fit_ridge
from alignkit.models._prompt_model import PromptModel
from alignkit.models._run import as_device
from alignkit.models._run_model import read_run_model
from alignkit.models._towers import Towers, load_towers
from alignkit.train._prefix_cache import cache_prefix
from alignkit.train._source import ImageSource, Source
from alignkit.train.hba._data import HBAData
from alignkit.train.hba._ridge_projection import ridge_projection
from alignkit.train.hba.config import HBAConfig

if TYPE_CHECKING:
    from alignkit.train.hba.task import HBATask

#: Seconds between looks at a cache that another process fills.
_PAUSE = 1.0


def build_model(data: HBAData, config: HBAConfig, /) -> tuple[PromptModel, Towers]:
    """Return the model of the data's prompts as it is before training, and the towers it is made of."""
    towers = load_towers(
        config.backbone,
        text=config.text,
        weights=config.weights,
        layer=config.layer,
        img_size=config.img_size,
        preprocess=config.preprocess,
    )
    model = PromptModel.build(
        towers,
        data.prompts,
        config.adapter,
        affine=config.affine,
        head=config.head,
        dropout=config.dropout,
        seed=config.loop.seed,
    )
    if config.start is not None:
        model.load_saved(read_run_model(config.start).trained)
    return model.to(as_device(config.loop.device)), towers


def build_source(
    data: HBAData, config: HBAConfig, towers: Towers, cache: Path | None, /, *, wait: bool = False
) -> Source:
    """Return where the inputs of photos come from: a cache in the folder ``cache`` where one is wanted.

    Processes that train together wait for the one that fills it; with ``wait`` so do others.
    """
    if cache is None or not config.cache or towers.image.takes_inputs:
        return ImageSource(data.photos, towers.preprocess)
    while True:
        try:
            return cache_prefix(
                towers,
                data.photos,
                cache,
                dtype=config.cache_dtype,
                precision=config.loop.precision,
                progress=config.loop.progress,
            )
        except BlockingIOError:
            if not wait and not torch.distributed.is_initialized():
                raise
            time.sleep(_PAUSE)


def start_at_ridge(task: HBATask, penalty: float | None, /, *, constant: float) -> float:
    """Let a pair's projection predict what ridge regression does, and return the penalty of that.

    Every photo of a training object is a row; an object's prediction is the mean over its photos.

    Parameters
    ----------
    task : HBATask
        Of a pair of encoders.
    penalty : float or None
        Of the ridge regression; ``None`` chooses it on the validation objects.
    constant : float
        See :func:`ridge_projection`.
    """
    data, model = task.data, task.model
    assert isinstance(model, PromptModel)
    x, objects = task.photo_features(data.train)
    val = None if penalty is not None else (task.features(data.val), data.targets[data.val])
    ridge = fit_ridge(x, data.targets[objects], penalty=penalty, val=val)
    with torch.no_grad():
        prompts = model.features().double().cpu().numpy()
        model.standardise(torch.from_numpy(x.mean(axis=0)).float(), torch.from_numpy(x.std(axis=0)).float())
    weight, bias, log_scale = ridge_projection(ridge, x, prompts, constant=constant)
    model.set_projection(torch.from_numpy(weight).float(), torch.from_numpy(bias).float(), log_scale)
    return ridge.penalty
