"""Every example in a docstring runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import alignkit


def modules() -> list[str]:
    """Return every module of the package; modules that need an extra are imported by their own test."""
    found = [info.name for info in pkgutil.walk_packages(alignkit.__path__, "alignkit.")]
    return sorted({"alignkit", *found} - {"alignkit.__main__"})


@pytest.mark.parametrize("name", modules())
def test_examples_run(name, tmp_path, monkeypatch):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        if (error.name or "").partition(".")[0] in ("alignkit", ""):
            raise
        pytest.skip(f"{name} needs {error.name}")
    tests = [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    with np.printoptions():
        for test in tests:
            said: list[str] = []
            runner.run(test, out=said.append)
            assert runner.failures == 0, f"{test.name}:\n{''.join(said)}"
