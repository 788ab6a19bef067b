"""Settings of the whole of AligNet: from people's answers to students that see as people do, and their controls."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal, get_args

from alignkit._check import check_choice, check_count, check_fraction
from alignkit.align._sample_triplets import Sampling, as_rules
from alignkit.align._teacher_methods import NAMED
from alignkit.train.alignet._presets import PRESETS as STUDENT_PRESETS
from alignkit.train.alignet.config import AligNetConfig, Arm

Step = Literal["human", "features", "teacher", "clusters", "triplets", "students", "scores"]
Fit = Literal["auto", "full", "lowrank", "diagonal", "orthogonal", "soft", "ridge", "kernel-ridge", "mlp"]
#: In the order in which they are made.
STEPS: tuple[Step, ...] = get_args(Step)
#: Ways to a teacher that learn the dimensions of a human embedding.
FROM_EMBEDDING = frozenset({"soft", "ridge", "kernel-ridge", "mlp"})
#: What ``human`` may be besides a file.
HUMAN = ("answers", "spose66", "spose", "vice")
_PATHS = ("item_images", "item_features", "image_features", "teacher_weights")
#: Triplets of the released students.
_RELEASED = 10_000_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AligNetChainConfig(AligNetConfig):
    """Make a teacher of people's answers, let it compare images, and train students on that: AligNet, end to end.

    Examples
    --------
    >>> config = AligNetChainConfig(images="photos", human="vice", teacher_model="vit.safetensors")
    >>> config.arms, config.fit
    (('aligned', 'untransformed', 'shuffled'), 'soft')
    """

    out: Path = Path("alignkit-alignet")
    """The folder of all steps; made when missing."""
    triplets: Path | None = None
    """Triplets with a teacher's similarities that are there already, such as published ones (.npz): students and scores
    are all that is made then. By default they are drawn."""
    n_triplets: int | None = 100_000
    """Triplets to draw and train on; of a file that is there already, the first so many."""

    arm: Arm | None = dataclasses.field(default=None, init=False)
    """That of a single student; here `arms` says which are trained."""
    answers: Path | None = None
    """People's odd-one-out answers about items, to learn from and, of held-out items, to be scored on; by default those
    of THINGS. Formats as for HBA."""
    human: str = "answers"
    """What the teacher learns: people's answers themselves; spose66, the published dimensions of THINGS (which have
    probably seen the answers that are scored); spose or vice, dimensions that are learnt from the answers first; or a
    file of such dimensions (embedding.npz)."""
    embedding_steps: int = 3000
    """Optimiser steps of spose and vice."""
    held_out_share: float = 0.3
    """Share of the items that are held out from every step and scored on, where `held-out` names none."""

    teacher_model: str = "open_clip:ViT-SO400M-14-SigLIP-384/webli"
    """Whose features the teacher transforms: any image model of `alignkit models list`, or a file of weights."""
    teacher_weights: Path | None = None
    """A local file with that model's weights, in place of a download."""
    teacher_layer: str | None = None
    """Layer (name, or block number from 0); by default the model's own representation."""
    teacher_img_size: int | None = None
    """Input size in pixels, where it is not the model's own."""
    teacher_batch_size: int = 32
    """Images that the teacher sees at once."""
    item_images: Path | None = None
    """Folder of photos of the items that people judged, where they are not among `images`."""
    item_features: Path | None = None
    """The teacher's features of the items, one row per item with its name, in place of photos."""
    image_features: Path | None = None
    """The teacher's features of the images, named by their files; by default they are extracted."""

    teacher_fit: Fit = "auto"
    """How the teacher is fitted: full, lowrank, diagonal or orthogonal matrices, to the answers; soft, a full matrix,
    to choice probabilities of human dimensions; ridge, kernel-ridge or mlp, to the dimensions. auto: full for answers,
    soft for vice, and ridge otherwise."""
    rank: int | None = None
    """Dimensions of lowrank and orthogonal."""
    teacher_center: bool = False
    """Take each channel's mean over the items away before a matrix is fitted, for features that have much in common."""
    n_soft: int = 1_000_000
    """Random triplets that soft learns from."""
    divisions: int = 3
    """Divisions of the items that the teacher is checked on before it is used; 0: it is not checked."""

    n_clusters: int = 500
    """Clusters of images in the teacher's space; fewer of few images, one for ten at most."""
    sampling: tuple[Sampling, ...] = ("cluster_border",)
    """Rules that triplets are drawn by in turn: cluster_border, two images of one cluster and one of another; beside
    it, within_class and between_class are of one cluster and of three. Without it class_border, within_class and
    between_class are about classes, which are the folders of the images."""
    arms: tuple[Arm, ...] = ("aligned", "untransformed", "shuffled")
    """Students to train, aligned first: of the teacher, of its features as they were before (control), and of the
    teacher's choices with images exchanged at random (control)."""
    match_temperature: bool = True
    """Divide the similarities of the untransformed arm by the temperature that suits people's answers best, so that
    what the arms teach differs in what is similar, not in how sure it is."""

    def __post_init__(self) -> None:
        for name in _PATHS:
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, Path(getattr(self, name)))
        AligNetConfig.__post_init__(self)
        check_choice("teacher_fit", self.teacher_fit, get_args(Fit))
        as_rules(self.sampling)
        for name in ("n_clusters", "n_soft", "embedding_steps", "teacher_batch_size"):
            check_count(name, getattr(self, name), 2 if name == "n_clusters" else 1)
        check_count("divisions", self.divisions)
        check_fraction("held_out_share", self.held_out_share)
        if self.rank is not None:
            check_count("rank", self.rank, 1)
        if self.teacher_img_size is not None:
            check_count("teacher_img_size", self.teacher_img_size, 1)
        _check_arms(self)
        _check_human(self)
        _check_files(self)

    @property
    def fit(self) -> str:
        """How the teacher is fitted."""
        if self.teacher_fit != "auto":
            return self.teacher_fit
        return {"answers": "full", "vice": "soft"}.get(self.human, "ridge")

    @property
    def by_cluster(self) -> bool:
        """Whether triplets are drawn by clusters, and not by folders."""
        return "cluster_border" in self.sampling

    @property
    def steps(self) -> tuple[Step, ...]:
        """What is made, in order."""
        return STEPS[-2:] if self.triplets is not None else STEPS

    @property
    def students(self) -> tuple[Arm, ...]:
        """The arms that are trained: one file of triplets has the similarities of one teacher, and no untransformed."""
        drawn = self.triplets is None or self.arms == ("untransformed",)
        return self.arms if drawn else tuple(arm for arm in self.arms if arm != "untransformed")


def _check_arms(config: AligNetChainConfig) -> None:
    for arm in config.arms:
        check_choice("arms", arm, get_args(Arm))
    if not config.arms or len(set(config.arms)) < len(config.arms):
        msg = f"arms must be different ones, at least one; got {', '.join(config.arms) or 'none'}."
        raise ValueError(msg)


def _check_human(config: AligNetChainConfig) -> None:
    if config.human not in HUMAN and Path(config.human).suffix.lower() not in (".npz", ".json"):
        msg = f"human must be {', '.join(HUMAN)}, or a file of dimensions (.npz or .json); got {config.human!r}."
        raise ValueError(msg)
    if config.human == "answers" and config.fit in FROM_EMBEDDING:
        msg = f"teacher_fit {config.fit} learns from human dimensions; set human to spose66, spose, vice or a file."
        raise ValueError(msg)
    if config.rank is not None and config.fit not in ("lowrank", "orthogonal"):
        msg = f"rank is for teacher_fit lowrank and orthogonal; here it is {config.fit}."
        raise ValueError(msg)
    if config.teacher_center and "method" in NAMED.get(config.fit, {}):
        msg = f"teacher_center is for matrices and soft; {config.fit} takes means away by itself."
        raise ValueError(msg)
    if config.fit == "lowrank" and config.rank is None:
        msg = "teacher_fit lowrank needs rank, the number of its dimensions."
        raise ValueError(msg)


def _check_files(config: AligNetChainConfig) -> None:
    if config.val_triplets is not None and config.triplets is None:
        msg = "val_triplets goes with triplets that are there already; those that are drawn are drawn with their own."
        raise ValueError(msg)


def alignet_released() -> AligNetChainConfig:
    """Return the released student's settings, on ten million triplets."""
    return _with_student(STUDENT_PRESETS["alignet-released"](), n_triplets=_RELEASED)


def alignet_small() -> AligNetChainConfig:
    """Return settings for an hour on a laptop."""
    return _with_student(STUDENT_PRESETS["alignet-small"]())


def _with_student(student: AligNetConfig, **changes: int) -> AligNetChainConfig:
    own = {
        field.name: getattr(student, field.name) for field in dataclasses.fields(AligNetConfig) if field.name != "arm"
    }
    return AligNetChainConfig(**{**own, **changes, "out": Path("alignkit-alignet")})


#: What ``--preset`` takes.
PRESETS = {"alignet-released": alignet_released, "alignet-small": alignet_small}
