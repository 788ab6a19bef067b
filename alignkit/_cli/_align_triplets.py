"""``alignkit align triplets``."""

from __future__ import annotations

import dataclasses
from pathlib import Path, PurePosixPath
from typing import Any

from alignkit._check import check_count
from alignkit._cli._files import check_out, read_lines
from alignkit._config import Positional
from alignkit.align import Clusters, write_triplets
from alignkit.align._sample_triplets import Sampling, Weight
from alignkit.align._write_triplets import Arm

#: In place of a file: the folder that an image lies in is its group.
_FOLDERS = "folders"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AlignTripletsConfig:
    r"""Draw triplets of images, and write them with a teacher's similarities for students to learn from.

    The most similar pair comes first, so that the last image is the odd one out. A killed run goes on where it stopped
    when the same command is given again.

    Examples
    --------
    alignkit align triplets feats-aligned --groups clusters.npz --n 1000000 \
        --out train.zarr
    alignkit align triplets feats-aligned --groups folders \
        --sampling within_class --n 10000 --out val_within_class.npz
    """

    features: Positional[Path]
    """Folder of the teacher's features (`alignkit align apply`; `alignkit extract` for the arm untransformed), or an
    array file beside a list of names."""
    groups: Path
    """Clusters (`alignkit align clusters`), a text file with the group of each image, one per line, or the word
    folders: the folder that an image lies in is its class."""
    n: int
    """Number of triplets."""
    out: Path
    """.zarr (a folder, the fastest), .npz (the published layout) or .parquet (a folder; needs pyarrow)."""
    sampling: Sampling = "cluster_border"
    """Two images of one group and one of another, three of three groups, or three of one."""
    arm: Arm = "aligned"
    """What the similarities stand for; shuffled exchanges all pictures for others."""
    weight: Weight = "group"
    """Each group has the same chance to be drawn, or each image."""
    layer: str | None = None
    """Layer, of features with several."""
    seed: int = 0
    """Seed of the triplets."""
    overwrite: bool = False
    """Replace other triplets of that name."""
    progress: bool = True
    """Show a progress bar with the time left."""

    def __post_init__(self) -> None:
        check_count("--n", self.n, 1)
        check_count("--seed", self.seed)


def run_align_triplets(config: AlignTripletsConfig) -> None:
    """Draw triplets, write them, and say what was kept."""
    check_out(config.out, (".zarr", ".npz", ".parquet"), (config.features, config.groups))
    features, groups = _inputs(config)
    triplets = write_triplets(
        features,
        groups,
        out=config.out,
        n=config.n,
        sampling=config.sampling,
        arm=config.arm,
        weight=config.weight,
        layer=config.layer,
        seed=config.seed,
        overwrite=config.overwrite,
        progress=config.progress,
    )
    print(triplets)
    print(f"saved to {config.out}")


def _inputs(config: AlignTripletsConfig) -> tuple[Any, Any]:
    if str(config.groups) == _FOLDERS and not config.groups.exists():
        return config.features, _folders(config)
    if config.groups.suffix.lower() == ".npz":
        return config.features, Clusters.load(config.groups)
    return config.features, read_lines(config.groups)


def _folders(config: AlignTripletsConfig) -> list[str]:
    from alignkit.align._feature_rows import as_feature_rows

    names = as_feature_rows(config.features, layer=config.layer).labels
    if names is None:
        msg = f"{config.features} names no images, so --groups folders finds no folders; give a file of groups."
        raise ValueError(msg)
    return [str(PurePosixPath(name).parent) for name in names]
