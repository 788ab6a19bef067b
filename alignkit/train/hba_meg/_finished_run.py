"""A finished run, opened again with its data: the trained model as it is scored."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from alignkit._config import read_config
from alignkit._typing import PathLike
from alignkit.models._dynamic_model import DynamicModel
from alignkit.models._dynamic_run_model import restore_dynamic_model
from alignkit.models._run import as_device
from alignkit.train._own_functions import check_own_functions
from alignkit.train._run_folder import CONFIG, SPLITS
from alignkit.train._splits import kept_splits
from alignkit.train.hba_meg._build import check_times
from alignkit.train.hba_meg._data import HBAMEGData, read_data
from alignkit.train.hba_meg._group_of_person import data_of_person
from alignkit.train.hba_meg._people_study import dynamics_settings
from alignkit.train.hba_meg.config import HBAMEGConfig


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FinishedRun:
    """What scoring and showing a run need.

    Parameters
    ----------
    name : str
        Of the run's folder.
    config : HBAMEGConfig
        The run's settings, with the device and the progress bar that are asked for now.
    data : HBAMEGData
        Split as the run's folder says.
    model : DynamicModel
        On the device.
    architecture : str or None
        A function of the user's own that may be called.
    """

    name: str
    config: HBAMEGConfig
    data: HBAMEGData
    model: DynamicModel
    architecture: str | None

    @classmethod
    def open(
        cls,
        path: PathLike,
        data: HBAMEGData | None = None,
        /,
        *,
        device: str = "auto",
        progress: bool = True,
        architecture: str | Sequence[str] | None = None,
    ) -> Self:
        """Open a run's folder; without ``data``, those that its settings name are read.

        Raises
        ------
        FileNotFoundError
            A folder without a finished run, or data that are not there.
        ValueError
            Data or weights that are not those of the run, or a function of somebody's own.
        """
        folder = Path(path)
        config = _settings(folder)
        check_own_functions(config, architecture, run=folder)
        own = architecture if isinstance(architecture, str) or architecture is None else next(iter(architecture), None)
        loop = dataclasses.replace(config.loop, device=device, progress=progress)
        config = dataclasses.replace(config, loop=loop)
        data = read_data(config) if data is None else data
        data = dataclasses.replace(data, splits=kept_splits(folder / SPLITS, data.splits))
        if config.subject is not None:
            data = data_of_person(data, config, folder)
        model = restore_dynamic_model(folder, weights=config.weights, architecture=own)
        check_times(model.times, data, folder)
        return cls(folder.resolve().name, config, data, model.to(as_device(device)), own)


def _settings(folder: Path) -> HBAMEGConfig:
    """Return a run's settings; a person's, which leave data and model to the group's run, with these."""
    config = read_config(folder / CONFIG, HBAMEGConfig)
    return config if config.subject is None else dynamics_settings(config)
