"""Run a function in several processes that meet as those of torchrun do, in a second instead of ten.

They give plain values and tensors back.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from reference.forks import begin, load


def launch(function: Callable[..., Any], *args: Any, n: int = 2, timeout: float = 90) -> list[Any]:
    """Return what ``function(*args)`` gave in each of ``n`` processes; one that fails fails the test."""
    outcomes = attempt(function, *args, n=n, timeout=timeout)
    failed = [f"process {rank}:\n{outcome['error']}" for rank, outcome in enumerate(outcomes) if "error" in outcome]
    assert not failed, "\n".join(failed)
    return [outcome["value"] for outcome in outcomes]


def attempt(function: Callable[..., Any], *args: Any, n: int = 2, timeout: float = 90) -> list[dict[str, Any]]:
    """Return ``{"value": ...}`` or ``{"error": traceback}`` of each process."""
    path = sys.modules[function.__module__].__file__
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        started = [begin(_work, path, function.__name__, args, rank, n, port, folder) for rank in range(n)]
        deadline = time.monotonic() + timeout
        for process in started:
            process.join(max(deadline - time.monotonic(), 0))
        stuck = [rank for rank, process in enumerate(started) if process.is_alive()]
        for process in started:
            process.kill()
            process.join()
        assert not stuck, f"processes {stuck} of {n} did not end within {timeout} s"
        return [_outcome(Path(folder, str(rank)), process.exitcode) for rank, process in enumerate(started)]


def _outcome(path: Path, exitcode: int | None) -> dict[str, Any]:
    if not path.exists():
        return {"error": f"ended with exit code {exitcode} and said nothing"}
    return torch.load(path, weights_only=True)


def _work(path: str, name: str, args: tuple[Any, ...], rank: int, n: int, port: int, folder: str) -> None:
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": str(n),
        "LOCAL_RANK": str(rank),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "CUDA_VISIBLE_DEVICES": "",
    }
    if sys.platform == "linux":
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    outcome: dict[str, Any]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            outcome = {"value": load(path, name)(*args)}
    except BaseException:
        outcome = {"error": traceback.format_exc()}
    torch.save(outcome, Path(folder, str(rank)))
