"""``alignkit train hba``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

from alignkit._cli._train_check import check_extra, check_images, check_run_folder
from alignkit._cli._train_personal import fit_and_show, is_personal
from alignkit._cli._train_show import in_training, show_run
from alignkit.train._run_folder import Resume
from alignkit.train.hba.config import HBAConfig


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainHBAConfig(HBAConfig):
    r"""Fine-tune a CLIP, or a pair of encoders, to the dimensions of human behaviour (CLIP-HBA).

    The folder --out takes the settings, the log, the splits, checkpoints, the model, its scores before and after
    beside the ceiling, and report.html. A run that was stopped goes on where it was when the same command is given
    again. For several GPUs: torchrun --nproc-per-node=2 -m alignkit train hba ...

    With --subject, one person's own weights on the dimensions of the group's run --start are fitted to the person's
    answers (or --personal adapter: adapters of its backbone are trained), and compared with the group's and with other
    people's on answers left out. Jobs may train one person each: --subject all, with the same --out, trains whoever is
    missing and compares everybody.

    Examples
    --------
    alignkit train hba --images THINGS --out my-model
    alignkit train hba --preset hba-2025 --images THINGS --out replication
    alignkit train hba --images photos --backbone vit.safetensors --layer 10 \
        --text minilm --loss triplets --head ridge --dropout 0.5 \
        --optim.lr 1e-4 --out my-pair
    alignkit train hba --images photos --targets ratings.csv \
        --prompts prompts.csv --loop.epochs 50 --out my-study
    alignkit train hba --images THINGS --subject 3 --start my-model --out s3
    alignkit train hba --subject all --personal adapter --start my-model --out all
    """

    preset: Literal["default", "hba-2025", "hba-ccn2024"] = "default"
    """Settings to start from, whatever stands beside them wins: the recommended ones, or those of a publication."""
    resume: Resume = "auto"
    """A folder with a run of the same settings: go on with it (auto), or refuse (never)."""

    def settings(self) -> HBAConfig:
        """Return what describes the run itself."""
        return HBAConfig(**{field.name: getattr(self, field.name) for field in dataclasses.fields(HBAConfig)})


def presets() -> Mapping[str, HBAConfig]:
    """Return the settings that ``--preset`` names."""
    from alignkit.train.hba._presets import PRESETS

    return {name: make() for name, make in PRESETS.items()}


def run_train_hba(config: TrainHBAConfig) -> None:
    """Train, score before and after, and say where the model is."""
    settings = config.settings()
    with in_training(TrainHBAConfig):
        _check(settings)
        if is_personal(settings):
            fit_and_show(settings, config.resume)
            return
        from alignkit.train import run

        show_run(run(settings, resume=config.resume), images=settings.images)


def _check(config: HBAConfig) -> None:
    """Refuse at once what would be refused later, or in words that do not help."""
    check_extra()
    check_run_folder(config.out)
    # a personal model finds the images of the group's run
    check_images(config.images, out=config.out, root=config.root, needed=config.subject is None)
