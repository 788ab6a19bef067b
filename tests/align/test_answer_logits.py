from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from alignkit.align._answer_logits import best_temperature, calibration_error, costs, hits
from alignkit.rsa import expected_calibration_error
from alignkit.rsa._choice_probabilities import softmax
from alignkit.rsa._temperature import best_temperature as three_way


def test_costs_and_hits_are_those_of_single_answers(rng):
    logits = rng.normal(size=(3, 50))
    logits[:, 0], logits[:, 1] = (2.0, 1.0, 2.0), (1.0, 1.0, 1.0)
    assert costs(logits) == pytest.approx(-log_softmax(logits, axis=0)[2], abs=1e-12)
    assert hits(logits)[:2] == pytest.approx([1 / 2, 1 / 3])
    assert hits(logits)[2:] == pytest.approx((logits.argmax(axis=0) == 2)[2:].astype(float))


@pytest.mark.parametrize("n_options", [2, 3])
def test_the_temperature_minimises_the_cost(rng, n_options):
    logits = 5 * rng.normal(size=(n_options, 400))
    logits[-1] += 2
    found = best_temperature(logits)
    best = minimize_scalar(lambda t: costs(logits / t).mean(), bounds=(0.1, 100), method="bounded")
    assert found == pytest.approx(best.x, rel=1e-3)
    if n_options == 3:
        assert found == pytest.approx(three_way(logits)[0], rel=1e-4)


def test_the_temperature_of_soft_answers_is_that_they_were_made_with(rng):
    logits = rng.normal(size=(3, 300))
    assert best_temperature(logits, softmax(logits / 2.5)) == pytest.approx(2.5, rel=1e-4)


def test_equal_similarities_have_temperature_1():
    assert best_temperature(np.ones((3, 10))) == 1.0


def test_the_calibration_error_is_that_of_probabilities(rng):
    logits = rng.normal(size=(3, 500))
    assert calibration_error(logits) == pytest.approx(expected_calibration_error(softmax(logits).T), abs=1e-12)
