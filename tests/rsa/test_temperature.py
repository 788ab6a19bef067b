from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import triplets as reference

from alignkit.rsa import TemperatureFit, fit_temperature
from alignkit.rsa._temperature import _mean_cost


def simulated(seed, temperature, n=2000, n_items=30):
    """Answers drawn from the softmax of dot products at a known temperature."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n_items, 4))
    shown = np.array([rng.permutation(n_items)[:3] for _ in range(n)])
    p = reference.probabilities(x, shown, "dot", temperature)
    odd = np.array([rng.choice(3, p=row) for row in p])
    return x, np.take_along_axis(shown, (odd[:, None] + [1, 2, 0]) % 3, axis=1)


@pytest.mark.parametrize("temperature", [0.3, 2.0])
def test_recovers_a_known_temperature(temperature):
    x, triplets = simulated(0, temperature, n=6000)
    fit = fit_temperature(x, triplets, rng=0)
    assert fit.temperature == pytest.approx(temperature, rel=0.1)
    assert fit.cross_entropy < fit.cross_entropy_at_1
    assert not fit.at_bound


def test_is_the_minimum_and_each_fold_is_fitted_without_itself():
    x, triplets = simulated(1, 1.5, n=300)
    fit = fit_temperature(x, triplets, n_folds=3, rng=4)

    def cost(temperature, rows):
        p = reference.probabilities(x, triplets[rows], "dot", temperature)
        return reference.cross_entropy(p, [[0, 0, 1]] * len(p))

    every = np.arange(300)
    best = cost(fit.temperature, every)
    assert best < min(cost(fit.temperature * 1.001, every), cost(fit.temperature / 1.001, every))
    assert fit.cross_entropy_at_1 == pytest.approx(cost(1.0, every), rel=1e-12)
    # the folds are found again from their temperatures: the mean held-out cost is that of the answers
    sizes = np.array([100, 100, 100])
    assert fit.cross_entropy == pytest.approx((fit.fold_cross_entropy * sizes).sum() / 300, rel=5e-3)
    assert fit.cross_entropy >= best


@given(seed=st.integers(0, 50), scale=st.floats(0.1, 10))
@settings(max_examples=10)
def test_scales_with_the_similarity(seed, scale):
    x, triplets = simulated(seed, 1.0, n=200)
    one = fit_temperature(x, triplets, n_folds=2, rng=0)
    two = fit_temperature(scale * x, triplets, n_folds=2, rng=0)
    assert two.temperature == pytest.approx(scale**2 * one.temperature, rel=1e-4)
    assert two.cross_entropy == pytest.approx(one.cross_entropy, rel=1e-6)


def test_repeated_answers_stay_in_one_fold():
    # every triplet is answered ten times, by coin: a fold's triplets are unknown to its temperature
    x, triplets = simulated(2, 1.0, n=20)
    fit = fit_temperature(x, np.repeat(triplets, 10, axis=0), n_folds=20, rng=0)
    once = fit_temperature(x, triplets, n_folds=20, rng=0)
    assert fit.n_triplets == once.n_triplets == len(np.unique(np.sort(triplets, axis=1), axis=0))
    assert fit.n == 200
    np.testing.assert_allclose(np.sort(fit.fold_temperature), np.sort(once.fold_temperature), rtol=1e-4)


def test_perfect_and_hopeless_models_end_at_the_bound():
    x = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    right, wrong = [[0, 1, 2], [0, 1, 3], [2, 3, 0], [2, 3, 1]], [[0, 2, 1], [1, 3, 0], [2, 0, 3], [3, 1, 2]]
    for triplets in (right, wrong):
        assert fit_temperature(x, triplets, n_folds=2, rng=0).at_bound
    assert fit_temperature(x, wrong, n_folds=2, rng=0).cross_entropy == pytest.approx(math.log(3), abs=0.01)
    tied = fit_temperature(np.ones((4, 2)), right, n_folds=2, rng=0)
    assert (tied.temperature, tied.at_bound) == (1.0, True)


def test_undefined_answers_follow_the_policy():
    x, triplets = simulated(3, 1.0, n=100)
    x[0] = np.nan
    touched = (triplets == 0).any(axis=1)
    with pytest.warns(RuntimeWarning, match="'item 0'"):
        assert np.isnan(fit_temperature(x, triplets, rng=0).temperature)
    fit = fit_temperature(x, triplets, nan_policy="omit", rng=0)
    assert (fit.n, fit.n_undefined) == ((~touched).sum(), touched.sum())
    assert fit.temperature == fit_temperature(x[1:], triplets[~touched] - 1, rng=0).temperature


def test_saves_loads_and_speaks(tmp_path):
    x, triplets = simulated(4, 1.0, n=100)
    fit = fit_temperature(x, triplets, rng=0)
    fit.save(tmp_path / "t.json")
    back = TemperatureFit.load(tmp_path / "t.json")
    np.testing.assert_array_equal(back.fold_temperature, fit.fold_temperature)
    assert len(fit.to_dataframe()) == 5
    assert "held-out" in fit.methods_text()
    assert "held-out" in repr(fit)


def test_refuses_too_many_folds():
    with pytest.raises(ValueError, match="n_folds=5 needs at least as many distinct triplets; there are 1"):
        fit_temperature(np.eye(3), [[0, 1, 2], [2, 1, 0]])
    with pytest.raises(ValueError, match="n_folds must be at least 2"):
        fit_temperature(np.eye(3), [[0, 1, 2]], n_folds=1)


@pytest.mark.parametrize("size", [1.0, 40.0, 1e4])
def test_the_mean_cost_is_that_of_every_answer(rng, size):
    # where exponentials would overflow, and where they vanish
    gaps = size * rng.normal(size=(2, 50))
    cost = _mean_cost(gaps)
    for log_temperature in (-7.0, -1.0, 0.0, 2.0, 7.0):
        scaled = (gaps * math.exp(-log_temperature)).T.tolist()
        largest = [max(0.0, a, b) for a, b in scaled]
        plain = [
            top + math.log(math.exp(-top) + math.exp(a - top) + math.exp(b - top))
            for top, (a, b) in zip(largest, scaled, strict=True)
        ]
        assert cost(log_temperature) == pytest.approx(math.fsum(plain) / 50, rel=1e-13)
