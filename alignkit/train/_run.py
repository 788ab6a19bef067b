"""From a config to a trained model in a folder, and from such a folder to the same run once more."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from alignkit._check import check_choice
from alignkit._config import read_config
from alignkit._typing import PathLike
from alignkit.train._environment import absolute, differences, environment
from alignkit.train._history import History, Stopped
from alignkit.train._launch import read_launch
from alignkit.train._methods import MethodConfig, builder, config_class
from alignkit.train._own_functions import check_own_functions
from alignkit.train._result import RunResult
from alignkit.train._run_folder import CONFIG, FINISHED, METRICS, Resume, RunFolder, read_versions

if TYPE_CHECKING:
    from alignkit.train._processes import Processes
    from alignkit.train._task import Task


def run(config: MethodConfig, /, *, resume: Resume = "auto") -> RunResult:
    """Train what a config describes, in its folder ``out``, or go on where a run of the same settings was cut off.

    Under torchrun or srun every process calls this; the first one writes.

    Parameters
    ----------
    config : dataclass
        Settings of a method, such as ``HBAConfig``.
    resume : {"auto", "never"}
        Whether to go on with a run that the folder holds, or to refuse it. A finished run of the same settings is
        returned as it is.

    Returns
    -------
    RunResult
        The config, every logged step and validation, the metrics of the weights that were kept, and the folder;
        ``alignkit.models.load(f"run:{result.path}")`` opens the model.

    Raises
    ------
    TypeError
        Anything but a method's config.
    ValueError
        A folder with a run of other settings, data that do not fit together, or a loss that is no number.
    FileExistsError
        With ``resume="never"``, a folder that holds a run.
    BlockingIOError
        Another process trains in the folder.
    OSError
        A full disk; the last checkpoint is whole, and the same call goes on from there.

    Examples
    --------
    >>> from alignkit.train import run
    >>> from alignkit.train.hba.config import HBAConfig
    >>> result = run(HBAConfig(images="photos", out="my-model"))  # doctest: +SKIP
    """
    build = builder(config)
    check_choice("resume", resume, get_args(Resume))
    config = absolute(config)
    from alignkit.train._processes import Processes

    with Processes.start(config.loop) as processes, _open(config, resume, processes) as folder:
        finished = processes.broadcast(folder.finished if folder.main else None)
        if finished is not None:
            return result_of(config, folder, finished)
        history = train_task(build(config, folder), config, folder, processes)
        return _result(config, folder, history)


def train_task(task: Task, config: MethodConfig, folder: RunFolder, processes: Processes, /) -> History:
    """Train a task stage by stage, export it, and note in its folder that it is finished.

    A stage that is finished is loaded, and one that was cut off goes on, as a run does.
    """
    from alignkit.train._loop import fit

    stages: Sequence[Any] = getattr(task, "stages", ())
    for stage in stages:
        task.begin(stage)  # type: ignore[attr-defined]
        with _open(stage, "auto", processes) as own:
            history = fit(task, stage.loop, stage.optim, folder=own, processes=processes)
            own.finish(_end(history))
    if stages:
        task.begin(config)  # type: ignore[attr-defined]
    history = fit(task, config.loop, config.optim, folder=folder, processes=processes)
    if folder.main:
        task.export(folder.path)
        folder.finish(_end(history))
    processes.barrier()  # whoever loads the model next finds it
    return history


def _end(history: History) -> dict[str, Any]:
    return {
        "n_steps": history.n_steps,
        "stopped": history.stopped,
        "best_step": history.best_step,
        "n_processes": history.n_processes,
    }


def rerun(path: PathLike, /, *, out: PathLike, architecture: str | Sequence[str] | None = None) -> RunResult:
    """Run once more what a run's folder describes, in another folder.

    On the CPU of the same machine, with the same versions and data, the weights come out the same bit by bit; what
    differs is said in one warning.

    Parameters
    ----------
    path : path
        Folder of a run, finished or not.
    out : path
        Folder of the new run. A rerun that was cut off there goes on.
    architecture : str or sequence of str, optional
        ``my_module:factory`` that the run's settings name as a model, which is only called when it is named here too.

    Returns
    -------
    RunResult
        As :func:`run` gives it.

    Raises
    ------
    FileNotFoundError
        A folder without a run.
    ValueError
        The same folder twice, a method that this version does not know, settings that it refuses, or a function of
        somebody's own in them.
    OSError
        As :func:`run`.

    Examples
    --------
    >>> from alignkit.train import rerun
    >>> again = rerun("my-model", out="my-model-again")  # doctest: +SKIP
    """
    then = read_versions(path)
    if Path(path).resolve() == Path(out).resolve():
        msg = f"out must be another folder than {path}, which keeps the run that is repeated."
        raise ValueError(msg)
    config = dataclasses.replace(read_config(Path(path, CONFIG), config_class(then["method"])), out=Path(out))
    check_own_functions(config, architecture, run=path)
    launch = read_launch(os.environ)
    changed = differences(then, environment(config, n_processes=launch.world_size)) if launch.rank == 0 else []
    if changed:
        msg = (
            f"the rerun of {path} may differ from it in its numbers, as there differ: {', '.join(changed)}. For the "
            "same bits, run it under what it was made with."
        )
        warnings.warn(msg, stacklevel=2)
    return run(config)


def _open(config: MethodConfig, resume: Resume, processes: Processes) -> RunFolder:
    """Open the folder on the main process, and then on the others, who hear of it when that fails."""
    refused = ""
    folder = None
    if processes.is_main:
        try:
            folder = RunFolder.open(config.out, config, resume=resume, n_processes=processes.world_size)
        except (OSError, ValueError, TypeError) as error:
            if processes.world_size == 1:
                raise
            refused, failure = str(error), error
    refused = processes.broadcast(refused)
    if refused and processes.is_main:
        raise failure
    if refused:
        msg = f"the main process could not open the run's folder ({refused.rstrip('.')})."
        raise OSError(msg)
    return folder or RunFolder.open(config.out, config, main=False)


def result_of(config: MethodConfig, folder: RunFolder, finished: Mapping[str, Any]) -> RunResult:
    """Return what a finished run gave, from its folder."""
    return _result(config, folder, _logged(config, folder, finished))


def _logged(config: MethodConfig, folder: RunFolder, finished: Mapping[str, Any]) -> History:
    """Return the history of a finished run, from its folder."""
    # the log alone names the kept step of a run that ended before this was noted
    kept, n_processes = finished.get("best_step"), finished.get("n_processes", 1)
    whole = (
        type(n_processes) is int
        and n_processes > 0
        and type(finished.get("n_steps")) is int
        and (kept is None or (type(kept) is int and kept >= 0))
    )
    if not whole or finished.get("stopped") not in get_args(Stopped):
        msg = f"{folder.path / FINISHED} does not say how the run ended; delete it to let the run end again."
        raise ValueError(msg)
    lines = folder.read_history()
    if not lines:
        msg = f"{folder.path / METRICS}, which a finished run has, is gone or damaged; train in a new folder."
        raise ValueError(msg)
    return History.from_lines(
        lines,
        monitor=config.loop.monitor,
        mode=config.loop.mode,
        n_steps=finished["n_steps"],
        stopped=finished["stopped"],
        best_step=kept,
        n_processes=n_processes,
    )


def _result(config: MethodConfig, folder: RunFolder, history: History) -> RunResult:
    kept = next((record.metrics for record in history.validations if record.step == history.best_step), {})
    return RunResult(type(config).__name__, config, history, dict(kept), folder.path)
