from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from alignkit.rsa._dispatch import BACKENDS, kernels, on_host


def test_the_size_of_the_task_chooses():
    assert kernels("auto", 1e3).__name__.endswith("_numpy")
    assert kernels("auto", 1e9).__name__.endswith("_numba")


def test_numba_pays_for_less_once_it_is_there(monkeypatch):
    kernels("numba", 1.0)
    assert kernels("auto", 1e6).__name__.endswith("_numba")
    monkeypatch.delitem(sys.modules, "alignkit.rsa._kernels._numba")
    assert kernels("auto", 1e6).__name__.endswith("_numpy")


def test_tensors_have_kernels_of_their_own():
    torch = pytest.importorskip("torch")
    assert kernels("auto", 1.0, np.zeros(3), torch.zeros(3)).__name__.endswith("_torch")
    for backend in BACKENDS[1:]:
        with pytest.raises(ValueError, match=f"backend='{backend}' takes no tensors"):
            kernels(backend, 1.0, torch.zeros(3))


def test_tensors_in_the_memory_of_the_cpu_are_arrays():
    torch = pytest.importorskip("torch")
    seen = []

    @on_host
    def double(x, backend):
        seen.append(type(x))
        return 2 * x

    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    assert torch.equal(double(x, "auto"), torch.full((3,), 2.0, dtype=torch.float64))
    assert not double(x, "auto").requires_grad
    assert isinstance(double(np.ones(3), "auto"), np.ndarray)
    assert double(torch.ones(3, device="meta"), "auto").device.type == "meta"
    assert seen == [np.ndarray, np.ndarray, np.ndarray, torch.Tensor]


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_the_option_overrides(backend):
    assert {kernels(backend, work).__name__.rpartition("._")[2] for work in (1.0, 1e12)} == {backend}


def test_without_numba_auto_falls_back(monkeypatch):
    monkeypatch.setattr("alignkit.rsa._dispatch.util.find_spec", lambda name: None)
    assert kernels("auto", 1e12).__name__.endswith("_numpy")


def test_unknown_backend():
    with pytest.raises(ValueError, match="backend must be one of 'auto', 'numpy', 'numba'; got 'cuda'"):
        kernels("cuda", 1.0)


def test_small_work_imports_no_numba():
    code = (
        "import sys, numpy as np; from alignkit.rsa import compare, noise_ceiling, rdm\n"
        "people = np.random.default_rng(0).normal(size=(3, 6, 5)); a = rdm(people)\n"
        "compare(a, a); noise_ceiling(a, n_bootstrap=5, rng=0)\n"
        "print(sorted({'numba', 'torch', 'matplotlib', 'pandas', 'xarray', 'zarr'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
