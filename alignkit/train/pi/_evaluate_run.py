"""Scoring a finished run of either stage of Perceptual Initialization."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignkit import __version__
from alignkit._check import check_count, counted
from alignkit._config import read_config
from alignkit._typing import FloatArray, PathLike
from alignkit._versions import versions
from alignkit.score import ScoreTable
from alignkit.score._material2afc import score_trials, trial_baselines
from alignkit.score._paired import paired_differences
from alignkit.score._row import Scored, ScoreRow, Settings
from alignkit.score._steps import Steps
from alignkit.score._table import rank_rows
from alignkit.train._run_folder import CONFIG, FINISHED, read_versions
from alignkit.train.pi._judgements import Judgements
from alignkit.train.pi.config import ContrastiveConfig, PerceptualConfig

if TYPE_CHECKING:
    from alignkit.score import ZeroShotScores

_BEFORE = "before training"


def evaluate_run(
    path: PathLike,
    /,
    *,
    n_bootstrap: int | None = None,
    device: str = "auto",
    progress: bool = True,
    architecture: str | Sequence[str] | None = None,
) -> ScoreTable | ZeroShotScores:
    """Score a finished run: stage 1 on judgements that it was not trained on, stage 2 on its zero-shot sets.

    :func:`alignkit.train.evaluate_run` takes the runs of all methods; ``architecture`` is for others.
    """
    folder = Path(path)
    if not (folder / FINISHED).is_file():
        msg = f"{folder} holds no finished run of Perceptual Initialization."
        raise FileNotFoundError(msg)
    method: Any = {"PerceptualConfig": PerceptualConfig, "ContrastiveConfig": ContrastiveConfig}
    config = read_config(folder / CONFIG, method[str(read_versions(folder)["method"])])
    n = config.n_bootstrap if n_bootstrap is None else check_count("n_bootstrap", n_bootstrap)
    loop = dataclasses.replace(config.loop, device=device, progress=progress)
    config = dataclasses.replace(config, loop=loop, n_bootstrap=n)
    if isinstance(config, PerceptualConfig):
        return evaluate_perceptual(folder, config)
    return evaluate_contrastive(folder, config)


def evaluate_perceptual(folder: Path, config: PerceptualConfig, /) -> ScoreTable:
    """Score a tower on the judgements that were kept back, beside what it was before and beside shuffled items."""
    from alignkit.models._clip_run_model import read_clip_model
    from alignkit.models._run import as_device
    from alignkit.train.pi._perceptual_task import build

    task = build(config)
    task.module.to(as_device(config.loop.device))
    settings = Settings(kernel="cosine", n_bootstrap=config.n_bootstrap, seed=config.split_seed)
    embeddings: dict[str, FloatArray] = {}
    with Steps(config.loop.progress) as steps:
        steps.expect(2)
        embeddings[_BEFORE] = task.embed()
        steps.done(_BEFORE)
        state = read_clip_model(folder).state
        visual = {name.removeprefix("visual."): value for name, value in state.items() if name.startswith("visual.")}
        task.clip.get_submodule("visual").load_state_dict(visual)
        embeddings[folder.name] = task.embed()
        steps.done(folder.name)
    return judgement_table(task.data, embeddings, settings)


def judgement_table(data: Judgements, embeddings: dict[str, FloatArray], settings: Settings, /) -> ScoreTable:
    """Return the scores of embeddings, shape (items, D) each, on every part that is kept back."""
    scored: list[Scored] = []
    baselines: list[ScoreRow] = []
    for part in data.kept_back:
        trials = data.trials(part)
        split = f"judgements of {part!r}, which nothing was fitted to; {_shared(data, part)}"
        scored += [score_trials(name, x, trials, part, settings, split=split) for name, x in embeddings.items()]
        baselines += trial_baselines(next(reversed(embeddings.values())), trials, part, settings)
    two = "Each odd-one-out answer counts as two trials, which intervals take for independent."
    return ScoreTable(
        dataset="people's judgements of images",
        rows=rank_rows([row for one in scored for row in one.rows] + baselines),
        differences=paired_differences(scored, settings),
        notes=(*data.notes, *((two,) if data.kind == "odd-one-out" else ())),
        settings=dataclasses.asdict(settings),
        versions={"alignkit": __version__, **versions()},
    )


def _shared(data: Judgements, part: str) -> str:
    """Return the words that say how many of a part's items are in judgements that were trained on."""
    trained = set(data.parts["train"][0].ravel().tolist())
    items = set(data.parts[part][0].ravel().tolist())
    n = len(items & trained)
    return f"{n:,} of their {counted(len(items), 'item')} were in others that were trained on"


def evaluate_contrastive(folder: Path, config: ContrastiveConfig, /) -> ZeroShotScores:
    """Score a CLIP on the sets that its run followed.

    Raises
    ------
    ValueError
        A run that followed none.
    """
    from alignkit.score import score_zero_shot

    if not config.zero_shot:
        msg = f"{folder} was trained without zero_shot sets; score it with `alignkit score --suite zeroshot`."
        raise ValueError(msg)
    return score_zero_shot(
        [f"run:{folder}"],
        config.zero_shot,
        n_bootstrap=config.n_bootstrap,
        device=config.loop.device,
        root=config.root,
        progress=config.loop.progress,
    )
