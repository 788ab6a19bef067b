"""``alignkit train hba --subject``: models of single people on a group's dimensions, and what they are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alignkit._cli._files import first_rows
from alignkit._cli._train_show import is_main, next_step
from alignkit.models._personal_model import subject_file
from alignkit.train._run_folder import Resume
from alignkit.train.hba.config import HBAConfig

if TYPE_CHECKING:
    from alignkit.train import PersonalModels

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
    """Return whether a config asks for weights on a group's dimensions, which are fitted without a training loop.

    Raises
    ------
    ValueError
        A person's adapters that would not learn from the person's answers.
    """
    if config.subject is None or config.personal == "weights":
        return config.subject is not None
    if config.answers != "human" or config.start is None or config.subject == "all":
        msg = (
            "--personal adapter trains on one person's answers from the group's weights: it needs --subject ID, "
            "--start RUN, --loss triplets and --answers human."
        )
        raise ValueError(msg)
    return False


def fit_and_show(config: HBAConfig, resume: Resume) -> None:
    """Fit personal models on the main process, print what they are worth, and say how one is used."""
    if not is_main():
        return
    from alignkit.train.hba._personal_run import run_personal

    models = run_personal(config, resume=resume)
    models.save(config.out / TABLE)
    print(f"{models}\n\n{_table(models)}\n\nall numbers: {config.out / TABLE}")
    print(next_step(config.out, config.images, f"/{subject_file(models.people[0].subject)}"))


def _table(models: PersonalModels) -> str:
    """Return accuracies on held-out answers, one row per person, most answers first."""
    table = models.to_dataframe()[list(_COLUMNS)].sort_values("n_answers", ascending=False, kind="stable")
    return first_rows(table)
