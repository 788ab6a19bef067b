from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy, spearmanr

from alignkit.rsa import (
    EntropyAgreement,
    HumanDistribution,
    choice_probabilities,
    entropy_agreement,
    human_distribution,
)


def test_is_scipys_spearman_of_entropies(rng):
    p, q, seconds = rng.dirichlet([1, 1, 1], 40), rng.dirichlet([2, 1, 1], 40), rng.random(40)
    result = entropy_agreement(p, q, response_time=seconds, n_bootstrap=0)
    assert result.spearman == pytest.approx(spearmanr(entropy(p, axis=1), entropy(q, axis=1)).statistic, abs=1e-12)
    assert result.response_time == pytest.approx(spearmanr(entropy(p, axis=1), seconds).statistic, abs=1e-12)
    assert np.isnan(result.corrected)
    assert (result.n, result.n_response_time) == (40, 40)


def test_attenuation_correction_recovers_the_true_agreement():
    # the model is the truth; people answer 12 times: their entropy is noisy, the corrected agreement is near 1
    rng = np.random.default_rng(3)
    truth = rng.dirichlet([1, 1, 1], 3000)
    counts = np.array([rng.multinomial(12, p) for p in truth])
    human = HumanDistribution(items=np.arange(9000).reshape(3000, 3), counts=counts)
    result = entropy_agreement(truth, human, n_splits=20, n_bootstrap=0, rng=0)
    assert result.spearman < 0.93
    assert result.reliability == pytest.approx(2 * result.split_half / (1 + result.split_half))
    assert result.corrected == pytest.approx(1, abs=0.06)  # entropy of half the answers is biased as well as noisy
    assert result.corrected == pytest.approx(result.spearman / np.sqrt(result.reliability))


def test_interval_is_near_fishers(rng):
    x = rng.dirichlet([1, 1, 1], 400)
    y = 0.5 * x + 0.5 * rng.dirichlet([1, 1, 1], 400)
    result = entropy_agreement(x, y, n_bootstrap=1000, rng=0)
    half = 1.96 * np.sqrt(1.06 / 397)
    expected = np.tanh(np.arctanh(result.spearman) + np.array([-half, half]))
    np.testing.assert_allclose([result.low, result.high], expected, atol=0.03)


def test_split_half_on_things_is_the_one_measured(things_repeats, spose66_files):
    human = human_distribution(things_repeats)
    p = choice_probabilities(spose66_files, human)
    result = entropy_agreement(p, human, n_bootstrap=0, rng=0)
    assert result.split_half == pytest.approx(0.483, abs=0.04)  # .483 was one split: they scatter by .02
    assert result.spearman > result.split_half
    assert result.spearman < result.corrected < 1


def test_unknown_response_times_are_left_out(rng):
    p = rng.dirichlet([1, 1, 1], 30)
    seconds = rng.random(30)
    seconds[:10] = np.nan
    result = entropy_agreement(p, response_time=seconds, n_bootstrap=20, rng=0)
    assert result.n_response_time == 20
    assert result.response_time == pytest.approx(spearmanr(entropy(p[10:], axis=1), seconds[10:]).statistic, abs=1e-12)
    assert np.isnan(result.spearman)
    assert result.n == 0


def test_a_constant_side_is_undefined(rng):
    same = np.tile([[0.2, 0.3, 0.5]], (10, 1))
    result = entropy_agreement(same, rng.dirichlet([1, 1, 1], 10), n_bootstrap=20, rng=0)
    assert np.isnan([result.spearman, result.low, result.high]).all()


def test_saves_loads_and_speaks(rng, tmp_path):
    p, seconds = rng.dirichlet([1, 1, 1], 30), rng.random(30)
    human = HumanDistribution(
        items=np.arange(90).reshape(30, 3), counts=rng.integers(2, 9, (30, 3)), response_time=seconds
    )
    result = entropy_agreement(p, human, n_bootstrap=20, rng=0)
    assert result.n_response_time == 30
    result.save(tmp_path / "e.json")
    assert EntropyAgreement.load(tmp_path / "e.json").spearman == result.spearman
    assert "Spearman" in result.methods_text()
    assert "response time" in repr(result)
    assert len(result.to_dataframe()) == 1


def test_refuses_what_does_not_fit(rng):
    p = rng.dirichlet([1, 1, 1], 5)
    with pytest.raises(ValueError, match="needs human answers or response times"):
        entropy_agreement(p)
    with pytest.raises(ValueError, match="expected 5, got 4"):
        entropy_agreement(p, response_time=np.ones(4))
    with pytest.raises(ValueError, match=r"human must have shape \(5, 3\)"):
        entropy_agreement(p, p[:4])
