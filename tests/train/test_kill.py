"""Killed with -9 at any moment, in the middle of writes too, a run comes to the same bits as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from reference import killed_runs
from reference.forks import Program
from reference.toy_method.config import ToyConfig
from safetensors.torch import load_file

from alignkit.train import LoopConfig, run
from alignkit.train._methods import METHODS

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")


def logged(folder: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in ("seconds", "data_seconds")} for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_runs_end_in_the_same_bits(tmp_path, seed):
    with Program(tmp_path / "said", killed_runs.main, tmp_path, seed) as program:
        assert program.wait() == 0, program.stderr
    *moments, kills = program.stdout.splitlines()
    assert int(kills.split()[0]) >= 1  # how many fit into a run depends on the machine
    assert Counter(moments)["tensors"] >= 1, "one at least in a checkpoint"
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert (killed / "model.json").read_bytes() == (whole / "model.json").read_bytes()
    names = sorted(path.name for path in (whole / "checkpoints").iterdir())
    assert sorted(path.name for path in (killed / "checkpoints").iterdir()) == names
    for name in names:
        if name.endswith(".safetensors"):
            assert (killed / "checkpoints" / name).read_bytes() == (whole / "checkpoints" / name).read_bytes()
    assert any(name.startswith("ema.") for name in load_file(whole / "checkpoints" / names[-1]))
    assert logged(killed) == logged(whole)
    assert not list(killed.rglob("*.tmp"))


def slow_run(folder):
    METHODS["ToyConfig"] = ("reference.toy_method.task", "build")
    loop = LoopConfig(epochs=5, batch_size=8, checkpoint_every=50, validate_every=50, progress=False, device="cpu")
    run(ToyConfig(out=folder, pause=0.2, loop=loop))


@pytest.mark.slow
def test_a_run_that_is_told_to_stop_saves_first(tmp_path):
    log = tmp_path / "run" / "metrics.jsonl"
    with Program(tmp_path / "said", slow_run, tmp_path / "run") as program:
        while program.poll() is None and (not log.exists() or log.read_text().count("\n") < 3):
            time.sleep(0.05)
        os.kill(program.pid, signal.SIGTERM)
        assert program.wait() == 128 + signal.SIGTERM, program.stderr
    said = program.stderr
    assert "the same command goes on from there" in said
    steps = [line["step"] for line in logged(tmp_path / "run")]
    checkpoints = sorted((tmp_path / "run" / "checkpoints").glob("*.json"))
    assert json.loads(checkpoints[-1].read_text())["step"] == steps[-1] > 0
    assert not (tmp_path / "run" / "finished.json").exists()
