"""Judged images, pairs and configs that stage 1 and stage 2 take, small enough for seconds."""

from __future__ import annotations

from pathlib import Path

import pytest
from reference.pairs import write_shards
from reference.pi import hue_trials, write_architecture, write_colours, write_shades, write_trials

from alignkit.train import LoopConfig, OptimConfig, PIArms, PIConfig, run_pi
from alignkit.train.pi.config import ContrastiveConfig, PerceptualConfig


@pytest.fixture(scope="session")
def architecture(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_architecture(tmp_path_factory.mktemp("architecture"))


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 24 hues, and judgements of which hues are closer."""
    folder = tmp_path_factory.mktemp("colours")
    names = write_colours(folder / "images")
    write_trials(folder / "trials.csv", names, hue_trials(len(names), 200))
    return folder


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 images of a colour and their numbers as captions, in three shards."""
    folder = tmp_path_factory.mktemp("pairs") / "shards"
    write_shards(folder, [20, 30, 10])
    return folder


def small_loop(**changes: object) -> LoopConfig:
    settings = {"epochs": 2, "batch_size": 32, "mode": "last", "progress": False, "device": "cpu", **changes}
    return LoopConfig(**settings)  # type: ignore[arg-type]


@pytest.fixture
def perceptual(architecture: str, colours: Path, tmp_path: Path) -> PerceptualConfig:
    return PerceptualConfig(
        judgements=colours / "trials.csv",
        images=colours / "images",
        architecture=architecture,
        optim=OptimConfig(lr=3e-3, schedule="cosine", warmup=2),
        loop=small_loop(epochs=4, monitor="val_accuracy"),
        out=tmp_path / "stage-1",
    )


@pytest.fixture
def contrastive(architecture: str, shards: Path, tmp_path: Path) -> ContrastiveConfig:
    return ContrastiveConfig(
        pairs=shards,
        architecture=architecture,
        augmentation="crop",
        optim=OptimConfig(lr=3e-3, schedule="cosine", warmup=2),
        loop=small_loop(batch_size=16, drop_last=True, monitor="zero_shot"),
        out=tmp_path / "stage-2",
    )


@pytest.fixture(scope="session")
def colour_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of three classes, with prompts like the pairs' captions."""
    folder = tmp_path_factory.mktemp("sets") / "hues"
    for name, n in (("n 3", 4), ("n 30", 5), ("n 57", 6)):
        write_colours(folder / name, n)
    (folder / "templates.txt").write_text("{}\nthe {}\n")
    return folder


@pytest.fixture(scope="session")
def shades(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zero-shot set of three colours, four images each, which are folders of classes as well."""
    folder = tmp_path_factory.mktemp("shades") / "shades"
    write_shades(folder)
    return folder


@pytest.fixture(scope="session")
def arms(architecture: str, colours: Path, shards: Path, shades: Path, tmp_path_factory: pytest.TempPathFactory):
    """Settings of all arms but that of classes, with one seed."""
    optim = OptimConfig(lr=3e-3, schedule="cosine", warmup=2)
    return PIConfig(
        pairs=shards,
        judgements=colours / "trials.csv",
        images=colours / "images",
        zero_shot=(shades,),
        architecture=architecture,
        augmentation="crop",
        optim=optim,
        first_optim=optim,
        post_hoc_optim=optim,
        loop=small_loop(batch_size=16, drop_last=True, monitor="zero_shot"),
        first_loop=small_loop(epochs=1, monitor="val_accuracy"),
        post_hoc_loop=small_loop(epochs=1, monitor="val_accuracy"),
        seeds=(5,),
        out=tmp_path_factory.mktemp("arms") / "pi",
        root=tmp_path_factory.mktemp("no-data"),
        n_bootstrap=20,
    )


@pytest.fixture(scope="session")
def trained(arms: PIConfig) -> PIArms:
    """All of these arms, trained once."""
    return run_pi(arms)
