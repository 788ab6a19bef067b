"""What the other arms are scored by at every validation, of a model that was fine-tuned on judgements afterwards."""

from __future__ import annotations

from typing import Any

from alignkit._io import read_json, write_json
from alignkit._result import jsonable
from alignkit.train.pi._arm_runs import ArmRun
from alignkit.train.pi._arms_config import PIConfig

#: In the run's folder.
FILE = "web_scores.json"


def score_post_hoc(config: PIConfig, run: ArmRun, /) -> None:
    """Score a finished run's model as web-only's was, and write its metrics into the run's folder.

    All processes that train together call this.
    """
    import torch

    from alignkit.models._clip_run_model import read_clip_model
    from alignkit.train._precision import Precision
    from alignkit.train._predict import evaluating
    from alignkit.train._processes import Processes
    from alignkit.train.pi._contrastive_task import build

    settings = config.second("web-only", run.seed)
    with Processes.start(settings.loop) as processes:
        if processes.broadcast((run.path / FILE).is_file()):
            return
        task: Any = build(settings)
        task.clip.load_state_dict(read_clip_model(run.path).state)
        module = task.module.to(processes.device)
        # as the loop validates, in the precision of training
        precision = Precision(settings.loop.precision, processes.device)
        with evaluating(module), torch.no_grad(), precision.autocast():
            metrics = task.validate(module, processes=processes)
        if processes.is_main:
            write_json(run.path / FILE, jsonable(dict(metrics)))
        processes.barrier()


def read_post_hoc(run: ArmRun, /) -> dict[str, float]:
    """Return what :func:`score_post_hoc` wrote; nothing where it has not yet.

    Raises
    ------
    ValueError
        A damaged file.
    """
    path = run.path / FILE
    if not path.is_file():
        return {}
    content = read_json(path)
    if not isinstance(content, dict) or not all(
        one is None or isinstance(one, int | float) for one in content.values()
    ):
        msg = f"{path} holds no scores; delete it to let the model be scored again."
        raise ValueError(msg)
    return {str(name): float("nan") if one is None else float(one) for name, one in content.items()}
