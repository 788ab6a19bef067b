"""The training methods: one line each, by the name of the config that describes a run."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from alignkit._check import join_names, shown
from alignkit.train._run_folder import RunFolder
from alignkit.train._task import Task
from alignkit.train.config import LoopConfig, OptimConfig

#: Config class -> (module, function that builds the task). Beside that module, ``config.py`` has the class itself, and
#: ``_evaluate_run.py`` the function that scores a finished run.
METHODS = {
    "AligNetConfig": ("alignkit.train.alignet.task", "build"),
    "ContrastiveConfig": ("alignkit.train.pi._contrastive_task", "build"),
    "HBAConfig": ("alignkit.train.hba.task", "build"),
    "HBAMEGConfig": ("alignkit.train.hba_meg.task", "build"),
    "PerceptualConfig": ("alignkit.train.pi._perceptual_task", "build"),
    "SPoSEConfig": ("alignkit.train.embedding.task", "build"),
    "VICEConfig": ("alignkit.train.embedding.task", "build"),
}


class MethodConfig(Protocol):
    """What the configs of all methods have."""

    @property
    def out(self) -> Path:
        """The run's folder."""

    @property
    def loop(self) -> LoopConfig:
        """The loop."""

    @property
    def optim(self) -> OptimConfig:
        """The optimiser."""


def builder(config: object) -> Callable[[Any, RunFolder], Task]:
    """Return the function that makes the task of a method's config.

    Raises
    ------
    TypeError
        Anything but a method's config.
    """
    name = type(config).__name__
    if name not in METHODS or not isinstance(config, config_class(name)):
        msg = f"config must be one of {join_names(METHODS)}; got {shown(config)}."
        raise TypeError(msg)
    module, function = METHODS[name]
    build: Callable[[Any, RunFolder], Task] = getattr(import_module(module), function)
    return build


def package_of(name: str) -> str:
    """Return the package of a method by its config's name.

    Raises
    ------
    ValueError
        No such method.
    """
    if name not in METHODS:
        msg = f"there is no training method with a {shown(name)}; there are {join_names(METHODS)}."
        raise ValueError(msg)
    return METHODS[name][0].rpartition(".")[0]


def config_class(name: str) -> type[Any]:
    """Return the config class of a method by its name.

    Raises
    ------
    ValueError
        No such method.
    """
    found: type[Any] = getattr(import_module(f"{package_of(name)}.config"), name)
    return found
