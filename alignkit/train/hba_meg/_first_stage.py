"""How the stage went that trains the layers' weights alone, from a run's folder."""

from __future__ import annotations

from pathlib import Path

from alignkit._io import read_json
from alignkit.train._history import History
from alignkit.train._journal import Journal
from alignkit.train._run_folder import FINISHED, METRICS
from alignkit.train.hba_meg.config import HBAMEGConfig

#: Folder of the first stage, in the run's.
WEIGHTS = "weights"


def first_stage(path: Path, config: HBAMEGConfig, /) -> History | None:
    """Return what the first stage of a run recorded; None where there was none, or its folder tells no more."""
    folder = path / WEIGHTS
    end = read_json(folder / FINISHED) if (folder / FINISHED).is_file() else None
    lines = Journal(folder / METRICS).read()
    if not isinstance(end, dict) or not lines:
        return None
    return History.from_lines(
        lines,
        monitor=config.loop.monitor,
        mode=config.loop.mode,
        n_steps=int(end["n_steps"]),
        stopped=end["stopped"],
        best_step=end.get("best_step"),
    )
