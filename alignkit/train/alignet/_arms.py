"""Finished students of one network: the one that is scored, and the controls that lie beside it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from alignkit._config import read_config
from alignkit.models._run_model import SavedModel
from alignkit.models._student_run_model import read_student_model
from alignkit.train._run_folder import CONFIG, is_run, read_versions
from alignkit.train.alignet.config import AligNetConfig

METHOD = AligNetConfig.__name__
#: What must be the same for two runs to differ in what they were taught alone.
_SAME = ("backbone", "adapter", "head")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class StudentRun:
    """A finished run: its settings, and its weights."""

    folder: Path
    config: AligNetConfig
    saved: SavedModel

    @property
    def arm(self) -> str:
        """What it was taught."""
        return str(self.saved.manifest.get("arm", "aligned"))

    @property
    def name(self) -> str:
        """The folder's."""
        return self.folder.resolve().name


def read_student_run(folder: Path, /) -> StudentRun:
    """Return a finished run.

    Raises
    ------
    FileNotFoundError, ValueError
        A folder without one, or of another method.
    """
    method = read_versions(folder)["method"]
    if method != METHOD:
        msg = f"{folder} holds a run of {method}; a run of {METHOD} is expected."
        raise ValueError(msg)
    return StudentRun(folder, read_config(folder / CONFIG, AligNetConfig), read_student_model(folder))


def find_controls(run: StudentRun, /) -> list[StudentRun]:
    """Return the finished runs beside one, in the same folder, that differ from it in what they were taught.

    Of several with one arm, the first by name.
    """
    found: dict[str, StudentRun] = {}
    for folder in sorted(run.folder.resolve().parent.iterdir()):
        other = None if folder == run.folder.resolve() else _read_if_student(folder)
        if other is None or other.arm == run.arm or other.arm in found:
            continue
        if all(_described(other, name) == _described(run, name) for name in _SAME) and _split(other) == _split(run):
            found[other.arm] = other
    return list(found.values())


def _described(run: StudentRun, name: str) -> Any:
    return run.saved.manifest.get(name)


def _split(run: StudentRun) -> tuple[Any, ...]:
    config = run.config
    return config.images, config.held_out, config.items, config.val_share, config.split_seed


def _read_if_student(folder: Path) -> StudentRun | None:
    if not folder.is_dir() or not is_run(folder):
        return None
    try:
        return read_student_run(folder)
    except (FileNotFoundError, ValueError):  # another method's, or not finished: no control
        return None
