"""Killed with -9 at any moment, in the middle of writes too, a run comes to the same bits as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from safetensors.torch import load_file

import alignkit

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
TESTS = Path(__file__).resolve().parents[1]


def logged(folder: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in ("seconds", "data_seconds")} for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_runs_end_in_the_same_bits(tmp_path, seed):
    paths = f"{Path(alignkit.__file__).parents[1]}{os.pathsep}{TESTS}"
    done = subprocess.run(
        [sys.executable, "-m", "reference.killed_runs", str(tmp_path), str(seed)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *moments, kills = done.stdout.splitlines()
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


SLOW_RUN = """
import sys
from alignkit.train import LoopConfig, run
from alignkit.train._methods import METHODS
from reference.toy_method.config import ToyConfig
METHODS["ToyConfig"] = ("reference.toy_method.task", "build")
loop = LoopConfig(epochs=5, batch_size=8, checkpoint_every=50, validate_every=50, progress=False, device="cpu")
print("started", flush=True)
run(ToyConfig(out=sys.argv[1], pause=float(sys.argv[2]), loop=loop))
"""


@pytest.mark.slow
def test_a_run_that_is_told_to_stop_saves_first(tmp_path):
    paths = f"{Path(alignkit.__file__).parents[1]}{os.pathsep}{TESTS}"
    env = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-c", SLOW_RUN, str(tmp_path / "run"), "0.2"]
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as p:
        log = tmp_path / "run" / "metrics.jsonl"
        assert p.stdout is not None
        p.stdout.readline()
        while p.poll() is None and (not log.exists() or log.read_text().count("\n") < 3):
            time.sleep(0.05)
        p.send_signal(signal.SIGTERM)
        said = p.communicate(timeout=120)[1]
    assert p.returncode == 128 + signal.SIGTERM, said
    assert "the same command goes on from there" in said
    steps = [line["step"] for line in logged(tmp_path / "run")]
    checkpoints = sorted((tmp_path / "run" / "checkpoints").glob("*.json"))
    assert json.loads(checkpoints[-1].read_text())["step"] == steps[-1] > 0
    assert not (tmp_path / "run" / "finished.json").exists()
