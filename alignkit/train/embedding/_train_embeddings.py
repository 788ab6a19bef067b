"""The same answers from several seeds: which dimensions are found again, and which embedding to take."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import check_count, shown
from alignkit._result import Result
from alignkit.train._run import run
from alignkit.train._run_folder import Resume
from alignkit.train.embedding._evaluate_run import evaluate_run
from alignkit.train.embedding._human_embedding import HumanEmbedding
from alignkit.train.embedding._reproducibility import Reproducibility, reproducibility
from alignkit.train.embedding._scores import EmbeddingScores
from alignkit.train.embedding.config import EmbeddingConfig, SPoSEConfig, VICEConfig

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class EmbeddingSeeds(Result):
    """What several seeds found.

    Attributes
    ----------
    seeds : tuple of int
        Of the runs.
    paths : tuple of Path
        Their folders.
    scores : tuple of EmbeddingScores
        On answers that nothing was fitted to.
    reproducibility : Reproducibility
        How well each dimension is found again by the other seeds.
    median : int
        Which run (from 0) has the median number of dimensions, and of several such the most reproducible ones: the one
        to take.

    Examples
    --------
    >>> from alignkit.train import train_embeddings
    >>> from alignkit.train.embedding.config import SPoSEConfig
    >>> found = train_embeddings(SPoSEConfig(out="spose"), seeds=range(5))  # doctest: +SKIP
    >>> found.embedding  # doctest: +SKIP
    """

    seeds: tuple[int, ...]
    paths: tuple[Path, ...]
    scores: tuple[EmbeddingScores, ...]
    reproducibility: Reproducibility
    median: int

    @property
    def embedding(self) -> HumanEmbedding:
        """The median run's embedding, read from its folder."""
        return HumanEmbedding.load(self.paths[self.median] / "embedding.npz")

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per seed: its dimensions, how reproducible they are, and its scores."""
        import pandas as pd

        found = self.reproducibility
        rows = [
            {
                "seed": seed,
                "n_dims": score.n_dims,
                "reproducible_dims": n,
                "mean_r": float(np.mean(found.r[found.embedding == e])),
                "cross_entropy": score.cross_entropy,
                "accuracy": score.accuracy,
                "path": str(path),
                "median": e == self.median,
            }
            for e, (seed, score, n, path) in enumerate(
                zip(self.seeds, self.scores, found.matched(0.8), self.paths, strict=True)
            )
        ]
        return pd.DataFrame(rows)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        return (
            f"The embedding was learnt from {len(self.seeds)} seeds, and the one with the median number of dimensions "
            f"was kept. {self.reproducibility.methods_text()}"
        )

    def __repr__(self) -> str:
        lines = [f"EmbeddingSeeds of {len(self.seeds)} seeds"]
        for e, (seed, score, n) in enumerate(
            zip(self.seeds, self.scores, self.reproducibility.matched(0.8), strict=True)
        ):
            mark = "  <- median" if e == self.median else ""
            lines.append(
                f"  seed {seed}: {score.n_dims} dimensions, {n} found again (r >= .8); cross-entropy "
                f"{score.cross_entropy:.4f}, accuracy {score.accuracy:.4f}{mark}"
            )
        return "\n".join(lines)


def train_embeddings(
    config: SPoSEConfig | VICEConfig, /, *, seeds: Sequence[int], resume: Resume = "auto"
) -> EmbeddingSeeds:
    """Learn an embedding from several seeds, one after the other, and say which dimensions they share.

    Each seed has a folder of its own in ``config.out``, ``seed-0`` ...; what is finished there is not done again, so
    that jobs may train one seed each.

    Parameters
    ----------
    config : SPoSEConfig or VICEConfig
        Settings; the seed of ``loop`` is replaced. The split of the answers is one for all seeds.
    seeds : sequence of int
        At least two.
    resume : {"auto", "never"}
        As :func:`run` takes it.

    Returns
    -------
    EmbeddingSeeds

    Raises
    ------
    TypeError
        Another config.
    ValueError
        Fewer than two seeds, or the same twice; and what :func:`run` refuses.

    References
    ----------
    Hebart et al. (2020), Nature Human Behaviour 4, 1173-1185. https://doi.org/10.1038/s41562-020-00951-3

    Examples
    --------
    >>> from alignkit.train import train_embeddings
    >>> from alignkit.train.embedding.config import VICEConfig
    >>> found = train_embeddings(VICEConfig(out="vice"), seeds=range(5))  # doctest: +SKIP
    """
    given: object = config
    if not isinstance(given, EmbeddingConfig):
        msg = f"config must be a SPoSEConfig or a VICEConfig; got {shown(config)}."
        raise TypeError(msg)
    numbers = [check_count("seeds", seed) for seed in seeds]
    if len(numbers) < 2 or len(set(numbers)) < len(numbers):
        msg = f"seeds must be at least two different ones; got {shown(list(numbers))}."
        raise ValueError(msg)
    config.out.mkdir(parents=True, exist_ok=True)
    paths, scores = [], []
    for seed in numbers:
        loop = dataclasses.replace(config.loop, seed=seed)
        own = dataclasses.replace(config, out=config.out / f"seed-{seed}", loop=loop)
        paths.append(run(own, resume=resume).path)
        scores.append(evaluate_run(paths[-1]))
    found = reproducibility([HumanEmbedding.load(path / "embedding.npz") for path in paths])
    return EmbeddingSeeds(tuple(numbers), tuple(paths), tuple(scores), found, found.median_embedding)
