"""What may be handed to rdm besides arrays."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.models import Features
from alignkit.rsa import RDM, rdm


def test_features_bring_their_labels(rng):
    x = rng.normal(size=(4, 6)).astype(np.float32)
    features = Features.from_array(x, list("abcd"))
    result = rdm(features)
    assert result.labels == tuple("abcd")
    assert np.array_equal(result.values, rdm(x, labels=list("abcd")).values)
    assert rdm(features, labels=list("wxyz")).labels == tuple("wxyz")
    assert rdm(Features.from_array(x)).labels is None


def test_one_layer_of_several_has_to_be_named(rng):
    features = Features.from_arrays({"a": rng.normal(size=(4, 6)), "b": rng.normal(size=(4, 2))})
    with pytest.raises(ValueError, match=r"x holds the layers 'a', 'b'; pass one of them: rdm\(x.array\(layer\)"):
        rdm(features)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_input_is_left_alone(dtype, rng):
    x = rng.normal(size=(6, 5)).astype(np.float32)
    before = x.copy()
    for options in ({}, {"metric": "sqeuclidean"}, {"nan_policy": "omit"}, {"labels": list("aabbcc")}):
        rdm(x, dtype=dtype, **options)
        assert np.array_equal(x, before)


def test_masked_entries_are_missing(rng):
    x = np.ma.masked_less(rng.normal(size=(5, 30)), -1)
    filled = np.ma.filled(x, np.nan)
    for dtype in ("float64", "float32"):
        expected = rdm(filled, nan_policy="omit", dtype=dtype).values
        assert np.array_equal(rdm(x, nan_policy="omit", dtype=dtype).values, expected)


@pytest.mark.parametrize("labels", [["a", 1, "a", 1], [1, 2, 1, 2], np.array([1, 2, 1, 2]), np.array(list("abab"))])
def test_labels_of_any_kind_name_rows(labels, rng):
    x = np.concatenate([rng.normal(size=(4, 5)), rng.normal(size=(1, 5))])
    result = rdm(x, labels=[*labels, "z"] if isinstance(labels, list) and "a" in labels else [*map(str, labels), "z"])
    assert result.labels == (*map(str, labels[:2]), "z")
    values = np.stack([x[[0, 2]].mean(0), x[[1, 3]].mean(0), x[4]])
    assert np.allclose(result.values, rdm(values).values, rtol=1e-12)


def test_an_empty_label_is_found_among_many():
    with pytest.raises(ValueError, match="labels holds an empty label at position 3"):
        rdm(np.eye(6), labels=["a", "b", "c", "", "e", "f"])
    with pytest.raises(ValueError, match="expected 6, got 5"):
        rdm(np.eye(6), labels=list("abcde"))


def test_labels_of_other_packages_name_rows(rng):
    torch, xr, pd = (pytest.importorskip(name) for name in ("torch", "xarray", "pandas"))
    x = rng.normal(size=(6, 5))
    expected = rdm(x, metric="euclidean", labels=[3, 1, 2, 3, 1, 2])
    numbers = torch.tensor([3, 1, 2, 3, 1, 2])
    for labels in (numbers, list(numbers), xr.DataArray([3, 1, 2, 3, 1, 2]), pd.Categorical([3, 1, 2, 3, 1, 2])):
        result = rdm(x, metric="euclidean", labels=labels)
        assert result.labels == ("3", "1", "2")
        assert np.array_equal(result.values, expected.values)
    texts = xr.DataArray(list("abcabc"))
    assert rdm(x, metric="euclidean", labels=texts).labels == ("a", "b", "c")
    folds = torch.tensor([0, 0, 0, 1, 1, 1])
    folded = rdm(x, metric="crossnobis", labels=texts, folds=folds)
    assert np.array_equal(
        folded.values, rdm(x, metric="crossnobis", labels=list("abcabc"), folds=[0, 0, 0, 1, 1, 1]).values
    )


def test_leading_axes_of_an_xarray_keep_their_names(rng):
    xr = pytest.importorskip("xarray")
    x = rng.normal(size=(2, 3, 4, 5))
    coords = {"subject": ["s1", "s2"], "time": [0.1, 0.2, 0.3], "photo": list("abcd")}
    array = xr.DataArray(x, dims=("subject", "time", "photo", "channel"), coords=coords)
    result = rdm(array)
    assert result.dims == ("subject", "time")
    assert result.labels == tuple("abcd")
    assert result.coords["subject"].tolist() == ["s1", "s2"]
    assert result.coords["time"].tolist() == [0.1, 0.2, 0.3]
    assert np.array_equal(result.values, rdm(x).values)
    assert rdm(array, dims=["a", "b"]).dims == ("a", "b")
    assert rdm(array.rename(subject="item")).dims == ("axis_0", "axis_1")
    assert rdm(array[0, 0]).dims == ()


def test_missing_cells_of_a_table_are_missing(rng):
    pd = pytest.importorskip("pandas")
    x = rng.normal(size=(5, 6))
    x[1, 2] = np.nan
    table = pd.DataFrame(x, index=list("abcde"))
    result = rdm(table.astype("Float64"), nan_policy="omit")
    assert result.labels == tuple("abcde")
    assert np.array_equal(result.values, rdm(table, nan_policy="omit").values)
    with pytest.raises(TypeError, match="x must hold real numbers of one dtype"):
        rdm(table.astype("Float64").assign(name="a"))


def test_tensors_without_numbers_in_rows_are_refused(rng):
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(rng.normal(size=(5, 4)))
    with pytest.raises(TypeError, match=r"x must be a dense tensor; it is sparse; convert it with .to_dense\(\)"):
        rdm(x.to_sparse())
    with pytest.raises(TypeError, match="x must be a dense tensor; it has no values"):
        rdm(x.to("meta"))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, int])
def test_options_are_numbers_of_any_kind(kind, rng):
    counts = rng.poisson(3.0, size=(4, 6))
    expected = rdm(counts, metric="poisson", prior_lambda=2.0).values
    assert np.array_equal(rdm(counts, metric="poisson", prior_lambda=kind(2)).values, expected)
    with pytest.raises(TypeError, match="prior_lambda must be a number; got '2'"):
        rdm(counts, metric="poisson", prior_lambda="2")


def test_rdms_are_no_patterns():
    one = RDM(np.arange(6.0))
    for given in (one, [one, one]):
        with pytest.raises(TypeError, match=r"x must hold patterns.*compare\(a, b\) takes two RDMs.*stack\(\[a, b\]\)"):
            rdm(given)
