import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import flip_tests as reference
from scipy.stats import ttest_1samp

from alignkit.rsa._sign_flips import corrected_p, n_patterns, observed_statistic, sign_flips, warn_if_hopeless


def flip(x, tail, n_permutations, statistic="t", seed=0):
    kept = []

    def largest(maps):
        kept.append(maps.copy())
        return maps.max(axis=1)

    flips = sign_flips(x, 99.0, statistic, tail, largest, n_permutations, np.random.default_rng(seed), progress=False)
    return flips, np.concatenate(kept)


@pytest.mark.parametrize("tail", ["two-sided", "greater"])
def test_every_pattern_is_taken_once(rng, tail):
    x = rng.normal(size=(6, 5))
    flips, maps = flip(x, tail, 64)
    assert flips.exact
    assert len(maps) == n_patterns(6, tail) == len(reference.flips(6, tail))
    expected = [reference.t_values(x * signs[:, None]) for signs in reference.flips(6, tail)]
    if tail == "two-sided":  # one of every pattern and its opposite
        maps, expected = np.abs(maps), np.abs(expected)
    assert_allclose(np.sort(maps, axis=0), np.sort(expected, axis=0), rtol=1e-10)
    assert flips.largest[0] == 99.0


def test_random_signs_are_fair_and_independent(rng):
    x = np.eye(12)
    _, maps = flip(x, "greater", 4000, statistic="mean")
    signs = maps * 12
    assert set(np.unique(signs.round(12))) == {-1.0, 1.0}
    assert_allclose(signs.T @ signs / 4000, np.eye(12), atol=0.08)
    assert_allclose(signs.mean(axis=0), 0, atol=0.08)


def test_t_is_scipys_and_constants_have_none(rng):
    x = rng.normal(2, 1, size=(7, 6))
    x[:, 2] = 0.1
    values, constant = observed_statistic(x, "t")
    assert_array_equal(constant, np.arange(6) == 2)
    keep = ~constant
    assert_allclose(values[keep], ttest_1samp(x[:, keep], 0).statistic)
    assert np.isnan(values[2])


def test_values_that_all_flips_make_equal_are_infinite_for_these():
    x = np.array([[1.0], [1.0], [-1.0], [1.0], [-1.0]])
    _, maps = flip(x, "greater", 32)
    assert np.isinf(maps).sum() == 2
    assert np.isposinf(maps).sum() == 1


def test_corrected_p_counts_ties_and_the_observed():
    largest = np.array([1.0, 2.0, 2.0 + 1e-15, 3.0])
    assert_allclose(corrected_p(np.array([2.0, 3.5, 0.0, np.nan]), largest, exact=False), [0.8, 0.2, 1.0, np.nan])
    assert_allclose(corrected_p(np.array([2.0 + 1e-15, 3.0]), largest, exact=True), [0.75, 0.25])
    assert_allclose(corrected_p(np.array([5.0]), np.array([np.inf, 1.0]), exact=True), [0.5])


@pytest.mark.parametrize("unit", [2.0**-1060, 2.0**-600, 2.0**700])
@pytest.mark.parametrize("tail", ["two-sided", "less"])
def test_units_change_nothing(tail, unit):
    # few significant bits, which the smallest numbers of all hold, too
    x = np.random.default_rng(1).integers(-20, 30, size=(6, 4)).astype(float)
    (value, constant), (scaled, same) = observed_statistic(x, "t"), observed_statistic(x * unit, "t")
    assert_array_equal(scaled, value)
    assert_array_equal(same, constant)
    (plain, maps), (flips, scaled_maps) = flip(x, tail, 64), flip(x * unit, tail, 64)
    assert_array_equal(scaled_maps, maps)
    assert_array_equal(flips.p, plain.p)


@pytest.mark.parametrize(
    ("n", "tail", "words"),
    [
        (5, "two-sided", "two-sided p cannot be below 0.0625 (2/32):"),
        (4, "less", "that p cannot be below 0.0625 (1/16):"),
    ],
)
def test_too_few_subjects_are_told_the_smallest_p_there_is(n, tail, words):
    with pytest.warns(RuntimeWarning, match=f"{n} subjects have {2**n} sign patterns, so") as caught:
        note = warn_if_hopeless(n, tail, 10_000, 0.05, stacklevel=2)
    assert words in note
    assert words in str(caught[0].message)
    assert 1 / len(reference.flips(n, tail)) == 0.0625
    assert warn_if_hopeless(n + 1, tail, 10_000, 0.05) == ""
