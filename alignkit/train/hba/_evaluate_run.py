"""Scoring a finished run on what nothing was fitted to: before training, after it, and beside named baselines."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit import __version__
from alignkit._check import check_count, join_names
from alignkit._config import read_config
from alignkit._io import read_json
from alignkit._typing import PathLike
from alignkit._versions import versions
from alignkit.score import ScoreTable
from alignkit.score._match import told_once
from alignkit.score._row import Settings
from alignkit.score._steps import Steps
from alignkit.score._table import rank_rows
from alignkit.train._environment import changed_files, checksums
from alignkit.train._history import History
from alignkit.train._journal import Journal
from alignkit.train._own_functions import check_own_functions
from alignkit.train._run_folder import CONFIG, FINISHED, METRICS, SPLITS, read_versions
from alignkit.train._splits import kept_splits
from alignkit.train.hba import _parts as parts
from alignkit.train.hba._data import HBAData, read_data
from alignkit.train.hba._dimension_scores import DimensionScore, score_dimensions
from alignkit.train.hba._item_bootstrap import draw_items
from alignkit.train.hba._predictors import Predictor, is_spose, short_name
from alignkit.train.hba._scores import HBAScores, SelectionCurves
from alignkit.train.hba.config import HBAConfig

if TYPE_CHECKING:
    from alignkit.models._run_model import SavedModel
    from alignkit.train.hba.task import HBATask

_METHOD = HBAConfig.__name__


def evaluate_run(
    path: PathLike,
    /,
    *,
    n_bootstrap: int | None = None,
    device: str = "auto",
    progress: bool = True,
    architecture: str | Sequence[str] | None = None,
) -> HBAScores:
    """Score a finished CLIP-HBA run on objects that nothing was fitted to, before training and after.

    The run's data are read again as its config names them. Beside the trained model stand what it was before training,
    the frozen backbone's image features, its cosines of images and prompts (zero-shot dimension logits, where images
    and texts share a space), ridge regression of the targets on frozen features, and the targets themselves.
    :func:`alignkit.train.evaluate_run` takes the runs of all methods.
    """
    folder = Path(path)
    config = _read_config(folder)
    data = read_data(config)
    _check_table(config, folder)
    return evaluate_data(
        data, folder, n_bootstrap=n_bootstrap, device=device, progress=progress, architecture=architecture
    )


def evaluate_data(
    data: HBAData,
    path: PathLike,
    /,
    *,
    n_bootstrap: int | None = None,
    device: str = "auto",
    progress: bool = True,
    architecture: str | Sequence[str] | None = None,
) -> HBAScores:
    """Score a finished run as :func:`evaluate_run` does, on data that no config names (the simulated lab's).

    Parameters
    ----------
    data : HBAData
        What the run was trained on; where the run's folder has splits, these are taken.
    path : path
        The run's folder.
    n_bootstrap, device, progress, architecture
        As :func:`evaluate_run` takes them.
    """
    from alignkit.models._run_model import read_run_model
    from alignkit.train.hba.task import build_task

    folder = Path(path)
    config = _read_config(folder)
    check_own_functions(config, architecture, run=folder)
    loop = dataclasses.replace(config.loop, device=device, progress=progress)
    config = dataclasses.replace(config, loop=loop)
    n_bootstrap = config.n_bootstrap if n_bootstrap is None else check_count("n_bootstrap", n_bootstrap)
    saved = read_run_model(folder)
    data = _with_splits(data, folder)
    cache = folder / "cache"
    task = build_task(data, config, cache=cache if cache.is_dir() else None)
    _check_same(saved, task, folder)
    return score_task(task, saved, folder, n_bootstrap=n_bootstrap, progress=progress)


def score_task(task: HBATask, saved: SavedModel, folder: Path, /, *, n_bootstrap: int, progress: bool) -> HBAScores:
    """Score what ``saved`` makes of a task's untrained model; the task has the trained one afterwards."""
    from alignkit.train.hba._baselines import predictors_of

    data = task.data
    settings = Settings(kernel="dot", n_bootstrap=n_bootstrap, seed=task.config.loop.seed)
    name = folder.resolve().name
    with told_once(), Steps(progress) as steps:
        after, others = predictors_of(task, saved.trained, name, steps)
        found = _score_parts(data, after, others, settings, steps)
        dimensions = _dimensions(data, after, others[0], settings)
    rows = [row for part in found for row in part.rows]
    table = ScoreTable(
        dataset="THINGS" if is_spose(data) else short_name(data).removesuffix("'s latents"),
        rows=rank_rows(rows),
        differences=tuple(one for part in found for one in part.differences),
        notes=(*data.notes, *_notes(data, others), *(note for part in found for note in part.notes)),
        settings={**dataclasses.asdict(settings), **_described()},
        versions={"alignkit": __version__, **versions()},
        models={name: _identity(saved)},
    )
    return HBAScores(name, table, dimensions, len(data.held_out), _curves(folder, task.config))


def _score_parts(
    data: HBAData, after: Predictor, others: list[Predictor], settings: Settings, steps: Steps
) -> list[parts.Part]:
    tasks: list[tuple[str, Any]] = [
        (parts.RDM48, lambda: parts.rdm48_part(data, after, others, settings)),
        (parts.TRIPLETS, lambda: parts.triplets_part(parts.TRIPLETS, data, data.held_out, after, others, settings)),
        (parts.HELD_OUT, lambda: parts.targets_part(parts.HELD_OUT, data, data.held_out, after, others, settings)),
        (parts.VAL_TRIPLETS, lambda: parts.triplets_part(parts.VAL_TRIPLETS, data, data.val, after, others, settings)),
        (parts.VALIDATION, lambda: parts.targets_part(parts.VALIDATION, data, data.val, after, others, settings)),
    ]
    steps.expect(len(tasks))
    found = []
    for name, run in tasks:
        found.append(run())
        steps.done(name)
    return found


def _dimensions(data: HBAData, after: Predictor, before: Predictor, settings: Settings) -> tuple[DimensionScore, ...]:
    objects = data.held_out
    if len(objects) < parts.MIN_OBJECTS:
        return ()
    draws = draw_items(len(objects), settings.n_bootstrap, settings.seed)
    return score_dimensions(
        data.dimensions,
        before.take(objects),
        after.take(objects),
        data.targets[objects],
        draws,
        confidence=settings.confidence,
    )


def _notes(data: HBAData, others: list[Predictor]) -> list[str]:
    notes = [
        f"{len(data.train)} objects were trained on, {len(data.val)} chosen on, {len(data.held_out)} held out. Scores "
        "on validation objects are marked: the epoch and penalties were chosen on them."
    ]
    if all(one.kind != "logits" for one in others):
        notes.append(
            "Image and text network were trained apart and share no space: there are no zero-shot dimension logits."
        )
    return notes


def _described() -> dict[str, str]:
    return {"kernel": "dot/cosine", "metric": "1 - Pearson", "method": "Spearman's and Pearson's correlation"}


def _identity(saved: SavedModel) -> dict[str, Any]:
    manifest = saved.manifest
    kept = ("method", "targets", "loss", "adapter", "backbone")
    return {name: manifest[name] for name in kept if name in manifest}


def _curves(folder: Path, config: HBAConfig) -> SelectionCurves:
    lines = Journal(folder / METRICS).read()
    loop = config.loop
    kept = _kept_step(folder)
    history = History.from_lines(
        lines, monitor=loop.monitor, mode=loop.mode, n_steps=0, stopped="finished", best_step=kept
    )
    records = history.validations

    def curve(name: str) -> Any:
        return np.array([record.metrics.get(name, math.nan) for record in records], dtype=np.float64)

    return SelectionCurves(
        steps=np.array([record.step for record in records], dtype=np.float64),
        rdm_spearman=curve("val_rdm_spearman"),
        mse=curve("val_mse"),
        monitor=loop.monitor,
        best_step=history.best_step,
    )


def _kept_step(folder: Path) -> int | None:
    """Return the step whose weights were kept, which a damaged log cannot tell; None where the run did not note it."""
    path = folder / FINISHED
    content = read_json(path) if path.exists() else None
    step = content.get("best_step") if isinstance(content, dict) else None
    return step if type(step) is int and step >= 0 else None


def _read_config(folder: Path) -> HBAConfig:
    method = read_versions(folder)["method"]
    if method != _METHOD:
        msg = f"{folder} holds a run of {method}; a run of {_METHOD} is expected."
        raise ValueError(msg)
    return read_config(folder / CONFIG, HBAConfig)


def _check_table(config: HBAConfig, folder: Path) -> None:
    """Raise where the table of targets has another content than when the run began."""
    then = read_versions(folder).get("data")
    was = then.get("targets") if isinstance(then, dict) else None
    if was is not None and changed_files({"data": {"targets": was}}, {"data": checksums(config, "targets")}):
        msg = f"{config.targets} has another content than when the run in {folder} began; give it its targets back."
        raise ValueError(msg)


def _with_splits(data: HBAData, folder: Path) -> HBAData:
    """Return the data split as the run had them."""
    splits = kept_splits(folder / SPLITS, data.splits)
    seen = set(data.always) - set(splits.held_out)
    if seen:
        msg = f"{folder / SPLITS} trains or chooses on objects that are always held out: {join_names(sorted(seen))}."
        raise ValueError(msg)
    return dataclasses.replace(data, splits=splits)


def _check_same(saved: SavedModel, task: HBATask, folder: Path) -> None:
    """Raise where the run's model has other dimensions, prompts or backbone than what was built anew."""
    if list(saved.manifest["dimensions"]) != list(task.data.dimensions):
        msg = f"the targets have other dimensions than the model in {folder}; give the run its targets back."
        raise ValueError(msg)
    if list(saved.manifest["prompts"]) != list(task.data.prompts):
        msg = f"the prompts are not those that the model in {folder} was trained with; give the run its prompts back."
        raise ValueError(msg)
    if saved.manifest.get("scale", list(task.data.scale)) != list(task.data.scale):
        msg = f"the targets are on another scale than those of the model in {folder}; give the run its targets back."
        raise ValueError(msg)
    then = saved.manifest["backbone"].get("weights_sha256")
    now = getattr(task.model, "identity", {}).get("weights_sha256")
    if then != now:
        msg = (
            f"the backbone has other weights than the one that {folder} was trained on; give the run its weights back."
        )
        raise ValueError(msg)
