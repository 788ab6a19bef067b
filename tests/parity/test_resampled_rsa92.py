"""Real data: rsatoolbox's own resamples of the 92 object images, scores and ceilings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import loadmat

from alignkit.rsa import RDM
from alignkit.rsa._inference._resampled_scores import resampled_scores

THEIRS = {"pearson": "corr", "cosine": "cosine", "spearman": "spearman", "rho-a": "rho-a"}


@pytest.fixture(scope="module")
def study(shared_data):
    cells = loadmat(shared_data("rsa92", "92_brainRDMs.mat"))["RDMs"]["RDM"].reshape(4, 2)
    people = np.array([[RDM(np.asarray(cells[i, j], dtype=float)).values for j in range(2)] for i in range(4)])
    files = loadmat(shared_data("rsa92", "92_modelRDMs.mat"))["Models"].ravel()
    models = np.stack([RDM(np.asarray(file["RDM"], dtype=float)).values for file in files])
    return people.mean(axis=1), models


@pytest.mark.parametrize("method", THEIRS)
def test_scores_and_ceilings_of_resamples(method, study):
    rdm = pytest.importorskip("rsatoolbox.rdm")
    inference = pytest.importorskip("rsatoolbox.inference")
    data, models = study
    theirs, their_models = rdm.RDMs(data), rdm.RDMs(models)
    rng = np.random.default_rng(0)
    patterns = rng.integers(92, size=(3, 92))
    people = np.array([[0, 1, 1, 3], [2, 2, 0, 2], [0, 1, 2, 3]])
    items = np.array([np.bincount(drawn, minlength=92) for drawn in patterns])
    subjects = np.array([np.bincount(drawn, minlength=4) for drawn in people])
    found = resampled_scores(data, models, method, item_counts=items, subject_counts=subjects)
    for b in range(3):
        drawn = their_models.subsample_pattern("index", patterns[b])
        for name, who in (("items", np.arange(4)), ("both", people[b])):
            own = theirs.subsample("index", who).subsample_pattern("index", patterns[b])
            scores = rdm.compare(drawn, own, THEIRS[method]).mean(axis=1)
            ends = inference.boot_noise_ceiling(own, THEIRS[method])
            np.testing.assert_allclose(found[name].scores[b], scores, rtol=0, atol=1e-12)
            np.testing.assert_allclose((found[name].lower[b], found[name].upper[b]), ends, rtol=0, atol=1e-12)
