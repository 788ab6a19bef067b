from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit.rsa import RDM
from alignkit.rsa._axes import as_coords, as_dims, find, plain


def test_default_names():
    assert as_dims(None, 0) == ()
    assert as_dims(None, 1) == ("rdm",)
    assert as_dims(None, 2) == ("axis_0", "axis_1")
    assert as_dims("subject", 1) == ("subject",)


@pytest.mark.parametrize("dims", [["a"], ["a", "a"], ["a", "b", "c"], []])
def test_names_must_fit(dims):
    with pytest.raises(ValueError, match=r"dims must give 2 different name\(s\)"):
        RDM(np.ones((2, 4, 3)), dims=dims)


@pytest.mark.parametrize("name", ["pair", "item", "item_a", "dissimilarity", "similarity", "method", "upper"])
def test_names_of_our_own_columns_are_taken(name):
    with pytest.raises(ValueError, match=f"dims may not use '{name}'"):
        RDM(np.ones((2, 3)), dims=[name])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["s1", "s2"], ["s1", "s2"]),
        (np.array([b"a", b"\xc3\xa9"]), ["a", "é"]),
        (np.array(["x", "y"], dtype=object), ["x", "y"]),
        (pd.Series(["x", "y"]), ["x", "y"]),
        (np.array(["x", "y"], dtype=np.dtypes.StringDType()), ["x", "y"]),
        ((1, 2), [1, 2]),
        (range(2), [0, 1]),
    ],
)
def test_coordinates(values, expected):
    coords = as_coords({"subject": values}, ("subject",), (2,))
    assert coords["subject"].tolist() == expected
    assert not coords["subject"].dtype.hasobject


BAD = {
    "length": (["a", "b", "c"], ValueError, "must hold 2 texts or numbers; got shape"),
    "ragged": ([[1], [1, 2]], ValueError, "must be one-dimensional; its entries have different lengths"),
    "objects": (np.array([None, 1]), TypeError, "not Python objects"),
    "two axes": (np.ones((2, 2)), ValueError, "must hold 2 texts or numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_coordinates(case):
    values, kind, sentence = BAD[case]
    with pytest.raises(kind, match=sentence):
        RDM(np.ones((2, 3)), dims=["subject"], coords={"subject": values})


def test_coordinates_of_an_axis_that_is_not_there():
    with pytest.raises(ValueError, match="the axis must be one of 'subject'; got 'time'"):
        RDM(np.ones((2, 3)), dims=["subject"], coords={"time": [1, 2]})
    with pytest.raises(ValueError, match="a single RDM has no leading axes; got 'time'"):
        RDM([1, 2, 3], coords={"time": [1]})


def test_find_reads_numbers_and_texts_alike():
    assert find("time", np.array([-0.1, 0.0, 0.1]), 0.1) == 2
    assert find("run", np.array([3, 4]), "4") == 1


def test_plain_leaves_numbers_alone():
    numbers = np.arange(3)
    assert plain(numbers) is numbers
