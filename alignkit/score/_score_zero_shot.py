"""Zero-shot scores of models on sets of images: features of both towers, and everything that follows from them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from alignkit._check import check_count, join_names, shown
from alignkit._typing import FloatArray, PathLike
from alignkit._versions import versions
from alignkit.data import ZeroShotSet, open_zero_shot_set
from alignkit.data._open_zero_shot_set import zero_shot_sources
from alignkit.rsa._intervals import check_bootstrap, percentile_bounds
from alignkit.score._clip_benchmark import ClipBenchmarkRecord
from alignkit.score._row import Difference, ScoreRow
from alignkit.score._table import ScoreTable, rank_rows
from alignkit.score._win_counts import WinCounts, win_counts
from alignkit.score._zero_shot_measures import (
    MEASURES,
    Measured,
    credits,
    guessing,
    main_measure,
    measured,
    resampled,
    shuffled,
    task_of,
    texts_of,
)
from alignkit.score._zero_shot_scores import ZeroShotScores
from alignkit.score._zero_shot_tasks import zero_shot_tasks

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from alignkit.models import JointModel

_CHANCE, _SHUFFLED = "chance", "classes shuffled"
_TASKS = {"classification": "classification", "multilabel": "classification", "retrieval": "retrieval"}
#: What a family's mean is called.
_MEAN = "mean of main measures"


def score_zero_shot(
    models: str | JointModel | Sequence[str | JointModel],
    sets: PathLike | ZeroShotSet | Sequence[PathLike | ZeroShotSet],
    /,
    *,
    batch_size: int = 64,
    device: str | torch.device = "auto",
    n_workers: int | None = None,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    n_shuffles: int = 5,
    seed: int = 0,
    root: PathLike | None = None,
    progress: bool = True,
) -> ZeroShotScores:
    """Score models that have images and texts in one space, without any training on the sets.

    Of classes, top-1, top-5 and mean per-class recall; of images with several classes, mean average precision; of
    captions, recall at 1, 5 and 10 in both directions. Where a set is one of :func:`zero_shot_tasks` (by its name),
    models are ranked by that task's main measure, chance is the published random score (where the number of classes
    is the published one, too), and means over each family of tasks are given; elsewhere by top-1, mean average
    precision or the mean of both R@1.

    Parameters
    ----------
    models : str, JointModel, or sequence of both
        Names of :func:`alignkit.models.load_joint` (``run:PATH``, ``open_clip:ARCHITECTURE/TAG``) are loaded one after
        the other.
    sets : path, ZeroShotSet, or sequence of both
        What :func:`alignkit.data.open_zero_shot_set` opens, or folders that hold several of these.
    batch_size : int
        Images that go through the network at once; of texts four times as many.
    device : str or torch.device
        For models given by name.
    n_workers : int, optional
        Threads that read images, and that preprocess them; by default one per core, at most 8.
    n_bootstrap : int
        Resamples of images; 0 for no intervals.
    confidence : float
        Level of the intervals.
    n_shuffles : int
        Shuffles of classes (of captions) for the baseline of the first model.
    seed : int
        Seed of resamples and shuffles; each set has its own from it, by its name.
    root : path, optional
        Folder of published class names and templates; by default ``ALIGNKIT_DATA``, else the user's cache.
    progress : bool
        Show a bar with the time left for each model and set on standard error.

    Returns
    -------
    ZeroShotScores

    Raises
    ------
    FileNotFoundError
        A set, run or weights that are not there.
    ValueError
        No model or set, two of one name, damaged sets, sets without class names, or features that are not finite.
    TypeError
        Something else than models and sets.
    ImportError
        Without torch or open_clip.

    References
    ----------
    Radford et al. (2021), https://doi.org/10.48550/arXiv.2103.00020; Gadre et al. (2023), DataComp,
    https://doi.org/10.48550/arXiv.2304.14108

    Examples
    --------
    >>> scores = score_zero_shot(["run:runs/pi", "run:runs/web-only"], "sets")  # doctest: +SKIP
    >>> scores.value("run:runs/pi", "cifar10", "top-1").value  # doctest: +SKIP
    0.3651
    """
    check_bootstrap(n_bootstrap, confidence)
    check_count("batch_size", batch_size, 1)
    n_workers = check_count("n_workers", min(8, os.cpu_count() or 1) if n_workers is None else n_workers, 1)
    n_shuffles, seed = check_count("n_shuffles", n_shuffles), check_count("seed", seed)
    wanted = _as_models(models)
    opened = _as_sets(sets, root)
    options = {"n_bootstrap": n_bootstrap, "confidence": confidence, "seed": seed}
    scores: dict[str, list[Measured]] = {found.name: [] for found in opened}
    rows: list[ScoreRow] = []
    records: list[ClipBenchmarkRecord] = []
    identities: dict[str, Any] = {}
    for first, model in ((not position, _loaded(one, device)) for position, one in enumerate(wanted)):
        identities[model.name] = model.describe()
        for found in opened:
            texts, owners = texts_of(found)
            images = _image_features(model, found, batch_size, n_workers, progress)
            features = _text_features(model, found, texts, 4 * batch_size, progress)
            result = measured(found, images, features, owners, **options)  # type: ignore[arg-type]
            scores[found.name].append(result)
            rows += _lines(found, model.name, "model", result.measures)
            records.append(_record(model, found, result))
            if first:
                mixed = shuffled(found, images, features, owners, n_shuffles=n_shuffles, seed=seed)
                rows += _baselines(found, result, mixed)
    names = list(identities)
    samples = {
        found.name: resampled(found, scores[found.name], main_measure(found), n_bootstrap=n_bootstrap, seed=seed)
        for found in opened
    }
    means, mean_samples = _family_means(opened, rows, names, samples, confidence)
    ranked = rank_rows([*rows, *means])
    table = ScoreTable(
        dataset="zero-shot sets",
        rows=ranked,
        differences=_differences(ranked, names, {**samples, **mean_samples}, confidence),
        notes=_notes(opened),
        settings={},
        versions=versions(),
        models=identities,
    )
    done = {found.name: task_of(found) for found in opened}
    keys = {task.key for task in done.values() if task is not None}
    return ZeroShotScores(
        table=table,
        tasks={name: "" if task is None else task.key for name, task in done.items()},
        wins=_wins(opened, scores, names, options),
        records=tuple(records),
        missing=tuple(task.key for task in zero_shot_tasks() if task.key not in keys),
        settings={**options, "n_shuffles": n_shuffles, "batch_size": batch_size},
    )


def _as_models(models: object) -> list[Any]:
    from alignkit.models import JointModel

    given = [models] if isinstance(models, str | os.PathLike | JointModel) else models
    if not isinstance(given, Sequence) or not all(isinstance(one, str | os.PathLike | JointModel) for one in given):
        msg = f"models must be names such as 'run:PATH', or what load_joint returns; got {shown(models)}."
        raise TypeError(msg)
    names = [one.name if isinstance(one, JointModel) else os.fspath(one) for one in given]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        msg = f"models must hold {f'each model once; {join_names(twice)} come twice' if twice else 'at least one'}."
        raise ValueError(msg)
    return list(given)


def _as_sets(sets: object, root: PathLike | None) -> list[ZeroShotSet]:
    given = [sets] if isinstance(sets, str | os.PathLike | ZeroShotSet) else sets
    if not isinstance(given, Sequence) or not all(isinstance(one, str | os.PathLike | ZeroShotSet) for one in given):
        msg = f"sets must be folders, or what open_zero_shot_set returns; got {shown(sets)}."
        raise TypeError(msg)
    found: list[ZeroShotSet] = []
    for one in given:
        if isinstance(one, ZeroShotSet):
            found.append(one)
        else:
            found += [open_zero_shot_set(path, root=root) for path in zero_shot_sources(one)]
    names = [one.name for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not found or twice:
        what = f"different names; {join_names(twice)} come twice" if twice else "at least one set"
        msg = f"sets must hold {what}."
        raise ValueError(msg)
    return found


def _loaded(model: Any, device: Any) -> JointModel:
    from alignkit.models import JointModel, load_joint

    return model if isinstance(model, JointModel) else load_joint(model, device=device)


def _image_features(model: JointModel, found: ZeroShotSet, batch_size: int, n_workers: int, progress: bool) -> Any:
    bar = tqdm(total=len(found), unit="image", desc=f"{model.name}, {found.name}", disable=not progress)

    def images() -> Iterator[Image]:
        with ThreadPoolExecutor(n_workers) as pool:
            for start in range(0, len(found), batch_size):
                for image in pool.map(found.image, range(start, min(start + batch_size, len(found)))):
                    yield image
                    bar.update()

    with bar:
        return model.image_features(images(), batch_size=batch_size, n_workers=n_workers)


def _text_features(model: JointModel, found: ZeroShotSet, texts: list[str], batch_size: int, progress: bool) -> Any:
    parts = []
    with tqdm(total=len(texts), unit="text", desc=f"{model.name}, {found.name}", disable=not progress) as bar:
        for start in range(0, len(texts), batch_size):
            part = texts[start : start + batch_size]
            parts.append(model.text_features(part, batch_size=batch_size))
            bar.update(len(part))
    return np.concatenate(parts)


def _lines(
    found: ZeroShotSet, model: str, role: Any, measures: Mapping[str, tuple[float, float, float]]
) -> list[ScoreRow]:
    main = main_measure(found)
    return [
        ScoreRow(
            model=model,
            role=role,
            part=found.name,
            measure=MEASURES[name],
            value=value,
            low=low,
            high=high,
            over="images" if role == "model" else "",
            n=len(found),
            n_items=len(found),
            primary=name == main,
        )
        for name, (value, low, high) in measures.items()
    ]


def _baselines(found: ZeroShotSet, result: Measured, mixed: Mapping[str, float]) -> list[ScoreRow]:
    task = task_of(found)
    chance = guessing(found, result)
    if task is not None and task.n_classes == len(found.class_names) and np.isfinite(task.random_score):
        chance[task.metric] = task.random_score
    nothing = float("nan")
    kept = {name: mixed[name] for name in result.measures if name in mixed}
    return [
        *_lines(found, _CHANCE, "baseline", {name: (value, nothing, nothing) for name, value in chance.items()}),
        *_lines(found, _SHUFFLED, "baseline", {name: (value, nothing, nothing) for name, value in kept.items()}),
    ]


def _record(model: JointModel, found: ZeroShotSet, result: Measured) -> ClipBenchmarkRecord:
    prefix, _, rest = model.name.partition(":")
    architecture, _, tag = rest.partition("/")
    published = prefix == "open_clip" and bool(tag)
    task = task_of(found)
    return ClipBenchmarkRecord(
        dataset=found.name if task is None else task.key,
        model=architecture if published else model.name,
        pretrained=tag if published else model.image.weights_sha256[:12],
        task=f"zeroshot_{_TASKS[found.kind]}",
        metrics=result.result.metrics(),
    )


def _family_means(
    opened: Sequence[ZeroShotSet],
    rows: Sequence[ScoreRow],
    names: Sequence[str],
    samples: Mapping[str, FloatArray],
    confidence: float,
) -> tuple[list[ScoreRow], dict[str, FloatArray]]:
    """Return the mean main measure of each family that has several sets, and of all tasks; and its resamples."""
    tasks = {found.name: task for found in opened if (task := task_of(found)) is not None}
    groups = {family: [n for n, task in tasks.items() if task.family == family] for family in _families()}
    groups = {f"mean of {family}": members for family, members in groups.items() if len(members) > 1}
    if len({task.family for task in tasks.values()}) > 1:
        groups["mean of all tasks"] = list(tasks)
    values = {(row.part, row.model): row.value for row in rows if row.primary}
    lines, drawn = [], {}
    for part, members in groups.items():
        drawn[part] = np.mean([samples[name] for name in members], axis=0)
        low, high = percentile_bounds(drawn[part], confidence)
        for model in (*names, _CHANCE, _SHUFFLED):
            if any((name, model) not in values for name in members):
                continue
            place = names.index(model) if model in names else None
            lines.append(
                ScoreRow(
                    model=model,
                    role="baseline" if place is None else "model",
                    part=part,
                    measure=_MEAN,
                    value=float(np.mean([values[name, model] for name in members])),
                    low=float("nan") if place is None else float(low[place]),
                    high=float("nan") if place is None else float(high[place]),
                    over="" if place is None else "images within sets",
                    n=sum(len(found) for found in opened if found.name in members),
                    n_items=len(members),
                    primary=True,
                )
            )
    return lines, drawn


def _families() -> list[str]:
    return list(dict.fromkeys(task.family for task in zero_shot_tasks()))


def _differences(
    ranked: Sequence[ScoreRow], names: Sequence[str], samples: Mapping[str, FloatArray], confidence: float
) -> tuple[Difference, ...]:
    """Return the best model less each other, set by set, over images drawn for both together."""
    found = []
    for part, drawn in samples.items():
        best, *others = [row for row in ranked if row.part == part and row.primary and row.role == "model"]
        for other in others:
            gaps = drawn[:, names.index(best.model)] - drawn[:, names.index(other.model)]
            (low,), (high,) = percentile_bounds(gaps[:, None], confidence)
            found.append(
                Difference(
                    better=best.model,
                    other=other.model,
                    part=part,
                    measure=best.measure,
                    difference=best.value - other.value,
                    low=float(low),
                    high=float(high),
                    over=best.over,
                )
            )
    return tuple(found)


def _wins(
    opened: Sequence[ZeroShotSet], scores: Mapping[str, Sequence[Measured]], names: Sequence[str], options: Any
) -> dict[str, WinCounts]:
    if len(opened) < 2:
        return {}
    arms = [
        {found.name: credits(found, scores[found.name][position], main_measure(found)) for found in opened}
        for position in range(len(names))
    ]
    return {
        f"{names[i]} over {names[j]}": win_counts(arms[i], arms[j], **options)
        for i, j in combinations(range(len(names)), 2)
    }


def _notes(opened: Sequence[ZeroShotSet]) -> tuple[str, ...]:
    bad = [
        f"{len(found.bad):,} of {found.name} ({found.bad[0][0]}: {found.bad[0][1]})" for found in opened if found.bad
    ]
    notes = [f"broken samples were left out: {'; '.join(bad)}."] if bad else []
    for found in opened:
        task = task_of(found)
        if task is not None and (len(found), len(found.class_names)) != (task.n_images, task.n_classes):
            classes = f" and {task.n_classes:,} classes" if task.n_classes else ""
            own = f" and {len(found.class_names):,}" if task.n_classes else ""
            notes.append(
                f"{found.name} is not {task.name} as it is published: that has {task.n_images:,} images{classes}, this "
                f"{len(found):,}{own}."
            )
    return tuple(notes)
