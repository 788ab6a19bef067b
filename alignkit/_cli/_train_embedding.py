"""``alignkit train spose | vice``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from alignkit._check import require
from alignkit._cli._train_check import check_inputs, check_run_folder
from alignkit._cli._train_show import SCORES, in_training, is_main
from alignkit.train._run_folder import Resume
from alignkit.train.embedding.config import EmbeddingConfig, SPoSEConfig, VICEConfig

if TYPE_CHECKING:
    from alignkit.train import RunResult

_SEEDS = "seeds.csv"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainSPoSEConfig(SPoSEConfig):
    r"""Learn sparse, non-negative dimensions that explain people's odd-one-out answers (SPoSE).

    The folder --out takes the settings, the log, checkpoints, the embedding (embedding.npz, embedding.csv) and its
    scores on answers that it never saw. A run that was stopped goes on where it was when the same command is given
    again. With several --seeds each has a folder of its own in --out, and it is said which dimensions they share.

    Examples
    --------
    alignkit train spose --triplets answers.csv --out my-embedding
    alignkit train spose --triplets answers.txt --labels items.txt \
        --seeds 0 1 2 --out my-embeddings
    alignkit train spose --preset published --triplets answers.csv --out again
    """

    seeds: tuple[int, ...] = ()
    """Several seeds, one after the other; by default that of the loop alone."""
    preset: Literal["default", "published"] = "default"
    """Settings to start from, whatever stands beside them wins: the recommended ones, or those published."""
    resume: Resume = "auto"
    """A folder with a run of the same settings: go on with it (auto), or refuse (never)."""

    def settings(self) -> SPoSEConfig:
        """Return what describes the run itself."""
        return SPoSEConfig(**{field.name: getattr(self, field.name) for field in dataclasses.fields(SPoSEConfig)})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainVICEConfig(VICEConfig):
    r"""Learn a distribution over dimensions that explain people's odd-one-out answers (VICE).

    As `alignkit train spose`, and beside each value its standard deviation: choice probabilities are averaged over the
    posterior, for teachers that learn from soft answers.

    Examples
    --------
    alignkit train vice --triplets answers.csv --out my-embedding
    alignkit train vice --triplets answers.csv --seeds 0 1 2 --out my-embeddings
    """

    seeds: tuple[int, ...] = ()
    """Several seeds, one after the other; by default that of the loop alone."""
    preset: Literal["default", "published"] = "default"
    """Settings to start from, whatever stands beside them wins: the recommended ones, or those published."""
    resume: Resume = "auto"
    """A folder with a run of the same settings: go on with it (auto), or refuse (never)."""

    def settings(self) -> VICEConfig:
        """Return what describes the run itself."""
        return VICEConfig(**{field.name: getattr(self, field.name) for field in dataclasses.fields(VICEConfig)})


def spose_presets() -> Mapping[str, SPoSEConfig]:
    """Return the settings that ``--preset`` of SPoSE names."""
    from alignkit.train.embedding._presets import SPOSE_PRESETS

    return {name: make() for name, make in SPOSE_PRESETS.items()}


def vice_presets() -> Mapping[str, VICEConfig]:
    """Return the settings that ``--preset`` of VICE names."""
    from alignkit.train.embedding._presets import VICE_PRESETS

    return {name: make() for name, make in VICE_PRESETS.items()}


def run_train_embedding(config: TrainSPoSEConfig | TrainVICEConfig) -> None:
    """Train one embedding or several, score them, and say where they are."""
    settings = config.settings()
    with in_training(type(config)):
        require("torch", "train")
        require("safetensors", "train")
        check_run_folder(settings.out)
        check_inputs({"triplets": settings.triplets, "labels": settings.labels})
        if config.seeds:
            _train_seeds(settings, config.seeds, config.resume)
            return
        from alignkit.train import run

        show_embedding(run(settings, resume=config.resume))


def show_embedding(result: RunResult) -> None:
    """Score a finished run beside its embedding, and print both."""
    if not is_main():
        return
    from alignkit.train import evaluate_run

    scores = evaluate_run(result.path)
    scores.save(result.path / SCORES)
    print(f"{result}\n\n{scores}\n\n{_files(result.path)}")


def is_embedding(config: object) -> bool:
    """Return whether settings are those of SPoSE or VICE."""
    return isinstance(config, EmbeddingConfig)


def _train_seeds(config: SPoSEConfig | VICEConfig, seeds: tuple[int, ...], resume: Resume) -> None:
    from alignkit.train import train_embeddings

    found = train_embeddings(config, seeds=seeds, resume=resume)
    found.save(config.out / _SEEDS)
    print(f"{found}\n\n{found.reproducibility}\n\nall numbers: {config.out / _SEEDS}")
    print(_files(found.paths[found.median]))


def _files(folder: Path) -> str:
    return (
        f"embedding: {folder / 'embedding.npz'} (as a table: {folder / 'embedding.csv'})\n"
        f"use it: HumanEmbedding.load({str(folder / 'embedding.npz')!r}).choice_probabilities(triplets)"
    )
