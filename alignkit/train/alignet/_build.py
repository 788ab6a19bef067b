"""From data and settings to the parts of a student: the network, where its head begins, where its inputs come from."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from alignkit._typing import FloatArray
from alignkit.models._image_tower import load_image_tower
from alignkit.models._run import as_device
from alignkit.models._student_model import StudentModel
from alignkit.models._towers import Towers
from alignkit.train._prefix_cache import cache_prefix
from alignkit.train._source import ImageSource, Source
from alignkit.train.alignet.config import AligNetConfig

#: Seconds between looks at a cache that another process fills.
_PAUSE = 1.0
#: Temperatures that are looked among, as factors of the similarities' own spread.
_RANGE = (1e-4, 1e4)


def build_model(config: AligNetConfig, /) -> tuple[StudentModel, Towers]:
    """Return the student as it is before training, and the tower it is made of.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        As :func:`alignkit.models._image_tower.load_image_tower`, or a backbone without blocks to adapt.
    """
    towers = load_image_tower(
        config.backbone,
        weights=config.weights,
        layer=config.layer,
        img_size=config.img_size,
        preprocess=config.preprocess,
    )
    model = StudentModel.build(
        towers,
        config.adapter,
        head=config.head or None,
        temperature=config.student_temperature or 1.0,
        seed=config.loop.seed,
    )
    return model.to(as_device(config.loop.device)), towers


def build_source(
    photos: tuple[Path, ...], config: AligNetConfig, towers: Towers, cache: Path | None, /, *, wait: bool = False
) -> Source:
    """Return where the inputs of photos come from: a cache in the folder ``cache`` where one is wanted.

    Processes that train together wait for the one that fills it; with ``wait`` so do others.
    """
    if cache is None or not config.cache or towers.image.takes_inputs:
        return ImageSource(photos, towers.preprocess)
    while True:
        try:
            return cache_prefix(
                towers,
                photos,
                cache,
                dtype=config.cache_dtype,
                precision=config.loop.precision,
                progress=config.loop.progress,
            )
        except BlockingIOError:
            if not wait and not torch.distributed.is_initialized():
                raise
            time.sleep(_PAUSE)


def start_head_at(model: StudentModel, mean: FloatArray, /) -> None:
    """Let the head give zeros for an embedding of this mean, shape (W,)."""
    assert model.head is not None
    with torch.no_grad():
        centre = torch.from_numpy(mean).to(model.head.weight)
        model.head.bias.copy_(-(model.head.weight @ centre))


def fit_student_temperature(similarities: FloatArray, probabilities: FloatArray, /) -> float:
    r"""Return the temperature at which choices suit a teacher's best: of the least cross-entropy.

    .. math:: \arg\min_T -\sum_{n} \sum_{a} p_{na} \log \mathrm{softmax}(s_n / T)_a

    Parameters
    ----------
    similarities : ndarray, shape (n, 3)
        The student's.
    probabilities : ndarray, shape (n, 3)
        The teacher's.

    Raises
    ------
    ValueError
        Similarities that never differ: the student tells no images apart.
    """
    spread = float(np.std(similarities - similarities.mean(axis=1, keepdims=True)))
    if not spread > 0:
        msg = "the untrained student finds all images equally similar, so that no temperature suits it; set one."
        raise ValueError(msg)

    def surprise(log_t: float) -> float:
        logits = similarities / np.exp(log_t)
        largest = logits.max(axis=1)
        log_sum = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
        return float((log_sum - (probabilities * logits).sum(axis=1)).mean())

    bounds = tuple(np.log(np.array(_RANGE) * spread))
    return float(np.exp(minimize_scalar(surprise, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x))
