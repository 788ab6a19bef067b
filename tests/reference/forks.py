"""Processes that start in a moment: forks of a server that has imported torch and what programs need beside it.

A process of these is as clean as a new Python (one thread, no fixture or patch of the test), has the test's folder and
environment, and can be killed. Functions are found by their file and name.
"""

from __future__ import annotations

import contextlib
import importlib.util
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
#: The server's own environment; jemalloc, which pyarrow brings along, would start a thread, and forks have none.
_SERVER = {
    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}


def begin(function: Callable[..., Any], *args: Any) -> BaseProcess:
    """Return a process that calls a function of a module that stands in a file, and ends as that does."""
    import torch

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["reference.preloaded"])
    with _environment({**os.environ, **_SERVER}):
        forkserver.ensure_running()
    path = sys.modules[function.__module__].__file__
    here = (dict(os.environ), os.getcwd(), torch.get_num_threads())
    process = context.Process(target=_work, args=(path, function.__name__, args, *here), daemon=True)
    process.start()
    return process


class Program:
    """A process whose two streams go into files of a folder; at the end of a ``with`` block it is no more.

    Parameters
    ----------
    folder : Path
        Where the files ``stdout`` and ``stderr`` go.
    function : callable
        What it does, with ``args``.
    """

    def __init__(self, folder: Path, function: Callable[..., Any], *args: Any) -> None:
        folder.mkdir(exist_ok=True)
        self._said = tuple(folder / name for name in ("stdout", "stderr"))
        for path in self._said:
            path.write_bytes(b"")
        named = (sys.modules[function.__module__].__file__, function.__name__, args)
        self.process = begin(_redirected, *map(str, self._said), *named)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def poll(self) -> int | None:
        """Return the exit code, the negative number of the signal that ended it, or None while it runs."""
        return self.process.exitcode

    def kill(self) -> None:
        """End it with SIGKILL, if it still runs."""
        if self.poll() is None:
            self.process.kill()
        self.process.join()

    def wait(self, timeout: float = 300) -> int:
        """Return the exit code, once it has ended."""
        self.process.join(timeout)
        assert self.process.exitcode is not None, f"the program did not end within {timeout} s:\n{self.stderr}"
        return self.process.exitcode

    @property
    def stdout(self) -> str:
        return self._said[0].read_text()

    @property
    def stderr(self) -> str:
        return self._said[1].read_text()


def alignkit_main(*words: str) -> None:
    """Do what ``python -m alignkit`` does with these words."""
    from alignkit.cli import main

    sys.exit(main(list(words)))


def _work(path: str, name: str, args: tuple[Any, ...], environ: Mapping[str, str], folder: str, threads: int) -> None:
    import torch

    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    torch.set_num_threads(threads)
    load(path, name)(*args)


def _redirected(stdout: str, stderr: str, path: str, name: str, args: tuple[Any, ...]) -> None:
    for number, said in ((1, stdout), (2, stderr)):
        file = os.open(said, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    load(path, name)(*args)


def load(path: str, name: str) -> Any:
    """Return a function of the module that stands in a file."""
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))  # test modules import tests.reference, which pytest finds by itself
    spec = importlib.util.spec_from_file_location(f"forked_{Path(path).stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return getattr(module, name)


@contextlib.contextmanager
def _environment(environ: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
