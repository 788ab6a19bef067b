"""From data and settings to the parts of a task: the model, its noise, its targets and where its inputs come from."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from alignkit._typing import IntArray
from alignkit.models._build_dynamic_model import build_dynamic_model
from alignkit.models._dynamic_model import DynamicModel, DynamicSettings
from alignkit.models._dynamic_run_model import read_dynamic_model, settings_of
from alignkit.models._run import as_device
from alignkit.models._run_model import DYNAMIC, kind_of_run
from alignkit.train._names_file import read_lines
from alignkit.train._predict import predict
from alignkit.train._prefix_cache import cache_prefix
from alignkit.train._prompts import things_prompts
from alignkit.train._source import ImageSource, Source
from alignkit.train.hba_meg._data import HBAMEGData
from alignkit.train.hba_meg._target_store import TargetStore
from alignkit.train.hba_meg.config import HBAMEGConfig

T = TypeVar("T")
#: Seconds between looks at what another process fills.
_PAUSE = 1.0
#: Seconds: times are sums of steps, and not what is written for them.
_TOLERANCE = 1e-6
#: Dimensions of SPoSE, whose prompts are taken where nothing else says what dimensions there are.
_SPOSE = 66


def build_model(data: HBAMEGData, config: HBAMEGConfig, /) -> DynamicModel:
    """Return the model as it is before training: at every time what its start gives, or what a group's run gave.

    Raises
    ------
    ValueError
        A group's run over other times, or with other dynamics or adapters.
    """
    if config.start is not None and kind_of_run(config.start) == DYNAMIC:
        check_times(settings_of(read_dynamic_model(config.start)).times, data, config.start)
    return _new_model(data, config).to(as_device(config.loop.device))


def check_times(times: Sequence[float], data: HBAMEGData, path: Path, /) -> None:
    """Raise where the model in a folder has other times than the data."""
    if len(times) != len(data.times) or np.abs(np.array(times) - data.times).max() > _TOLERANCE:
        mine, theirs = (f"{len(t)} from {t[0]:g} to {t[-1]:g} s" for t in (times, data.times))
        msg = f"the model in {path} has other times ({mine}) than the RDMs ({theirs}); give RDMs over its times."
        raise ValueError(msg)


def _new_model(data: HBAMEGData, config: HBAMEGConfig) -> DynamicModel:
    settings = DynamicSettings(
        times=tuple(data.times.tolist()),
        readout=config.readout,
        window=config.window,
        reach=config.reach,
        dimension_weights=config.dimension_weights,
        noise=config.noise,
    )
    if config.start is not None:
        return build_dynamic_model(
            settings,
            config.adapter,
            start=config.start,
            start_image=config.start_image,
            weights=config.weights,
            seed=config.loop.seed,
        )
    return build_dynamic_model(
        settings,
        config.adapter,
        backbone=config.backbone,
        prompts=_prompts(config),
        weights=config.weights,
        img_size=config.img_size,
        preprocess=config.preprocess,
        seed=config.loop.seed,
    )


def build_targets(
    data: HBAMEGData, people: Sequence[str], config: HBAMEGConfig, folder: Path, /, *, wait: bool = False
) -> TargetStore:
    """Return the mean RDMs of some people, made in a folder where they are not there yet.

    Processes that train together wait for the one that makes them; with ``wait`` so do others.
    """
    return _when_free(
        lambda: TargetStore.build(
            data.rdms,
            people,
            np.concatenate([data.train, data.val]),
            folder,
            train=data.train,
            scale=config.scale,
            dtype=config.cache_dtype,
            progress=config.loop.progress,
        ),
        wait=wait,
    )


def build_source(
    data: HBAMEGData, config: HBAMEGConfig, model: DynamicModel, cache: Path, /, *, wait: bool = False
) -> Source:
    """Return where inputs of photos come from: what the frozen blocks give, kept on disk, or the photos themselves.

    Processes that train together wait for the one that fills the cache; with ``wait`` so do others.
    """
    if model.image.start == 0:  # every block is trained
        return ImageSource(data.photos, model.towers().preprocess)
    return _when_free(
        lambda: cache_prefix(
            model.towers(),
            data.photos,
            cache,
            dtype=config.cache_dtype,
            precision=config.loop.precision,
            progress=config.loop.progress,
        ),
        wait=wait,
    )


def set_noise(model: DynamicModel, targets: TargetStore, source: Source, photos: IntArray, /) -> None:
    """Let noise follow how RDMs generalise over time, in units of how much dimensions differ over training photos.

    As published, gain follows richness and generalisation too, so that nothing but noise is left before the picture.
    """
    curves = targets.curves
    level = torch.from_numpy(curves.noise_level())
    if model.settings.noise == "published":
        alike, rich = (torch.from_numpy(curve) for curve in (curves.generalization, curves.richness))
        model.set_curves(generalization=alike, richness=rich, noise_level=level)
    else:
        model.set_curves(noise_level=level)
    logits = predict(
        _Logits(model),
        lambda index: source(photos[index]),
        len(photos),
        batch_size=64,
        device=next(model.parameters()).device,
    )
    model.store_spread(logits)


class _Logits(torch.nn.Module):
    """What a model's blocks give, as a network of its own."""

    def __init__(self, model: DynamicModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.model.logits(inputs)


def _prompts(config: HBAMEGConfig) -> tuple[str, ...]:
    return things_prompts(_SPOSE, config.root) if config.prompts is None else read_lines(config.prompts)


def _when_free(make: Callable[[], T], *, wait: bool) -> T:
    while True:
        try:
            return make()
        except BlockingIOError:
            if not wait and not torch.distributed.is_initialized():
                raise
            time.sleep(_PAUSE)
