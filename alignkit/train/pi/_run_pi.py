"""Every arm of Perceptual Initialization in one folder: on one machine, or by jobs that share it."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from alignkit._check import check_choice, check_count, join_names
from alignkit._config import dump_config, read_config
from alignkit._io import write_json
from alignkit._lock import FolderLock
from alignkit._log import tell
from alignkit._typing import PathLike
from alignkit.train._environment import absolute, environment
from alignkit.train._launch import Launch, read_launch
from alignkit.train._run import run
from alignkit.train._run_folder import CONFIG, VERSIONS, Resume, is_run, read_versions
from alignkit.train.pi._arm_checks import check_beginning, check_data, check_hashes
from alignkit.train.pi._arm_runs import ArmRun, arm_runs, runs_there
from alignkit.train.pi._arms_config import Arm, PIConfig
from alignkit.train.pi._pi_result import PIArms
from alignkit.train.pi._post_hoc_scores import score_post_hoc
from alignkit.train.pi._read_arms import read_arms

METHOD = PIConfig.__name__
#: Seconds between looks at what other jobs do.
_PAUSE = 2.0
_DONE, _WAIT = -1, -2


def run_pi(
    config: PIConfig,
    /,
    *,
    arms: Sequence[Arm] | None = None,
    seeds: Sequence[int] | None = None,
    resume: Resume = "auto",
) -> PIArms:
    """Train every arm of Perceptual Initialization with every seed, and compare the arms.

    All arms of a seed see the same pairs in the same order with the same augmentation, and begin with the same text
    tower and a fresh optimiser; hashes of the weights that they begin with are compared, and a difference is an error.
    What differs is the vision tower:

    =====================  ===========================================================================
    arm                    its vision tower
    =====================  ===========================================================================
    ``web-only``           random
    ``pi``                 learned from people's judgements first (stage 1)
    ``post-hoc``           web-only's, whose attention learns from the judgements afterwards
    ``shuffled-triplets``  control: as pi, with the alternatives of the judgements exchanged at random
    ``imagenet-triplets``  control: as pi, with judgements that classes of images make
    =====================  ===========================================================================

    Everything lies in the folder ``out``: ``seed-0/pi``, ``seed-0/stage-1/pi`` and so on are runs as
    :func:`alignkit.train.run` makes them, each of which goes on where it was stopped. Jobs of an array may share the
    folder and train parts of it, or all ask for everything: whoever is free takes the next run that nobody trains, and
    waits only for what it needs.

    Parameters
    ----------
    config : PIConfig
        Settings.
    arms : sequence of str, optional
        Only these; by default the config's. Post-hoc makes sure that web-only is finished.
    seeds : sequence of int, optional
        Only these; by default the config's.
    resume : {"auto", "never"}
        Whether to go on with what the folder holds, or to refuse it.

    Returns
    -------
    PIArms
        Of all runs in the folder that are finished, also those of other jobs.

    Raises
    ------
    TypeError
        Another config.
    ValueError
        Settings that runs in the folder were made with otherwise, data that do not fit together, or arms that did not
        begin alike.
    FileNotFoundError
        A file or folder that is not there.
    FileExistsError
        With ``resume="never"``, a folder that holds runs; or one that holds a run of something else.

    References
    ----------
    Hu et al. (2025), Perceptual Initialization, https://doi.org/10.48550/arXiv.2505.14204

    Examples
    --------
    >>> from alignkit.train import PIConfig, run_pi
    >>> config = PIConfig(pairs="cc3m", judgements="nights/data.csv", images="nights", seeds=(0, 1, 2), out="pi")
    >>> print(run_pi(config).to_text())  # doctest: +SKIP
    """
    given: object = config
    if not isinstance(given, PIConfig):
        msg = f"config must be a PIConfig; got {type(config).__name__}."
        raise TypeError(msg)
    check_choice("resume", resume, get_args(Resume))
    config = absolute(_with(config, arms, seeds))
    launch = read_launch(os.environ)
    runs = arm_runs(config, config.arms, config.seeds)
    if not launch.rank:
        _check_folder(config, runs, resume)
        check_data(config, runs)
        _note(config, launch)
    _train(config, runs, launch)
    for one in runs:
        if one.arm == "post-hoc":
            score_post_hoc(config, one)
    there = runs_there(config)
    check_hashes(there)
    return read_arms(config, there)


def rerun_pi(path: PathLike, /, *, out: PathLike) -> PIArms:
    """Make once more what a folder of arms describes, in another folder.

    Parameters
    ----------
    path : path
        Folder of the arms.
    out : path
        Folder of the new ones.

    Raises
    ------
    ValueError
        A folder without arms, or the same folder twice.
    """
    if not is_pi(Path(path)):
        msg = f"{path} holds no arms of Perceptual Initialization."
        raise ValueError(msg)
    if Path(path).resolve() == Path(out).resolve():
        msg = f"out must be another folder than {path}, which keeps the arms that are repeated."
        raise ValueError(msg)
    return run_pi(dataclasses.replace(read_config(Path(path, CONFIG), PIConfig), out=Path(out)))


def is_pi(path: Path) -> bool:
    """Return whether a folder holds arms of Perceptual Initialization."""
    return is_run(path) and read_versions(path)["method"] == METHOD


def _with(config: PIConfig, arms: Sequence[Arm] | None, seeds: Sequence[int] | None) -> PIConfig:
    changes: dict[str, Any] = {}
    if arms is not None:
        changes["arms"] = tuple(arms)
    if seeds is not None:
        changes["seeds"] = tuple(check_count("seeds", seed) for seed in seeds)
    return dataclasses.replace(config, **changes)


def _check_folder(config: PIConfig, runs: Sequence[ArmRun], resume: Resume) -> None:
    """Refuse what the folder holds where it does not fit."""
    out = config.out
    if out.exists() and not out.is_dir():
        msg = f"{out} is a file; out must be a folder."
        raise NotADirectoryError(msg)
    known = is_run(out)
    if known and not is_pi(out):
        msg = f"{out} holds a run of {read_versions(out)['method']}, not of {METHOD}; choose another out."
        raise FileExistsError(msg)
    if not known and (out / CONFIG).exists():
        msg = f"{out} holds {CONFIG}, but no arms of Perceptual Initialization; choose another out."
        raise FileExistsError(msg)
    begun = [run.name for run in runs if run.begun]
    if resume == "never" and begun:
        msg = f"{out} holds {join_names(begun)}; choose another out, or resume them (resume='auto')."
        raise FileExistsError(msg)
    for one in {each.path: each for each in (*runs, *runs_there(config))}.values():
        one.check_settings()


def _note(config: PIConfig, launch: Launch) -> None:
    """Write what is trained here into the folder, beside what other calls asked for."""
    out = config.out
    out.mkdir(parents=True, exist_ok=True)
    lock = _hold(out)
    try:
        # a job of an array asks for its part, and the folder describes the whole
        before = read_config(out / CONFIG, PIConfig) if is_pi(out) else config
        whole: dict[str, Any] = {
            name: tuple(dict.fromkeys([*getattr(before, name), *getattr(config, name)])) for name in _PARTS
        }
        labels = config.label_images or before.label_images
        write_json(out / VERSIONS, {"method": METHOD, **environment(config, n_processes=launch.world_size)})
        dump_config(dataclasses.replace(config, label_images=labels, **whole), out / CONFIG)
    finally:
        lock.release()


#: Settings that say which part of the arms a job makes.
_PARTS = ("arms", "seeds")


def _hold(out: Path) -> FolderLock:
    """Hold the folder of all runs, which other jobs do for a moment too."""
    while True:
        try:
            return FolderLock(out)
        except BlockingIOError:
            time.sleep(_PAUSE / 10)


def _train(config: PIConfig, runs: Sequence[ArmRun], launch: Launch) -> None:
    """Train what is not finished; what other jobs train is left to them, and waited for."""
    told: set[str] = set()
    for one in runs:
        if one.finished and not launch.rank:
            _say(config, launch, f"{one.name}: done before")
    while (number := _next(config, runs, launch, told)) != _DONE:
        one = runs[number]
        if not launch.rank:
            line = check_beginning(config, one)
            if line is not None:
                tell(line)
        _say(config, launch, f"{one.name}: {1 + number} of {len(runs)} ...")
        try:
            metrics = run(one.config).metrics
        except BlockingIOError:  # somebody else was a moment earlier
            if launch.world_size > 1:
                raise
            continue
        told_of = ", ".join(f"{name} {value:.4g}" for name, value in list(metrics.items())[:3])
        _say(config, launch, f"{one.name}: finished ({told_of})")


def _next(config: PIConfig, runs: Sequence[ArmRun], launch: Launch, told: set[str]) -> int:
    """Return the number of the run to train next, the same on all processes; wait while others train what is left."""
    from alignkit.train._processes import Processes

    with Processes.start(config.loop) as processes:
        while True:
            number = int(processes.broadcast(_choose(runs) if processes.is_main else None))
            if number != _WAIT:
                return number
            names = [run.name for run in runs if not run.finished]
            if not launch.rank and names and names[0] not in told:
                told.add(names[0])
                tell(f"waiting for other jobs, which train {join_names(names)}")
            time.sleep(_PAUSE)


def _choose(runs: Sequence[ArmRun]) -> int:
    left = [number for number, run in enumerate(runs) if not run.finished]
    if not left:
        return _DONE
    return next((number for number in left if runs[number].ready and runs[number].is_free()), _WAIT)


def _say(config: PIConfig, launch: Launch, text: str) -> None:
    if not launch.rank:
        tell(text, shown=config.loop.progress)
