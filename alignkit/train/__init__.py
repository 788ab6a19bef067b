"""Training: models that see as people do. Configs load without torch; ``run`` trains what a config describes."""

from __future__ import annotations

from alignkit.train._evaluate_run import evaluate_run
from alignkit.train._result import RunResult
from alignkit.train._run import rerun, run
from alignkit.train.alignet._chain_config import AligNetChainConfig
from alignkit.train.alignet._chain_result import AligNetChain
from alignkit.train.alignet._run_alignet import run_alignet
from alignkit.train.alignet._scores import AligNetScores
from alignkit.train.config import LoopConfig, OptimConfig
from alignkit.train.embedding._human_embedding import HumanEmbedding
from alignkit.train.embedding._reproducibility import Reproducibility, reproducibility
from alignkit.train.embedding._scores import EmbeddingScores
from alignkit.train.embedding._train_embeddings import EmbeddingSeeds, train_embeddings
from alignkit.train.hba._personal import fit_personal
from alignkit.train.hba._personal_adapters import personal_adapters
from alignkit.train.hba._personal_result import PersonalAdapters, PersonalModels
from alignkit.train.hba._scores import HBAScores
from alignkit.train.hba_meg._people import personal_dynamics
from alignkit.train.hba_meg._people_result import PersonalDynamics
from alignkit.train.hba_meg._rdm_movies import rdm_movies
from alignkit.train.hba_meg._scores import HBAMEGScores
from alignkit.train.pi._arms_config import PIConfig
from alignkit.train.pi._pi_result import PIArms
from alignkit.train.pi._run_pi import run_pi

__all__ = [
    "AligNetChain",
    "AligNetChainConfig",
    "AligNetScores",
    "EmbeddingScores",
    "EmbeddingSeeds",
    "HBAMEGScores",
    "HBAScores",
    "HumanEmbedding",
    "LoopConfig",
    "OptimConfig",
    "PIArms",
    "PIConfig",
    "PersonalAdapters",
    "PersonalDynamics",
    "PersonalModels",
    "Reproducibility",
    "RunResult",
    "evaluate_run",
    "fit_personal",
    "personal_adapters",
    "personal_dynamics",
    "rdm_movies",
    "reproducibility",
    "rerun",
    "run",
    "run_alignet",
    "run_pi",
    "train_embeddings",
]
