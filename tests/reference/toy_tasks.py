"""Tiny training tasks with known answers, in float64 so that machines and thread counts agree."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from alignkit.train import LoopConfig, OptimConfig
from alignkit.train._history import History
from alignkit.train._loop import fit
from alignkit.train._order import Samples
from alignkit.train._processes import Processes
from alignkit.train._run_folder import RunFolder


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ToyConfig:
    """Settings of a toy run."""

    loop: LoopConfig
    optim: OptimConfig


def train(path: Path, task: Toy, loop: LoopConfig, optim: OptimConfig) -> History:
    """Train a toy task in a folder, or go on there, with the processes that this one was started with."""
    with Processes.start(loop) as processes:
        return train_together(path, task, loop, optim, processes)


def train_together(path: Path, task: Toy, loop: LoopConfig, optim: OptimConfig, processes: Processes) -> History:
    config = ToyConfig(loop=loop, optim=optim)
    with RunFolder.open(path, config, main=processes.is_main, n_processes=processes.world_size) as folder:
        return fit(task, loop, optim, folder=folder, processes=processes)


def linear(rng: np.random.Generator, n_in: int, n_out: int) -> nn.Linear:
    """Return a layer whose weights come from numpy: the same with every version of torch."""
    layer = nn.Linear(n_in, n_out).double()
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(rng.normal(size=(n_out, n_in)) / np.sqrt(n_in)))
        layer.bias.zero_()
    return layer


def device_of(module: nn.Module) -> torch.device:
    return next(module.parameters()).device


class Toy:
    """What the toy tasks share: random inputs, item names, an export."""

    module: nn.Module

    def __init__(self, n_samples: int, n_features: int, seed: int) -> None:
        self.n_samples = n_samples
        self.rng = np.random.default_rng(seed)
        self.x = torch.from_numpy(self.rng.normal(size=(n_samples, n_features)))
        self.x_val = torch.from_numpy(self.rng.normal(size=(12, n_features)))

    def inputs(self, samples: Samples) -> torch.Tensor:
        return self.x[torch.tensor(samples.index)]

    def names(self, samples: Samples) -> Sequence[str]:
        return [f"item{i}" for i in samples.index]

    def export(self, folder: Path) -> None:
        weights = {name: value.tolist() for name, value in self.module.state_dict().items()}
        (folder / "model.json").write_text(json.dumps(weights))


class RegressionTask(Toy):
    """Learn y = w.x + noise with a frozen layer, a trained MLP, and dropout or batch normalisation where asked for."""

    def __init__(
        self,
        n_samples: int = 20,
        *,
        dropout: float = 0.0,
        batch_norm: bool = False,
        dtype: torch.dtype = torch.float64,
        seed: int = 0,
    ) -> None:
        super().__init__(n_samples, 4, seed)
        weight = torch.from_numpy(self.rng.normal(size=4))
        noise = torch.from_numpy(0.1 * self.rng.normal(size=n_samples))
        self.y = self.x @ weight + noise
        self.y_val = self.x_val @ weight
        frozen = linear(self.rng, 4, 6).requires_grad_(False)
        norm = [nn.BatchNorm1d(6).double()] if batch_norm else []
        self.module = nn.Sequential(
            frozen, *norm, nn.Tanh(), nn.Dropout(dropout), linear(self.rng, 6, 5), nn.Tanh(), linear(self.rng, 5, 1)
        ).to(dtype)
        self.x, self.y, self.x_val, self.y_val = (t.to(dtype) for t in (self.x, self.y, self.x_val, self.y_val))

    def targets(self, samples: Samples) -> torch.Tensor:
        return self.y[torch.tensor(samples.index)]

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> Mapping[str, torch.Tensor]:
        assert len(outputs) == len(targets)
        return {"loss": ((outputs[:, 0] - targets) ** 2).mean()}

    def validate(self, module: nn.Module, *, processes: Processes) -> Mapping[str, float]:
        return {"loss": float(((module(self.x_val.to(device_of(module)))[:, 0].cpu() - self.y_val) ** 2).mean())}


class Embedding(nn.Module):
    """Give embeddings of samples, and one scale for the whole batch."""

    def __init__(self, rng: np.random.Generator, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(linear(rng, 4, 6), nn.Tanh(), nn.Dropout(dropout), linear(rng, 6, 3))
        self.log_scale = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"embedding": self.layers(x), "scale": self.log_scale.exp()}


def triplet_probabilities(embedding: torch.Tensor) -> torch.Tensor:
    """Return log P of each pair of every triplet of rows being the most similar, (triplets, 3), by a plain loop."""
    s = embedding @ embedding.T
    triplets = itertools.combinations(range(len(embedding)), 3)
    return torch.stack([torch.stack([s[i, j], s[i, k], s[j, k]]) for i, j, k in triplets]).log_softmax(dim=1)


class TripletTask(Toy):
    """Learn odd-one-out answers: a loss that compares all samples of a batch, and has a scale without axes."""

    def __init__(self, n_samples: int = 20, *, dropout: float = 0.0, seed: int = 0) -> None:
        super().__init__(n_samples, 4, seed)
        mixing = torch.from_numpy(self.rng.normal(size=(4, 3)))
        self.truth, self.truth_val = self.x @ mixing, self.x_val @ mixing
        self.module = Embedding(self.rng, dropout)

    def targets(self, samples: Samples) -> torch.Tensor:
        return self.truth[torch.tensor(samples.index)]

    def loss(self, outputs: Mapping[str, torch.Tensor], targets: torch.Tensor) -> Mapping[str, torch.Tensor]:
        assert len(outputs["embedding"]) == len(targets)
        answers = triplet_probabilities(outputs["scale"] * outputs["embedding"])
        return {"loss": -(triplet_probabilities(targets).exp() * answers).sum(dim=1).mean()}

    def validate(self, module: nn.Module, *, processes: Processes) -> Mapping[str, float]:
        device = device_of(module)
        return {"loss": float(self.loss(module(self.x_val.to(device)), self.truth_val.to(device))["loss"])}
