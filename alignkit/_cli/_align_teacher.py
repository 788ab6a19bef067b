"""``alignkit align fit | apply``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from alignkit._cli._answers import open_answers, open_embedding
from alignkit._cli._files import check_out
from alignkit._config import Positional, named

if TYPE_CHECKING:
    from alignkit.models import Features


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AlignFitConfig:
    r"""Fit a teacher: a linear map of features whose dot products predict people's odd-one-out answers.

    The penalty and the temperature come from items held out in inner splits. The teacher is a folder that `alignkit
    align apply` takes, and `alignkit score --transform`.

    Examples
    --------
    alignkit align fit feats --triplets answers.csv --out teacher
    alignkit align fit feats --triplets things --loss soft --targets spose66 \
        --out teacher-soft
    alignkit align fit clip.npy --labels names.txt --triplets answers.npz \
        --kind lowrank --rank 50 --penalty 0.5 --out teacher-50
    """

    features: Positional[Path]
    """Folder that `alignkit extract` wrote, or an array file with one row per item."""
    triplets: str
    """Answers: things, the .npz of Triplets.save, a .csv or .tsv with the columns first, second, odd, or jsPsych's
    .json."""
    out: Path
    """Folder for the teacher."""
    kind: Literal["full", "lowrank", "diagonal", "orthogonal"] = "full"
    """The map: any square matrix, one to fewer dimensions, a weight per channel, or a scaled rotation."""
    rank: int | None = None
    """lowrank, orthogonal: dimensions to map to."""
    loss: Literal["hard", "soft"] = "hard"
    """Learn the answers, or choice probabilities."""
    targets: str | None = None
    """soft: embedding that gives the probabilities (spose66, spose49 or a file of labelled features)."""
    n_soft: int = 1_000_000
    """soft: random triplets that are drawn."""
    regulariser: Literal["global", "naive", "glocal"] = "global"
    """Hold the map to a scaled identity, hold it small, or hold neighbours together as well."""
    penalty: float | None = None
    """Weight of the regulariser; by default chosen on held-out items."""
    alpha: float = 0.25
    """glocal: weight of the local term."""
    tau: float = 0.1
    """glocal: temperature of the local term."""
    local_features: Path | None = None
    """glocal: features whose neighbours are to stay neighbours; by default those that are fitted to."""
    bias: bool = False
    """Fit a bias as well."""
    center: bool = False
    """Take each channel's mean over the items away first, for features that have much in common."""
    start: Literal["identity", "random"] = "identity"
    """The map before the fit."""
    start_scale: float = 0.12
    """Its scale (published: .001)."""
    optimizer: Literal["lbfgs", "adam"] = "lbfgs"
    """L-BFGS on everything, or Adam on batches as published."""
    max_iter: int | None = None
    """Iterations, or epochs of Adam, at most; by default 200 or 100."""
    learning_rate: float = 1e-3
    """adam: learning rate."""
    batch_size: int = 256
    """adam: triplets of a batch."""
    calibrate: bool = True
    """Fit a temperature on held-out items."""
    n_splits: int = 5
    """Inner splits of the items."""
    held_out: float = 0.3
    """Share of the items that each of them holds out."""
    labels: Path | None = None
    """Text file with the name of each row, one per line, for bare arrays (folders hold their own)."""
    layer: str | None = None
    """Which layer, of features with several."""
    root: Path | None = None
    """Folder that holds the data sets; by default ALIGNKIT_DATA, else the download cache."""
    seed: int = 0
    """Seed of splits, draws and batches."""
    progress: bool = True
    """Show a progress bar."""


def run_align_fit(config: AlignFitConfig) -> None:
    """Fit a teacher, save it and print what it is."""
    from alignkit.align import fit_transform
    from alignkit.models._transform_folder import check_transform_folder

    check_transform_folder(config.out)
    features = _open(config.features, config.labels)
    answers = open_answers(config.triplets, features.labels, str(config.features), config.root)
    options = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    for name in ("features", "triplets", "out", "labels", "root"):
        del options[name]
    options["targets"] = None if config.targets is None else open_embedding(config.targets, config.root)
    if config.local_features is not None:
        options["local_features"] = _open(config.local_features, None)
    teacher = fit_transform(features, answers, **options)
    teacher.save(config.out)
    print(teacher)
    print(f"saved to {config.out}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AlignApplyConfig:
    r"""Transform features by a teacher: their dot products become calibrated similarities.

    Softmax over the dot products of a triplet's three pairs then gives people's choices, as far as the teacher knows
    them. A folder is written shard by shard: a killed run goes on when the same command is given again.

    Examples
    --------
    alignkit align apply feats --with teacher --out aligned
    alignkit align apply clip.npy --labels names.txt --with glocal.npz --out a.npz
    """

    features: Positional[Path]
    """Folder that `alignkit extract` wrote, or an array file with one row per item."""
    teacher: Annotated[Path, named("with")]
    """Folder of a teacher, or a published gLocal .npz."""
    out: Path
    """Folder, or .npz, for the transformed features."""
    labels: Path | None = None
    """Text file with the name of each row, one per line, for bare arrays (folders hold their own)."""
    layer: str | None = None
    """Which layer, of features with several."""
    progress: bool = True
    """Show a progress bar."""


def run_align_apply(config: AlignApplyConfig) -> None:
    """Transform features and say where they are."""
    from alignkit.align import apply_teacher

    _check_apply(config)
    result = apply_teacher(
        config.features,
        config.teacher,
        out=config.out,
        labels=config.labels,
        layer=config.layer,
        progress=config.progress,
    )
    print(result)
    print(f"saved to {config.out}")


def _check_apply(config: AlignApplyConfig) -> None:
    if config.out.suffix:
        check_out(config.out, (".npz",), (config.features, config.teacher, config.labels))
    elif config.out.is_file():
        msg = f"--out {config.out} is a file; name a folder, or an .npz."
        raise NotADirectoryError(msg)
    elif not config.out.parent.is_dir():
        msg = f"the folder {config.out.parent} of --out does not exist; create it first."
        raise FileNotFoundError(msg)


def _open(path: Path, labels: Path | None) -> Features:
    from alignkit.models import open_features

    return open_features(path, labels=labels)
