"""``alignkit train hba-meg --subject``: models of single people's M/EEG, and whose is whose."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from alignkit._cli._files import first_rows
from alignkit._cli._train_show import REPORT, next_step
from alignkit.train._people import person_folder
from alignkit.train._run_folder import Resume
from alignkit.train.hba_meg.config import HBAMEGConfig

if TYPE_CHECKING:
    from alignkit.meg import Identification
    from alignkit.train import PersonalDynamics

TABLE, MATRIX = "personal.csv", "identification.csv"
#: People whose matrix is printed; that of more is in the file.
_SHOWN = 12
_COLUMNS = (
    "participant",
    "trained_on",
    "own",
    "group",
    "others",
    "own_sessions",
    "rank_1",
    "rank_1_centred",
    "two_way_centred",
    "kept_step",
)


def train_and_show(config: HBAMEGConfig, resume: Resume) -> None:
    """Train people's models, print and report whose M/EEG is most like whose, and say how a model is used."""
    from alignkit.report import write_personal_dynamics_report
    from alignkit.train import personal_dynamics
    from alignkit.train.hba_meg._people_study import dynamics_settings

    found = personal_dynamics(config, resume=resume)
    # the group's run says of what
    group = dynamics_settings(config)
    config = dataclasses.replace(config, images=group.images, backbone=group.backbone)
    own = config.out / person_folder(found.people[0])
    folder = config.out if config.subject == "all" else own
    found.save(folder / TABLE)
    files = [str(folder / TABLE)]
    print(f"{found}\n\n{_table(found)}\n")
    if found.identification is not None:
        found.identification.save(folder / MATRIX)
        files.append(str(folder / MATRIX))
        print(f"{_matrix(found.identification)}\n")
    write_personal_dynamics_report(folder / REPORT, found, config)
    print(f"all numbers: {' and '.join(files)}\nreport: {folder / REPORT}")
    print(next_step(own, config.images))


def _table(found: PersonalDynamics) -> str:
    """Return means of correlations over the window, one row per person."""
    table = found.to_dataframe()
    return first_rows(table[[name for name in _COLUMNS if name in table]])


def _matrix(found: Identification) -> str:
    """Return how alike each person's RDMs are to each person's model; of many people, that they are in the file."""
    if found.n_people > _SHOWN:
        return f"The matrix of {found.n_people} people by their models is in {MATRIX} and in the report."
    import pandas as pd

    table = pd.DataFrame(found.matrix, index=[f"{name}'s RDMs" for name in found.people], columns=found.people)
    return (
        f"People's RDMs (rows) and models (columns), {found.method}:\n{table.to_string(float_format='{:.4f}'.format)}"
    )
