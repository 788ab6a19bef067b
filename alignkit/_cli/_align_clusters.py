"""``alignkit align clusters``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from alignkit._check import check_count
from alignkit._cli._files import check_out, keep_and_show
from alignkit._config import Positional
from alignkit.align import Clusters, cluster
from alignkit.align._cluster import Backend


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AlignClustersConfig:
    r"""Divide images into clusters by k-means on a teacher's features.

    AligNet draws its triplets by 500 clusters of ImageNet in the space of the aligned teacher: `alignkit align
    triplets` takes them from here. Features are read a stretch at a time and may be larger than memory.

    Examples
    --------
    alignkit align clusters feats-aligned --out clusters.npz
    alignkit align clusters feats-aligned-val --like clusters.npz \
        --out clusters-val.npz
    """

    features: Positional[Path]
    """Folder of features (`alignkit extract`, `alignkit align apply`), or an array file with one row per image."""
    out: Path | None = None
    """Where to write the clusters (.npz or .json: everything; .csv: the table)."""
    n_clusters: int = 500
    """Number of clusters."""
    like: Path | None = None
    """Give the images to the nearest of these clusters (.npz), in place of new ones."""
    backend: Backend = "auto"
    """What does the sums: scikit-learn in memory, numpy or torch (GPU) block by block, dask on many machines."""
    layer: str | None = None
    """Layer, of features with several."""
    max_iter: int = 300
    """Rounds at most."""
    seed: int = 0
    """Seed of the starting centres."""

    def __post_init__(self) -> None:
        for name, minimum in (("n_clusters", 1), ("max_iter", 1), ("seed", 0)):
            check_count(f"--{name.replace('_', '-')}", getattr(self, name), minimum)


def run_align_clusters(config: AlignClustersConfig) -> None:
    """Find clusters, save and print them."""
    check_out(config.out, (".npz", ".json", ".csv"), (config.features, config.like))
    if config.like is not None:
        found = Clusters.load(config.like).assign(config.features, layer=config.layer)
    else:
        found = cluster(
            config.features,
            n_clusters=config.n_clusters,
            backend=config.backend,
            layer=config.layer,
            max_iter=config.max_iter,
            seed=config.seed,
        )
    keep_and_show(found, config.out)
