"""The toy task as a method: built from its config, in a run's folder."""

from __future__ import annotations

import time

import torch
from reference.toy_method.config import ToyConfig
from reference.toy_tasks import RegressionTask

from alignkit.train._order import Samples
from alignkit.train._run_folder import RunFolder


class SlowTask(RegressionTask):
    """A regression with dropout whose batches can take a while, so that a kill finds it anywhere."""

    def __init__(self, config: ToyConfig) -> None:
        super().__init__(config.n_samples, dropout=0.2)
        self.pause = config.pause

    def inputs(self, samples: Samples) -> torch.Tensor:
        time.sleep(self.pause)
        return super().inputs(samples)


def build(config: ToyConfig, folder: RunFolder) -> SlowTask:
    """Return the task of a config, and write down its splits."""
    folder.write_splits({"train": list(range(config.n_samples)), "val": ["a", "b"]})
    return SlowTask(config)
