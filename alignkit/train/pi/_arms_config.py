"""Settings of Perceptual Initialization with its arms: what is compared, on which seeds, and what each run is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from alignkit._check import check_choice, check_count, shown
from alignkit.train.config import LoopConfig, OptimConfig
from alignkit.train.pi import _presets
from alignkit.train.pi.config import ContrastiveConfig, JudgedSet, Objective, PerceptualConfig, published_optim

Arm = Literal["web-only", "pi", "post-hoc", "shuffled-triplets", "imagenet-triplets"]
#: Those whose vision tower learns from judgements first.
WITH_STAGE_1 = ("pi", "shuffled-triplets", "imagenet-triplets")
#: Fields that name files and folders, besides those of stage 2.
_PATHS = ("judgements", "images", "items", "label_images")
#: Fields that all trainings on judgements have.
_JUDGED = (
    "dataset",
    "items",
    "min_votes",
    "n_label_judgements",
    "val_share",
    "split_seed",
    "root",
    "architecture",
    "objective",
    "margin",
    "soft_votes",
    "n_bootstrap",
)
#: Where a loop's own word is "auto", that of stage 2 counts.
_SHARED = ("device", "parallel")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PIConfig(ContrastiveConfig):
    """Train every arm of Perceptual Initialization: the same pairs in the same order, and vision towers that differ.

    Examples
    --------
    >>> config = PIConfig(pairs="cc3m", judgements="nights/data.csv", images="nights", seeds=(0, 1, 2), out="pi")
    >>> config.arms
    ('web-only', 'pi', 'post-hoc', 'shuffled-triplets')
    >>> config.second("pi", 2).start.as_posix(), config.second("web-only", 2).start
    ('pi/seed-2/stage-1/pi', None)
    """

    out: Path = Path("alignkit-pi")
    """The folder of all runs; made when missing."""
    start: Path | None = dataclasses.field(default=None, init=False)
    """That of a single run; here it follows from the arm."""

    arms: tuple[Arm, ...] = ("web-only", "pi", "post-hoc", "shuffled-triplets")
    """What is trained: web-only, on pairs from random weights; pi, with a vision tower that learned from people's
    judgements first; post-hoc, web-only's model fine-tuned on the judgements afterwards; and controls of pi:
    shuffled-triplets, whose judgements have their alternatives exchanged at random, and imagenet-triplets, whose
    judgements come from classes (`label-images`)."""
    seeds: tuple[int, ...] = (0,)
    """Every arm is trained once with each: weights, order of pairs and augmentation are those of the seed, and so the
    same in all of its arms."""

    judgements: Path | None = None
    """People's judgements for stage 1: NIGHTS' data.csv; a .csv or .tsv with the columns reference, left, right,
    left_votes, right_votes (and split: train, val, test ...); or odd-one-out answers, with the columns first, second,
    odd. By default those of `dataset`."""
    dataset: JudgedSet = "material2afc"
    """A data set at hand (see `alignkit data list`): votes about 100 materials, or odd-one-out answers about things,
    with the photos that are beside them, or in `images`."""
    images: Path | None = None
    """Folder of the images that these name."""
    items: Path | None = None
    """Table (.csv or .tsv) with the columns file and item, for odd-one-out answers: what each image shows; by default
    its name says so."""
    min_votes: int | None = None
    """Leave out judgements with fewer votes; by default 6 for NIGHTS, as published, and 1 otherwise."""
    label_images: Path | None = None
    """Folder with a subfolder of images per class, for imagenet-triplets."""
    n_label_judgements: int = 17_444
    """How many judgements are drawn from these classes; as many as NIGHTS has with at least 6 votes."""
    val_share: float = 0.1
    """Share of the judgements to train on that are followed instead, where none are of the split val."""
    split_seed: int = 1
    """Seed of that split, of the exchange, and of judgements from classes; the same for all seeds."""
    objective: Objective = "hinge"
    """Of stage 1, on the difference of cosine distances: hinge, or the logistic loss of Bradley and Terry."""
    margin: float = 0.05
    """Of the hinge: how much closer the chosen image should be."""
    soft_votes: bool = False
    """Let every vote count; by default the majority's choice, and none of those that tie."""

    first_optim: OptimConfig = dataclasses.field(default_factory=lambda: published_optim(warmup=150))
    """The optimiser of stage 1."""
    first_loop: LoopConfig = dataclasses.field(
        default_factory=lambda: LoopConfig(epochs=32, batch_size=768, monitor="val_accuracy", mode="last")
    )
    """The loop of stage 1; a sample is a judgement. Device and parallel are those of `loop` where they are auto."""
    post_hoc_optim: OptimConfig = dataclasses.field(default_factory=lambda: _presets.post_hoc().optim)
    """The optimiser of post-hoc."""
    post_hoc_loop: LoopConfig = dataclasses.field(
        default_factory=lambda: LoopConfig(epochs=64, batch_size=96, monitor="val_accuracy", mode="last")
    )
    """The loop of post-hoc, likewise."""

    def __post_init__(self) -> None:
        for name in _PATHS:
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, Path(getattr(self, name)))
        ContrastiveConfig.__post_init__(self)
        object.__setattr__(self, "arms", tuple(self.arms))
        object.__setattr__(self, "seeds", tuple(self.seeds))
        _check_several(self)
        for name in ("loop", "first_loop", "post_hoc_loop"):
            if getattr(self, name).seed:
                msg = f"the seeds of all runs are those of seeds; leave {name}.seed at 0."
                raise ValueError(msg)
        if "imagenet-triplets" in self.arms and self.label_images is None:
            msg = "imagenet-triplets needs label_images, a folder with a subfolder of images per class."
            raise ValueError(msg)
        self.post_hoc(0)  # which refuses what stage 1 would

    def first(self, arm: Arm, seed: int, /) -> PerceptualConfig:
        """Return the settings of an arm's first stage.

        Raises
        ------
        ValueError
            An arm that has none.
        """
        check_choice("arm", arm, WITH_STAGE_1)
        labels = arm == "imagenet-triplets"
        return PerceptualConfig(
            **self._judged(labels=labels),
            choices="shuffled" if arm == "shuffled-triplets" else "people",
            optim=self.first_optim,
            loop=self._loop(self.first_loop, seed),
            out=self.folder(seed) / "stage-1" / arm,
        )

    def second(self, arm: Arm, seed: int, /) -> ContrastiveConfig:
        """Return the settings of an arm's training on pairs; those of two arms differ in ``start`` and ``out`` alone.

        Raises
        ------
        ValueError
            Post-hoc, which has none of its own.
        """
        check_choice("arm", arm, ("web-only", *WITH_STAGE_1))
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(ContrastiveConfig)}
        return ContrastiveConfig(
            **{
                **own,
                "index": self.pair_index,
                "loop": self._loop(self.loop, seed),
                "start": None if arm == "web-only" else self.first(arm, seed).out,
                "out": self.folder(seed) / arm,
            }
        )

    def post_hoc(self, seed: int, /) -> PerceptualConfig:
        """Return the settings of the fine-tuning of web-only's model: queries, keys and values of attention alone."""
        return PerceptualConfig(
            **self._judged(labels=False),
            start=self.folder(seed) / "web-only",
            trained="attention",
            optim=self.post_hoc_optim,
            loop=self._loop(self.post_hoc_loop, seed),
            out=self.folder(seed) / "post-hoc",
        )

    def folder(self, seed: int, /) -> Path:
        """Return the folder of a seed's runs."""
        return self.out / f"seed-{seed}"

    @property
    def pair_index(self) -> Path:
        """Where all runs find what shards hold."""
        return self.out / "index" if self.index is None else self.index

    def _judged(self, *, labels: bool) -> dict[str, Any]:
        """Return what both trainings on judgements have in common."""
        return {
            **{name: getattr(self, name) for name in _JUDGED},
            "judgements": None if labels else self.judgements,
            "images": None if labels else self.images,
            "label_images": self.label_images if labels else None,
        }

    def _loop(self, loop: LoopConfig, seed: int) -> LoopConfig:
        shared = {name: getattr(self.loop, name) for name in _SHARED if getattr(loop, name) == "auto"}
        return dataclasses.replace(loop, seed=seed, progress=loop.progress and self.loop.progress, **shared)


def _check_several(config: PIConfig) -> None:
    for arm in config.arms:
        check_choice("arms", arm, get_args(Arm))
    for seed in config.seeds:
        check_count("seeds", seed)
    for name in ("arms", "seeds"):
        given = getattr(config, name)
        if not given or len(set(given)) < len(given):
            msg = f"{name} must be different ones, at least one; got {shown(given)}."
            raise ValueError(msg)


def _published(second: Callable[[], ContrastiveConfig]) -> Callable[[], PIConfig]:
    """Return a function that gives the published settings of all stages for the architecture of those of stage 2."""

    def make() -> PIConfig:
        pairs = second()
        own = {field.name: getattr(pairs, field.name) for field in dataclasses.fields(ContrastiveConfig)}
        first, after = _presets.stage_1(pairs.architecture), _presets.post_hoc(pairs.architecture)
        changed = {
            "out": Path("alignkit-pi"),
            "loop": _unseeded(pairs.loop),
            "first_optim": first.optim,
            "first_loop": _unseeded(first.loop),
            "post_hoc_optim": after.optim,
            "post_hoc_loop": _unseeded(after.loop),
            "seeds": (pairs.loop.seed,),
        }
        del own["start"]
        return PIConfig(**{**own, **changed})

    return make


def _unseeded(loop: LoopConfig) -> LoopConfig:
    return dataclasses.replace(loop, seed=0)


#: What ``--preset`` takes, besides the defaults.
PRESETS = {name: _published(make) for name, make in _presets.PRESETS.items() if name != "default"}
