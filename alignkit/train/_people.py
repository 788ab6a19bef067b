"""What belongs to one person: a seed and a folder of their own, whoever else is trained; and what was found."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, TypeVar

from alignkit._result import Result
from alignkit.models._personal_model import subject_file
from alignkit.train._launch import read_launch
from alignkit.train._run_folder import Resume, RunFolder, check_apart, is_run

R = TypeVar("R", bound=Result)


def own_seed(seed: int, subject: str, fold: int | None, /) -> int:
    """Return a person's own seed for a fold (None: for all answers): a pure function of these three."""
    content = f"{seed}\0{subject}\0{'' if fold is None else fold}".encode()
    return int.from_bytes(hashlib.sha256(content).digest()[:4], "big") >> 1


def person_folder(subject: str, /) -> str:
    """Return the name of the folder of a person's training."""
    return subject_file(subject).removesuffix(".json")


def people_folder(config: Any, /) -> Path:
    """Return the folder of a training of all people (``subject="all"``), or that of one person in it."""
    out: Path = config.out
    return out if config.subject == "all" else out / person_folder(str(config.subject))


def finished_people(config: Any, result: type[R], file: str, /, *, resume: Resume) -> R | None:
    """Return what a finished training of people with the same settings found, from its file; None where there is none.

    Raises
    ------
    ValueError
        Several processes: people are trained one after the other. Or a folder that is not apart from that of the start.
    """
    if read_launch(os.environ).world_size > 1:
        msg = (
            "people's models are trained in one process, one person after the other; give each process people of its "
            "own with subject=NAME, and the same out."
        )
        raise ValueError(msg)
    check_apart(config)
    path = people_folder(config)
    if not is_run(path):
        return None
    with RunFolder.open(path, config, resume=resume) as folder:
        done = folder.finished is not None and (path / file).is_file()
        return result.load(path / file) if done else None
