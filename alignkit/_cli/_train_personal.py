"""``alignkit train hba --subject``: models of single people, and what they are worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alignkit._cli._files import first_rows
from alignkit._cli._train_show import REPORT, is_main, next_step
from alignkit.models._personal_model import subject_file
from alignkit.train._people import person_folder
from alignkit.train._run_folder import Resume
from alignkit.train.hba.config import HBAConfig

if TYPE_CHECKING:
    from alignkit.train import PersonalAdapters, PersonalModels

TABLE = "personal.csv"
_COLUMNS = (
    "subject",
    "n_answers",
    "own",
    "shared",
    "group",
    "others",
    "over_shared_low",
    "over_shared_high",
    "ceiling",
)


def is_personal(config: HBAConfig) -> bool:
    """Return whether a config asks for models of single people, by ``subject``."""
    return config.subject is not None


def fit_and_show(config: HBAConfig, resume: Resume) -> None:
    """Fit personal models, print and report what they are worth, and say how one is used."""
    if config.personal == "adapter":
        _train_adapters(config, resume)
    elif is_main():
        _fit_weights(config, resume)


def _fit_weights(config: HBAConfig, resume: Resume) -> None:
    from alignkit.train.hba._personal_run import run_personal

    models = run_personal(config, resume=resume)
    _show(models, config.out, config)
    print(next_step(config.out, config.images, f"/{subject_file(models.people[0].subject)}"))


def _train_adapters(config: HBAConfig, resume: Resume) -> None:
    from alignkit.train import personal_adapters

    models = personal_adapters(config, resume=resume)
    own = config.out / person_folder(models.people[0].subject)
    _show(models, config.out if config.subject == "all" else own, config)
    print(next_step(own, config.images))


def _show(models: PersonalModels | PersonalAdapters, folder: Path, config: HBAConfig) -> None:
    """Write the table and the page into a folder, and print the rest."""
    from alignkit.report import write_personal_report

    models.save(folder / TABLE)
    write_personal_report(folder / REPORT, models, config)
    words = f"\n{models.verdict}\n" if len(models.people) > 1 else ""
    print(f"{models}\n\n{_table(models)}\n{words}\nall numbers: {folder / TABLE}\nreport: {folder / REPORT}")


def _table(models: PersonalModels | PersonalAdapters) -> str:
    """Return accuracies on held-out answers, one row per person, most answers first."""
    table = models.to_dataframe()[list(_COLUMNS)].sort_values("n_answers", ascending=False, kind="stable")
    return first_rows(table)
