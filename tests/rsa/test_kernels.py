"""Every kernel module offers the same functions, and equals plain loops on every input."""

from __future__ import annotations

import importlib
import inspect
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference.rsa import balance, ranks
from scipy.stats import kendalltau, rankdata

from alignkit import _threads
from alignkit.rsa._kernels import _numba, _numpy

RANKS = ("midranks", "whole_ranks", "dense_ranks")
NAMES = (*RANKS, "kendall_balance")
try:
    import torch

    from alignkit.rsa._kernels import _torch
except ImportError:
    torch = None


def on_tensors(kernel):
    """Return a kernel that turns arrays into tensors, and back."""

    def call(*arrays: np.ndarray) -> np.ndarray:
        return kernel(*(torch.tensor(np.array(x)) for x in arrays)).numpy()

    return call


MODULES = [pytest.param(_numpy, id="numpy"), pytest.param(_numba, id="numba")]
if torch is not None:
    kernels = {name: on_tensors(getattr(_torch, name)) for name in NAMES}
    MODULES.append(pytest.param(SimpleNamespace(**kernels), id="torch"))
DTYPES = (np.float32, np.float64)

# differences of the largest overflow, those of the smallest vanish
tied = st.sampled_from([-2.0, -0.0, 0.0, 0.5, 1.0, 1.7e308, -1.7e308, 5e-324, 1e-323, np.inf, -np.inf])
anything = st.floats(allow_nan=False)
# apart in the last of 52 bits, and a range of exponents that leaves no room for them
close = st.one_of(st.integers(0, 40).map(lambda k: 1.0 + k * 2.0**-52), st.sampled_from([-1e300, 1e-300, 0.0, 1e300]))


def rows(n: st.SearchStrategy[int], elements: st.SearchStrategy[float]) -> st.SearchStrategy[np.ndarray]:
    shapes = st.tuples(st.integers(1, 3), n)
    return shapes.flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=elements))


def frozen(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


def check_ranks(module, x: np.ndarray) -> None:
    """Check all ranks of rows against plain loops."""
    expected = [ranks(row) for row in x]
    midranks, whole, dense = (getattr(module, name)(x) for name in RANKS)
    assert midranks.dtype == np.float64
    assert midranks.tolist() == [[float(r) for r in row] for row in expected]
    assert whole.tolist() == [[2 * r - len(row) - 1 for r in row] for row in expected]
    assert dense.tolist() == [[len({v for v in row.tolist() if v < value}) for value in row] for row in x]


@pytest.mark.parametrize("name", NAMES)
def test_same_signatures(name):
    plain = inspect.signature(getattr(_numpy, name))
    assert inspect.signature(getattr(_numba, name)) == plain
    assert torch is None or list(inspect.signature(getattr(_torch, name)).parameters) == list(plain.parameters)


@pytest.mark.parametrize("module", MODULES)
@given(x=rows(st.integers(1, 12), st.one_of(tied, anything)))
def test_ranks(module, x):
    check_ranks(module, frozen(x))
    with np.errstate(over="ignore"):
        check_ranks(module, frozen(x.astype(np.float32)))


@given(x=rows(st.integers(1, 40), close))
def test_ranks_of_values_too_close_for_the_room_beside_their_position(x):
    check_ranks(_numba, frozen(x))


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["all equal", "sorted", "reversed", "two", "denormal", "clusters", "a zero far away"])
def test_ranks_of_long_rows_equal_scipy(module, kind, dtype, rng):
    n = 100_001
    noise = rng.normal(size=(2, n))
    x = {
        "all equal": np.full_like(noise, 0.1),
        "sorted": np.sort(noise, axis=1),
        "reversed": -np.sort(noise, axis=1),
        "two": (noise > 0) * 0.1,
        "denormal": noise.round(1) * 1e-320,
        # a run of close values may be short, long, or tied through and through
        "clusters": noise.round() * 1e200 + rng.integers(9, size=(2, n)) * 2.0**-52,
        "a zero far away": np.where(noise > 3, 0.0, 1 + rng.integers(40, size=(2, n)) * 2.0**-52),
    }[kind]
    with np.errstate(over="ignore"):
        x = frozen(x.astype(dtype))
    expected = rankdata(x, axis=1)
    assert np.array_equal(module.midranks(x), expected)
    assert np.array_equal(module.whole_ranks(x), 2 * expected - n - 1)
    assert np.array_equal(module.dense_ranks(x), rankdata(x, "dense", axis=1) - 1)


@pytest.mark.parametrize("module", MODULES[:2])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("n", [1, 9, 100_001])
def test_ranks_of_counts_equal_scipy(module, dtype, n, rng):
    x = frozen(rng.binomial(24, 0.55, (2, n)).astype(dtype) * (np.iinfo(dtype).max // 24))
    expected = rankdata(x, axis=1)
    assert np.array_equal(module.midranks(x), expected)
    assert np.array_equal(module.whole_ranks(x), 2 * expected - n - 1)
    assert module.whole_ranks(x).dtype == np.float32
    assert np.array_equal(module.dense_ranks(x), rankdata(x, "dense", axis=1) - 1)


@pytest.mark.parametrize("n", [31, 32, 33, 34, 40])
def test_the_longest_run_that_is_put_in_order_one_by_one(n, rng):
    x = np.r_[rng.permutation(n) // 2 * 2.0**-52 + 1, -1e300, 1e300][None]
    check_ranks(_numba, frozen(x))


def test_whole_ranks_take_the_smaller_float_that_holds_them():
    assert _numpy.whole_dtype(1 << 24) == np.float32
    assert np.float32(1 << 24) - 1 == (1 << 24) - 1
    assert _numpy.whole_dtype((1 << 24) + 1) == np.float64
    assert _numpy.dense_dtype(1 << 31) == np.int32
    assert _numpy.dense_dtype((1 << 31) + 1) == np.int64


@pytest.mark.parametrize("module", MODULES)
@given(data=st.data(), n=st.integers(2, 9))
def test_kendall_balance(module, data, n):
    x = data.draw(rows(st.just(n), tied))
    y = data.draw(rows(st.just(n), st.one_of(tied, st.floats(-1, 1))))
    expected = [[balance(a, b) for b in y] for a in x]
    assert module.kendall_balance(module.dense_ranks(x), module.dense_ranks(y)).tolist() == expected


@pytest.mark.parametrize("module", MODULES[1:])
@pytest.mark.parametrize("levels", [2, 7, 400, None])
@pytest.mark.parametrize("n", [63, 64, 65, 300])
def test_all_equal_numpy(module, n, levels, rng):
    draw = rng.random if levels is None else lambda size: rng.integers(levels, size=size).astype(float)
    x, y = frozen(draw((4, n))), frozen(draw((3, n)))
    for name in RANKS:
        assert np.array_equal(getattr(_numpy, name)(x), getattr(module, name)(x))
    x, y = _numpy.dense_ranks(x), _numpy.dense_ranks(y)
    assert np.array_equal(_numpy.kendall_balance(x, y), module.kendall_balance(x, y))


@pytest.mark.parametrize("module", MODULES[1:])
@pytest.mark.parametrize("levels", [2, 1000, None])
def test_kendall_balance_of_long_rows_equals_scipy(module, levels, rng):
    x, y = (rng.normal(size=60_000) if levels is None else rng.integers(levels, size=60_000) * 0.1 for _ in "xy")
    y = y + x
    ranks_x, ranks_y = (module.dense_ranks(v[None]) for v in (x, y))
    pairs = [np.sqrt(60_000 * 59_999 / 2 - (c * (c - 1) / 2).sum()) for c in map(np.bincount, (ranks_x[0], ranks_y[0]))]
    tau = module.kendall_balance(ranks_x, ranks_y)[0, 0] / pairs[0] / pairs[1]
    assert tau == pytest.approx(kendalltau(x, y).statistic, abs=1e-14)


@pytest.mark.parametrize("module", MODULES)
def test_rows_that_are_not_contiguous(module, rng):
    x = rng.integers(5, size=(40, 4)).astype(float).T
    for name in RANKS:
        assert np.array_equal(getattr(module, name)(x), getattr(module, name)(np.ascontiguousarray(x)))
    x = module.dense_ranks(x)
    assert np.array_equal(module.kendall_balance(x[:, ::2], x[:, ::2]), module.kendall_balance(*2 * [x[:, ::2].copy()]))


def test_threads_change_nothing(rng, monkeypatch):
    x = frozen(rng.normal(size=(7, 50_000)).round(3))
    found = []
    for number in (1, 2, 5):
        monkeypatch.setattr(_threads, "n_threads", lambda number=number: number)
        ranks_x = _numba.dense_ranks(x)
        found.append([_numba.midranks(x), _numba.whole_ranks(x), ranks_x, _numba.kendall_balance(ranks_x[:3], ranks_x)])
    for others in found[1:]:
        assert all(np.array_equal(one, other) for one, other in zip(found[0], others, strict=True))


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
