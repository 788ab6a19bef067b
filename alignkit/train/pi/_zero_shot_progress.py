"""Zero-shot scores of a model at one moment of its training, computed by all processes together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from alignkit._typing import FloatArray, IntArray
from alignkit.models._preprocess import Preprocess
from alignkit.score import (
    average_precision,
    fill_templates,
    retrieval_recall,
    zero_shot_accuracy,
    zero_shot_classifier,
)
from alignkit.score._zero_shot_measures import main_measure
from alignkit.train._predict import predict
from alignkit.train.pi._evaluated_images import EvaluatedImages

if TYPE_CHECKING:
    from alignkit.data import ZeroShotSet
    from alignkit.train._processes import Processes

#: Images and texts that a tower sees at once.
_BATCH = 256


class ZeroShotProgress:
    """A set, its images and its tokens, ready to be asked about at every validation.

    Parameters
    ----------
    task : ZeroShotSet
    preprocess : Preprocess
        Of the image tower.
    tokenize : callable
        From texts to token ids, shape (n, length).
    """

    def __init__(self, task: ZeroShotSet, preprocess: Preprocess, tokenize: Callable[[Sequence[str]], Tensor]) -> None:
        self.task = task
        self.images = EvaluatedImages(len(task), task.image, preprocess)
        if task.kind == "retrieval":
            captions = task.captions
            self._texts = tokenize([text for own in captions for text in own])
            self._owner = np.repeat(np.arange(len(captions)), [len(own) for own in captions])
        else:
            prompts = fill_templates(task.class_names, task.templates)
            self._texts = tokenize(prompts.texts)
            self._owner = prompts.classes_of_rows

    @property
    def main(self) -> str:
        """Name of the score that stands for the set: its main metric, where it is one of the published tasks."""
        return f"{self.task.name}_{main_measure(self.task)}"

    def metrics(self, module: nn.Module, /, *, processes: Processes | None = None) -> dict[str, float]:
        """Return the set's scores by ``<set>_<measure>``, in CLIP_benchmark's words; what is undefined is left out."""
        images = embed(module, self.images, len(self.task), processes)
        texts = embed(module, lambda rows: {"text": self._texts[torch.from_numpy(rows)]}, len(self._texts), processes)
        return {
            f"{self.task.name}_{name}": value
            for name, value in self._scores(images, texts).items()
            if not math.isnan(value)
        }

    def _scores(self, images: FloatArray, texts: FloatArray) -> dict[str, float]:
        if self.task.kind == "retrieval":
            return retrieval_recall(images, texts, self._owner, n_bootstrap=0).metrics()
        classifier = zero_shot_classifier(texts, self._owner)
        if self.task.kind == "multilabel":
            return average_precision(images, classifier, self.task.targets, n_bootstrap=0).metrics()
        return zero_shot_accuracy(images, classifier, self.task.targets, n_bootstrap=0).metrics()


def embed(
    module: nn.Module, inputs: Callable[[IntArray], object], n: int, processes: Processes | None, /
) -> FloatArray:
    """Return embeddings of numbered inputs, shape (n, D), float64."""
    device = None if processes is None else processes.device
    rows = predict(module, inputs, n, batch_size=_BATCH, device=device, processes=processes)
    return rows.double().numpy()
