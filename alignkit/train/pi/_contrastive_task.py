"""Stage 2 of Perceptual Initialization at work: contrastive training on pairs, whatever the vision tower began as."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from alignkit._typing import IntArray
from alignkit.data import ImageTextPairs, open_pairs
from alignkit.data._pair_captions import CONTEXT_LENGTH
from alignkit.models._build_clip import build_clip
from alignkit.models._clip_architecture import clip_architecture
from alignkit.models._clip_run_model import save_clip_model
from alignkit.models._clip_text import config_tokenizer
from alignkit.models._hand_over import HandOver, hand_over
from alignkit.models._state_sha256 import state_sha256
from alignkit.train._contrastive import contrastive_loss
from alignkit.train._order import Samples
from alignkit.train._siglip import siglip_loss
from alignkit.train._source import ImageSource
from alignkit.train.pi._augment import Augmentation
from alignkit.train.pi._followed_sets import open_followed_sets
from alignkit.train.pi._human_alignment import HumanImages
from alignkit.train.pi._pair_batches import PairBatches
from alignkit.train.pi._pair_model import PairModel
from alignkit.train.pi._perceptual_task import preprocess_of, read_start
from alignkit.train.pi._zero_shot_progress import ZeroShotProgress, embed
from alignkit.train.pi.config import ContrastiveConfig

if TYPE_CHECKING:
    from alignkit.train._processes import Processes
    from alignkit.train._run_folder import RunFolder

#: What the run's folder says of the hand-over.
HAND_OVER = "hand_over.json"
#: Pairs whose loss is followed, at most, and those that are compared with one another.
_MAX_VAL, _COMPARED = 10_000, 2048
#: Where the sigmoid loss begins.
_SIGLIP_SCALE, _SIGLIP_BIAS = 10.0, -10.0


class ContrastiveTask:
    """What the loop needs of contrastive training. A sample is a pair.

    Parameters
    ----------
    clip : Module
    config : ContrastiveConfig
    batches : PairBatches
        The pairs, as the model takes them.
    followed : sequence of ZeroShotProgress
        Sets that are scored at every validation.
    val : PairBatches, optional
        Other pairs, unchanged by augmentation.
    people : sequence of (HumanImages, ImageSource)
        Data sets of people that are scored then, too.
    """

    #: The loss compares pairs of all processes, and exchanges itself what it needs.
    exchanges = True

    def __init__(
        self,
        clip: nn.Module,
        config: ContrastiveConfig,
        /,
        *,
        batches: PairBatches,
        followed: Sequence[ZeroShotProgress] = (),
        val: PairBatches | None = None,
        people: Sequence[tuple[HumanImages, ImageSource]] = (),
    ) -> None:
        self.config = config
        self.batches = batches
        self.followed = tuple(followed)
        self.val = val
        self.people = tuple(people)
        self.clip = clip
        self.module = PairModel(clip, config.max_scale)
        self.n_samples = len(batches.pairs)
        self.first_sha256 = {"vision": _sha256(clip, vision=True), "text": _sha256(clip, vision=False)}

    def inputs(self, samples: Samples, /) -> Mapping[str, Tensor]:
        """Return images and token ids."""
        return {"image": self.batches.images(samples), "text": self.batches.tokens(samples)}

    def targets(self, samples: Samples, /) -> Tensor:
        """Return nothing that the loss needs: which text belongs to which image, their order says."""
        return torch.tensor(samples.index)

    def loss(
        self, outputs: Mapping[str, Tensor], targets: Tensor, /, *, processes: Processes | None = None
    ) -> Mapping[str, Tensor]:
        """Return the loss of this process' pairs among those of all, and the scale of the cosines."""
        image, text, scale = outputs["image"], outputs["text"], outputs["scale"]
        if self.config.loss == "siglip":
            loss = siglip_loss(image, text, scale, outputs["bias"], processes=processes)
        else:
            loss = contrastive_loss(image, text, scale, processes=processes)
        return {"loss": loss, "scale": scale.detach()}

    def after_step(self, module: nn.Module, /) -> None:
        """Bring the scale back into its bounds."""
        assert isinstance(module, PairModel)
        module.bound_scale()

    def names(self, samples: Samples, /) -> Sequence[str]:
        """Return what the pairs are called: shard and key."""
        return self.batches.names(samples)

    def validate(self, module: nn.Module, /, *, processes: Processes | None = None) -> Mapping[str, float]:
        """Return zero-shot scores and agreement with people at this moment; ``zero_shot`` is the mean over sets."""
        metrics: dict[str, float] = {}
        for one in self.followed:
            metrics |= one.metrics(module, processes=processes)
        main = [metrics[one.main] for one in self.followed if one.main in metrics]
        metrics["zero_shot"] = float(np.mean(main)) if main else math.nan
        if self.val is not None:
            metrics["val_loss"] = self._val_loss(module, self.val, processes)
        for people, images in self.people:
            metrics |= people.metrics(embed(module, images, len(people), processes))
        return metrics

    def export(self, folder: Path, /) -> None:
        """Write the model into ``folder``, so that ``alignkit.models.load("run:...")`` opens its image tower."""
        config = self.config
        save_clip_model(
            folder,
            self.clip,
            architecture=architecture_of(config),
            preprocess=preprocess_of(config.architecture, resize="shortest-crop"),
            manifest={
                "method": "contrastive",
                "arm": "web-only" if config.start is None else config.start.name,
                "loss": config.loss,
                "first_sha256": self.first_sha256,
            },
        )

    def _val_loss(self, module: nn.Module, val: PairBatches, processes: Processes | None) -> float:
        """Return the mean loss of pairs that are not trained on, in batches like those of training, up to a limit."""
        n = min(len(val), _MAX_VAL)
        images = torch.from_numpy(embed(module, lambda rows: {"image": val.images(_in_turn(rows))}, n, processes))
        texts = torch.from_numpy(embed(module, lambda rows: {"text": val.tokens(_in_turn(rows))}, n, processes))
        size = min(n, self.config.loop.batch_size, _COMPARED)
        outputs = self._scalars(module, processes)
        losses = [
            float(self.loss({**outputs, "image": images[k : k + size], "text": texts[k : k + size]}, Tensor())["loss"])
            for k in range(0, n - size + 1, size)
        ]
        return float(np.mean(losses))

    def _scalars(self, module: nn.Module, processes: Processes | None) -> dict[str, Tensor]:
        """Return scale and bias of the cosines as they are now, float64 and on the CPU."""
        inner = module if processes is None else processes.unwrap(module)
        own = {
            name.removeprefix("clip.logit_"): value.detach()
            for name, value in inner.named_parameters()
            if name in ("clip.logit_scale", "clip.logit_bias")
        }
        whole = own if processes is None else processes.full(own)
        found = {name: value.cpu().double().reshape(()) for name, value in whole.items()}
        return {**found, "scale": found["scale"].exp()}


def _in_turn(rows: IntArray) -> Samples:
    """Return samples that stand for the same pairs whenever they are asked for."""
    return Samples(rows, rows, seed=0)


def _sha256(clip: nn.Module, *, vision: bool) -> str:
    state = clip.state_dict()
    return state_sha256({name: value for name, value in state.items() if name.startswith("visual.") == vision})


def architecture_of(config: ContrastiveConfig, /) -> dict[str, Any]:
    """Return open_clip's config of the model, with where scale and bias of the cosines begin."""
    found = clip_architecture(config.architecture)
    if config.loss == "siglip":
        scale = _SIGLIP_SCALE if config.init_scale is None else config.init_scale
        return {"init_logit_bias": _SIGLIP_BIAS, **found, "init_logit_scale": math.log(scale)}
    return found if config.init_scale is None else {**found, "init_logit_scale": math.log(config.init_scale)}


def begin(config: ContrastiveConfig, /) -> tuple[nn.Module, HandOver | None]:
    """Return the model as it is before training, and what was handed over into it.

    The text tower is the same whatever ``start`` is, as it is drawn from numbers of its own.

    Raises
    ------
    FileNotFoundError, ValueError
        A run that is not there, or a vision tower that does not fit; nothing is handed over by halves.
    """
    clip = build_clip(architecture_of(config), seed=config.loop.seed)
    if config.start is None:
        return clip, None
    return clip, hand_over(read_start(config.start, config.architecture).state, clip)


def build(config: ContrastiveConfig, folder: RunFolder | None = None, /) -> ContrastiveTask:
    """Read what a config names and return its task.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        Data or weights that are not there or do not fit; the sentence says which.
    """
    if config.pairs is None:
        msg = "pairs is not given: name shards (.tar), Parquet files, or a folder of images with captions."
        raise ValueError(msg)
    clip, report = begin(config)
    if folder is not None and report is not None and folder.main:
        report.save(folder.path / HAND_OVER)
    index = config.index or (None if folder is None else folder.path / "index")
    preprocess = preprocess_of(config.architecture, resize="shortest-crop")
    architecture = architecture_of(config)
    tokenize = config_tokenizer(architecture)

    def batches(source: Path, captions: Path | None, augmentation: str, where: Path | None) -> PairBatches:
        return PairBatches(
            open_pairs(source, captions=captions, index=where, check=config.check),
            preprocess,
            augmentation=Augmentation.preset(augmentation),
            tokenizer=tokenize,
            context_length=architecture["text_cfg"].get("context_length", CONTEXT_LENGTH),
        )

    training = batches(config.pairs, config.captions, config.augmentation, index)
    if folder is not None:
        folder.write_splits(described(training.pairs))
    val = None if config.val_pairs is None else batches(config.val_pairs, config.val_captions, "none", index)
    sets = open_followed_sets(config.zero_shot, human=config.human, root=config.root, check=config.check)
    followed = [ZeroShotProgress(one, preprocess, tokenize) for one in sets]
    people = [HumanImages(name, config.root) for name in config.human]
    asked = [(one, ImageSource(range(len(one)), preprocess, read=one.read)) for one in people]
    return ContrastiveTask(clip.train(), config, batches=training, followed=followed, val=val, people=asked)


def described(pairs: ImageTextPairs, /) -> dict[str, Any]:
    """Return what a run's folder says of its pairs: how many, and which were left out and why."""
    return {"n_pairs": len(pairs), "left_out": [list(one) for one in pairs.bad]}
