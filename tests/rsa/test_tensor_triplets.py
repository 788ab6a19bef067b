"""Triplets of tensors: gathered where these lie, with the numbers of arrays."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from alignkit.rsa import (
    RDM,
    Triplets,
    choice_probabilities,
    odd_one_out,
    triplet_accuracy,
    triplet_similarities,
    two_afc_accuracy,
)
from alignkit.rsa._kernels import _triplets_numpy
from alignkit.rsa._triplets import TwoAFC

torch = pytest.importorskip("torch")
KERNELS = ("dot", "cosine", "euclidean", "precomputed")


@pytest.fixture(params=[5000, 9, 3], ids=["matrix", "matrix of those used", "rows"])
def limit(request, monkeypatch):
    monkeypatch.setattr("alignkit.rsa._similarity_matrix.MATRIX_LIMIT", request.param)
    monkeypatch.setattr("alignkit.rsa._kernels._triplets_torch._BLOCK", 50)


@pytest.fixture
def case(rng):
    """An embedding of twelve items, some close together or the same, and answers about nine of them."""
    x = rng.integers(-2, 3, (12, 4)).astype(float)
    x[:, 0] += 5
    x[3], x[4] = x[2], x[2] + 1e-9
    used = rng.permutation(12)[:9]
    items = np.array([rng.choice(used, 3, replace=False) for _ in range(200)])
    return x, Triplets(items, participant=rng.integers(0, 5, 200))


def of(x, kernel):
    return x @ x.T if kernel == "precomputed" else x


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.usefixtures("limit")
def test_numbers_of_arrays(case, kernel, device):
    x, triplets = case
    x = of(x, kernel)
    there = torch.from_numpy(x).to(device)
    for call in (triplet_similarities, choice_probabilities, odd_one_out):
        found, expected = call(there, triplets, kernel=kernel), call(x, triplets, kernel=kernel)
        assert found.device == there.device
        np.testing.assert_allclose(found.cpu().numpy(), expected, rtol=1e-12, atol=1e-12)
    for ties in ("wrong", "share", "random"):
        options = {"kernel": kernel, "ties": ties, "rng": 0, "n_bootstrap": 20}
        found, expected = (dataclasses.asdict(triplet_accuracy(z, triplets, **options)) for z in (there, x))
        np.testing.assert_array_equal(found.pop("per_triplet"), expected.pop("per_triplet"))
        assert found == expected


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.usefixtures("limit")
def test_undefined_items(case, kernel, device):
    x, triplets = case
    x[triplets.items[0, 0], 1] = np.nan
    x[triplets.items[1, 1]] = 0.0  # no angle
    x = of(x, kernel)
    there = torch.from_numpy(x).to(device)
    found, expected = (triplet_similarities(z, triplets, kernel=kernel, nan_policy="omit") for z in (there, x))
    np.testing.assert_allclose(found.cpu().numpy(), expected, rtol=1e-12, atol=1e-12)
    assert np.isnan(expected).any()
    with pytest.raises(ValueError, match="triplets are undefined, because of items") as ours:
        triplet_accuracy(there, triplets, kernel=kernel, nan_policy="raise")
    with pytest.raises(ValueError, match="triplets are undefined, because of items") as theirs:
        triplet_accuracy(x, triplets, kernel=kernel, nan_policy="raise")
    assert str(ours.value) == str(theirs.value)
    with pytest.warns(RuntimeWarning, match="triplets are undefined"):
        assert -1 in odd_one_out(there, triplets, kernel=kernel).tolist()


@pytest.mark.parametrize("kernel", KERNELS[:3])
@pytest.mark.usefixtures("limit")
def test_gradients_are_those_of_finite_differences(rng, kernel):
    x = torch.from_numpy(rng.normal(size=(12, 3))).requires_grad_()
    items = np.array([rng.choice(12, 3, replace=False) for _ in range(30)])
    assert torch.autograd.gradcheck(lambda z: choice_probabilities(z, items, kernel=kernel), (x,))


def test_names_are_found(case, device, rng):
    x, triplets = case
    names = [f"i{k}" for k in range(12)]
    order = rng.permutation(12)
    named = Triplets(triplets.items, names)
    there = torch.from_numpy(x[order]).to(device)
    found = triplet_similarities(there, named, labels=[names[k] for k in order])
    np.testing.assert_allclose(found.cpu().numpy(), triplet_similarities(x, named, labels=names), rtol=1e-12)


def test_other_measures_take_tensors_on_a_device(case, device):
    x, triplets = case
    trials = TwoAFC(triplets.items, np.eye(2, dtype=int)[np.arange(200) % 2])
    there = torch.from_numpy(x).to(device)
    found, expected = (two_afc_accuracy(z, trials, n_bootstrap=0).to_dict() for z in (there, x))
    assert found == expected


def test_float32_and_whole_numbers_are_widened(case, device):
    x, triplets = case
    for dtype in (torch.float32, torch.int64, torch.bfloat16):
        given = torch.from_numpy(np.round(x)).to(device, dtype)
        found = triplet_similarities(given, triplets)
        assert found.dtype == torch.float64
        np.testing.assert_array_equal(found.cpu().numpy(), triplet_similarities(np.round(x), triplets))


def test_bad_tensors(case, device):
    x, triplets = case
    for given, error, text in (
        (torch.zeros(3, 2, 2), ValueError, "x must have 2 axes"),
        (torch.zeros(12, 0), ValueError, "x must hold at least one item and one channel"),
        (torch.zeros(12, 2, dtype=torch.complex64), TypeError, "x must hold real numbers"),
        (torch.zeros(2, 2), ValueError, "but x has 2 rows"),
        (torch.full((12, 2), 1e200, dtype=torch.float64), ValueError, "whose products overflow"),
    ):
        with pytest.raises(error, match=text):
            triplet_accuracy(given.to(device), triplets)
    crooked = torch.from_numpy(np.triu(x @ x.T)).to(device)
    with pytest.raises(ValueError, match="the similarity matrix x is not symmetric"):
        triplet_accuracy(crooked, triplets, kernel="precomputed")


def test_gathering_is_done_by_torch(case, device, monkeypatch):
    x, triplets = case
    for name in ("gather_pairs", "gather_rows"):
        monkeypatch.setattr(_triplets_numpy, name, lambda *_: pytest.fail("gathered by numpy"))
    assert 0 < triplet_accuracy(torch.from_numpy(x).to(device), triplets, n_bootstrap=0).accuracy < 1


# --- the rest of what a device is for: movies and ranks


@pytest.mark.parametrize("metric", ["correlation", "cosine", "euclidean", "sqeuclidean"])
def test_movies_in_one_batch(metric, device, rng):
    from alignkit.rsa import compare, rdm

    x = rng.normal(size=(2, 6, 20, 9))
    movie = rdm(torch.from_numpy(x).to(device), metric=metric, dims=["subject", "time"])
    expected = rdm(x, metric=metric, dims=["subject", "time"])
    assert movie.values.device.type == device
    np.testing.assert_allclose(movie.values.cpu().numpy(), expected.values, rtol=1e-12, atol=1e-12)
    model = np.round(rng.random(190), 1)  # with ties
    for method in ("spearman", "kendall-tau-b", "pearson", "whitened-cosine"):
        found = compare(movie, RDM(torch.from_numpy(model).to(device)), method=method).values
        np.testing.assert_allclose(
            found.cpu().numpy(), compare(expected, RDM(model), method=method).values, rtol=1e-11, atol=1e-12
        )


def test_ranks_share_their_mean(device, rng):
    from scipy.stats import rankdata

    from alignkit.rsa import rank

    x = rng.normal(size=(3, 500)).round(1)
    np.testing.assert_array_equal(rank(torch.from_numpy(x).to(device)).cpu().numpy(), rankdata(x, axis=-1))
