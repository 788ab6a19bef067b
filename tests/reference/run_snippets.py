"""Run the blocks of a page that are tagged ``run``, top to bottom, in one folder, and compare what they print."""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from reference.snippets import Block

ROOT = Path(__file__).resolve().parents[2]
_SAME = doctest.OutputChecker().check_output
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def run_blocks(
    found: Sequence[Block], folder: Path, after: Callable[[Block, dict[str, Any]], None] | None = None
) -> dict[str, Any]:
    """Run blocks in a folder and return the names that their Python leaves; the blocks of a page share them.

    Warnings and a last error count as printed; a block without an output may print anything, but must not warn.

    Parameters
    ----------
    found : sequence of Block
        The blocks, all tagged ``run``.
    folder : Path
        Where they run, empty at first.
    after : callable, optional
        Called with each block, and the names, once it has run.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.chdir(folder):
        for block in found:
            printed = _run_bash(block, folder) if block.language == "bash" else _run_python(block, names)
            if block.output is not None:
                assert _SAME(block.output, printed, _FLAGS), f"{block} printed:\n{printed}"
            if after is not None:
                after(block, names)
    return names


def _run_python(block: Block, names: dict[str, Any]) -> str:
    from matplotlib import pyplot as plt

    code = compile("\n" * block.line + block.code, str(block.path), "exec")  # tracebacks have the page's lines
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), _shown(block):
            exec(code, names)
    except Exception as error:
        if block.output is None or f"{type(error).__name__}: " not in block.output:
            raise
        print(f"{type(error).__name__}: {error}", file=printed)
    finally:
        plt.close("all")
    return printed.getvalue()


@contextlib.contextmanager
def _shown(block: Block) -> Iterator[None]:
    """Print warnings as they come where a page shows what is printed; elsewhere they are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error" if block.output is None else "always")
        if block.output is not None:
            warnings.showwarning = lambda message, category, *_: print(f"{category.__name__}: {message}")
        yield


def _run_bash(block: Block, folder: Path) -> str:
    """Run a block under bash, where ``alignkit`` and ``python`` are this checkout's, and return what it prints."""
    programs = folder / ".programs"
    if not programs.exists():
        programs.mkdir()
        for name, words in {"alignkit": "-m alignkit ", "python": ""}.items():
            (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n', encoding="utf-8")
            (programs / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.code],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=300,
    )
    expected_failure = block.output is not None and "Error" not in done.stderr and done.returncode == 2
    assert done.returncode == 0 or expected_failure, f"{block}:\n{done.stdout}\n{done.stderr}"
    return done.stdout + (done.stderr if expected_failure else "")
