from __future__ import annotations

import numpy as np
import pytest

from alignkit.data import simulate
from alignkit.rsa._grouping import triplet_codes
from alignkit.rsa._temperature import assign_folds
from alignkit.train.hba._personal_compare import Outcome, compare_outcomes, hold_out
from alignkit.train.hba._personal_fit import People, fit_people
from tests.reference import personal as reference

LAB = simulate(24, n_participants=3, n_dimensions=8, n_triplets=150, n_repeats=10, individuality=0.8, rng=4)
ITEMS = np.concatenate([LAB.triplets.items, LAB.repeats.items])
_, PERSON = np.unique(np.concatenate([LAB.triplets.participant, LAB.repeats.participant]), return_inverse=True)


def test_credits_are_those_of_loops_over_folds():
    people = People.of(LAB.embedding, ITEMS, PERSON)
    held = hold_out(people, ITEMS, 4.0, n_folds=3, n_repeats=1, rng=np.random.default_rng(0))
    n_triplets, code = triplet_codes(ITEMS)
    rng = np.random.default_rng(0)
    folds = assign_folds(code, n_triplets, 3, rng)
    sums = np.zeros((3, 3))
    for fold in range(3):
        # from scratch: only the answers outside the fold are there
        train = folds != fold
        fit = fit_people(People.of(LAB.embedding, ITEMS[train], PERSON[train]), np.ones(train.sum(), bool), 4.0, rng)
        for row in np.flatnonzero(~train):
            p, answer = PERSON[row], ITEMS[row]
            right = [reference.is_right(LAB.embedding, answer, theta[:-1]) for theta in fit.theta]
            sums[:, p] += right
            assert held.own[row] == right[p]
            assert held.others[row] == pytest.approx((sum(right) - right[p]) / 2)
            assert held.group[row] == reference.is_right(LAB.embedding, answer, np.zeros(8))
            assert held.shared[row] == reference.is_right(LAB.embedding, answer, fit.shared[:-1])
            gain = reference.cost(LAB.embedding, [answer], fit.shared) - reference.cost(
                LAB.embedding, [answer], fit.theta[p]
            )
            assert held.gain[row] == pytest.approx(gain, abs=1e-6)
    assert held.matrix == pytest.approx(sums / np.bincount(PERSON))


def test_rounds_are_averaged():
    people = People.of(LAB.embedding, ITEMS, PERSON)
    held = hold_out(people, ITEMS, 4.0, n_folds=2, n_repeats=3, rng=np.random.default_rng(0))
    assert set(np.unique(np.round(3 * held.own))) <= {0, 1, 2, 3}
    assert 0 <= held.matrix.min() <= held.matrix.max() <= 1
    assert np.diag(held.matrix) == pytest.approx(np.bincount(PERSON, held.own) / np.bincount(PERSON))


def test_one_person_has_no_others():
    own = PERSON == 0
    people = People.of(LAB.embedding, ITEMS[own], PERSON[own])
    held = hold_out(people, ITEMS[own], 4.0, n_folds=2, n_repeats=1, rng=np.random.default_rng(0))
    assert np.isnan(held.others).all()
    assert held.matrix.shape == (1, 1)


def test_too_few_triplets_for_the_folds():
    people = People.of(LAB.embedding, ITEMS[:2], np.zeros(2, dtype=np.int64))
    with pytest.raises(ValueError, match="n_folds=5 needs at least as many distinct triplets"):
        hold_out(people, ITEMS[:2], 4.0, n_folds=5, n_repeats=1, rng=np.random.default_rng(0))


def test_outcomes_are_compared_as_by_loops():
    rng = np.random.default_rng(0)
    person = np.array([0, 1, 2, 0, 1, 2, 2])
    group, shared = rng.random(7) < 0.5, Outcome(rng.random(7) < 0.5, rng.normal(size=7))
    own = {number: Outcome(rng.random(7) < 0.5, rng.normal(size=7)) for number in (2, 0, 1)}
    held = compare_outcomes(person, group, shared, own)
    for row, one in enumerate(person):
        assert held.own[row] == own[one].right[row]
        assert held.others[row] == np.mean([own[other].right[row] for other in range(3) if other != one])
        assert held.gain[row] == pytest.approx(own[one].log_p[row] - shared.log_p[row])
    for model in range(3):
        for answers in range(3):
            expected = np.mean([own[model].right[row] for row in range(7) if person[row] == answers])
            assert held.matrix[model, answers] == pytest.approx(expected)
    assert (held.group == group).all()
    assert (held.shared == shared.right).all()


def test_of_one_person_alone_the_others_are_unknown():
    own = Outcome(np.array([True, False, True]), np.zeros(3))
    held = compare_outcomes(np.array([1, 0, 1]), own.right, own, {1: own})
    assert held.own[[0, 2]].tolist() == [1.0, 1.0]
    assert np.isnan(held.own[1])
    assert np.isnan(held.others).all()
    assert held.matrix.tolist() == [[1.0]]
