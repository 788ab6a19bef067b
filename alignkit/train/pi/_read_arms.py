"""From the folders of finished runs to what is compared: curves, stage 1 before and after, and what is in-sample."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._io import read_json
from alignkit.data import dataset_path
from alignkit.score._zero_shot_measures import main_measure
from alignkit.train._run_folder import SPLITS, RunFolder
from alignkit.train.pi._arm_runs import ArmRun
from alignkit.train.pi._arms_config import PIConfig
from alignkit.train.pi._judgements import read_judgements
from alignkit.train.pi._pi_result import ArmCurve, FirstStage, PIArms
from alignkit.train.pi._post_hoc_scores import read_post_hoc
from alignkit.train.pi.config import PerceptualConfig

if TYPE_CHECKING:
    from alignkit.data import ZeroShotSet

#: What THINGS' answers that stage 1 learns from leave out: its 48 fully sampled objects.
_APART = ("things_RDM48",)


def read_arms(config: PIConfig, runs: Iterable[ArmRun], /) -> PIArms:
    """Return the comparison of those runs that are finished.

    Parameters
    ----------
    config : PIConfig
    runs : iterable of ArmRun
        Others are left out.

    Raises
    ------
    ValueError
        A damaged log.
    """
    finished = [run for run in runs if run.finished]
    curves = [_curve(run) for run in finished if not isinstance(run.config, PerceptualConfig)]
    ends = {curve.seed: float(curve.samples[-1]) for curve in curves if curve.arm == "web-only"}
    firsts = []
    for run in finished:
        if not isinstance(run.config, PerceptualConfig):
            continue
        curve = _curve(run)
        before, after = ({name: float(one[k]) for name, one in curve.values.items()} for k in (0, curve.kept))
        firsts.append(FirstStage(arm=run.arm, seed=run.seed, before=before, after=after))
        scores = {} if run.first else read_post_hoc(run)
        if scores and run.seed in ends:
            values = {name: np.array([value]) for name, value in scores.items()}
            curves.append(
                ArmCurve(arm=run.arm, seed=run.seed, samples=np.array([ends[run.seed]]), values=values, kept=0)
            )
    sets = _sets_there(config)
    folders = {one.name: path for path, one in sets.items()}
    return PIArms.compare(
        config.out,
        curves,
        firsts,
        human=config.human,
        in_sample=in_sample_sets(config, folders),
        apart=_APART if config.judgements is None and config.dataset == "things" else (),
        chance=_chance(sets.values()),
        n_bootstrap=config.n_bootstrap,
        notes=_notes(config, finished),
    )


def in_sample_sets(config: PIConfig, zero_shot: Mapping[str, Path] | None = None, /) -> dict[str, tuple[str, ...]]:
    """Return the data sets of people, and the zero-shot sets, whose images arms learned from, and those arms.

    A set counts where the judgements are its own, or about images in its folder; and where classes of such images are
    what imagenet-triplets learned.

    Parameters
    ----------
    config : PIConfig
    zero_shot : mapping of str to Path, optional
        Folders of zero-shot sets by their names.
    """
    folders: dict[str, Path] = {name: Path(dataset_path(name, root=config.root)) for name in config.human}
    folders |= zero_shot or {}
    found: dict[str, tuple[str, ...]] = {}
    for name, folder in folders.items():
        own = config.judgements is None and name in config.human and name == config.dataset
        judged = own or _judged_within(config, folder)
        arms: tuple[str, ...] = ("pi", "post-hoc", "shuffled-triplets") if judged else ()
        labels = config.label_images
        if labels is not None and (_lies_in(labels, folder) or _lies_in(folder, labels)):
            arms += ("imagenet-triplets",)
        if arms:
            found[name] = arms
    return found


def _judged_within(config: PIConfig, folder: Path) -> bool:
    """Return whether people's judgements are about images in a folder."""
    if config.judgements is None:
        return False
    if _lies_in(config.judgements, folder) or _lies_in(config.images, folder):
        return True
    # images in a folder of several data sets: the judgements say which
    return config.images is not None and _lies_in(folder, config.images) and _names_images_in(config, folder)


def _names_images_in(config: PIConfig, folder: Path) -> bool:
    try:
        photos = read_judgements(config.post_hoc(config.seeds[0])).photos
    except (OSError, ValueError):  # gone since they were learned from
        return True
    return any(_lies_in(photo, folder) for photo in photos)


def _lies_in(path: Path | None, folder: Path) -> bool:
    return path is not None and path.resolve().is_relative_to(folder.resolve())


def _curve(run: ArmRun) -> ArmCurve:
    """Return every validation that a run's log has, that of the beginning first."""
    validations = _validations(run)
    names = list(dict.fromkeys(name for _, _, metrics in validations for name in metrics))
    values = {name: np.array([metrics.get(name, math.nan) for _, _, metrics in validations]) for name in names}
    samples = np.array([seen for _, seen, _ in validations], dtype=np.float64)
    best = (RunFolder(run.path, run.config, main=False).finished or {}).get("best_step")
    steps = [step for step, _, _ in validations]
    kept = steps.index(best) if best in steps else len(steps) - 1
    return ArmCurve(arm=run.arm, seed=run.seed, samples=samples, values=values, kept=kept)


def _validations(run: ArmRun) -> list[tuple[int, int, dict[str, float]]]:
    """Return steps taken, samples seen and metrics."""
    lines = RunFolder(run.path, run.config, main=False).read_history()
    seen, size = {0: 0}, run.config.loop.batch_size
    try:
        seen |= {int(line["step"]): int(line["samples"]) for line in lines if "samples" in line}
        found = [(int(line["step"]), line["val"]) for line in lines if "val" in line]
        result = [
            (step, _samples(step, seen, size), {str(name): _number(value) for name, value in metrics.items()})
            for step, metrics in found
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"the log of {run.path} holds a line that is neither a step's nor a validation's; train in a new folder."
        raise ValueError(msg) from error
    if not result:
        msg = f"the log of {run.path} has no validation; it is damaged: train in a new folder."
        raise ValueError(msg)
    return result


def _n_judgements(run: ArmRun) -> int | None:
    """Return how many judgements a stage 1 learned from, as its folder says."""
    path = run.path / SPLITS
    content = read_json(path) if path.is_file() else None
    n = content.get("train") if isinstance(content, dict) else None
    return n if type(n) is int else None


def _samples(step: int, seen: dict[int, int], size: int) -> int:
    """Return samples seen after a step, which the log has for every so many steps."""
    if step in seen:
        return seen[step]
    last = max(one for one in seen if one < step)
    return seen[last] + (step - last) * size


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _sets_there(config: PIConfig) -> dict[Path, ZeroShotSet]:
    """Return the zero-shot sets, where all of them are still there."""
    from alignkit.data import open_zero_shot_set

    try:
        return {path: open_zero_shot_set(path, root=config.root, check="header") for path in config.zero_shot}
    except (FileNotFoundError, ValueError):
        return {}


def _chance(sets: Iterable[ZeroShotSet]) -> dict[str, float]:
    """Return what guessing would score on zero-shot sets, by their metrics."""
    found: dict[str, float] = {}
    for task in sets:
        name = f"{task.name}_{main_measure(task)}"
        if task.kind == "classification":
            found[name] = 1 / len(task.class_names)
        elif task.kind == "multilabel":
            found[name] = float(np.mean(task.targets))
        else:
            # of an image's own captions one is first in c of n texts, which is one in so many images on average
            found[name] = 1 / len(task)
    if found:
        found["zero_shot"] = float(np.mean(list(found.values())))
    return found


def _notes(config: PIConfig, runs: Iterable[ArmRun]) -> Sequence[str]:
    notes = []
    trained = {run.arm: n for run in runs if run.first and (n := _n_judgements(run)) is not None}
    if len(set(trained.values())) > 1:
        told = ", ".join(f"{arm} from {n:,}" for arm, n in trained.items())
        notes.append(
            f"Stage 1 learned from different numbers of judgements ({told}), and so for different numbers of "
            "steps: set n-label-judgements so that these are equal."
        )
    if config.judgements is None:
        notes.append(f"Stage 1 of pi learned from judgements of the data set {config.dataset}.")
    if config.loop.accumulate > 1 and config.loop.accumulation == "plain":
        n = config.loop.batch_size // config.loop.accumulate
        notes.append(f"Accumulation is plain: pairs are compared with the {n:,} of their own part of a batch.")
    return notes
