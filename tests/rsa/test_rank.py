from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference.rsa import ranks
from scipy.stats import rankdata

from alignkit.rsa import rank

BACKENDS = ("auto", "numpy", "numba")


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.integers(-3, 3).map(float)), st.sampled_from(BACKENDS))
def test_ties_share_their_mean_rank(values, backend):
    values.flags.writeable = False
    assert rank(values, backend=backend).tolist() == [float(r) for r in ranks(values)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_equals_scipy(backend, rng, readonly):
    x = readonly(rng.normal(size=(3, 2, 500)).round(1))
    assert np.array_equal(rank(x, backend=backend), rankdata(x, axis=-1))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, -0.0, 1.0], [1.5, 1.5, 3.0]),
        ([np.inf, -np.inf, 0.0, np.inf], [3.5, 1.0, 2.0, 3.5]),
        ([5e-324, 0.0, -5e-324], [3.0, 2.0, 1.0]),
        ([1e308, -1e308, 1e308], [2.5, 1.0, 2.5]),
        ([7.0], [1.0]),
    ],
)
def test_corner_values(values, expected, backend):
    assert rank(values, backend=backend).tolist() == expected


def test_hundred_thousand_ties_need_64_bits():
    # sums of 32-bit ranks overflow here
    assert np.all(rank(np.zeros(100_001)) == 50_001)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.uint16, np.float16, np.float32])
def test_dtypes(dtype):
    assert rank(np.array([1, 0, 1], dtype=dtype)).tolist() == [2.5, 1.0, 2.5]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tensors(dtype, backend, rng):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(3, 2, 500)).round(1).astype(dtype)
    tensor = torch.tensor(x, requires_grad=True)
    ranks = rank(tensor, backend=backend)
    assert ranks.dtype == torch.float64
    assert ranks.device == tensor.device
    assert not ranks.requires_grad
    assert np.array_equal(ranks.numpy(), rankdata(x, axis=-1))
    assert np.array_equal(rank(torch.tensor([0.0, -0.0, 1.0])).numpy(), [1.5, 1.5, 3.0])


def test_bad_tensors():
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="values holds NaN, which has no rank"):
        rank(torch.tensor([1.0, torch.nan]))
    with pytest.raises(ValueError, match=r"at least one number along its last axis; got shape \(3, 0\)"):
        rank(torch.zeros(3, 0))
    with pytest.raises(TypeError, match=r"values must be a float32 or float64 tensor; got torch\.int64"):
        rank(torch.tensor([1, 2]))


@pytest.mark.gpu
def test_tensors_on_a_device(rng):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    x = rng.normal(size=(3, 5000)).round(2)
    ranks = rank(torch.tensor(x, device="cuda"))
    assert ranks.is_cuda
    assert np.array_equal(ranks.cpu().numpy(), rankdata(x, axis=-1))


def test_float32_is_ranked_as_it_is(rng):
    x = rng.normal(size=(2, 4000)).astype(np.float32)
    for backend in BACKENDS:
        assert np.array_equal(rank(x, backend=backend), rank(x.astype(float), backend=backend))


def test_bad_values():
    with pytest.raises(ValueError, match="values holds NaN, which has no rank"):
        rank([1.0, np.nan])
    for empty in ([], np.zeros((3, 0)), 1.0):
        with pytest.raises(ValueError, match="at least one number along its last axis"):
            rank(empty)
    with pytest.raises(TypeError, match="values must hold real numbers"):
        rank(["a", "b"])
    with pytest.raises(ValueError, match="backend must be one of 'auto', 'numpy', 'numba'; got 'torch'"):
        rank([1.0], backend="torch")
