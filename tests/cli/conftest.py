"""Running the command line in a folder of its own, in this process or in another."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import alignkit
from alignkit import cli
from alignkit._cli import _guard
from alignkit.rsa import RDM, rdm

ROOT = Path(alignkit.__file__).resolve().parents[1]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder and a terminal of 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv(_guard.TRACEBACK, raising=False)
    return tmp_path


@pytest.fixture
def run(here, capsys):
    """Return a function that runs a command line and gives its exit code, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main([str(word) for word in words])
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def fails(run, here):
    """Return a function that holds what every refusal must be, and gives the sentence."""

    def fails(*words: object) -> str:
        before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
        code, out, err = run(*words)
        assert code == 2, (out, err)
        assert err.startswith("error: ")
        assert err.count("\n") == 1, err
        assert "Traceback" not in err
        assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == before, "something was written"
        return err.removeprefix("error: ").rstrip("\n")

    return fails


@pytest.fixture
def shell(here):
    """Return a function that runs ``python -m alignkit`` in a process of its own."""

    def shell(*words: str, code: str | None = None, **options: object) -> subprocess.CompletedProcess[str]:
        start = ["-m", "alignkit"] if code is None else ["-c", textwrap.dedent(code)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}  # type: ignore[dict-item]
        return subprocess.run(
            [sys.executable, *start, *words], capture_output=True, text=True, env=environment, timeout=120, **options
        )  # type: ignore[call-overload]

    return shell


@pytest.fixture
def patterns() -> Callable[..., np.ndarray]:
    """Return a function that draws patterns of n items and 8 channels."""

    def patterns(n: int = 5, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).normal(size=(n, 8))

    return patterns


@pytest.fixture
def save_labelled(patterns) -> Callable[..., RDM]:
    """Return a function that saves an RDM of items named by single letters."""

    def save_labelled(path: Path, labels: str, seed: int = 0) -> RDM:
        result = rdm(patterns(len(labels), seed), labels=list(labels))
        result.save(path)
        return result

    return save_labelled
