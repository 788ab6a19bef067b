"""An image model and a text model that share one space, and the features of images and of texts in it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from alignkit._check import check_count, check_number, shown
from alignkit.models._model import Model
from alignkit.models._run import collate, evaluating, first_tensor, prepare, to_device

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class JointModel:
    """A CLIP: what it makes of images and of texts can be compared. :func:`load_joint` makes one by name.

    Parameters
    ----------
    name : str
        What it was loaded as.
    image : Model
        Its image tower.
    text : Model
        Its text tower.
    logit_scale : float
        Logarithm of the factor on cosines in training, as open_clip keeps it.

    Raises
    ------
    TypeError
        Towers that are no models.
    ValueError
        Towers in the wrong places, or a scale that is not finite.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from alignkit.models import Preprocess, Tokenizer
    >>> letters = Tokenizer("letters", 3, lambda texts: torch.tensor([[float(len(text))] * 3 for text in texts]))
    >>> image = Model.from_module(nn.AdaptiveAvgPool2d(1), Preprocess.clip(8), name="mean")
    >>> text = Model.from_module(nn.Linear(3, 3), letters, name="length", kind="text")
    >>> joint = JointModel("toy", image, text, 0.0)
    >>> joint.text_features(["a dog", "a cat"]).shape
    (2, 3)
    """

    name: str
    image: Model
    text: Model
    logit_scale: float

    def __post_init__(self) -> None:
        towers: tuple[tuple[str, Any], ...] = (("image", self.image), ("text", self.text))
        for kind, model in towers:
            if not isinstance(model, Model):
                msg = f"{kind} must be a Model, as alignkit.models.load returns; got {shown(model)}."
                raise TypeError(msg)
            if model.kind != kind:
                msg = f"{kind} must be a model of {kind}s; {model.name} takes {model.kind}s."
                raise ValueError(msg)
        check_number("logit_scale", self.logit_scale)

    def __repr__(self) -> str:
        return (
            f"<JointModel {self.name!r}, weights {self.image.weights_sha256[:12]} and {self.text.weights_sha256[:12]}>"
        )

    def describe(self) -> dict[str, Any]:
        """Return the identity of both towers in JSON's own types."""
        return {
            "name": self.name,
            "image": self.image.describe(),
            "text": self.text.describe(),
            "logit_scale": self.logit_scale,
        }

    def image_features(
        self, images: Iterable[Image], /, *, batch_size: int = 64, n_workers: int | None = None
    ) -> npt.NDArray[np.float32]:
        """Return the embeddings of images, not normalised.

        Parameters
        ----------
        images : iterable of PIL images
            Read once, a batch at a time.
        batch_size : int
        n_workers : int, optional
            Threads that preprocess; by default one per core, at most 8.

        Returns
        -------
        ndarray, shape (images, channels), float32

        Raises
        ------
        ValueError
            No images, or features that are infinite or NaN.
        """
        n_workers = check_count("n_workers", min(8, os.cpu_count() or 1) if n_workers is None else n_workers, 1)
        with ThreadPoolExecutor(n_workers) as pool:

            def prepared(batch: list[Any]) -> list[Any]:
                return list(pool.map(lambda image: prepare(self.image, image), batch))

            batches = (prepared(batch) for batch in _batches(images, batch_size))
            return _features(self.image, batches)

    def text_features(self, texts: Iterable[str], /, *, batch_size: int = 256) -> npt.NDArray[np.float32]:
        """Return the embeddings of texts, not normalised.

        Parameters
        ----------
        texts : iterable of str
            Longer ones than the model reads are cut, as its tokenizer does it.
        batch_size : int

        Returns
        -------
        ndarray, shape (texts, channels), float32

        Raises
        ------
        TypeError
            One text alone, or what is no text.
        ValueError
            No texts, or features that are infinite or NaN.
        """
        given: Sequence[Any] = [] if isinstance(texts, str | bytes) else list(texts)
        wrong = next((text for text in given if not isinstance(text, str)), None)
        if isinstance(texts, str | bytes) or wrong is not None:
            msg = f"texts must be several strings; got {shown(texts if wrong is None else wrong)}."
            raise TypeError(msg)
        return _features(self.text, _batches(given, batch_size))


def _batches(items: Iterable[Any], batch_size: int) -> Iterator[list[Any]]:
    check_count("batch_size", batch_size, 1)
    rest = iter(items)
    while batch := list(islice(rest, batch_size)):
        yield batch


def _features(model: Model, batches: Iterable[list[Any]]) -> npt.NDArray[np.float32]:
    rows: list[npt.NDArray[np.float32]] = []
    for batch in batches:
        # mode and gradients around the pass alone: whoever makes the batches may stop in between
        with evaluating(model.module):
            output = first_tensor(model.module(to_device(collate(model, batch), model.device)))
            if output is None or output.ndim != 2 or len(output) != len(batch):
                msg = f"{model.name} must give one row of channels for each {model.kind}."
                raise ValueError(msg)
            rows.append(output.float().cpu().numpy())
        if not np.isfinite(rows[-1]).all():
            msg = f"{model.name} gives features that are infinite or NaN; was its training stable?"
            raise ValueError(msg)
    if not rows:
        msg = f"there are no {model.kind}s to take features of."
        raise ValueError(msg)
    return np.concatenate(rows)
