"""SPoSE and VICE at work: batches of answers, validation on others, pruned dimensions, and the finished embedding."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from alignkit._typing import FloatArray
from alignkit.rsa import Triplets, choice_probabilities
from alignkit.train._order import Samples
from alignkit.train.config import OptimConfig
from alignkit.train.embedding._costs import costs_and_hits
from alignkit.train.embedding._data import EmbeddingData, read_data
from alignkit.train.embedding._human_embedding import HumanEmbedding
from alignkit.train.embedding._model import VICE, SPoSE
from alignkit.train.embedding._prune import needed_distributions, needed_values
from alignkit.train.embedding.config import SPoSEConfig, VICEConfig

if TYPE_CHECKING:
    from alignkit.train._processes import Processes
    from alignkit.train._run_folder import RunFolder

#: Files of a finished run.
EMBEDDING, TABLE = "embedding.npz", "embedding.csv"
#: Draws from the posterior in a validation, of which there are many.
_VAL_DRAWS = 5
#: Answers of a validation at most: their cross-entropy is known to .002 nats then.
_VAL_ANSWERS = 100_000
#: Folder of the free embedding's run, within that of the method's.
START = "start"
_ENDLESS = 100_000
_CHANCE = float(np.log(3.0))


class EmbeddingTask:
    """What the loop needs of SPoSE and VICE: a sample is an answer.

    Parameters
    ----------
    data : EmbeddingData
        Answers.
    config : SPoSEConfig or VICEConfig
        Settings.
    """

    def __init__(self, data: EmbeddingData, config: SPoSEConfig | VICEConfig, /) -> None:
        self.data = data
        self.config = config
        self.n_samples = len(data.train)
        self._labels = data.labels
        self.model: SPoSE | VICE
        if isinstance(config, VICEConfig):
            self.model = VICE(len(self._labels), config, self.n_samples)
        else:
            self.model = SPoSE(len(self._labels), config, self.n_samples)
        self.module: nn.Module = self.model
        self.stages = _stages(config)
        if not self.stages:
            self.begin(config)
        self._items = data.triplets.items[data.train]
        soft = data.triplets.soft
        self._soft = None if soft is None else soft[data.train].astype(np.float32)
        rows = data.val[:_VAL_ANSWERS]
        self._checked = Triplets(data.triplets.items[rows], soft=None if soft is None else soft[rows])

    def begin(self, config: SPoSEConfig | VICEConfig, /) -> None:
        """Set what trains from now on: the free embedding that the method begins at, or the method itself."""
        if config in self.stages:
            self.model.begin_free()
        else:
            self.model.begin_constrained()

    def inputs(self, samples: Samples, /) -> Tensor:
        """Return items of answers, shape (n, 3), the odd one out last."""
        return torch.from_numpy(self._items[samples.index])

    def targets(self, samples: Samples, /) -> Mapping[str, Tensor]:
        """Return choice probabilities, where they are learned from; else the items say what was answered."""
        return {} if self._soft is None else {"p": torch.from_numpy(self._soft[samples.index])}

    def loss(self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], /) -> Mapping[str, Tensor]:
        """Return the mean cross-entropy of the answers, what the method adds to it, and their sum."""
        log_q = torch.log_softmax(outputs["logits"], dim=1)
        found = -(log_q[:, 2] if "p" not in targets else (targets["p"] * log_q).sum(dim=1)).mean()
        penalty = outputs["penalty"].mean()
        return {"loss": found + penalty, "cross_entropy": found, "penalty": penalty}

    def validate(self, module: nn.Module, /, *, processes: Processes | None = None) -> Mapping[str, float]:
        """Return the cross-entropy and accuracy of the pruned embedding on validation answers, and its dimensions."""
        if self.model.free:
            p = choice_probabilities(self.model.values_ND.detach().cpu().double().numpy(), self._checked)
            return {**_scored(p, self._checked.soft), "n_dims": float(self.config.n_dims)}
        embedding = self.embedding()
        if embedding is None:
            return {"val_cross_entropy": _CHANCE, "val_accuracy": 1 / 3, "n_dims": 0.0}
        p = embedding.choice_probabilities(self._checked, n_posterior=_VAL_DRAWS)
        return {**_scored(p, self._checked.soft), "n_dims": float(embedding.n_dims)}

    def embedding(self) -> HumanEmbedding | None:
        """Return the dimensions that the answers need, as the model has them now; None where it has none."""
        state = {name: value.detach().cpu().numpy().astype(np.float64) for name, value in self.model.named_parameters()}
        settings = {"n_answers": self.n_samples, "seed": self.config.loop.seed, **_own_settings(self.config)}
        if isinstance(self.config, VICEConfig):
            mean, sd = state["values_ND"], np.exp(state["log_sd_ND"])
            kept = needed_distributions(mean, sd, fdr=self.config.fdr, min_items=self.config.min_items)
            parts = {"values": np.maximum(mean, 0.0), "mean": mean, "sd": sd}
        else:
            values = np.maximum(state["values_ND"], 0.0)
            kept, parts = needed_values(values, self.config.threshold), {"values": values}
        if not len(kept):
            return None
        columns = {name: part[:, kept] for name, part in parts.items()}
        return HumanEmbedding(self._labels, **columns, method=type(self.model).__name__, settings=settings)

    def names(self, samples: Samples, /) -> Sequence[str]:
        """Return the items of answers."""
        rows = self.data.triplets.items[self.data.train[samples.index]]
        return [" | ".join(self._labels[i] for i in row) for row in rows]

    def export(self, folder: Path, /) -> None:
        """Write the embedding, as ``embedding.npz`` and as a table.

        Raises
        ------
        ValueError
            No dimension is left.
        """
        embedding = self.embedding()
        if embedding is None:
            msg = (
                f"none of the {self.config.n_dims} dimensions is needed to explain {self.n_samples:,} answers; lower "
                "the penalty, train longer, or give more answers."
            )
            raise ValueError(msg)
        embedding.save(folder / EMBEDDING)
        embedding.to_csv(folder / TABLE)


def build(config: SPoSEConfig | VICEConfig, folder: RunFolder, /) -> EmbeddingTask:
    """Read the answers that a config names and return its task.

    Parameters
    ----------
    config : SPoSEConfig or VICEConfig
        Settings.
    folder : RunFolder
        The run's; takes how many answers are on which side of the split.

    Returns
    -------
    EmbeddingTask

    Raises
    ------
    FileNotFoundError, ValueError
        Answers that are not there, or too few.
    """
    data = read_data(config)
    folder.write_splits(data.to_splits())
    return EmbeddingTask(data, config)


def _scored(p: FloatArray, soft: FloatArray | None) -> dict[str, float]:
    costs, hits = costs_and_hits(p, soft)
    return {"val_cross_entropy": float(costs.mean()), "val_accuracy": float(hits.mean())}


def _stages(config: SPoSEConfig | VICEConfig) -> tuple[SPoSEConfig | VICEConfig, ...]:
    """Return the settings of the free embedding that the method begins at, if it does."""
    if config.start == "random":
        return ()
    loop = dataclasses.replace(config.loop, epochs=_ENDLESS, max_steps=config.start_steps)
    optim = OptimConfig(lr=config.start_lr, weight_decay=0.0, schedule="cosine")
    return (dataclasses.replace(config, out=config.out / START, loop=loop, optim=optim),)


def _own_settings(config: SPoSEConfig | VICEConfig) -> dict[str, float | int | str]:
    """Return the settings of the method itself, without those of files, split and loop."""
    skipped = {"base", "odd", "val_share", "test_share", "split_seed", "n_bootstrap"}
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    return {
        name: value
        for name, value in values.items()
        if name not in skipped and isinstance(value, int | float | str) and not isinstance(value, bool)
    }
