"""Closed forms of precision against simulated studies, counted agreement and the published one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from reference.studies import hits
from reference.studies import leave_one_out as counted_agreement

from alignkit.data import StudyAssumptions
from alignkit.data._study_precision import (
    _concentration,
    accuracy_se,
    ceiling_precision,
    difference_se,
    leave_one_out,
    pair_se,
)


@pytest.fixture
def study():
    """Twelve people, 40 answers each: 10 to triplets that all share, 30 to their own."""
    person = np.repeat(np.arange(12), 40)
    triplet = np.concatenate([np.r_[0:10, 10 + 30 * p : 40 + 30 * p] for p in range(12)])
    return person, triplet


@pytest.mark.parametrize(("person_sd", "triplet_sd"), [(0.0, 0.0), (0.15, 0.0), (0.0, 0.2), (0.1, 0.18)])
def test_the_standard_error_of_accuracy_is_that_of_simulated_studies(study, person_sd, triplet_sd):
    person, triplet = study
    assumed = StudyAssumptions(accuracy=0.6, person_sd=person_sd, triplet_sd=triplet_sd)
    expected = accuracy_se(assumed, np.bincount(person), np.bincount(triplet))
    rng = np.random.default_rng(0)
    means = hits(
        rng, accuracy=0.6, person_sd=person_sd, triplet_sd=triplet_sd, person=person, triplet=triplet, n=3000
    ).mean(axis=1)
    assert means.std() == pytest.approx(expected, rel=0.05)  # three standard errors of a standard deviation


def test_a_difference_is_detected_with_the_power_promised():
    assumed = StudyAssumptions(person_sd=0.0, triplet_sd=0.0, correlation=0.5)
    n = 400
    se = difference_se(assumed, accuracy_se(assumed, np.array([n]), np.ones(n, dtype=np.int64)))
    detectable = assumed.z_detect * se
    high, low = 0.64 + detectable / 2, 0.64 - detectable / 2
    both = high * low + 0.5 * math.sqrt(high * (1 - high) * low * (1 - low))  # two hits that correlate by .5
    counts = np.random.default_rng(1).multinomial(n, [both, high - both, low - both, 1 - high - low + both], size=4000)
    difference = (counts[:, 1] - counts[:, 2]) / n
    assert difference.std() == pytest.approx(se, rel=0.05)
    assert (difference / se > assumed.z_interval).mean() == pytest.approx(0.8, abs=0.03)


def test_agreement_of_counts_is_that_of_answers_one_by_one():
    counts = np.array([[3, 0, 0], [2, 1, 0], [1, 1, 1], [2, 2, 1], [0, 5, 4], [1, 1, 0]])
    expected = [counted_agreement([option for option in range(3) for _ in range(row[option])]) for row in counts]
    assert leave_one_out(counts) == pytest.approx(expected)


@pytest.mark.parametrize(("agreement", "n_people"), [(0.64, 20), (0.5, 6), (0.8, 3)])
def test_the_ceiling_and_its_error_are_those_of_simulated_people(agreement, n_people):
    mean, se = ceiling_precision(agreement, 50, n_people)
    rng = np.random.default_rng(2)
    chosen = rng.dirichlet([_concentration(agreement)] * 3, size=20_000)
    values = leave_one_out(rng.multinomial(n_people, chosen))
    assert values.mean() == pytest.approx(mean, abs=0.006)
    assert values.std() / math.sqrt(50) == pytest.approx(se, rel=0.03)


def test_the_published_ceiling_has_the_error_expected():
    # 1,000 triplets, 20 answers: .6438 [.6295, .6578] by a bootstrap over triplets
    mean, se = ceiling_precision(0.6438, 1000, 20)
    assert mean == pytest.approx(0.6438, abs=1e-6)
    assert 2 * 1.96 * se == pytest.approx(0.6578 - 0.6295, rel=0.03)


def test_there_is_no_ceiling_without_shared_triplets():
    assert all(math.isnan(value) for value in (*ceiling_precision(0.64, 0, 20), *ceiling_precision(0.64, 10, 1)))


def test_the_error_of_a_pair():
    assert pair_se(50) == pytest.approx(math.sqrt(2 / 9 / 50))
    assert math.isnan(pair_se(0.5))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"accuracy": 1.0}, "accuracy must lie between 0 and 1"),
        ({"person_sd": -0.1}, "person_sd must be a finite number of at least 0"),
        ({"person_sd": 0.4, "triplet_sd": 0.4}, "must not exceed accuracy"),
        ({"correlation": 1.0}, "correlation must be at least -1 and below 1"),
        ({"agreement": 0.2}, r"agreement must lie between \.34"),
        ({"power": 0}, "power must lie between 0 and 1"),
    ],
)
def test_impossible_assumptions_are_named(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        StudyAssumptions(**options)
