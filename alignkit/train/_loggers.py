"""Where the numbers of a run go besides metrics.jsonl: TensorBoard and Weights & Biases, where asked for."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from importlib import import_module, util
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from alignkit._io import atomic_write
from alignkit.train.config import LoopConfig


class Logger(Protocol):
    """Takes the lines of metrics.jsonl."""

    def log(self, line: Mapping[str, Any], /) -> None:
        """Take one line."""

    def close(self) -> None:
        """Write what is left."""


def open_loggers(loop: LoopConfig, folder: Path, *, step: int) -> list[Logger]:
    """Return the optional loggers that the settings ask for; what an earlier session logged after ``step`` is void.

    Raises
    ------
    ImportError
        One whose package is not installed.
    """
    loggers: list[Logger] = []
    if loop.tensorboard:
        loggers.append(TensorBoard(folder, step))
    if loop.wandb is not None:
        loggers.append(WeightsAndBiases(loop.wandb, folder))
    return loggers


class TensorBoard:
    """Write event files into the run's folder."""

    def __init__(self, folder: Path, step: int) -> None:
        _require("tensorboard", "loop.tensorboard")
        writer = import_module("torch.utils.tensorboard").SummaryWriter
        self._writer = writer(folder / "tensorboard", purge_step=step + 1)

    def log(self, line: Mapping[str, Any], /) -> None:
        """Add the numbers of one line."""
        for name, value in flat(line):
            self._writer.add_scalar(name, value, line["step"])

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class WeightsAndBiases:
    """Send lines to a Weights & Biases project; a resumed run goes on in the same place."""

    def __init__(self, project: str, folder: Path) -> None:
        wandb = _require("wandb", "loop.wandb")
        self._run = wandb.init(project=project, dir=folder, id=_run_id(folder), name=folder.name, resume="allow")

    def log(self, line: Mapping[str, Any], /) -> None:
        """Send the numbers of one line."""
        self._run.log(dict(flat(line)), step=line["step"])

    def close(self) -> None:
        """Send what is left."""
        self._run.finish()


def flat(line: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a line by names such as ``train/loss`` and ``val/loss``."""
    for name, value in line.items():
        if name == "val":
            yield from ((f"val/{metric}", number) for metric, number in value.items())
        elif name != "step":
            yield f"train/{name}", value


def _run_id(folder: Path) -> str:
    """Return the name that Weights & Biases knows the folder's run by, which another folder of its name has not."""
    path = folder / "wandb.txt"
    if not path.exists():
        with atomic_write(path, "w") as file:
            file.write(secrets.token_hex(8))
    return path.read_text(encoding="utf-8")


def _require(package: str, setting: str) -> ModuleType:
    if util.find_spec(package) is None:
        msg = f"{setting} needs the package {package!r}; install it with: pip install {package}"
        raise ImportError(msg)
    return import_module(package)
