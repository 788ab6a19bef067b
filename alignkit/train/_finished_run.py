"""A finished run, read from its folder; nothing is trained, and torch stays unloaded."""

from __future__ import annotations

from pathlib import Path

from alignkit._config import read_config
from alignkit._typing import PathLike
from alignkit.train._methods import config_class
from alignkit.train._result import RunResult
from alignkit.train._run import result_of
from alignkit.train._run_folder import CONFIG, RunFolder, read_versions


def finished_run(path: PathLike, /) -> RunResult:
    """Return what :func:`alignkit.train.run` gave when the run in a folder was finished.

    Raises
    ------
    FileNotFoundError
        A folder without a run.
    ValueError
        A run that is not finished, or whose files are damaged.
    """
    path = Path(path)
    config = read_config(path / CONFIG, config_class(str(read_versions(path)["method"])))
    folder = RunFolder(path, config, main=False)
    finished = folder.finished
    if finished is None:
        msg = f"the run in {path} is not finished; give the command that began it again, and it goes on."
        raise ValueError(msg)
    return result_of(config, folder, finished)
