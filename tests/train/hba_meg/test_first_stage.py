from __future__ import annotations

import json

from alignkit.train.hba_meg._first_stage import WEIGHTS, first_stage
from alignkit.train.hba_meg.config import HBAMEGConfig


def test_the_first_stage_is_read_from_its_folder(tmp_path):
    assert first_stage(tmp_path, HBAMEGConfig()) is None
    folder = tmp_path / WEIGHTS
    folder.mkdir()
    step = {"epoch": 1, "samples": 9, "lr": 1e-3, "grad_norm": 1.0, "seconds": 0.1}
    lines = [{"step": 0, "val": {"val_spearman": 0.1}}, {"step": 1, "loss": 2.0, **step}]
    lines += [{"step": 1, "val": {"val_spearman": 0.3}}]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert first_stage(tmp_path, HBAMEGConfig()) is None  # it has not ended
    (folder / "finished.json").write_text(json.dumps({"n_steps": 4, "stopped": "patience", "best_step": 1}))
    found = first_stage(tmp_path, HBAMEGConfig())
    assert (found.best_step, found.best, found.n_steps, found.stopped) == (1, 0.3, 4, "patience")
    assert found.steps[0].losses == {"loss": 2.0}
