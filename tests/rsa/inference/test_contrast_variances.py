from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from alignkit.rsa._inference._contrast_variances import contrast_variances, repeated_variance, resample_variance
from alignkit.rsa._inference._resampled import Resampled


def draws(rng, n=200, k=3):
    root = rng.normal(size=(k + 2, k + 2))
    return {key: rng.normal(size=(n, k + 2)) @ root * scale for key, scale in _SCALES.items()}


_SCALES = {"both": 1.0, "subjects": 0.6, "items": 0.5}


def resampled(values):
    return {key: (Resampled(x[:, :-2], x[:, -2], x[:, -1]),) for key, x in values.items()}


@pytest.mark.parametrize("way", ["subjects", "items", "both"])
def test_equals_rsatoolbox(rng, way):
    toolbox = pytest.importorskip("rsatoolbox.util.inference_util")
    values = draws(rng)
    found = contrast_variances(resampled(values), way, 5, 12)
    if way == "both":
        theirs = np.stack([np.cov(values[key].T) for key in ("both", "subjects", "items")])
        sizes = {"n_rdm": 5, "n_pattern": 12}
    else:
        theirs = np.cov(values[way].T)
        sizes = {"n_rdm": 5} if way == "subjects" else {"n_pattern": 12}
    models, pairs, ceiling = toolbox.extract_variances(theirs, nc_included=True, **sizes)
    assert_allclose(found.models, models, rtol=1e-12)
    assert_allclose(found.pairs[np.triu_indices(3, k=1)], pairs, rtol=1e-10)
    assert_allclose(found.pairs, found.pairs.T, rtol=1e-12)
    assert_allclose(found.ceiling, ceiling[:, 0], rtol=1e-10)


def test_resamples_without_a_value_are_left_out(rng):
    values = rng.normal(size=(9, 2))
    values[:3, 0] = np.nan
    values[:6, 1] = np.nan
    found = resample_variance(values)
    assert found[0] == pytest.approx(np.var(values[3:, 0], ddof=1))
    assert np.isnan(found[1])


def test_repetitions_are_extended_to_endless_ones(rng):
    # what a resample does, and what its random folds add
    n, n_cv = 100_000, 3
    own = rng.normal(0, 2, size=(n, 1))
    repetitions = [own + rng.normal(0, 3, size=(n, 1)) for _ in range(n_cv)]
    assert repeated_variance(repetitions)[0] == pytest.approx(4.0, rel=0.03)
    of_mean = np.var(np.mean(repetitions, axis=0), ddof=1)
    of_one = np.mean([np.var(x, ddof=1) for x in repetitions])
    assert repeated_variance(repetitions)[0] == pytest.approx((n_cv * of_mean - of_one) / (n_cv - 1), rel=1e-12)
    assert repeated_variance(repetitions[:1])[0] == pytest.approx(np.var(repetitions[0], ddof=1), rel=1e-12)


def test_a_variance_is_never_negative():
    opposed = [np.array([[1.0], [2.0], [3.0]]), np.array([[3.0], [2.0], [1.0]])]
    assert repeated_variance(opposed)[0] == 0.0
