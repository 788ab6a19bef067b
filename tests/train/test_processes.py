"""Processes that meet, speak, and end together."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from reference.forks import Program
from reference.launch import attempt, launch

import alignkit
from alignkit.train import LoopConfig
from alignkit.train._processes import Processes

CPU = LoopConfig(device="cpu")
TORCHRUN = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}


def test_one_process_needs_none_of_it():
    code = (
        "from alignkit.train import LoopConfig\n"
        "from alignkit.train._processes import Processes\n"
        "with Processes.start(LoopConfig(device='cpu')) as processes:\n"
        "    value = object()\n"
        "    assert processes.broadcast(value) is value and processes.gather(value) is value\n"
        "    assert processes.any(True) and not processes.any(False)\n"
        "    processes.barrier()\n"
        "    assert sorted(processes.rng_states()) == ['0.cpu']\n"
        "    import torch\n"
        "    assert not torch.distributed.is_initialized()\n"
    )
    where = {**os.environ, "PYTHONPATH": str(Path(alignkit.__file__).parents[1])}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120, env=where)


VALUE = {"text": "ä", "none": None, "numbers": [1, 2.5, float("inf"), True], "nested": {"x": (1, {"y": "z"})}}


def speak() -> dict:
    with Processes.start(CPU) as processes:
        rank = processes.rank
        tensors = {"f": torch.arange(6.0)[::2] + rank, "b": torch.tensor([True]), "s": torch.tensor(4)}
        found = {
            "who": [rank, processes.world_size, processes.local_rank, processes.is_main, processes.parallel],
            "value": processes.broadcast(VALUE if rank == 0 else "another"),
            "tensors": processes.broadcast([tensors, tensors["f"].bfloat16()] if rank == 0 else None),
            "any": [processes.any(rank == 1), processes.any(False), processes.any(True)],
        }
        processes.barrier()
        torch.default_generator.manual_seed(rank)
        states = processes.rng_states()
        drawn = torch.rand(3)
        processes.load_rng_states(states)
        found["repeats"] = torch.rand(3).equal(drawn)
        found["names"] = sorted(states)
        processes.load_rng_states({})  # of a run with fewer processes
        found["states"] = states
        return found


def test_two_processes_speak():
    found = launch(speak)
    assert [of_rank["who"] for of_rank in found] == [[0, 2, 0, True, "ddp"], [1, 2, 1, False, "ddp"]]
    for of_rank in found:
        assert of_rank["value"] == {**VALUE, "nested": {"x": [1, {"y": "z"}]}}
        (tensors, half) = of_rank["tensors"]
        assert tensors["f"].equal(torch.arange(0.0, 6, 2))
        assert tensors["b"].equal(torch.tensor([True]))
        assert tensors["s"].equal(torch.tensor(4))
        assert half.equal(torch.arange(0.0, 6, 2).bfloat16())
        assert of_rank["any"] == [True, False, True]
        assert of_rank["repeats"]
        assert of_rank["names"] == ["0.cpu", "1.cpu"]
    assert all(state.equal(found[1]["states"][name]) for name, state in found[0]["states"].items())
    assert not found[0]["states"]["0.cpu"].equal(found[0]["states"]["1.cpu"])


def send_an_object() -> None:
    with Processes.start(CPU) as processes:
        processes.broadcast(object())


def test_nothing_but_values_is_sent():
    first, second = attempt(send_an_object)
    assert "TypeError: only JSON values and tensors go from process to process; got object." in first["error"]
    assert "RuntimeError: process 1 of 2 lost the others" in second["error"]


def fail_on(rank: int) -> None:
    with Processes.start(CPU) as processes:
        processes.barrier()
        if processes.rank == rank:
            msg = "the disk is full"
            raise OSError(msg)
        processes.gather(torch.ones(1))


@pytest.mark.parametrize("rank", [0, 1])
def test_an_error_in_one_process_ends_all(rank):
    started = time.monotonic()
    outcomes = attempt(fail_on, rank)
    assert time.monotonic() - started < 60
    assert "OSError: the disk is full" in outcomes[rank]["error"]
    assert f"process {1 - rank} of 2 lost the others: one of them ended" in outcomes[1 - rank]["error"]


def wait_for_nobody() -> None:
    with Processes.start(CPU, timeout=timedelta(seconds=1)) as processes:
        processes.barrier()
        if processes.rank == 0:
            processes.barrier()
        else:
            time.sleep(3)


def test_nobody_waits_forever():
    first, _ = attempt(wait_for_nobody)
    assert "process 0 of 2 lost the others: one of them ended or stood still" in first["error"]


def test_several_processes_where_one_is_meant():
    with pytest.raises(ValueError, match=r"torchrun started 2 processes, but parallel is 'none'"):
        Processes.start(LoopConfig(parallel="none"), environ=TORCHRUN)


def test_one_process_shards_nothing():
    with pytest.warns(UserWarning, match="there is one process, so that nothing is sharded"):
        processes = Processes.start(LoopConfig(device="cpu", parallel="fsdp"), environ={})
    assert processes.parallel == "none"
    assert Processes.start(LoopConfig(device="cpu", parallel="ddp"), environ={}).parallel == "none"


def test_each_process_has_a_device_of_its_own(monkeypatch):
    from alignkit.models import _run
    from alignkit.train import _processes as tested
    from alignkit.train._launch import Launch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(_run, "as_device", lambda name: torch.device("cuda" if name == "auto" else name))
    second = Launch(rank=1, world_size=4, local_rank=1, launcher="torchrun")
    assert tested._own_device("auto", second) == torch.device("cuda", 1)
    assert tested._own_device("cuda", second) == torch.device("cuda", 1)
    assert tested._own_device("cpu", second) == torch.device("cpu")
    with pytest.raises(ValueError, match=r"'auto', 'cpu' or 'cuda' for 4 processes; got 'cuda:1'"):
        tested._own_device("cuda:1", second)
    third = Launch(rank=2, world_size=4, local_rank=2, launcher="torchrun")
    with pytest.raises(ValueError, match=r"needs a GPU of its own, and torch sees 2; start 2 per machine"):
        tested._own_device("cuda", third)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    by_srun = Launch(rank=2, world_size=4, local_rank=2, launcher="srun")
    assert tested._own_device("cuda", by_srun) == torch.device("cuda", 0)


SCRIPT = """
import sys, torch
from alignkit.train import LoopConfig
from alignkit.train._processes import Processes

for again in range(2):  # as for one student after the other
    with Processes.start(LoopConfig(device="cpu")) as processes:
        total = processes.gather(torch.ones(processes.rank + 1)).sum()
        if processes.is_main:
            print("sum", int(total), flush=True)
        if again and sys.argv[1] == "fail" and processes.rank == 1:
            raise OSError("the disk is full")
        processes.barrier()
"""


def torchrun(*words):
    from torch.distributed.run import main

    main(list(words))


@pytest.mark.slow
@pytest.mark.parametrize("end", ["well", "fail"])
def test_torchrun_starts_them_and_ends_all(tmp_path, monkeypatch, end):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    monkeypatch.setenv("PYTHONPATH", str(Path(alignkit.__file__).parents[1]))
    with Program(tmp_path / "said", torchrun, "--standalone", "--nproc-per-node=2", str(script), end) as program:
        code = program.wait()
    assert program.stdout.count("sum 3") == 2
    assert (code == 0) == (end == "well")
    assert ("OSError: the disk is full" in program.stderr) == (end == "fail")
