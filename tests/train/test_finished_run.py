from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa import Triplets
from alignkit.train import LoopConfig, run
from alignkit.train._finished_run import finished_run
from alignkit.train._run_folder import FINISHED
from alignkit.train.embedding.config import SPoSEConfig


@pytest.fixture
def result(tmp_path):
    items = np.random.default_rng(0).permuted(np.tile(np.arange(12), (400, 1)), axis=1)[:, :3]
    Triplets(items, labels=[f"i{k}" for k in range(12)]).save(tmp_path / "answers.npz")
    loop = LoopConfig(
        monitor="val_cross_entropy", device="cpu", progress=False, max_steps=6, validate_every=2, log_every=1, epochs=99
    )
    config = SPoSEConfig(
        triplets=tmp_path / "answers.npz", out=tmp_path / "run", n_dims=3, start_steps=5, n_bootstrap=5, loop=loop
    )
    return run(config)


def test_a_folder_gives_back_what_training_gave(result):
    found = finished_run(result.path)
    assert (found.method, found.metrics, found.path) == (result.method, result.metrics, result.path)
    assert found.history == result.history
    assert found.config == result.config
    assert found.methods_text() == result.methods_text()


def test_what_is_no_finished_run_is_refused(result, tmp_path):
    (result.path / FINISHED).unlink()
    with pytest.raises(ValueError, match="is not finished; give the command that began it again"):
        finished_run(result.path)
    with pytest.raises(FileNotFoundError, match="holds no run"):
        finished_run(tmp_path)
