"""RDMs of two items, one pair: held, saved, drawn and converted like others, and compared with nothing."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from alignkit.rsa import RDM, compare, noise_ceiling, permutation_test, rdm, regress, split_half, stack

TIMES = np.arange(6) / 100
LABELS = ("face", "house")


@pytest.fixture
def movie(rng):
    return RDM(rng.random((6, 1)), LABELS, dims=["time"], coords={"time": TIMES}, metric="crossnobis")


def test_what_it_is(movie):
    assert (movie.n_items, movie.n_pairs, movie.shape) == (2, 1, (6,))
    assert repr(movie) == "<RDM 2 items (face, house), time: 6, metric: crossnobis>"
    square = movie.squareform()
    assert square.shape == (6, 2, 2)
    np.testing.assert_array_equal(square[:, 0, 1], movie.values[:, 0])
    np.testing.assert_array_equal(square, square.swapaxes(1, 2))
    np.testing.assert_array_equal(RDM(square).values, movie.values)
    assert RDM([[0, 2.5], [2.5, 0]]).values == RDM([2.5]).values == 2.5


def same(a, b):
    assert (a.labels, a.dims, a.metric) == (b.labels, b.dims, b.metric)
    np.testing.assert_array_equal(a.values, b.values)
    np.testing.assert_array_equal(a.coords["time"], b.coords["time"])


def test_there_and_back(movie, tmp_path):
    for name in ("r.npz", "r.zarr"):
        movie.save(tmp_path / name)
        same(RDM.load(tmp_path / name), movie)
    same(copy.deepcopy(movie), movie)
    same(RDM.from_xarray(movie.to_xarray()), movie)
    same(RDM.from_dataframe(movie.to_dataframe()), movie)
    pytest.importorskip("rsatoolbox")
    same(RDM.from_rsatoolbox(movie.to_rsatoolbox()), movie)
    one = movie.isel(time=0)
    assert RDM.from_dataframe(one.to_dataframe()).values == one.values
    assert RDM.from_xarray(one.to_xarray()).values == one.values


def test_parts(movie, rng):
    assert movie.select(["house", "face"]).labels == ("house", "face")
    np.testing.assert_array_equal(movie.select(["house", "face"]).values, movie.values)
    three = RDM(rng.random(3), ["car", *LABELS])
    assert three.select(LABELS).values == three.values[2]
    assert movie.mean("time").values == pytest.approx(movie.values.mean())
    assert movie.replace(movie.values * 2).values[0] == 2 * movie.values[0]


def test_people_are_stacked(movie):
    other = movie.replace(movie.values + 1)
    both = stack([movie, other.select(["house", "face"])], names=["s1", "s2"])
    assert (both.shape, both.labels) == ((2, 6), LABELS)
    np.testing.assert_array_equal(both.values[1], other.values)


def test_it_is_drawn(movie):
    pytest.importorskip("matplotlib")
    ax = movie.isel(time=0).plot()
    assert [text.get_text() for text in ax.get_xticklabels()] == list(LABELS)


@pytest.mark.parametrize("metric", ["correlation", "cosine", "euclidean", "sqeuclidean", "mahalanobis", "crossnobis"])
def test_rdm_of_two_items_is_that_pair_of_more(rng, metric):
    folds = metric == "crossnobis"
    x = rng.normal(size=(4, 12 if folds else 3, 5))
    names = np.tile(["a", "b", "c"], 4 if folds else 1)
    options = {"metric": metric} | ({"noise": np.diag(rng.random(5) + 0.5)} if metric[-1] == "s" else {})
    at = np.repeat(np.arange(4), 3) if folds else None
    keep = names != "c"
    found = rdm(x[:, keep], labels=names[keep], folds=at if at is None else at[keep], **options)
    assert (found.labels, found.shape) == (("a", "b"), (4,))
    expected = rdm(x, labels=names, folds=at, **options).select(["a", "b"])
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-12)


def test_nothing_is_compared_with_a_single_pair(movie):
    one, people = movie.isel(time=0), stack([movie.isel(time=i) for i in range(4)])
    for attempt in (
        lambda: compare(one, one),
        lambda: compare(movie, one),
        lambda: compare([0.5], [0.5]),
        lambda: noise_ceiling(people),
        lambda: permutation_test(one, one),
        lambda: regress(people, [one]),
        lambda: split_half(people),
    ):
        with pytest.raises(ValueError, match=r"has 2 item\(s\); at least 3 are needed"):
            attempt()
