"""Training people one after the other, each in a run's folder of its own; who is done is left alone."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch

from alignkit._typing import FloatArray
from alignkit.models._dynamic_run_model import read_dynamic_model
from alignkit.models._tensor_file import write_tensors
from alignkit.models._weights import read_metadata, read_weights
from alignkit.train._people import person_folder
from alignkit.train._processes import Processes
from alignkit.train._run import train_task
from alignkit.train._run_folder import CHECKPOINTS, FINISHED, RunFolder
from alignkit.train.hba_meg._first_stage import WEIGHTS
from alignkit.train.hba_meg._people_study import PeopleStudy
from alignkit.train.hba_meg.config import HBAMEGConfig
from alignkit.train.hba_meg.task import HBAMEGTask, build_task

#: RDMs over time of the scored items, of the person's model and of the one that it started at.
PREDICTED = "predicted.safetensors"
TARGETS = "targets"
_OWN, _GROUP = "own", "group"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What training one person gave.

    Parameters
    ----------
    own, group : ndarray, shape (times, pairs)
        RDMs of the scored items that the person's model gives, and the group's.
    kept_step : int
        Steps of the second stage after which the model was kept.
    n_parameters : int
        Trained.
    """

    own: FloatArray
    group: FloatArray
    kept_step: int
    n_parameters: int


def train_people(
    study: PeopleStudy, names: Sequence[str], config: HBAMEGConfig, processes: Processes, /, *, folder: RunFolder
) -> dict[str, Trained]:
    """Train people's models, and return what they give for the scored items.

    Parameters
    ----------
    study : PeopleStudy
    names : sequence of str
        Whose models.
    config : HBAMEGConfig
        As the run's folder has it; people's folders have the same, each with the person's name.
    processes : Processes
        This one alone.
    folder : RunFolder
        The run's; of one person alone it is the person's own.
    """
    from tqdm import tqdm

    trained = {}
    for name in tqdm(names, desc="people", unit="person", disable=not config.loop.progress):
        path = config.out / person_folder(name)
        own = dataclasses.replace(config, subject=name)
        # of one person alone the run's folder is the person's, which is open
        with nullcontext(folder) if path == folder.path else RunFolder.open(path, own) as place:
            trained[name] = _train_person(study, name, place, processes)
    return trained


def _train_person(study: PeopleStudy, name: str, folder: RunFolder, processes: Processes) -> Trained:
    path = folder.path / PREDICTED
    if folder.finished is not None and not path.is_file():
        # it was cut off after training: going on from the last checkpoint makes what is missing
        (folder.path / FINISHED).unlink()
    if folder.finished is None:
        settings = study.settings_of(name)
        task = build_task(
            study.data, settings, folder, people=(study.donors[name],), cache=study.config.out / "cache", shared=True
        )
        group = _rdms(task, study)
        train_task(task, settings, folder, processes)
        n_parameters = sum(value.numel() for value in task.model.trained().values())
        about = {**_about(study, name), "n_parameters": str(n_parameters)}
        write_tensors(path, {_OWN: _rdms(task, study), _GROUP: group}, metadata=about)
        _let_go(folder.path)
    return _read(study, name, folder)


def _rdms(task: HBAMEGTask, study: PeopleStudy) -> torch.Tensor:
    with torch.no_grad():
        return task.rdms(torch.from_numpy(task.embedding(study.rows))).float().contiguous()


def _let_go(path: Path) -> None:
    """Remove what only going on with training would need."""
    # a stage without checkpoints must not pass for a finished one
    (path / WEIGHTS / FINISHED).unlink(missing_ok=True)
    for left in (path / CHECKPOINTS, path / WEIGHTS / CHECKPOINTS, path / TARGETS):
        shutil.rmtree(left, ignore_errors=True)


def _about(study: PeopleStudy, name: str) -> dict[str, str]:
    return {"items": study.digest, "group": study.group, "trained_on": study.donors[name]}


def check_model(folder: Path, name: str, /) -> None:
    """Raise where a finished person's model is no longer whole.

    Raises
    ------
    ValueError
    """
    try:
        read_dynamic_model(folder)
    except (FileNotFoundError, ValueError) as error:
        msg = f"{str(error).rstrip('.')}; delete the folder {folder} to train {name!r} again, which leaves all others."
        raise ValueError(msg) from error


def _read(study: PeopleStudy, name: str, folder: RunFolder) -> Trained:
    check_model(folder.path, name)
    path = folder.path / PREDICTED
    about = read_metadata(path)
    for key, what in (("items", "other items, times or splits"), ("group", "another group's model")):
        if about.get(key) != _about(study, name)[key]:
            msg = f"{path} is of {what} than there are now; give the run these back, or train in a new folder."
            raise ValueError(msg)
    if about.get("trained_on") != study.donors[name]:
        msg = f"{path} is of a model trained on {about.get('trained_on')!r}, not on {study.donors[name]!r}; train anew."
        raise ValueError(msg)
    found, n = read_weights(path), len(study.rows)
    shape = (len(study.data.times), n * (n - 1) // 2)
    n_parameters = about.get("n_parameters", "")
    whole = found.keys() == {_OWN, _GROUP} and all(tuple(one.shape) == shape for one in found.values())
    if not whole or not n_parameters.isdecimal():
        msg = f"{path} is damaged: it must hold the RDMs of {n} items at {shape[0]} times; delete it to make it anew."
        raise ValueError(msg)
    step = (folder.finished or {}).get("best_step")
    if type(step) is not int:
        msg = f"{folder.path / FINISHED} does not say how training ended; delete it to let it end again."
        raise ValueError(msg)
    own, group = (found[key].double().numpy() for key in (_OWN, _GROUP))
    return Trained(own, group, step, int(n_parameters))
