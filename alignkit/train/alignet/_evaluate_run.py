"""Scoring a finished student on what no triplet had: before training, after it, and beside its controls."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alignkit import __version__
from alignkit._check import check_count, join_names
from alignkit._typing import FloatArray, IntArray, PathLike
from alignkit._versions import versions
from alignkit.score import ScoreTable
from alignkit.score._match import told_once
from alignkit.score._row import Settings
from alignkit.score._steps import Steps
from alignkit.score._table import rank_rows
from alignkit.train._history import History
from alignkit.train._images import mean_over_photos, photos_of_objects
from alignkit.train._journal import Journal
from alignkit.train._own_functions import check_own_functions
from alignkit.train._run_folder import METRICS, SPLITS
from alignkit.train._splits import kept_splits
from alignkit.train.alignet._arms import StudentRun, find_controls, read_student_run
from alignkit.train.alignet._data import AligNetData, photos_in_use, read_data
from alignkit.train.alignet._parts import HELD_OUT, VALIDATION, Described, Part, answers_part, probe_part
from alignkit.train.alignet._scores import AligNetScores
from alignkit.train.alignet.config import AligNetConfig

_BEFORE = "before training"


def evaluate_run(
    path: PathLike,
    /,
    *,
    n_bootstrap: int | None = None,
    device: str = "auto",
    progress: bool = True,
    architecture: str | Sequence[str] | None = None,
) -> AligNetScores:
    """Score a finished AligNet student on items and images that no triplet had, before training and after.

    The run's data are read again as its config names them. Finished runs in the same folder that were taught something
    else (``untransformed``, ``shuffled``) with the same network and split are its controls.
    :func:`alignkit.train.evaluate_run` takes the runs of all methods.
    """
    run = read_student_run(Path(path))
    check_own_functions(run.config, architecture, run=run.folder)
    loop = dataclasses.replace(run.config.loop, device=device)
    n = run.config.n_bootstrap if n_bootstrap is None else check_count("n_bootstrap", n_bootstrap)
    return evaluate_student(run.folder, dataclasses.replace(run.config, loop=loop, n_bootstrap=n), progress=progress)


def evaluate_student(path: PathLike, config: AligNetConfig, /, *, progress: bool = True) -> AligNetScores:
    """Score a finished student as other settings say: on other people's answers, or with another probe.

    Parameters
    ----------
    path : path
        The run's folder.
    config : AligNetConfig
        The run's settings but for ``answers``, ``probe``, ``loop.device`` and ``n_bootstrap``.
    progress : bool
        Show a bar with the time left.
    """
    run = read_student_run(Path(path))
    loop = dataclasses.replace(config.loop, progress=progress)
    config = dataclasses.replace(config, loop=loop)
    data = read_data(config)
    data = dataclasses.replace(data, splits=kept_splits(run.folder / SPLITS, data.splits))
    settings = Settings(kernel="dot", n_bootstrap=config.n_bootstrap, seed=config.loop.seed)
    controls = find_controls(run)
    with told_once(), Steps(progress) as steps:
        steps.expect(3 + len(controls))
        images = _Images.of(data)
        models = _describe(dataclasses.replace(run, config=config), controls, images, steps)
        parts = _score(data, images, models, settings)
        steps.done("answers and classes")
    return AligNetScores(
        run.name, run.arm, _table(run, data, parts, settings, controls), _metrics(run.folder, run.config)
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Images:
    """The images that are looked at, by their numbers among all in use: those of items, and the probe's."""

    paths: tuple[Path, ...]
    numbers: IntArray
    items: dict[str, IntArray]
    probe: IntArray

    @classmethod
    def of(cls, data: AligNetData) -> _Images:
        items = {name: data.items[name] for name in (*data.held_out_items, *_validation_items(data))}
        probe = () if data.probe is None else data.probe.paths
        paths = photos_in_use(data)
        number = {path: i for i, path in enumerate(paths)}
        seen = list(dict.fromkeys([*(path for own in items.values() for path in own), *probe]))
        place = {path: i for i, path in enumerate(seen)}
        return cls(
            paths,
            np.array([number[path] for path in seen], dtype=np.int64),
            {name: np.array([place[path] for path in own]) for name, own in items.items()},
            np.array([place[path] for path in probe], dtype=np.int64),
        )

    def means(self, names: Sequence[str], values: FloatArray) -> FloatArray:
        """Return the mean over the images of each item."""
        photos, where, sizes = photos_of_objects([self.items[name] for name in names], np.arange(len(names)))
        return mean_over_photos(values[photos][where], sizes)


def _validation_items(data: AligNetData) -> list[str]:
    """Return the items all of whose images weights were chosen on."""
    val = {path for name in data.val for path in data.images[name]}
    return [item for item, paths in data.items.items() if paths and val.issuperset(paths)]


def _describe(
    run: StudentRun, controls: Sequence[StudentRun], images: _Images, steps: Steps
) -> tuple[list[Described], list[Described]]:
    """Return who is asked about people's answers, and whose embeddings are probed; the student first in both."""
    from alignkit.train.alignet._build import build_model, build_source

    config = run.config
    model, towers = build_model(config)
    _check_same(run, model.identity)
    if not len(images.numbers):
        return [], []
    cache = config.cache_folder or run.folder / "cache"
    at_hand = cache.is_dir() and os.access(cache, os.W_OK)
    source = build_source(images.paths, config, towers, cache if at_hand else None, wait=True)

    def look() -> tuple[FloatArray, FloatArray]:
        from alignkit.train._predict import predict
        from alignkit.train.alignet.task import TripletsOf

        rows = predict(TripletsOf(model), source_of, len(images.numbers), batch_size=64).double().numpy()
        return rows[:, : towers.image.width], rows[:, towers.image.width :]

    def source_of(numbers: IntArray) -> Any:
        return source(images.numbers[numbers])

    before, _ = look()
    steps.done(_BEFORE)
    told = "taught the teacher's choices about other images"
    answering: list[Described] = []
    probed: list[Described] = []
    for one in (run, *controls):
        model.load_trained(one.saved.trained)
        embedding, output = look()
        steps.done(one.name)
        name = one.name if one is run else f"{one.arm} ({one.name})"
        scaled = output / float(one.saved.manifest["temperature"]) ** 0.5
        answering.append(Described(name, scaled, "dot", f"{told} ({one.arm})", baseline=one is not run))
        kept = Described(f"{name}, embedding", embedding, "cosine", f"{told} ({one.arm})", baseline=one is not run)
        answering.append(kept)
        probed.append(kept)
        if model.head is not None:
            probed.append(Described(f"{name}, head", output, "cosine", kept.split, baseline=one is not run))
    frozen = Described(_BEFORE, before, "cosine", "nothing was fitted")
    centred = Described(f"{_BEFORE}, centred", before - before.mean(axis=0), "cosine", "nothing was fitted")
    return [*answering, frozen, centred], [*probed, frozen]


def _score(
    data: AligNetData, images: _Images, models: tuple[list[Described], list[Described]], settings: Settings
) -> list[Part]:
    answering, probed = models
    if not answering:
        return [Part(notes=("There are no items with answers, and no images to probe: nothing could be scored.",))]
    parts = []
    for part, items in ((HELD_OUT, list(data.held_out_items)), (VALIDATION, _validation_items(data))):
        if items or part == HELD_OUT:
            means = lambda values, items=items: images.means(items, values)  # noqa: E731
            parts.append(answers_part(part, data, items, means, answering, settings))
    return [*parts, probe_part(data, images.probe, probed, settings)]


def _table(
    run: StudentRun, data: AligNetData, parts: Sequence[Part], settings: Settings, controls: Sequence[StudentRun]
) -> ScoreTable:
    beside = f"Controls: {join_names(f'{one.arm} ({one.name})' for one in controls)}." if controls else ""
    notes = (*data.notes, beside or "No finished control run lies beside this one.")
    manifest = run.saved.manifest
    return ScoreTable(
        dataset="people's answers and classes of images",
        rows=rank_rows([row for part in parts for row in part.rows]),
        differences=tuple(one for part in parts for one in part.differences),
        notes=(*notes, *(note for part in parts for note in part.notes)),
        settings={**dataclasses.asdict(settings), "kernel": "dot/cosine"},
        versions={"alignkit": __version__, **versions()},
        models={run.name: {name: manifest.get(name) for name in ("method", "arm", "objective", "adapter", "backbone")}},
    )


def _metrics(folder: Path, config: Any) -> dict[str, float]:
    """Return what the validation of the kept weights gave."""
    loop = config.loop
    history = History.from_lines(
        Journal(folder / METRICS).read(), monitor=loop.monitor, mode=loop.mode, n_steps=0, stopped="finished"
    )
    kept = next((record.metrics for record in history.validations if record.step == history.best_step), {})
    return {name: float(value) for name, value in kept.items() if value is not None}


def _check_same(run: StudentRun, identity: dict[str, Any]) -> None:
    then, now = run.saved.manifest["backbone"].get("weights_sha256"), identity.get("weights_sha256")
    if then != now:
        msg = (
            f"the backbone has other weights than the one that {run.folder} was trained on; give the run its weights "
            "back."
        )
        raise ValueError(msg)
