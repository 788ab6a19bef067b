"""Variances over resamples, on the very resamples that rsatoolbox draws."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from alignkit.rsa._inference._contrast_variances import contrast_variances
from alignkit.rsa._inference._resampled_scores import resampled_scores

inference = pytest.importorskip("rsatoolbox.inference.evaluate")
rsatoolbox_model = pytest.importorskip("rsatoolbox.model")
rsatoolbox_rdm = pytest.importorskip("rsatoolbox.rdm")
inference_util = pytest.importorskip("rsatoolbox.util.inference_util")

N_SUBJECTS, N_ITEMS, N_MODELS, N_BOOTSTRAP = 6, 9, 3, 12
METHODS = {"corr": "pearson", "cosine": "cosine", "spearman": "spearman", "cosine_cov": "whitened-cosine"}


@pytest.fixture
def drawn(monkeypatch):
    """What rsatoolbox draws, by function: all that it returns but the RDMs."""
    kept: dict[str, list[tuple[np.ndarray, ...]]] = {}
    for name in ("bootstrap_sample", "bootstrap_sample_rdm", "bootstrap_sample_pattern"):
        original = getattr(inference, name)

        def recording(*args, original=original, name=name, **options):
            found = original(*args, **options)
            kept.setdefault(name, []).append(found[1:])
            return found

        monkeypatch.setattr(inference, name, recording)
    state = np.random.get_state()  # noqa: NPY002 rsatoolbox knows no other generator
    np.random.seed(3)  # noqa: NPY002
    yield kept
    np.random.set_state(state)  # noqa: NPY002


@pytest.fixture
def problem(rng):
    n_pairs = N_ITEMS * (N_ITEMS - 1) // 2
    truth = rng.random(n_pairs)
    # a few values only: ties within RDMs, and between copies
    data = np.round(4 * (truth + rng.random((N_SUBJECTS, n_pairs)))) + 1
    models = np.concatenate([np.round(truth + 0.3)[None], truth + rng.random((N_MODELS - 1, n_pairs))])
    fixed = [rsatoolbox_model.ModelFixed(f"m{i}", row) for i, row in enumerate(models)]
    return models, data, fixed, rsatoolbox_rdm.RDMs(data)


def counts(rows, n):
    return np.array([np.bincount(np.asarray(row, dtype=int), minlength=n) for row in rows])


def compare(found, theirs, covariance):
    models, pairs, ceiling = theirs
    assert_allclose(found.models, models, rtol=1e-9)
    assert_allclose(found.pairs[np.triu_indices(N_MODELS, k=1)], pairs, rtol=1e-8)
    if covariance:
        assert_allclose(found.ceiling, ceiling[:, 0], rtol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_over_subjects(problem, drawn, method):
    models, data, fixed, people = problem
    theirs = inference.eval_bootstrap_rdm(fixed, people, method=method, N=N_BOOTSTRAP)
    subjects = counts([row for (row,) in drawn["bootstrap_sample_rdm"]], N_SUBJECTS)
    own = resampled_scores(data, models, METHODS[method], subject_counts=subjects, pooling="rsatoolbox")
    assert_allclose(own["subjects"].scores, theirs.evaluations, rtol=1e-10)
    found = contrast_variances({"subjects": (own["subjects"],)}, "subjects", N_SUBJECTS, N_ITEMS)
    # their covariance leaves the ceiling out, which is then taken as known: put it in again
    everything = np.concatenate([theirs.evaluations.T, theirs.noise_ceiling])
    expected = inference_util.extract_variances(np.cov(everything), nc_included=True, n_rdm=N_SUBJECTS)
    compare(found, expected, covariance=True)
    assert_allclose(found.models, theirs.model_var, rtol=1e-9)
    assert_allclose(found.pairs[np.triu_indices(N_MODELS, k=1)], theirs.diff_var, rtol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_over_items(problem, drawn, method):
    models, data, fixed, people = problem
    theirs = inference.eval_bootstrap_pattern(fixed, people, method=method, N=N_BOOTSTRAP)
    items = counts([row for (row,) in drawn["bootstrap_sample_pattern"]], N_ITEMS)
    own = resampled_scores(data, models, METHODS[method], item_counts=items, pooling="rsatoolbox")
    assert_allclose(own["items"].scores, theirs.evaluations, rtol=1e-10)
    found = contrast_variances({"items": (own["items"],)}, "items", N_SUBJECTS, N_ITEMS)
    compare(found, (theirs.model_var, theirs.diff_var, theirs.noise_ceil_var), covariance=True)


@pytest.mark.parametrize("method", METHODS)
def test_over_both(problem, drawn, method):
    models, data, fixed, people = problem
    theirs = inference.eval_dual_bootstrap(fixed, people, method=method, N=N_BOOTSTRAP)
    subjects = counts([row for row, _ in drawn["bootstrap_sample"]], N_SUBJECTS)
    items = counts([row for _, row in drawn["bootstrap_sample"]], N_ITEMS)
    own = resampled_scores(
        data, models, METHODS[method], item_counts=items, subject_counts=subjects, pooling="rsatoolbox"
    )
    for k, key in enumerate(("both", "subjects", "items")):
        assert_allclose(own[key].scores, theirs.evaluations[:, :, 0, 0, k], rtol=1e-10)
    found = contrast_variances({key: (one,) for key, one in own.items()}, "both", N_SUBJECTS, N_ITEMS)
    compare(found, (theirs.model_var, theirs.diff_var, theirs.noise_ceil_var), covariance=True)
