from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import zarr

from alignkit.rsa._tiles._source import ArrayRows, as_rows, survey


@pytest.fixture
def x(rng):
    return rng.normal(size=(2500, 3)).astype(np.float32)


def stored(x, tmp_path, kind):
    if kind == "array":
        return x
    if kind == "table":
        return pd.DataFrame(x, index=[f"i{k}" for k in range(len(x))])
    path = tmp_path / {"npy": "x.npy", "mapped": "x.npy", "zarr": "x.zarr", "group": "g.zarr"}[kind]
    if kind in ("npy", "mapped"):
        np.save(path, x)
        return np.load(path, mmap_mode="r") if kind == "mapped" else path
    if kind == "zarr":
        zarr.create_array(path, data=x, config={"write_empty_chunks": True})
    else:
        zarr.open_group(path, mode="w", zarr_format=3).create_array("clip", data=x)
    return path


@pytest.mark.parametrize("kind", ["array", "table", "npy", "mapped", "zarr", "group"])
def test_rows_are_read_from_wherever_they_lie(x, tmp_path, kind):
    rows, labels = as_rows("x", stored(x, tmp_path, kind), None)
    assert rows.shape == x.shape
    order = np.array([7, 3, 2400])
    for one in (rows, pickle.loads(pickle.dumps(rows))):
        np.testing.assert_array_equal(one.read(slice(10, 20)), x[10:20])
        np.testing.assert_array_equal(one.read(order), x[order])
    assert (labels is not None) == (kind == "table")


def test_labels_that_are_given_count(x):
    assert as_rows("x", x[:2], ["a", "b"])[1] == ("a", "b")
    with pytest.raises(ValueError, match="labels must be unique"):
        as_rows("x", x[:2], ["a", "a"])


class Own:
    """Rows of somebody else's making."""

    shape = (4, 2)
    labels = ("a", "b", "c", "d")
    nbytes = 0

    def read(self, rows):
        return np.arange(8.0).reshape(4, 2)[rows]


def test_what_can_read_is_taken():
    rows, labels = as_rows("x", Own(), None)
    assert labels == Own.labels
    assert rows.read(slice(0, 1)).tolist() == [[0.0, 1.0]]


def test_what_is_no_features(tmp_path):
    (tmp_path / "folder").mkdir()
    for value, error, text in (
        (tmp_path / "folder", ValueError, "open it first"),
        (tmp_path / "x.csv", ValueError, "read from a .npy file"),
        (tmp_path / "gone.npy", FileNotFoundError, "does not exist"),
        (np.zeros(3), ValueError, "must have shape"),
        (np.zeros((1, 3)), ValueError, "at least 2 are needed"),
        (np.array([["a"], ["b"]]), TypeError, "real numbers"),
    ):
        with pytest.raises(error, match=text):
            as_rows("x", value, None)


def test_a_zarr_folder_of_several_arrays_is_refused(tmp_path, x):
    group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=3)
    group.create_array("a", data=x)
    group.create_array("b", data=x)
    with pytest.raises(ValueError, match=r"it holds 2 arrays \(a, b\)"):
        as_rows("x", tmp_path / "x.zarr", None)


def test_a_file_that_changed_its_shape_is_refused(tmp_path, x):
    np.save(tmp_path / "x.npy", x)
    sent = pickle.dumps(as_rows("x", tmp_path / "x.npy", None)[0])
    np.save(tmp_path / "x.npy", x[:5])
    with pytest.raises(ValueError, match="has shape"):
        pickle.loads(sent).read(slice(0, 2))


def test_a_survey_says_what_numpy_says(x):
    x = x.copy()
    x[5, 1], x[2400, 0] = np.nan, np.inf
    seen = survey(ArrayRows(x))
    assert np.flatnonzero(seen.bad).tolist() == [5, 2400]
    good = np.delete(x, [5, 2400], axis=0).astype(np.float64)
    np.testing.assert_allclose(seen.mean, good.mean(axis=0), rtol=0, atol=1e-15)
    assert seen.largest == np.abs(good).max()


def test_the_hash_tells_features_apart(x):
    same = survey(ArrayRows(x)).sha256
    assert survey(ArrayRows(np.asfortranarray(x))).sha256 == same
    other = x.copy()
    other[2000, 2] = np.nextafter(other[2000, 2], np.float32(9))
    hashes = {survey(ArrayRows(one)).sha256 for one in (x, other, x[::-1], x.reshape(1250, 6), x.view(np.int32))}
    assert len(hashes) == 5
