"""Every kernel module offers the same functions, and equals plain loops on every input."""

from __future__ import annotations

import importlib
import inspect
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference.rsa import balance, ranks

from alignkit.rsa._kernels import _numba, _numpy

MODULES = (_numpy, _numba)
NAMES = ("midranks", "kendall_balance")

# differences of the largest overflow, those of the smallest vanish
tied = st.sampled_from([-2.0, -0.0, 0.0, 0.5, 1.0, 1.7e308, -1.7e308, 5e-324, 1e-323])
anything = st.floats(allow_nan=False)


def rows(n: st.SearchStrategy[int], elements: st.SearchStrategy[float]) -> st.SearchStrategy[np.ndarray]:
    shapes = st.tuples(st.integers(1, 3), n)
    return shapes.flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=elements))


def frozen(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


@pytest.mark.parametrize("name", NAMES)
def test_same_signatures(name):
    assert inspect.signature(getattr(_numpy, name)) == inspect.signature(getattr(_numba, name))


@pytest.mark.parametrize("module", MODULES)
@given(x=rows(st.integers(1, 12), st.one_of(tied, anything)))
def test_midranks(module, x):
    assert module.midranks(frozen(x)).tolist() == [[float(r) for r in ranks(row)] for row in x]


@pytest.mark.parametrize("module", MODULES)
@given(data=st.data(), n=st.integers(2, 9))
def test_kendall_balance(module, data, n):
    x = frozen(data.draw(rows(st.just(n), tied)))
    y = frozen(data.draw(rows(st.just(n), st.one_of(tied, st.floats(-1, 1)))))
    assert module.kendall_balance(x, y).tolist() == [[balance(a, b) for b in y] for a in x]


@pytest.mark.parametrize("levels", [2, 7, 400])
@pytest.mark.parametrize("n", [63, 64, 65, 300])
def test_numpy_equals_numba(n, levels, rng):
    x = frozen(rng.integers(levels, size=(4, n)).astype(float))
    y = frozen(rng.integers(levels, size=(3, n)).astype(float))
    assert np.array_equal(_numpy.midranks(x), _numba.midranks(x))
    assert np.array_equal(_numpy.kendall_balance(x, y), _numba.kendall_balance(x, y))


@pytest.mark.parametrize("module", MODULES)
def test_rows_that_are_not_contiguous(module, rng):
    x = rng.integers(5, size=(40, 4)).astype(float).T
    assert np.array_equal(module.midranks(x), module.midranks(np.ascontiguousarray(x)))
    assert np.array_equal(module.kendall_balance(x, x), module.kendall_balance(x.copy("C"), x.copy("C")))


# --- the place where compiled code is kept


@pytest.fixture
def double(tmp_path, monkeypatch):
    """A function in a file of its own, whose compiled code goes to ``tmp_path / "cache"``."""
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "doubling.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("doubling").double
    sys.modules.pop("doubling", None)


def test_compiled_code_is_kept_and_found_again(double, tmp_path):
    from alignkit.rsa._kernels._numba import compiled

    assert compiled(double)(4) == 8
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert {path.suffix for path in kept} == {".nbi", ".nbc"}
    again = compiled(double)
    assert again(5) == 10
    assert sum(again.stats.cache_hits.values()) == 1


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("left", [0, 20])
def test_damaged_compiled_code_is_compiled_again(double, tmp_path, suffix, left):
    from alignkit.rsa._kernels._numba import compiled

    assert compiled(double)(4) == 8
    for path in (tmp_path / "cache").rglob(f"*{suffix}"):
        path.write_bytes(path.read_bytes()[:left])
    assert compiled(double)(5) == 10


def test_a_full_disk_keeps_nobody_from_counting(double, monkeypatch):
    from numba.core import caching

    from alignkit.rsa._kernels._numba import compiled

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "save", full)
    assert compiled(double)(4) == 8


def test_no_place_to_write_to_keeps_nobody_from_counting(double, monkeypatch):
    from numba.core import caching

    from alignkit.rsa._kernels._numba import compiled

    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])  # a read-only installation, a read-only home
    assert compiled(double)(4) == 8
