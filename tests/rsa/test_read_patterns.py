"""What may be handed to rdm besides arrays."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.models import Features
from alignkit.rsa import rdm


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
