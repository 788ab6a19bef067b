"""Zero-shot scores of a model at one moment of its training, computed by all processes together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from alignkit._typing import FloatArray, IntArray
from alignkit.models._preprocess import Preprocess
from alignkit.score._zero_shot_measures import main_measure, measured, texts_of
from alignkit.train._predict import predict
from alignkit.train._source import ImageSource

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
        self.images = ImageSource(range(len(task)), preprocess, read=task.image)
        texts, self._owner = texts_of(task)
        self._texts = tokenize(texts)

    @property
    def main(self) -> str:
        """Name of the score that stands for the set: its main metric, where it is one of the published tasks."""
        return f"{self.task.name}_{main_measure(self.task)}"

    def metrics(self, module: nn.Module, /, *, processes: Processes | None = None) -> dict[str, float]:
        """Return the set's scores by ``<set>_<measure>``, in CLIP_benchmark's words; what is undefined is left out."""
        images = embed(module, self.images, len(self.task), processes)
        texts = embed(module, lambda rows: {"text": self._texts[torch.from_numpy(rows)]}, len(self._texts), processes)
        found = measured(self.task, images, texts, self._owner, n_bootstrap=0, confidence=0.95, seed=0)
        return {
            f"{self.task.name}_{name}": value for name, (value, _, _) in found.measures.items() if not math.isnan(value)
        }


def embed(
    module: nn.Module, inputs: Callable[[IntArray], object], n: int, processes: Processes | None, /
) -> FloatArray:
    """Return embeddings of numbered inputs, shape (n, D), float64."""
    device = None if processes is None else processes.device
    rows = predict(module, inputs, n, batch_size=_BATCH, device=device, processes=processes)
    return rows.double().numpy()
