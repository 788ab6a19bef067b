"""A finished run against the M/EEG that it was trained on, and that which it was not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from alignkit._check import check_count
from alignkit._config import read_config
from alignkit._typing import PathLike
from alignkit.models._dynamic_run_model import restore_dynamic_model
from alignkit.models._run import as_device
from alignkit.train._own_functions import check_own_functions
from alignkit.train._run_folder import CONFIG, SPLITS
from alignkit.train._splits import kept_splits
from alignkit.train.hba_meg._build import check_times
from alignkit.train.hba_meg._data import HBAMEGData, read_data
from alignkit.train.hba_meg._evaluate_cells import evaluate_cells
from alignkit.train.hba_meg._predictors import predictors_of
from alignkit.train.hba_meg._scores import HBAMEGScores
from alignkit.train.hba_meg.config import HBAMEGConfig


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
    folder = Path(path)
    config = read_config(folder / CONFIG, HBAMEGConfig)
    return evaluate_data(
        read_data(config), folder, n_bootstrap=n_bootstrap, device=device, progress=progress, architecture=architecture
    )


def evaluate_data(
    data: HBAMEGData,
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
    data : HBAMEGData
        Where the run's folder has splits, these are taken.
    path : path
        The run's folder.
    n_bootstrap, device, progress, architecture
        As :func:`alignkit.train.evaluate_run` takes them.
    """
    folder = Path(path)
    config = read_config(folder / CONFIG, HBAMEGConfig)
    check_own_functions(config, architecture, run=folder)
    own = architecture if isinstance(architecture, str) or architecture is None else next(iter(architecture), None)
    loop = dataclasses.replace(config.loop, device=device, progress=progress)
    config = dataclasses.replace(config, loop=loop)
    data = dataclasses.replace(data, splits=kept_splits(folder / SPLITS, data.splits))
    model = restore_dynamic_model(folder, weights=config.weights, architecture=own)
    check_times(model, data, folder)
    model = model.to(as_device(device))
    models = predictors_of(model, folder.resolve().name, data, config, architecture=own)
    return evaluate_cells(
        data,
        {one.name: one for one in models},
        embedders={one.name: one.embedding for one in models},
        kernels={one.name: one.kernel for one in models},
        weights=(model.mixing.matrix().detach().cpu().double().numpy(), model.image.block_names),
        window_s=config.window_s,
        n_bootstrap=config.n_bootstrap if n_bootstrap is None else check_count("n_bootstrap", n_bootstrap),
        n_permutations=config.n_permutations,
        seed=config.loop.seed,
        progress=progress,
    )
