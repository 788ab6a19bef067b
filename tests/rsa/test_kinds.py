"""What RDMs are made of: float64, float32 and torch tensors."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit._check import is_tensor
from alignkit.rsa import RDM, condense, noise_ceiling, squareform
from alignkit.rsa._align import as_rdm


@pytest.fixture
def values(rng):
    return rng.random((3, 10))


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def test_float32_is_kept_and_statistics_are_float64(values):
    single = values.astype(np.float32)
    stack = RDM(single, dims=["subject"])
    assert stack.values.dtype == np.float32
    assert stack.take([3, 0, 1]).values.dtype == np.float32
    assert stack.squareform().dtype == np.float32
    assert stack.mean("subject").values.dtype == np.float64
    assert np.array_equal(stack.mean("subject").values, single.mean(axis=0, dtype=np.float64))
    assert as_rdm("x", stack).values.dtype == np.float64
    assert as_rdm("x", stack, keep=True) is stack
    exact = noise_ceiling(single.astype(np.float64), method="pearson", n_bootstrap=0)
    assert noise_ceiling(stack, method="pearson", n_bootstrap=0).lower == exact.lower


def test_float32_survives_a_file(values, tmp_path):
    stack = RDM(values.astype(np.float32), dims=["subject"])
    for name in ("a.npz", "a.zarr"):
        stack.save(tmp_path / name)
        loaded = RDM.load(tmp_path / name)
        assert loaded.values.dtype == np.float32
        assert np.array_equal(loaded.values, stack.values)


def test_tensors_stay_tensors_with_their_gradient(values, torch, tmp_path):
    tensor = torch.tensor(values, requires_grad=True)
    stack = RDM(tensor, list("abcde"), dims=["subject"], coords={"subject": [1, 2, 3]})
    plain = RDM(values, list("abcde"), dims=["subject"], coords={"subject": [1, 2, 3]})
    assert stack.values is tensor
    assert repr(stack) == repr(plain)
    assert stack.shape == (3,)
    for ours, theirs in [
        (stack.select(list("eca")), plain.select(list("eca"))),
        (stack.isel(subject=1), plain.isel(subject=1)),
        (stack.sel(subject=[3, 1]), plain.sel(subject=[3, 1])),
        (stack.mean("subject"), plain.mean("subject")),
    ]:
        assert is_tensor(ours.values)
        assert ours.values.requires_grad
        np.testing.assert_allclose(ours.values.detach().numpy(), theirs.values, rtol=1e-15)
        assert ours.labels == theirs.labels
    assert isinstance(stack.numpy().values, np.ndarray)
    assert np.array_equal(stack.numpy().values, values)
    stack.save(tmp_path / "a.npz")
    assert np.array_equal(RDM.load(tmp_path / "a.npz").values, values)
    assert stack.to_dataframe().equals(plain.to_dataframe())
    assert np.array_equal(stack.to_xarray(), plain.to_xarray())


def test_squares_of_tensors_and_back(values, torch):
    tensor = torch.tensor(values, dtype=torch.float32)
    square = squareform(tensor)
    assert square.dtype == torch.float32
    assert np.array_equal(square.numpy(), squareform(values.astype(np.float32)))
    assert torch.equal(condense(square), tensor)
    assert torch.equal(RDM(square).values, tensor)


@pytest.mark.parametrize("bad", ["asymmetric", "diagonal", "infinite", "dtype", "length"])
def test_bad_tensors_are_refused_as_arrays_are(bad, values, torch):
    square = squareform(torch.tensor(values))
    if bad == "asymmetric":
        square[0, 0, 1] += 1
    elif bad == "diagonal":
        square[0] += 1
    elif bad == "infinite":
        square[0, 0, 1] = square[0, 1, 0] = torch.inf
    given = {"dtype": square.to(torch.int64), "length": torch.ones(7)}.get(bad, square)
    words = {
        "asymmetric": "not symmetric",
        "diagonal": "zero diagonal",
        "infinite": "infinities",
        "dtype": "float32 or float64 tensor; got torch.int64",
        "length": "7 values",
    }
    with pytest.raises((ValueError, TypeError), match=words[bad]):
        RDM(given)
