"""RDMs over time of two conditions, one pair: stored and averaged like others, and compared with nothing."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.meg import (
    RDMStore,
    average_times,
    fusion,
    label_test,
    rdm_generalization,
    timecourse,
    variance_partition,
)
from alignkit.rsa import RDM

TIMES = np.arange(6) / 100


@pytest.fixture
def movie(rng):
    return RDM(rng.random((6, 1)), ["face", "house"], dims=["time"], coords={"time": TIMES}, metric="decoding")


def test_a_store_holds_one_pair(movie, tmp_path):
    movie.save(tmp_path / "r.zarr")
    np.testing.assert_array_equal(RDMStore.open(tmp_path / "r.zarr").rdm().values, movie.values)
    options = {"labels": movie.labels, "times": TIMES, "metric": "decoding", "provenance": {}}
    with RDMStore.create(tmp_path / "s.zarr", dtype="float64", n_decisions=8, **options) as store:
        store.write(0, np.arange(6, dtype=np.uint8)[:, None])
    assert (store.n_items, store.n_pairs) == (2, 1)
    np.testing.assert_array_equal(RDM.load(tmp_path / "s.zarr").values[:, 0], np.arange(6) / 16)


def test_times_are_averaged(movie):
    np.testing.assert_allclose(average_times(movie, size=2).values, movie.values.reshape(3, 2, 1).mean(axis=1))


def test_nothing_is_compared_with_a_single_pair(movie, tmp_path):
    one, path = movie.isel(time=0), tmp_path / "r.zarr"
    movie.save(path)
    for attempt in (
        lambda: timecourse(one, [movie, movie]),
        lambda: timecourse(one, RDMStore.open(path)),
        lambda: timecourse(path, path),
        lambda: rdm_generalization(movie),
        lambda: variance_partition({"a": one, "b": one}, [movie]),
        lambda: label_test(one, [movie]),
        lambda: fusion(movie, one),
    ):
        with pytest.raises(ValueError, match=r"has 2 item\(s\); at least 3 are needed"):
            attempt()
