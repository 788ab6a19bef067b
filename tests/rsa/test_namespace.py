"""One code for arrays and tensors."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa._namespace import is_tracked, kth_largest, like, median_of, namespace, scalar, take, untracked, widen

torch = pytest.importorskip("torch")


@pytest.fixture(params=["numpy", "torch"])
def kind(request):
    return np.array if request.param == "numpy" else torch.tensor


def test_the_module_that_made_it(kind):
    x = kind([1.0])
    assert namespace(x) is (np if kind is np.array else torch)


def test_rows_are_views_where_they_follow_each_other(kind):
    x = kind([[1.0], [2.0], [3.0], [4.0]])
    for order in ([0, 1, 2, 3], [1, 2], [3]):
        part = take(x, np.array(order))
        assert part.tolist() == [[float(i) + 1] for i in order]
        part[0] += 10
        assert x[order[0]] == order[0] + 11
        part[0] -= 10
    for order in ([1, 0], [0, 2], [0, 0, 1], [2, 1, 0, 3], [0, 2, 2]):
        part = take(x, np.array(order))
        assert part.tolist() == [[float(i) + 1] for i in order]
        part[0] += 10
        assert x[order[0]] == order[0] + 1


@pytest.mark.parametrize("shape", [(3, 3), (4, 4), (1, 1), (5, 2)])
def test_median(kind, rng, shape):
    x = rng.integers(5, size=shape).astype(float)
    assert float(median_of(kind(x))) == np.median(x)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_kth_largest(kind, rng, k):
    x = rng.integers(4, size=(6, 5)).astype(float)
    np.testing.assert_array_equal(np.asarray(kth_largest(kind(x), k)), np.sort(x, axis=1)[:, ::-1][:, k - 1 : k])


def test_kinds_follow_a_reference(readonly):
    array, tensor = readonly(np.array([1.0])), torch.tensor([2.0])
    assert like(array, array) is array
    assert like(tensor, tensor) is tensor
    moved = like(array, tensor)
    moved += 1
    assert array[0] == 1
    assert scalar(np.nan, tensor).shape == ()
    assert scalar(2.5, tensor).dtype == torch.float64
    assert scalar(2.5, array) == 2.5
    assert widen(tensor).dtype == torch.float64
    assert widen(array) is array


def test_gradients_are_recorded_where_asked_for():
    x = torch.tensor([2.0], requires_grad=True)
    assert is_tracked(x)
    assert not is_tracked(x.detach())
    assert not is_tracked(np.ones(1))
    with untracked(x):
        assert not is_tracked(x)
        assert not (x * x).requires_grad
    with untracked(np.ones(1)):
        assert (x * x).requires_grad
