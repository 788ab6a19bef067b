"""Training people one after the other: fold by fold, each in a run's folder of its own; who is done is left alone."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import torch

from alignkit.models._tensor_file import write_tensors
from alignkit.models._weights import read_metadata, read_weights
from alignkit.train._history import History
from alignkit.train._loop import fit
from alignkit.train._people import own_seed, person_folder
from alignkit.train._processes import Processes
from alignkit.train._run_folder import CHECKPOINTS, FINISHED, RunFolder
from alignkit.train.hba._personal_backbone import SharedBackbone
from alignkit.train.hba._personal_compare import Outcome
from alignkit.train.hba._personal_task import PersonTask
from alignkit.train.hba.config import HBAConfig

#: What the model of a fold predicts of everybody's answers in that fold.
OUTCOME = "held-out.safetensors"
_ANSWERS, _GROUP = "answers", "group"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What training one person gave.

    Parameters
    ----------
    outcome : Outcome
        Of all folds.
    kept_step : int
        Of the model that was fitted to all answers.
    """

    outcome: Outcome
    kept_step: int


def train_people(
    shared: SharedBackbone, subjects: Sequence[str], config: HBAConfig, processes: Processes, /, *, folder: RunFolder
) -> dict[str, Trained]:
    """Train the models of people, and return what they predict of answers left out.

    Parameters
    ----------
    shared : SharedBackbone
    subjects : sequence of str
        Ids of those to train.
    config : HBAConfig
        As the run's folder has it; people's folders have the same, each with the person's id.
    processes : Processes
        This one alone.
    folder : RunFolder
        The run's; of one person alone it is the person's own.
    """
    from tqdm import tqdm

    trained = {}
    with tqdm(
        total=len(subjects) * (shared.study.n_folds + 1), desc="people", unit="fit", disable=not config.loop.progress
    ) as bar:
        for subject in subjects:
            own = dataclasses.replace(config, subject=subject)
            path = config.out / person_folder(subject)
            # of one person alone the run's folder is the person's, which is open
            with nullcontext(folder) if path == folder.path else RunFolder.open(path, own) as place:
                trained[subject] = _train_person(shared, subject, place, processes, bar.update)
    return trained


def _train_person(
    shared: SharedBackbone, subject: str, folder: RunFolder, processes: Processes, tick: Callable[[], object]
) -> Trained:
    outcomes = []
    for fold in range(shared.study.n_folds):
        with RunFolder.open(folder.path / f"fold-{fold + 1}", folder.config) as own:
            outcomes.append(_leave_out(shared, subject, fold, own, processes))
        tick()
    if folder.finished is None:
        task, history = _fit(shared, subject, None, folder, processes)
        task.export(folder.path)
        _finish(folder, history)
    tick()
    return Trained(shared.study.join(outcomes), _kept_step(folder))


def _leave_out(shared: SharedBackbone, subject: str, fold: int, folder: RunFolder, processes: Processes) -> Outcome:
    """Train without a fold, and return what the model predicts of everybody's answers in it."""
    path = folder.path / OUTCOME
    if folder.finished is None:
        _, history = _fit(shared, subject, fold, folder, processes)
        outcome = shared.outcome(shared.embedding(), fold)
        tensors = {"right": torch.from_numpy(outcome.right), "log_p": torch.from_numpy(outcome.log_p)}
        about = {_ANSWERS: shared.study.digest, _GROUP: shared.group_checksum}
        write_tensors(path, tensors, metadata=about)
        _finish(folder, history)
    return _read_outcome(path, shared)


def _fit(
    shared: SharedBackbone, subject: str, fold: int | None, folder: RunFolder, processes: Processes
) -> tuple[PersonTask, History]:
    seed = own_seed(shared.config.loop.seed, subject, fold)
    task = shared.task(subject, fold, seed=seed)
    loop = dataclasses.replace(shared.config.loop, seed=seed, progress=False)
    return task, fit(task, loop, shared.config.optim, folder=folder, processes=processes)


def _finish(folder: RunFolder, history: History) -> None:
    """Note that training is done, and let go of what only going on with it would need."""
    folder.finish({"n_steps": history.n_steps, "stopped": history.stopped, "best_step": history.best_step})
    shutil.rmtree(folder.path / CHECKPOINTS, ignore_errors=True)


def _kept_step(folder: RunFolder) -> int:
    step = (folder.finished or {}).get("best_step")
    if type(step) is not int:
        msg = f"{folder.path / FINISHED} does not say how training ended; delete it to let it end again."
        raise ValueError(msg)
    return step


def _read_outcome(path: Path, shared: SharedBackbone) -> Outcome:
    about = read_metadata(path)
    if about.get(_ANSWERS) != shared.study.digest:
        msg = (
            f"{path} is about other answers than those that are read now; give the run its answers back, or train in a "
            "new folder."
        )
        raise ValueError(msg)
    if about.get(_GROUP) != shared.group_checksum:
        msg = (
            f"{path} is of a person who started at another model than {shared.config.start} holds now; give that model "
            "back, or train in a new folder."
        )
        raise ValueError(msg)
    found = read_weights(path)
    if found.keys() != {"right", "log_p"} or found["right"].shape != found["log_p"].shape:
        msg = f"{path} is damaged: it must say of each answer whether it is predicted, and how likely it is."
        raise ValueError(msg)
    return Outcome(found["right"].numpy().astype(bool), found["log_p"].numpy())
