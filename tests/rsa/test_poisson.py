from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference.rdm import poisson
from reference.rsa import pairwise

from alignkit.rsa import rdm


@pytest.mark.parametrize("prior", [{}, {"prior_lambda": 4.0, "prior_weight": 0.25}])
def test_equals_the_plain_loop(prior, rng, readonly):
    counts = readonly(rng.poisson(3.0, size=(2, 7, 12)))
    result = rdm(counts, metric="poisson", **prior)
    for one, values in zip(counts, result.values, strict=True):
        assert np.allclose(values, pairwise(one, lambda a, b: poisson(a, b, **prior)), rtol=1e-12, atol=1e-14)
    assert result.provenance["prior_lambda"] == prior.get("prior_lambda", 1.0)
    assert result.provenance["prior_weight"] == prior.get("prior_weight", 0.1)


def test_without_a_prior_it_is_the_divergence_of_the_rates(rng):
    rates = rng.gamma(2.0, size=(4, 6)) + 0.1
    expected = pairwise(rates, lambda a, b: float(np.mean((a - b) * (np.log(a) - np.log(b)))))
    assert np.allclose(rdm(rates, metric="poisson", prior_weight=0.0).values, expected, rtol=1e-12)


@given(hnp.arrays(np.int64, (4, 5), elements=st.integers(0, 50)))
def test_never_negative_and_zero_for_copies(counts):
    doubled = rdm(np.concatenate([counts, counts]), metric="poisson")
    assert (doubled.values >= 0).all()
    assert (np.diagonal(doubled.squareform(), 4) == 0).all()


@pytest.mark.parametrize("gap", [1e-3, 1e-7, 1e-10])
def test_nearly_equal_rates_keep_their_digits(gap, rng):
    base = rng.gamma(2.0, size=(3, 20)) + 1
    x = np.concatenate([base, base * (1 + gap * rng.random(base.shape))])
    expected = pairwise(x, poisson)
    assert np.allclose(rdm(x, metric="poisson").values, expected, rtol=1e-5 if gap < 1e-8 else 1e-9, atol=0)


def test_repeats_are_averaged_before_the_logarithm(rng):
    counts = rng.poisson(3.0, size=(6, 8)).astype(float)
    means = counts.reshape(3, 2, 8).mean(axis=1)
    assert np.allclose(
        rdm(counts, metric="poisson", labels=list("aabbcc")).values, pairwise(means, poisson), rtol=1e-12
    )


def test_rates_that_are_not_positive_are_named():
    x = np.array([[1.0, 2], [-3, 4], [5, 6], [0, 0]])
    with pytest.warns(RuntimeWarning, match="rates that are not positive.*: 'item 1'") as caught:
        values = rdm(x, metric="poisson").values
    assert len(caught) == 1
    assert np.array_equal(np.isnan(values), [True, False, False, True, True, False])
    with pytest.warns(RuntimeWarning, match="'item 1', 'item 3'"):
        rdm(x, metric="poisson", prior_weight=0.0)
    with pytest.raises(ValueError, match="'item 1'"):
        rdm(x, metric="poisson", nan_policy="raise")


@pytest.mark.parametrize("kind", ["array", "tensor", "float32"])
def test_equal_divergences_of_counts_are_equal(kind, rng):
    counts = rng.integers(0, 3, size=(40, 5))
    x = counts.astype(np.float32 if kind == "float32" else float)
    x = pytest.importorskip("torch").from_numpy(x) if kind == "tensor" else x
    values = np.asarray(rdm(x, metric="poisson", dtype="float32" if kind == "float32" else None).values).tolist()
    # the same pairs of counts in other channels, or the other way round, add up to the same
    keys = [
        frozenset(Counter(frozenset(pair) for pair in zip(a, b, strict=True) if pair[0] != pair[1]).items())
        for a, b in combinations(counts.tolist(), 2)
    ]
    assert len(set(zip(keys, values, strict=True))) == len(set(keys)) < len(keys)
