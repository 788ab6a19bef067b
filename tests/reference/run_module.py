"""Run a module as ``python -m`` does, in this process, which saves starting Python and importing torch for each."""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from unittest import mock

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: What Python does not show of itself.
_HIDDEN = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


def run_module(name: str, *words: str) -> CompletedProcess[str]:
    """Return what ``python -m name words`` prints, and how it exits; an error that it does not catch is raised.

    Parameters
    ----------
    name : str
        A module of the checkout, as ``studies.pi_lab``.
    *words : str
        Its arguments.
    """
    out, error = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        mock.patch.dict(os.environ),
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(error),
        _shown(error),
        _threads_of_torch(),
    ):
        patch.setattr(sys, "argv", [name, *words])
        patch.syspath_prepend(str(ROOT))
        patch.delitem(sys.modules, name, raising=False)  # another one may have imported from it
        try:
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code
    if isinstance(code, str):
        error.write(code)
        code = 1
    return CompletedProcess([name, *words], int(str(code or 0)), out.getvalue(), error.getvalue())


@contextlib.contextmanager
def _shown(error: io.StringIO) -> Iterator[None]:
    """Write to a file what Python would warn of on the screen."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for category in _HIDDEN:
            warnings.simplefilter("ignore", category)
        yield
    for one in caught:
        error.write(warnings.formatwarning(one.message, one.category, one.filename, one.lineno))


@contextlib.contextmanager
def _threads_of_torch() -> Iterator[None]:
    """Give torch the number of threads back that it had."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    yield
    if torch and torch.get_num_threads() != before:
        torch.set_num_threads(before)
