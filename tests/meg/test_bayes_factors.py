import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.stats import cauchy, nct
from scipy.stats import t as student

from alignkit.meg import BayesFactors, bayes_factors
from alignkit.meg._jzs import log_bayes_factor


def rouder(t, n, scale):
    """Equation 1 of Rouder et al. (2009), with the scale of later papers, by adaptive quadrature over g."""
    nu = n - 1

    def integrand(g):
        shrunk = 1 + n * g * scale**2
        likelihood = shrunk**-0.5 * (1 + t * t / (shrunk * nu)) ** (-n / 2)
        return likelihood * (2 * np.pi) ** -0.5 * g**-1.5 * np.exp(-1 / (2 * g))

    edges = [0, 0.1, 1, 10, 100, 1e4, np.inf]
    total = sum(quad(integrand, a, b, epsabs=0, epsrel=1e-11, limit=500)[0] for a, b in itertools.pairwise(edges))
    return total / (1 + t * t / nu) ** (-n / 2)


def one(t, n, scale=0.707, low=-np.inf, high=np.inf):
    return float(np.exp(log_bayes_factor(np.array([float(t)]), n, scale, low, high))[0])


@pytest.mark.parametrize("n", [2, 3, 4, 16, 80])
@pytest.mark.parametrize("t", [0, 0.5, -2.03, 5, 20, 100])
def test_equals_the_integral_of_rouder(n, t):
    assert_allclose(one(t, n), rouder(t, n, 0.707), rtol=1e-9)
    assert_allclose(one(t, n, 1.0), rouder(t, n, 1.0), rtol=1e-9)


def test_published_values():
    # the two experiments that Rouder et al. (2009) reanalyse: 80 people, scale 1, evidence for no effect
    assert round(1 / one(2.24, 80, 1.0), 2) == 1.02
    assert round(1 / one(2.03, 80, 1.0), 2) == 1.56


@pytest.mark.parametrize(("low", "high"), [(0, np.inf), (0.5, np.inf), (-np.inf, 0), (-0.5, 0.5), (1, 2)])
@pytest.mark.parametrize(("t", "n"), [(2.5, 16), (-1, 16), (-4, 16), (6, 30), (0.3, 5)])
def test_intervals_equal_an_integral_of_the_noncentral_t(low, high, t, n):
    def integrand(d):
        return nct.pdf(t, n - 1, d * np.sqrt(n)) * cauchy.pdf(d, scale=0.707)

    start, stop = max(low, -15.0), min(high, 15.0)
    edges = [start, min(max(t / np.sqrt(n), start), stop), stop]
    inside = sum(quad(integrand, a, b, epsabs=0, epsrel=1e-9, limit=500)[0] for a, b in itertools.pairwise(edges))
    prior = cauchy.cdf(high, scale=0.707) - cauchy.cdf(low, scale=0.707)
    assert_allclose(one(t, n, 0.707, low, high), inside / prior / student.pdf(t, n - 1), rtol=1e-6)


def test_halves_add_up():
    # the mean of both one-sided factors is the two-sided one
    for t, n in ((2.0, 10), (-7.0, 4), (0.1, 300)):
        assert_allclose((one(t, n, high=0.0) + one(t, n, low=0.0)) / 2, one(t, n), rtol=1e-8)
        assert_allclose(one(t, n, low=0.0), one(-t, n, high=0.0), rtol=1e-9)


def test_curves_are_weighed_time_by_time(rng, readonly):
    x = rng.normal(0.5, 1, size=(12, 40))
    x[:, 20:] += 1
    found = bayes_factors(readonly(x), popmean=0.5, times=np.arange(40) / 100)
    t = (x.mean(0) - 0.5) / (x.std(0, ddof=1) / np.sqrt(12))
    assert_allclose(found.t, t)
    assert_allclose(found.bf10, [rouder(value, 12, 0.707) for value in t], rtol=1e-9)
    assert_allclose(found.log10_bf10, np.log10(found.bf10))
    maps = bayes_factors(x.reshape(12, 4, 10), popmean=0.5)
    assert_allclose(maps.bf10.ravel(), found.bf10)
    assert list(maps.to_dataframe())[:2] == ["axis_1", "time"]
    half = bayes_factors(x, popmean=0.5, interval=(0.5, None))
    assert_allclose(half.bf10[3], one(t[3], 12, low=0.5))
    assert "from 0.5 to inf" in repr(half)


def test_what_a_float_cannot_hold_is_infinite_and_its_logarithm_is_not(rng):
    x = rng.normal(1, 1e-4, size=(200, 1))
    found = bayes_factors(x)
    assert np.isinf(found.bf10).all()
    assert 308 < found.log10_bf10[0] < 1e4


def test_undefined_times_are_named(rng):
    x = rng.normal(size=(6, 5))
    x[:, 2] = 1.0
    with pytest.warns(RuntimeWarning, match="all subjects are equal at: 'time 2'"):
        found = bayes_factors(x)
    assert_array_equal(np.isnan(found.bf10), np.arange(5) == 2)


@pytest.mark.parametrize("interval", [(1, 0), (0,), "ab", (0, "x"), (np.nan, 1), None, (0, 0)])
def test_intervals_that_hold_nothing_are_refused(rng, interval):
    with pytest.raises(ValueError, match="interval must be two effect sizes"):
        bayes_factors(rng.normal(size=(6, 5)), interval=interval)


def test_result_comes_back(rng, tmp_path):
    found = bayes_factors(rng.normal(size=(6, 5)), interval=(0, None))
    found.save(tmp_path / "a.json")
    back = BayesFactors.load(tmp_path / "a.json")
    assert_array_equal(back.bf10, found.bf10)
    assert repr(back) == repr(found)
    assert back.interval == (0.0, None)
    assert "JZS" in found.methods_text()
    from matplotlib import pyplot as plt

    assert found.plot().get_ylabel() == "log10 Bayes factor"
    plt.close("all")
    with pytest.raises(ValueError, match="only curves"):
        bayes_factors(rng.normal(size=(6, 2, 5))).plot()


def log_rouder(t, n, scale):
    """The same integral by a fine sum over log g, in logarithms: no t is too large for it."""
    g = np.exp(np.linspace(-7, 2 * np.log(abs(t)) + 45, 200_001))
    shrunk = 1 + n * g * scale**2
    logs = -n / 2 * np.log1p(t * t / (shrunk * (n - 1))) - 0.5 * np.log(2 * np.pi * shrunk * g) - 1 / (2 * g)
    step = np.log(g[1] / g[0])
    return logs.max() + np.log(np.exp(logs - logs.max()).sum() * step) + n / 2 * np.log1p(t * t / (n - 1))


@pytest.mark.parametrize("n", [2, 5, 30, 150])
@pytest.mark.parametrize("t", [20.0, 1e4, -1e6, 1e9, -1e12])
def test_no_t_is_too_large(t, n):
    log = log_bayes_factor(np.array([t]), n, 0.707, -np.inf, np.inf)
    assert_allclose(log, log_rouder(t, n, 0.707), rtol=1e-7)


def test_truth_values_are_no_effect_sizes(rng):
    with pytest.raises(ValueError, match="interval must be two effect sizes"):
        bayes_factors(rng.normal(size=(5, 3)), interval=(False, True))
