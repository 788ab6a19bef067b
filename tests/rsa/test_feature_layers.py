"""Features in whatever form people have them, as layers of the same items in one order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit import _check
from alignkit.rsa import RDM, similarity
from alignkit.rsa._feature_layers import align_layers, as_layers, of_one_kind


def test_arrays_lists_and_mappings(rng):
    x = rng.normal(size=(4, 2))
    for single in (x, x.tolist(), tuple(map(tuple, x)), pd.DataFrame(x)):
        found = as_layers("x", single, None, "raise")
        assert (found.names, found.shape, found.n_items, found.labels) == (None, (), 4, None)
        np.testing.assert_array_equal(found.arrays[0], x)
        assert (found.title(0), found.item(2)) == ("x", "item 2")
    for several in ([x, x], (x, x.tolist()), [x.tolist(), x.tolist()]):
        found = as_layers("x", several, None, "raise")
        assert (found.names, found.shape, found.title(1)) == ((0, 1), (2,), "x[1]")
    found = as_layers("y", {"a": x, 3: x, 2.5: x}, None, "raise")
    assert (found.names, found.title(0), found.title(2)) == (("a", 3, "2.5"), "y['a']", "y['2.5']")


def test_layers_follow_the_labels_of_the_first(rng):
    x = rng.normal(size=(4, 2))
    first, second = pd.DataFrame(x, list("abcd")), pd.DataFrame(x[::-1], list("dcba"))
    found = as_layers("x", {"one": first, "two": second}, None, "raise")
    assert found.labels == tuple("abcd")
    np.testing.assert_array_equal(found.arrays[1][found.orders[1]], x)
    third = pd.DataFrame(x, list("ebca"))
    found = as_layers("x", [first, third, second], None, "intersect")
    assert found.labels == tuple("abc")
    assert [len(order) for order in found.orders] == [3, 3, 3]
    np.testing.assert_array_equal(found.arrays[1][found.orders[1]], x[[3, 1, 2]])
    with pytest.raises(ValueError, match=r"x\[0\] and x\[1\] do not hold the same items"):
        as_layers("x", [first, third], None, "raise")
    given = as_layers("x", {"one": first, "two": second}, list("wxyz"), "raise")
    assert given.labels == tuple("wxyz")


def test_both_sides_end_up_in_the_order_of_the_first(rng):
    x = rng.normal(size=(4, 2))
    a = as_layers("x", x, list("abcd"), "raise")
    b = as_layers("y", [x, x * 2], list("cdba"), "raise")
    first, second = align_layers(a, b, "raise")
    assert first is a
    assert second.labels == a.labels
    np.testing.assert_array_equal(second.orders, [[3, 2, 0, 1]] * 2)
    assert align_layers(a, as_layers("y", x, None, "raise"), "raise")[1].labels is None


def test_one_tensor_makes_tensors_of_all(rng):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(4, 2))
    a, b = (as_layers(name, z, None, "raise") for name, z in (("x", [x, torch.tensor(x)]), ("y", x)))
    first, second = of_one_kind(a, b)
    assert all(isinstance(array, torch.Tensor) for array in (*first.arrays, *second.arrays))
    assert of_one_kind(b, b) == (b, b)


def test_float16_stays_as_it_is_stored(rng, tmp_path):
    stored = rng.normal(size=(30, 7)).astype(np.float16)
    np.save(tmp_path / "layer.npy", stored)
    mapped = np.load(tmp_path / "layer.npy", mmap_mode="r")
    assert as_layers("x", mapped, None, "raise").arrays[0] is mapped
    y = rng.normal(size=(30, 4))
    for method in ("cka", "procrustes", "svcca", "mutual-knn"):
        expected = float(similarity(stored.astype(np.float64), y, method=method))
        assert float(similarity(mapped, y, method=method)) == expected
    torch = pytest.importorskip("torch")
    assert float(similarity(mapped, torch.tensor(y))) == pytest.approx(float(similarity(mapped, y)), abs=1e-12)
    stored[3, 2] = np.inf
    with pytest.raises(ValueError, match="x is float16 and holds infinities"):
        similarity(stored, y)


def test_layers_on_different_devices(rng, monkeypatch):
    """The device that holds nothing stands for a second one."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(_check, "check_dense", lambda *_: None)
    x, y = torch.tensor(rng.normal(size=(2, 6, 3)))
    with pytest.raises(ValueError, match="the layers of x lie on different devices; move them to one"):
        similarity([x, x.to("meta")], y)
    with pytest.raises(ValueError, match="x and y lie on different devices; move them to one"):
        similarity(x, y.to("meta"))


def test_rdms_are_sent_to_compare():
    one = RDM([1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match=r"x is an RDM, .* compare\(\) takes RDMs"):
        similarity(one, one)
    with pytest.raises(TypeError, match=r"x\[0\] is an RDM"):
        similarity([one], [one])
