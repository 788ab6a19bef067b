"""Every example in a docstring runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import alignkit

PACKAGE = Path(alignkit.__file__).resolve().parent


def modules() -> dict[str, bool]:
    """Return every module of the package by name, and whether there are examples in it, without importing any."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ">>>" in path.read_text(encoding="utf-8")
    del found["alignkit.__main__"]
    return found


MODULES = modules()


def imported(name: str) -> ModuleType | str:
    """Return a module, or the name of what is not installed that it needs."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("alignkit", ""):
            raise
        return missing


def test_every_module_can_be_imported():
    assert len(MODULES) > 100
    for name in MODULES:
        imported(name)


@pytest.mark.parametrize("name", [name for name, has_examples in MODULES.items() if has_examples])
def test_examples_run(name, tmp_path, monkeypatch):
    module = imported(name)
    if isinstance(module, str):
        pytest.skip(f"{name} needs {module}")
    tests = [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    with np.printoptions():
        for test in tests:
            said: list[str] = []
            runner.run(test, out=said.append)
            assert runner.failures == 0, f"{test.name}:\n{''.join(said)}"
