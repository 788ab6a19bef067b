"""Real data: what others have published or computed on the 92 object images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from reference.rsa import noise_ceiling as plain_ceiling
from scipy.io import loadmat
from scipy.stats import spearmanr

from alignkit.rsa import RDM, compare, noise_ceiling, squareform


@pytest.fixture(scope="module")
def fmri_it(shared_data: Callable[..., Path]) -> RDM:
    stack = RDM.load(shared_data("rsa92", "92images_fmri_IT_RDMs.npz"))
    return RDM(stack.values, dims=["subject"])


@pytest.fixture(scope="module")
def human_it(shared_data: Callable[..., Path]) -> RDM:
    cells = loadmat(shared_data("rsa92", "92_brainRDMs.mat"))["RDMs"]["RDM"].reshape(4, 2)
    return RDM(np.array([[cells[i, j] for j in range(2)] for i in range(4)]), dims=["subject", "session"])


@pytest.fixture(scope="module")
def models(shared_data: Callable[..., Path]) -> RDM:
    cells = loadmat(shared_data("rsa92", "92_modelRDMs.mat"))["Models"].ravel()
    names = [str(cell["name"].item()) for cell in cells]
    values = np.stack([RDM(np.asarray(cell["RDM"], dtype=float)).values for cell in cells])
    return RDM(values, dims=["model"], coords={"model": names})


def test_shapes(fmri_it, human_it, models):
    assert (fmri_it.shape, fmri_it.n_items, fmri_it.n_pairs) == ((15,), 92, 4186)
    assert human_it.shape == (4, 2)
    assert models.shape == (8,)


def test_fmri_it_ceilings(fmri_it):
    result = noise_ceiling(fmri_it, rng=0, n_bootstrap=40)
    assert result.lower == pytest.approx(0.45253, abs=1e-5)
    assert result.upper == pytest.approx(0.54219, abs=1e-5)
    assert result.lower_interval[0] < result.lower < result.lower_interval[1]


def test_raw_pooling_comes_out_a_little_lower(fmri_it):
    rank, raw = (noise_ceiling(fmri_it, pooling=pooling, n_bootstrap=0) for pooling in ("rank", "raw"))
    for bound in ("lower", "upper"):
        assert 0.004 <= round(getattr(rank, bound) - getattr(raw, bound), 3) <= 0.010


@pytest.mark.parametrize("pooling", ["rank", "raw"])
def test_a_part_of_the_real_data_equals_the_plain_loop(fmri_it, pooling):
    part = fmri_it.take(range(0, 92, 8)).isel(subject=slice(5))
    lower, upper = plain_ceiling(part.values, "spearman", pooling)
    result = noise_ceiling(part, pooling=pooling, n_bootstrap=0)
    assert np.allclose(result.lower_per_subject, lower, rtol=0, atol=1e-13)
    assert np.allclose(result.upper_per_subject, upper, rtol=0, atol=1e-13)


def test_two_laboratories_agree_on_human_it(fmri_it, human_it):
    ours = float(compare(human_it.mean("session").mean("subject"), fmri_it.mean("subject")))
    assert ours == pytest.approx(0.557, abs=5e-4)
    theirs = spearmanr(human_it.values.mean(axis=(0, 1), dtype=float), fmri_it.values.mean(axis=0)).statistic
    assert ours == pytest.approx(theirs, abs=1e-14)


def test_brain_rdms_are_nearly_free_of_ties_and_two_models_have_two_values(fmri_it, models):
    assert min(len(np.unique(row)) for row in fmri_it.values) >= 4184
    assert sum(len(np.unique(row)) == 2 for row in models.values) == 2


def test_ties_decide_the_ranking_of_models(human_it, models):
    # a two-valued model overtakes a continuous one under Spearman, and falls behind it under rho-a
    mean = human_it.mean("session").mean("subject")
    two_valued = np.array([len(np.unique(row)) == 2 for row in models.values])
    spearman, rho_a = (compare(models, mean, method=method).values for method in ("spearman", "rho-a"))
    assert np.allclose(spearman[~two_valued], rho_a[~two_valued], atol=0.01)
    assert np.all(spearman[two_valued] > rho_a[two_valued] * 1.05)
    swapped = [
        (i, j)
        for i in np.flatnonzero(two_valued)
        for j in np.flatnonzero(~two_valued)
        if spearman[i] > spearman[j] and rho_a[i] < rho_a[j]
    ]
    assert swapped


def test_ranks_and_counts_on_real_data_equal_scipy(fmri_it, models):
    values = compare(models, fmri_it).values
    expected = spearmanr(np.vstack([models.values, fmri_it.values]), axis=1).statistic[:8, 8:]
    assert np.allclose(values, expected, rtol=0, atol=1e-14)


def test_the_numpy_and_the_numba_kernels_agree_on_real_data(fmri_it, models):
    few = fmri_it.isel(subject=[0, 1])
    for method in ("spearman", "kendall-tau-a"):
        a, b = (compare(models, few, method=method, backend=backend).values for backend in ("numpy", "numba"))
        assert np.array_equal(a, b)


def test_squares_of_the_file_come_back(fmri_it, shared_data):
    with np.load(shared_data("rsa92", "92images_fmri_IT_RDMs.npz")) as file:
        square = file["Net_RDM"]
    off = ~np.eye(92, dtype=bool)
    assert np.allclose(squareform(fmri_it.values)[:, off], square[:, off], rtol=0, atol=1e-12)


def test_every_other_rdm_file_loads(shared_data):
    assert RDM.load(shared_data("rsa92", "92images_fmri_EVC_RDMs.npz")).shape == (15,)
    folder = shared_data("algonauts78")
    stacks = [RDM.load(path) for path in sorted(folder.rglob("*.npz"))]
    assert [(stack.shape, stack.n_items) for stack in stacks] == [((15,), 78)] * 2
