"""``alignkit train hba-meg``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from alignkit._cli._train_check import check_extra, check_images, check_inputs, check_run_folder
from alignkit._cli._train_people import train_and_show
from alignkit._cli._train_show import in_training, show_run
from alignkit.train._prompts import things_prompts
from alignkit.train._run_folder import Resume
from alignkit.train.hba_meg.config import HBAMEGConfig

#: Dimensions whose prompts are taken where no others are named.
_SPOSE = 66
#: What ``--preset`` calls the settings of a single person's model.
_PERSON = "published-person"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainHBAMEGConfig(HBAMEGConfig):
    r"""Train a model to unfold over time as people's M/EEG does (CLIP-HBA-MEG).

    The folder --out takes the settings, the log, the splits, checkpoints of both stages, the model, its scores in every
    cell of items and people beside the noise ceiling, and report.html with the RDMs as a .gif. A run that was stopped
    goes on where it was when the same command is given again. For several GPUs: torchrun --nproc-per-node=2 -m alignkit
    train hba-meg ...

    With --subject, one person's model (or everybody's: all) is trained on top of the group's run --start, and everybody
    is compared with everybody's model: does people's M/EEG tell whose model is whose? Jobs may train one person each:
    --subject all, with the same --out, trains whoever is missing and compares everybody. --shuffle-people trains on
    another person's RDMs: a control.

    Examples
    --------
    alignkit train hba-meg --images photos --rdms p1.zarr p2.zarr p3.zarr \
        --start my-model --out my-dynamic-model
    alignkit train hba-meg --images photos --rdms rdms/*.zarr \
        --test-rdms other/*.zarr --held-out held_out.txt --out group
    alignkit train hba-meg --preset published --images THINGS \
        --rdms RDM1854.mat --rdm-labels things.csv --start my-model --out again
    alignkit train hba-meg --subject all --start group --out people
    alignkit train hba-meg --subject all --start group --shuffle-people \
        --out control
    """

    preset: Literal["default", "published", "published-person"] = "default"
    """Settings to start from, whatever stands beside them wins: the recommended ones, those published for the group, or
    for a person."""
    resume: Resume = "auto"
    """A folder with a run of the same settings: go on with it (auto), or refuse (never)."""

    def settings(self) -> HBAMEGConfig:
        """Return what describes the run itself."""
        return HBAMEGConfig(**{field.name: getattr(self, field.name) for field in dataclasses.fields(HBAMEGConfig)})


def presets() -> Mapping[str, HBAMEGConfig]:
    """Return the settings that ``--preset`` names."""
    from alignkit.train.hba_meg._presets import PRESETS

    return {name: make() for name, make in PRESETS.items()}


def run_train_hba_meg(config: TrainHBAMEGConfig) -> None:
    """Train, score beside what it was before and the noise ceiling, and say where the model is."""
    settings = config.settings()
    with in_training(TrainHBAMEGConfig):
        _check(settings, config.preset)
        if settings.subject is not None:
            train_and_show(settings, config.resume)
            return
        from alignkit.train import run

        show_run(run(settings, resume=config.resume), images=settings.images)


def _check(config: HBAMEGConfig, preset: str) -> None:
    """Refuse at once what would be refused later, or in words that do not help."""
    check_extra()
    check_run_folder(config.out)
    # personal models find their data by the group's run
    alone = config.subject is None
    _check_people(config, preset)
    _check_start(config)
    if alone and not config.rdms:
        msg = "--rdms is not given; name people's RDMs over time: what `alignkit meg rdms` wrote, .npz, .mat or .npy."
        raise ValueError(msg)
    check_images(config.images, out=config.out, root=config.root, needed=alone)
    _check_files(config)
    _check_texts(config)
    if alone and config.start is None and config.prompts is None:
        things_prompts(_SPOSE, config.root)


def _check_people(config: HBAMEGConfig, preset: str) -> None:
    if config.subject is None and config.shuffle_people:
        msg = "--shuffle-people is a control of personal models: name --subject as well (a person, or all)."
        raise ValueError(msg)
    if config.subject is not None and config.start is None:
        msg = "--subject needs --start, the folder of the group's run of `alignkit train hba-meg`."
        raise ValueError(msg)
    if preset == _PERSON and config.subject is None and len(config.people) != 1:
        msg = f"--preset {_PERSON} is for one person's model: name --subject and --start, or one of --people alone."
        raise ValueError(msg)


def _check_start(config: HBAMEGConfig) -> None:
    """Raise unless there is a finished run to start at, where one is named."""
    if config.start is None:
        return
    if not config.start.is_dir():
        what = "is a file" if config.start.exists() else "does not exist"
        msg = f"--start {config.start} {what}; name the folder of a finished run."
        raise NotADirectoryError(msg)
    if config.subject is None:
        from alignkit.models._run_model import kind_of_run

        if kind_of_run(config.start) is None:
            msg = f"--start {config.start} holds no finished run (its model.json is missing or damaged)."
            raise FileNotFoundError(msg)


def _check_files(config: HBAMEGConfig) -> None:
    for flag, paths in (("rdms", config.rdms), ("test-rdms", config.test_rdms)):
        for path in paths:
            check_inputs({flag: path})
    names = ("items", "rdm_labels", "held_out", "triplets", "prompts", "weights")
    files: dict[str, Path | None] = {name.replace("_", "-"): getattr(config, name) for name in names}
    check_inputs(files)


def _check_texts(config: HBAMEGConfig) -> None:
    if config.adapter.text_blocks:
        from alignkit.models._build_dynamic_model import check_no_texts

        check_no_texts(config.adapter)
