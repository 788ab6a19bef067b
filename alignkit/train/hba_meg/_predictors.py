"""The trained model, what it was before, and the baselines beside it, as predictors of RDMs of items."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from alignkit._typing import AnyArray, IntArray
from alignkit.models import extract
from alignkit.models._backbone import load_backbone
from alignkit.models._dynamic_model import DynamicModel
from alignkit.models._options import Options
from alignkit.models._run_model import DYNAMIC, kind_of_run
from alignkit.rsa import RDM, rdm
from alignkit.rsa._similarity_matrix import Kernel
from alignkit.train._images import mean_over_photos, photos_of_objects
from alignkit.train._predict import predict
from alignkit.train._seeded import seeded
from alignkit.train._source import ImageSource
from alignkit.train.config import LoopConfig
from alignkit.train.hba_meg._build import build_model
from alignkit.train.hba_meg._data import HBAMEGData
from alignkit.train.hba_meg.config import HBAMEGConfig, Metric

if TYPE_CHECKING:
    from alignkit.models import Model

#: From numbers of photos to a row for each.
PhotoRows = Callable[[IntArray], AnyArray]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """What a model makes of items: embeddings, and RDMs of these.

    Parameters
    ----------
    name : str
        Of the model.
    rows : callable
        From numbers of photos to embeddings, (photos, times, dimensions) or (photos, channels).
    data : HBAMEGData
    kernel : {"dot", "cosine"}
        Similarity of two items in odd-one-out choices.
    metric : {"correlation", "sqeuclidean"}
        Dissimilarity of two items in RDMs.
    """

    name: str
    rows: PhotoRows
    data: HBAMEGData
    kernel: Kernel = "dot"
    metric: Metric = "correlation"

    def __call__(self, items: IntArray, /) -> RDM:
        """Return dissimilarities between items (rows of the data), at every time where the model unfolds."""
        x = self.embedding(items)
        labels = [self.data.labels[i] for i in items]
        if x.ndim == 2:
            return rdm(x, metric=self.metric, labels=labels)
        times = {"time": self.data.times}
        return rdm(np.swapaxes(x, 0, 1), metric=self.metric, labels=labels, dims=("time",), coords=times)

    def embedding(self, items: IntArray, /) -> AnyArray:
        """Return the mean embedding of each item's photos, shape (items, times, dimensions) or (items, channels)."""
        photos, where, sizes = photos_of_objects(self.data.photos_of, items)
        found = self.rows(photos)
        means = mean_over_photos(found.reshape(len(found), -1)[where], sizes)
        return means.reshape(len(items), *found.shape[1:])


def predictors_of(
    model: DynamicModel, name: str, data: HBAMEGData, config: HBAMEGConfig, /, *, architecture: str | None = None
) -> list[Predictor]:
    """Return the trained model, and what it is compared with: what it started at, and the backbone's image features.

    Parameters
    ----------
    model : DynamicModel
        The trained one, on the device to compute on.
    name : str
        What to call it.
    data : HBAMEGData
    config : HBAMEGConfig
        The run's.
    architecture : str, optional
        Confirms a backbone that is a function of the user's own.
    """
    found = [predictor_of(model, name, data, config), _before(model, data, config)]
    plain = load_backbone(model.identity, Options(name=name, architecture=architecture), run=name).model
    called = "image features" if model.paired else "CLIP image features"
    return [*found, Predictor(called, _Kept(_features(plain, data, config)), data, kernel="cosine")]


def predictor_of(model: DynamicModel, name: str, data: HBAMEGData, config: HBAMEGConfig, /) -> Predictor:
    """Return the trained model alone, as :func:`predictors_of` takes it."""
    rows = _Kept(_by(model, model, data, config.loop))
    return Predictor(name, rows, data, metric=config.metric)


def _before(model: DynamicModel, data: HBAMEGData, config: HBAMEGConfig) -> Predictor:
    """Return what training began with: a group's model, or dimensions that are the same at all times."""
    untrained = build_model(data, config)
    if config.start is not None and kind_of_run(config.start) == DYNAMIC:
        return Predictor(
            "the group's model", _Kept(_by(untrained, untrained, data, config.loop)), data, metric=config.metric
        )
    from_run = config.start is not None
    name = "HBA (before training)" if from_run else "zero-shot dimensions (before training)"
    return Predictor(name, _Kept(_by(_LastBlock(untrained), untrained, data, config.loop)), data, metric=config.metric)


class _LastBlock(nn.Module):
    """The dimensions that a model's last block gives, which do not unfold."""

    def __init__(self, model: DynamicModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.model.logits(inputs)[:, -1]


class _Kept:
    """Rows of photos, each computed once."""

    def __init__(self, rows: PhotoRows) -> None:
        self._compute = rows
        self._rows: dict[int, AnyArray] = {}

    def __call__(self, photos: IntArray) -> AnyArray:
        new = np.array([number for number in photos if number not in self._rows], dtype=np.int64)
        if new.size:
            self._rows.update(zip(new.tolist(), self._compute(new), strict=True))
        return np.stack([self._rows[int(number)] for number in photos])


def _by(module: nn.Module, model: DynamicModel, data: HBAMEGData, loop: LoopConfig) -> PhotoRows:
    source = ImageSource(data.photos, model.towers().preprocess)

    def rows(photos: IntArray) -> AnyArray:
        device = next(model.parameters()).device
        with seeded(device, loop.seed, int(photos[0])):  # a model may draw noise
            outputs = predict(
                module, lambda index: source(photos[index]), len(photos), batch_size=loop.batch_size, device=device
            )
        values: AnyArray = outputs.to(torch.float32).numpy()
        return values

    return rows


def _features(plain: Model, data: HBAMEGData, config: HBAMEGConfig) -> PhotoRows:
    device = None if config.loop.device == "auto" else config.loop.device

    def rows(photos: IntArray) -> AnyArray:
        named: dict[str, Path] = {str(number): data.photos[number] for number in photos}
        found = extract(plain, named, layers=[-1], device=device, progress=config.loop.progress)
        values: AnyArray = found.array()
        return values

    return rows
