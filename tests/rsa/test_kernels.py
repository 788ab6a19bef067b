"""Every kernel module offers the same functions, and equals plain loops on every input."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference.rsa import balance, ranks

from alignkit.rsa._kernels import _numba, _numpy

MODULES = (_numpy, _numba)
NAMES = ("midranks", "kendall_balance")

tied = st.sampled_from([-2.0, -0.0, 0.0, 0.5, 1.0, 1e300, -1e308, 5e-324])
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
