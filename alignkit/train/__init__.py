"""Training: models that see as people do. Configs load without torch; ``run`` trains what a config describes."""

from __future__ import annotations

from alignkit.train._result import RunResult
from alignkit.train._run import rerun, run
from alignkit.train.config import LoopConfig, OptimConfig

__all__ = ["LoopConfig", "OptimConfig", "RunResult", "rerun", "run"]
