"""Stage 1 of Perceptual Initialization at work: a vision tower that learns which of two images people found closer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from alignkit._typing import FloatArray, IntArray
from alignkit.models._build_clip import build_clip
from alignkit.models._clip_architecture import clip_architecture, image_size
from alignkit.models._clip_run_model import SavedClip, read_clip_model, save_clip_model
from alignkit.models._preprocess import Preprocess
from alignkit.train._comparison_losses import comparison_loss, cosine_distances, odd_one_out_loss, two_afc_hits
from alignkit.train._images import mean_over_photos, photos_of_objects
from alignkit.train._order import Samples
from alignkit.train._predict import predict
from alignkit.train._similarity_losses import pair_similarities
from alignkit.train._source import ImageSource, Source
from alignkit.train.pi._judgements import Judgements, Kind, read_judgements
from alignkit.train.pi.config import PerceptualConfig

if TYPE_CHECKING:
    from alignkit.train._processes import Processes
    from alignkit.train._run_folder import RunFolder

#: Images that are embedded at once in validation, at most.
_PREDICTED = 256
#: What open_clip and timm call the queries, keys and values of attention.
_ATTENTION = re.compile(r"\.attn\.(in_proj_weight|in_proj_bias|qkv\.\w+)$|\.attnpool\.[qkv]_proj\.\w+$")


class JudgedImages(nn.Module):
    """A vision tower that gives its embeddings of judgements' images; those that several share are seen once."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return embeddings, shape (n, 3, D), where ``inputs`` say which rows are meant; else one row per image."""
        embedding: Tensor = self.visual(inputs["image"])
        rows = inputs.get("rows")
        return embedding if rows is None else embedding[rows]


class PerceptualTask:
    """What the loop needs of stage 1. A sample is a judgement; of an item with several photos, one is drawn.

    Parameters
    ----------
    data : Judgements
    clip : Module
        Its vision tower trains; the rest is exported as it is.
    config : PerceptualConfig
    source : callable
        Inputs of the tower for photos, by their numbers.
    towers : tuple of str
        What of ``clip`` the trained model has.
    """

    def __init__(
        self, data: Judgements, clip: nn.Module, config: PerceptualConfig, /, *, source: Source, towers: tuple[str, ...]
    ) -> None:
        self.data = data
        self.clip = clip
        self.config = config
        self.source = source
        self.towers = towers
        visual = clip.get_submodule("visual")
        freeze_but(visual, config.trained)
        self.module: nn.Module = JudgedImages(visual)
        self._items, self._right = data.parts["train"][0], data.right("train")
        self.n_samples = len(self._items)
        self._counts = np.array([len(own) for own in data.photos_of])
        self._starts = np.cumsum(self._counts) - self._counts
        self._flat = np.concatenate(data.photos_of)

    def inputs(self, samples: Samples, /) -> Mapping[str, Tensor]:
        """Return the photos of judgements, once each, and which belong to which."""
        items = self._items[samples.index]
        photos = np.stack([self._draw(items[:, k], samples.uniform(k)) for k in range(3)], axis=1)
        distinct, rows = np.unique(photos, return_inverse=True)
        return {**self.source(distinct), "rows": torch.from_numpy(rows.reshape(photos.shape))}

    def targets(self, samples: Samples, /) -> Tensor:
        """Return the share of votes for right, shape (n,)."""
        return torch.from_numpy(self._right[samples.index].astype(np.float32))

    def loss(self, outputs: Tensor, targets: Tensor, /) -> Mapping[str, Tensor]:
        """Return the loss and the accuracy."""
        loss = judgement_loss(self.data.kind, outputs, targets, self.config)
        return {"loss": loss, "accuracy": judgement_hits(self.data.kind, outputs.detach(), targets).mean()}

    def names(self, samples: Samples, /) -> Sequence[str]:
        """Return the items of each judgement."""
        names = self.data.names
        return [" ".join(names[i] for i in row) for row in self._items[samples.index]]

    def validate(self, module: nn.Module, /, *, processes: Processes | None = None) -> Mapping[str, float]:
        """Return accuracy and loss on every part that is not trained on (``val_accuracy``, ``val_loss``, ...)."""
        asked = np.unique(np.concatenate([self.data.parts[part][0].ravel() for part in self.data.kept_back]))
        embeddings = torch.from_numpy(self.embed(asked, module=module, processes=processes))
        metrics: dict[str, float] = {}
        for part in self.data.kept_back:
            outputs = embeddings[torch.from_numpy(np.searchsorted(asked, self.data.parts[part][0]))]
            right = torch.from_numpy(self.data.right(part))
            metrics[f"{part}_accuracy"] = float(judgement_hits(self.data.kind, outputs, right).mean())
            metrics[f"{part}_loss"] = float(judgement_loss(self.data.kind, outputs, right, self.config))
        return metrics

    def embed(
        self, items: IntArray | None = None, /, *, module: nn.Module | None = None, processes: Processes | None = None
    ) -> FloatArray:
        """Return the embeddings of items (by default all), means over their photos, shape (items, D), float64."""
        asked = np.arange(len(self.data.names)) if items is None else items
        photos, where, sizes = photos_of_objects(self.data.photos_of, asked)
        rows = predict(
            self.module if module is None else module,
            lambda index: self.source(photos[index]),
            len(photos),
            batch_size=_PREDICTED,
            device=None if processes is None else processes.device,
            processes=processes,
        )
        return mean_over_photos(rows.double().numpy()[where], sizes)

    def export(self, folder: Path, /) -> None:
        """Write the model into ``folder``, so that ``alignkit.models.load("run:...")`` opens its image tower."""
        save_clip_model(
            folder,
            self.clip,
            architecture=clip_architecture(self.config.architecture),
            preprocess=preprocess_of(self.config.architecture),
            manifest={"method": "perceptual", "arm": self.config.choices, "trained": self.config.trained},
            towers=self.towers,
        )

    def _draw(self, items: IntArray, uniform: FloatArray) -> IntArray:
        photos: IntArray = self._flat[self._starts[items] + (uniform * self._counts[items]).astype(np.int64)]
        return photos


def judgement_loss(kind: Kind, outputs: Tensor, right: Tensor, config: PerceptualConfig, /) -> Tensor:
    """Return the loss of embeddings of judgements, shape (n, 3, D)."""
    if kind == "odd-one-out":
        return odd_one_out_loss(outputs, objective=config.objective, margin=config.margin)
    return comparison_loss(outputs, right, objective=config.objective, margin=config.margin)


def judgement_hits(kind: Kind, outputs: Tensor, right: Tensor, /) -> Tensor:
    """Return the credit of each judgement: 1 where the tower decides as people did, ties shared equally.

    Of odd-one-out answers, the pair that people kept must be the most similar one (by cosine).
    """
    if kind == "2afc":
        return two_afc_hits(cosine_distances(outputs), right)
    similar = pair_similarities(torch.nn.functional.normalize(outputs, dim=2))
    best = similar.max(dim=1, keepdim=True).values
    at_best = (similar == best).to(outputs.dtype)
    # the first of the similarities is that of the two that were kept
    return (at_best[:, 0] / at_best.sum(dim=1)).masked_fill(similar.isnan().any(dim=1), float("nan"))


def freeze_but(visual: nn.Module, trained: str, /) -> None:
    """Let train the whole tower, or its attention's queries, keys and values alone.

    Raises
    ------
    ValueError
        A tower without attention.
    """
    for name, parameter in visual.named_parameters():
        parameter.requires_grad_(trained == "tower" or _ATTENTION.search("." + name) is not None)
    if not any(parameter.requires_grad for parameter in visual.parameters()):
        msg = "trained='attention' needs a vision tower with attention (a ViT, or a ResNet with an attention pool)."
        raise ValueError(msg)


def preprocess_of(architecture: str, /, *, resize: str = "squash") -> Preprocess:
    """Return how images become inputs: squashed to the tower's size (bicubic), with CLIP's constants."""
    import dataclasses

    size = image_size(clip_architecture(architecture))
    return dataclasses.replace(Preprocess.clip(size), resize=resize)  # type: ignore[arg-type]


def build(config: PerceptualConfig, folder: RunFolder | None = None, /) -> PerceptualTask:
    """Read what a config names and return its task.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        Data or weights that are not there or do not fit; the sentence says which.
    """
    data = read_judgements(config)
    start = None if config.start is None else read_start(config.start, config.architecture)
    clip = build_clip(config.architecture, seed=config.loop.seed) if start is None else start.build()
    if folder is not None:
        folder.write_splits({name: len(items) for name, (items, _) in data.parts.items()})
    source = ImageSource(data.photos, preprocess_of(config.architecture))
    towers = ("image",) if start is None else start.towers
    return PerceptualTask(data, clip.train(), config, source=source, towers=towers)


def read_start(path: Path, architecture: str, /) -> SavedClip:
    """Return the model that training begins with.

    Raises
    ------
    FileNotFoundError
        No finished run there.
    ValueError
        A model of another architecture.
    """
    saved = read_clip_model(path)
    asked: Any = clip_architecture(architecture)
    if saved.architecture["vision_cfg"] != asked["vision_cfg"] or saved.architecture["embed_dim"] != asked["embed_dim"]:
        msg = f"{path} holds a vision tower of another architecture than {architecture}; give the run's own."
        raise ValueError(msg)
    return saved
