"""What all metrics of RDMs over time share: they do not depend on units, down to tesla in single precision."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.meg import time_rdms
from alignkit.meg._estimators import KINDS

#: Power of the unit in unwhitened values; 0 for all others.
POWER = {"euclidean": 1, "sqeuclidean": 2, "sqeuclidean_cv": 2, "decoding_weighted": 1}


@pytest.mark.parametrize("unbalanced", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("metric", [metric for metric in KINDS if metric != "svm"])
def test_units_only_scale(rng, metric, dtype, unbalanced):
    condition, fold = (a.ravel() for a in np.indices((5, 4)).repeat(2, axis=2))
    x = rng.normal(size=(len(fold), 8, 4)) + 3 * rng.normal(size=(5, 8, 4))[condition]
    if unbalanced:
        kept = np.append(rng.permutation(len(fold))[:-6], 0)
        x, condition, fold = x[kept], condition[kept], fold[kept]
    x = x.astype(np.float32)
    names = [f"c{c}" for c in condition]
    options = {"by": names, "times": np.arange(-2, 2) * 0.01, "metric": metric, "dtype": dtype}
    if KINDS[metric].folds:
        options["folds"] = fold
    weighs = metric in ("mahalanobis", "sqmahalanobis", "crossnobis")
    for noise in ("time", "epoch", "baseline") if weighs else ("time", "epoch", "baseline", None):
        plain = time_rdms(x, noise=noise, **options).values
        # of 2^-60 the fourth power, which shrinkage takes, is 0 in float32
        for exponent in (-43, -60, 20):
            unit = np.float32(2.0**exponent)
            scaled = time_rdms(unit * x, noise=noise, **options).values
            power = POWER.get(metric, 0) if noise is None else 0
            np.testing.assert_allclose(scaled / 2.0 ** (power * exponent), plain, rtol=2e-5, atol=1e-6)


def test_pairwise_decoding_does_not_depend_on_units(rng):
    condition, fold = (a.ravel() for a in np.indices((5, 4)).repeat(2, axis=2))
    x = (rng.normal(size=(len(fold), 20, 3)) + rng.normal(size=(5, 20, 3))[condition]).astype(np.float32)
    options = {"by": [f"c{c}" for c in condition], "folds": fold, "times": [0.0, 0.1, 0.2]}
    plain, tesla = (
        time_rdms(data, metric="decoding", covariance="pairwise", **options).values
        for data in (x, np.float32(2.0**-43) * x)
    )
    np.testing.assert_array_equal(plain, tesla)


def test_what_a_pair_lacks_is_said(rng):
    x = rng.normal(size=(6, 4, 2))
    options = {"by": list("abcabc"), "folds": [0, 0, 0, 1, 1, 1], "times": [0.0, 0.1], "metric": "decoding"}
    assert np.isfinite(time_rdms(x, noise=None, **options).values).all()
    with pytest.warns(RuntimeWarning, match="no fold has trained with two trials and tested: 'a', 'b', 'c'"):
        assert np.isnan(time_rdms(x, covariance="pairwise", **options).values).all()
    options |= {"by": list("abcabb")}
    with pytest.warns(RuntimeWarning, match="no fold has trained and tested: 'c'"):
        found = time_rdms(x, noise=None, **options).values
    np.testing.assert_array_equal(np.isnan(found), [[False, True, True]] * 2)
