"""Training: models that see as people do. Configs load without torch; ``run`` trains what a config describes."""

from __future__ import annotations

from alignkit.train._result import RunResult
from alignkit.train._run import rerun, run
from alignkit.train.config import LoopConfig, OptimConfig
from alignkit.train.hba._evaluate import evaluate_run
from alignkit.train.hba._personal import fit_personal
from alignkit.train.hba._personal_adapters import personal_adapters
from alignkit.train.hba._personal_result import PersonalAdapters, PersonalModels
from alignkit.train.hba._scores import HBAScores

__all__ = [
    "HBAScores",
    "LoopConfig",
    "OptimConfig",
    "PersonalAdapters",
    "PersonalModels",
    "RunResult",
    "evaluate_run",
    "fit_personal",
    "personal_adapters",
    "rerun",
    "run",
]
