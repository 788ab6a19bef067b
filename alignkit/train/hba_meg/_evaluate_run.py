"""A finished run against the M/EEG that it was trained on, and that which it was not."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from alignkit._check import check_count
from alignkit._typing import PathLike
from alignkit.train.hba_meg._data import HBAMEGData
from alignkit.train.hba_meg._evaluate_cells import evaluate_cells
from alignkit.train.hba_meg._finished_run import FinishedRun
from alignkit.train.hba_meg._predictors import predictors_of
from alignkit.train.hba_meg._scores import HBAMEGScores


def evaluate_run(
    path: PathLike,
    /,
    *,
    n_bootstrap: int | None = None,
    device: str = "auto",
    progress: bool = True,
    architecture: str | Sequence[str] | None = None,
) -> HBAMEGScores:
    """Score a finished run of HBA-MEG; :func:`alignkit.train.evaluate_run` takes the runs of all methods."""
    return evaluate_data(
        None, path, n_bootstrap=n_bootstrap, device=device, progress=progress, architecture=architecture
    )


def evaluate_data(
    data: HBAMEGData | None,
    path: PathLike,
    /,
    *,
    n_bootstrap: int | None = None,
    device: str = "auto",
    progress: bool = True,
    architecture: str | Sequence[str] | None = None,
) -> HBAMEGScores:
    """Score a finished run on data that no config names.

    Parameters
    ----------
    data : HBAMEGData or None
        Where the run's folder has splits, these are taken. Without data, those that its settings name are read.
    path : path
        The run's folder.
    n_bootstrap, device, progress, architecture
        As :func:`alignkit.train.evaluate_run` takes them.
    """
    run = FinishedRun.open(path, data, device=device, progress=progress, architecture=architecture)
    config, model = run.config, run.model
    models = predictors_of(model, run.name, run.data, config, architecture=run.architecture)
    mixing = model.mixing
    with torch.no_grad():
        weights = mixing.matrix().cpu().double().numpy()
        factors = None if mixing.log_factors is None else mixing.factors().cpu().double().numpy()
    return evaluate_cells(
        run.data,
        {one.name: one for one in models},
        embedders={one.name: one.embedding for one in models},
        kernels={one.name: one.kernel for one in models},
        weights=(weights, model.image.block_names),
        factors=None if factors is None else (factors, model.prompts),
        window_s=config.window_s,
        n_bootstrap=config.n_bootstrap if n_bootstrap is None else check_count("n_bootstrap", n_bootstrap),
        n_permutations=config.n_permutations,
        seed=config.loop.seed,
        progress=progress,
    )
