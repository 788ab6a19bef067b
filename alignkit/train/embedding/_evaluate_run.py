"""Scoring a finished run of SPoSE or VICE on answers that nothing was fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alignkit._check import check_count
from alignkit._config import read_config
from alignkit._io import read_json
from alignkit._typing import FloatArray, PathLike
from alignkit.rsa import expected_calibration_error
from alignkit.rsa._intervals import cluster_intervals
from alignkit.train._history import History
from alignkit.train._journal import Journal
from alignkit.train._methods import config_class
from alignkit.train._run_folder import CONFIG, FINISHED, METRICS, SPLITS, read_versions
from alignkit.train.embedding._costs import costs_and_hits, drawn_answers
from alignkit.train.embedding._data import read_data
from alignkit.train.embedding._human_embedding import HumanEmbedding
from alignkit.train.embedding._scores import EmbeddingScores
from alignkit.train.embedding.config import EmbeddingConfig

_CONFIDENCE = 0.95


def evaluate_run(
    path: PathLike,
    /,
    *,
    n_bootstrap: int | None = None,
    device: str = "auto",
    progress: bool = True,
    architecture: str | Sequence[str] | None = None,
) -> EmbeddingScores:
    """Score a finished run of SPoSE or VICE on its test answers, or on those that chose the step where it has none.

    The answers are read again as the run's config names them. :func:`alignkit.train.evaluate_run` takes the runs of all
    methods; ``device``, ``progress`` and ``architecture`` are for others.
    """
    folder = Path(path)
    if not (folder / FINISHED).is_file():
        msg = f"{folder} holds no finished run of SPoSE or VICE."
        raise FileNotFoundError(msg)
    config = read_config(folder / CONFIG, config_class(str(read_versions(folder)["method"])))
    embedding = HumanEmbedding.load(folder / "embedding.npz")
    data = read_data(config)
    if data.to_splits() != read_json(folder / SPLITS):
        msg = f"the answers of {folder} are not those that it was trained on; give it the file back."
        raise ValueError(msg)
    n = config.n_bootstrap if n_bootstrap is None else check_count("n_bootstrap", n_bootstrap)
    side = "test" if len(data.test) else "val"
    scored = data.part(side)
    p = embedding.choice_probabilities(scored)
    return _scores(
        embedding, p, scored.soft, side=side, n_answers=len(data.train), n_bootstrap=n, history=_history(folder, config)
    )


def _scores(
    embedding: HumanEmbedding,
    p: FloatArray,
    soft: FloatArray | None,
    *,
    side: str,
    n_answers: int,
    n_bootstrap: int,
    history: History,
) -> EmbeddingScores:
    loss, right = costs_and_hits(p, soft)
    sums = np.column_stack([loss, right])
    low, high = cluster_intervals(
        sums, np.ones_like(sums), n_bootstrap=n_bootstrap, confidence=_CONFIDENCE, rng=np.random.default_rng(0)
    )
    curve = [(one.step, one.metrics["val_cross_entropy"], one.metrics["n_dims"]) for one in history.validations]
    steps, losses, sizes = (np.array(column) for column in zip(*curve, strict=True))
    return EmbeddingScores(
        method=embedding.method,
        n_dims=embedding.n_dims,
        n_items=embedding.n_items,
        n_answers=n_answers,
        n_test=len(p),
        side=side,
        cross_entropy=float(loss.mean()),
        cross_entropy_low=float(low[0]),
        cross_entropy_high=float(high[0]),
        accuracy=float(right.mean()),
        accuracy_low=float(low[1]),
        accuracy_high=float(high[1]),
        ece=expected_calibration_error(p, drawn_answers(soft, len(p))),
        steps=steps,
        val_cross_entropy=losses,
        n_dims_at=sizes,
        kept_step=history.best_step,
        soft=soft is not None,
    )


def _history(folder: Path, config: EmbeddingConfig) -> History:
    end = read_json(folder / FINISHED)
    return History.from_lines(
        Journal(folder / METRICS).read(),
        monitor=config.loop.monitor,
        mode=config.loop.mode,
        n_steps=int(end["n_steps"]),
        stopped=end["stopped"],
        best_step=end.get("best_step"),
    )
