"""Run the blocks of a page that are tagged ``run``, top to bottom, in one folder, and compare what they print."""

from __future__ import annotations

import contextlib
import doctest
import functools
import io
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from reference.snippets import Block, commands, without_comments

from alignkit.cli import main

ROOT = Path(__file__).resolve().parents[2]
_SAME = doctest.OutputChecker().check_output
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
#: Asks this process to run alignkit on the words, waits, shows what it printed, and ends as it ended.
_FUNCTION = r"""alignkit() {{
    printf '%s\0' "$#" "$@" >&{call}
    local code
    read -r code <&{end}
    cat "{folder}/out"
    cat "{folder}/error" >&2
    return "$code"
}}
"""
#: What changes where a program would run, or with whom.
_ELSEWHERE = re.compile(r"\b(cd|export)\b|^\s*\w+=|[^&]&\s*$", re.MULTILINE)


def run_blocks(
    found: Sequence[Block], folder: Path, after: Callable[[Block, dict[str, Any]], None] | None = None
) -> dict[str, Any]:
    """Run blocks in a folder and return the names that their Python leaves; the blocks of a page share them.

    Warnings and a last error count as printed; a block without an output may print anything, but must not warn.

    Parameters
    ----------
    found : sequence of Block
        The blocks, tagged ``run`` or ``file``.
    folder : Path
        Where they run, empty at first.
    after : callable, optional
        Called with each block, and the names, once it has run.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.chdir(folder):
        for block in found:
            if block.tag == "file":
                Path(block.name).write_text(block.code, encoding="utf-8")
                continue
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
        # rsatoolbox casts NaN to whole numbers
        warnings.filterwarnings("ignore", "invalid value encountered in cast", RuntimeWarning)
        if block.output is not None:
            warnings.showwarning = lambda message, category, *_: print(f"{category.__name__}: {message}")
        yield


def _run_bash(block: Block, folder: Path) -> str:
    """Run a block of alignkit's own commands here, which saves starting Python for each, and any other under bash."""
    words = commands(block.code)
    if all(command[0] == "alignkit" for command in words) and not set("$|&;<>*`") & set(without_comments(block.code)):
        return "".join(_run_command(command[1:], block) for command in words)
    return _run_script(block, folder)


def _run_command(words: list[str], block: Block) -> str:
    """Run one command in this process, and return what it prints; only a page that shows an error may have one."""
    code, out, error = _called(words)
    expected = block.output is not None and block.output.startswith("error: ")
    assert code == (2 if expected else 0), f"{block}: alignkit {' '.join(words)}:\n{out}\n{error}"
    return out + (error if expected else "")


def _called(words: list[str]) -> tuple[int, str, str]:
    """Return how a command of alignkit's exits, run in this process, and what it prints and complains of."""
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = main(words)
    return code, out.getvalue(), error.getvalue()


def _run_script(block: Block, folder: Path) -> str:
    """Run a block under bash, where ``alignkit`` and ``python`` are this checkout's, and return what it prints.

    The shell's own calls of ``alignkit`` are answered by this process, unless the block changes where they would run.
    """
    programs = folder / ".programs"
    if not programs.exists():
        programs.mkdir()
        for name, words in {"alignkit": "-m alignkit ", "python": ""}.items():
            (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n', encoding="utf-8")
            (programs / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    (asked, call), (end, told) = os.pipe(), os.pipe()
    function = "" if _ELSEWHERE.search(block.code) else _FUNCTION.format(call=call, end=end, folder=programs)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as error:
        command = ["bash", "-euo", "pipefail", "-c", function + block.code]
        with subprocess.Popen(command, stdout=out, stderr=error, env=environment, pass_fds=(call, end)) as shell:
            os.close(call), os.close(end)
            _answer(asked, told, programs)
        for file in (out, error):
            file.seek(0)
        printed, complaints = out.read(), error.read()
    assert shell.returncode == 0, f"{block}:\n{printed}\n{complaints}"
    return printed


def _answer(asked: int, told: int, folder: Path) -> None:
    """Run the commands that a shell asks for, each as so many words with a zero after every one, until it ends."""
    with open(asked, "rb") as questions, open(told, "w") as answers:
        fields = iter(functools.partial(_field, questions), None)
        for n in fields:
            words = [next(fields) for _ in range(int(n))]
            code, *texts = _called(words)
            for name, text in zip(("out", "error"), texts, strict=True):
                (folder / name).write_text(text, encoding="utf-8")
            answers.write(f"{code}\n")
            answers.flush()


def _field(file: Any) -> str | None:
    """Return what comes before the next zero; None at the end."""
    found = bytearray()
    while (byte := file.read(1)) not in (b"", b"\0"):
        found += byte
    return found.decode() if byte else None
