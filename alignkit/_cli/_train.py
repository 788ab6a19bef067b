"""``alignkit train``: once more what a run's folder describes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from alignkit._check import require
from alignkit._cli._train_alignet import rerun_chain
from alignkit._cli._train_embedding import is_embedding, show_embedding
from alignkit._cli._train_people import train_and_show
from alignkit._cli._train_personal import fit_and_show
from alignkit._cli._train_pi import is_stage, rerun_arms, show_stage
from alignkit._cli._train_show import in_training, show_run
from alignkit._config import named, read_config
from alignkit.train._methods import config_class
from alignkit.train._own_functions import check_own_functions
from alignkit.train._run_folder import CONFIG, is_run, read_versions
from alignkit.train.hba.config import HBAConfig
from alignkit.train.hba_meg.config import HBAMEGConfig


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Train once more what the folder of a run describes, in another folder.

    On the CPU of the same machine, with the same versions and data, the weights come out the same bit by bit;
    elsewhere one warning says what differs. A rerun that was stopped goes on when the same command is given again.

    Examples
    --------
    alignkit train --from my-model --out my-model-again
    """

    source: Annotated[Path, named("from")]
    """Folder of the run to repeat."""
    out: Path
    """Folder of the new run; made when missing."""
    architecture: tuple[str, ...] = ()
    """module:factory that the run's settings name as a model, which is only called when it is named here."""


def run_train(config: TrainConfig) -> None:
    """Train again, score, and say where the model is."""
    with in_training(TrainConfig):
        require("torch", "train")
        if rerun_chain(config.source, config.out, config.architecture):
            return
        if rerun_arms(config.source, config.out):
            return
        personal = _personal(config)
        if isinstance(personal, HBAMEGConfig):
            train_and_show(personal, "auto")
            return
        if personal is not None:
            fit_and_show(personal, "auto")
            return
        from alignkit.train import rerun

        result = rerun(config.source, out=config.out, architecture=config.architecture)
        if is_embedding(result.config):
            show_embedding(result)
            return
        if is_stage(result.config):
            show_stage(result)
            return
        show_run(result, images=getattr(result.config, "images", None))


def _personal(config: TrainConfig) -> HBAConfig | HBAMEGConfig | None:
    """Return the settings of a run of personal models, with the new folder; None where the run is none."""
    if not is_run(config.source):
        return None
    settings = read_config(config.source / CONFIG, config_class(read_versions(config.source)["method"]))
    if not isinstance(settings, HBAConfig | HBAMEGConfig) or settings.subject is None:
        return None
    if config.source.resolve() == config.out.resolve():
        msg = f"--out must be another folder than {config.source}, which keeps the run that is repeated."
        raise ValueError(msg)
    check_own_functions(settings, config.architecture, run=config.source)
    return dataclasses.replace(settings, out=config.out)
