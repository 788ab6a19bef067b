"""Temperatures of single people against a search for each alone, and their recovery where they are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from alignkit.rsa import Triplets, fit_person_temperatures, fit_temperature, triplet_similarities
from alignkit.rsa._grouping import triplet_codes

KNOWN = np.array([0.5, 1.0, 3.0])


@pytest.fixture(scope="module")
def answered():
    """Answers of three people with known temperatures to the same kind of triplets."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 4))
    shown = rng.permuted(np.tile(np.arange(30), (6000, 1)), axis=1)[:, :3]
    person = np.repeat(np.arange(3), 2000)
    logits = triplet_similarities(x, shown) / KNOWN[person, None]
    odd = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    return x, Triplets.from_columns(shown, odd=odd + 1, base=0, participant=person)


def alone(x, triplets):
    """The temperature of one person by a search of its own."""
    logits = triplet_similarities(x, triplets)

    def cost(log_t):
        return -log_softmax(logits / np.exp(log_t), axis=1)[:, 2].mean()

    return np.exp(minimize_scalar(cost, bounds=(-5, 5), method="bounded", options={"xatol": 1e-9}).x)


def test_each_person_as_if_alone(answered):
    x, triplets = answered
    result = fit_person_temperatures(x, triplets, rng=0)
    expected = [alone(x, triplets.take(triplets.participant == k)) for k in range(3)]
    np.testing.assert_allclose(result.temperature, expected, rtol=1e-6)
    np.testing.assert_allclose(result.temperature, KNOWN, rtol=0.1)
    assert result.pooled == pytest.approx(fit_temperature(x, triplets, rng=0).temperature, rel=1e-6)
    assert not result.at_bound.any()


def test_held_out_costs_are_at_temperatures_of_other_triplets(answered):
    x, triplets = answered
    result = fit_person_temperatures(x, triplets, rng=1)
    n_triplets, code = triplet_codes(triplets.items)
    fold = np.random.default_rng(1).permutation(np.arange(n_triplets) % 5)[code]
    logits = triplet_similarities(x, triplets)
    costs = np.empty(len(triplets))
    for k in range(5):
        for person in range(3):
            own = triplets.participant == person
            t = alone(x, triplets.take(own & (fold != k)))
            rows = own & (fold == k)
            costs[rows] = -log_softmax(logits[rows] / t, axis=1)[:, 2]
    np.testing.assert_allclose(result.per_answer, costs, rtol=1e-6)
    assert result.cross_entropy == pytest.approx(costs.mean())
    assert result.r_squared == pytest.approx(1 - costs.mean() / np.log(3))
    # one temperature for all fits three different ones worse
    assert result.cross_entropy < result.cross_entropy_pooled
    assert result.cross_entropy_pooled == pytest.approx(fit_temperature(x, triplets, rng=1).cross_entropy)


def test_people_of_few_answers_take_that_of_everybody(answered):
    x, triplets = answered
    some = triplets.take(np.r_[np.arange(10), np.arange(2000, 6000)])
    result = fit_person_temperatures(x, some, rng=0, min_answers=11)
    assert result.temperature[0] == result.pooled
    assert result.n_answers.tolist() == [10, 2000, 2000]


def test_somebody_without_error_is_at_the_bound():
    x = np.random.default_rng(0).normal(size=(12, 3))
    shown = np.random.default_rng(1).permuted(np.tile(np.arange(12), (300, 1)), axis=1)[:, :3]
    odd = triplet_similarities(x, shown).argmax(axis=1)
    result = fit_person_temperatures(x, Triplets.from_columns(shown, odd=odd + 1, base=0, participant=[1] * 300), rng=0)
    assert result.at_bound.all()
    assert result.cross_entropy == pytest.approx(0.0, abs=1e-3)


def test_equal_items_say_nothing():
    triplets = Triplets([[0, 1, 2], [1, 2, 0], [0, 2, 1], [3, 1, 0], [3, 2, 1], [0, 3, 2]], participant=[1] * 6)
    result = fit_person_temperatures(np.ones((4, 2)), triplets, n_folds=2, rng=0)
    assert result.r_squared == pytest.approx(0.0)
    assert np.isfinite(result.temperature).all()


def test_undefined_answers(answered):
    x, triplets = answered
    x = x.copy()
    x[3] = np.nan
    with pytest.warns(RuntimeWarning, match="undefined"):
        assert np.isnan(fit_person_temperatures(x, triplets, rng=0).cross_entropy)
    result = fit_person_temperatures(x, triplets, rng=0, nan_policy="omit")
    assert result.n_undefined == (triplets.items == 3).any(axis=1).sum()
    assert np.isfinite(result.cross_entropy)


def test_without_people_it_is_refused(answered):
    x, triplets = answered
    with pytest.raises(ValueError, match="do not say who answered"):
        fit_person_temperatures(x, triplets.items)


def test_it_comes_back_from_a_file(answered, tmp_path):
    x, triplets = answered
    result = fit_person_temperatures(x, triplets, rng=0)
    result.save(tmp_path / "t.json")
    again = type(result).load(tmp_path / "t.json")
    np.testing.assert_array_equal(again.temperature, result.temperature)
    assert again.people == ("0", "1", "2")
    assert again.per_answer is None
    assert len(result.to_dataframe()) == 3
    assert "McFadden" in result.methods_text()
