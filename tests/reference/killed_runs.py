"""Train the toy method in processes that are killed with -9, again and again, until one comes to the end.

:func:`main` writes FOLDER/whole, which nothing stopped, and FOLDER/killed, and prints what the killed processes were
doing.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from reference.toy_method.config import ToyConfig

from alignkit.models import _tensor_file
from alignkit.train import LoopConfig, run
from alignkit.train._methods import METHODS

LOOP = LoopConfig(
    epochs=5, batch_size=8, validate_every=3, checkpoint_every=2, keep_last=2, ema=0.9, progress=False, device="cpu"
)


class Killer:
    """Count every touch of the disk, and die at a chosen one: before it, or with half of it done."""

    def __init__(self, fatal: int | None) -> None:
        self.fatal, self.count = fatal, 0
        self.parts, self.write = _tensor_file._parts, os.write

    def install(self) -> None:
        for name in ("fsync", "replace", "unlink"):
            setattr(os, name, self.around(name, getattr(os, name)))
        os.write = self.half_line  # type: ignore[assignment]
        _tensor_file._parts = self.half_tensors

    def touch(self) -> bool:
        self.count += 1
        return self.count - 1 == self.fatal

    def die(self, what: str) -> None:
        self.write(1, f"{what}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)

    def around(self, name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **options: Any) -> Any:
            if self.touch():
                self.die(name)
            return plain(*words, **options)

        return call

    def half_line(self, handle: int, data: Any) -> int:
        if self.touch():
            self.write(handle, bytes(data)[: len(data) // 2])
            self.die("line")
        return self.write(handle, data)

    def half_tensors(self, *given: Any) -> Iterator[Any]:
        for part in self.parts(*given):
            if self.touch():
                yield bytes(part)[: len(part) // 2]
                self.die("tensors")
            yield part


def in_child(work: Callable[[], None]) -> int:
    """Return the signal that ended a forked process, or 0."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("a run failed by itself")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def train(folder: Path, fatal: int | None = None) -> None:
    Killer(fatal).install()
    run(ToyConfig(out=folder, loop=LOOP))


def killed_at_any_time(folder: Path, seconds: float) -> int:
    """Return the signal that ended a run, sent after some time, whatever it did then; 0 where it was faster."""
    child = os.fork()
    if child == 0:
        train(folder)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def main(folder: Path, seed: int) -> None:
    METHODS["ToyConfig"] = ("reference.toy_method.task", "build")
    torch.set_num_threads(1)  # what forks inherit of other threads is only their locks
    run(ToyConfig(out=folder / "whole", loop=LOOP))  # in this process, so that all is imported
    rng = np.random.default_rng(seed)
    for n_kills in range(60):
        if n_kills % 4 == 3:
            end = killed_at_any_time(folder / "killed", rng.uniform(0.0, 0.2))
        else:
            end = in_child(functools.partial(train, folder / "killed", int(rng.integers(80))))
        if end == 0:
            print(n_kills, "kills")
            return
    sys.exit("no run came to its end")
