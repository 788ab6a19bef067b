from __future__ import annotations

import re

import numpy as np
import pytest

from alignkit.rsa import Triplets
from alignkit.train.hba._personal_compare import HeldOut
from alignkit.train.hba._personal_tests import Bootstrap, compare_people, describe_person
from tests.reference.triplets import ceilings

RNG = np.random.default_rng(1)


def held_out(own, n=60, base=0.5):
    """Credits of one person's answers: the own model right so often, the others' ``base``."""
    credit = (np.arange(n) < own * n).astype(float)
    rival = (np.arange(n) < base * n).astype(float)
    return HeldOut(credit, rival, rival, rival, credit - rival, np.array([[own]]))


def described(held, items=None, **options):
    items = np.array([[i, i + 1, i + 2] for i in range(60)]) if items is None else items
    answers = Triplets(items, participant=["a"] * len(items))
    bootstrap = Bootstrap(options.get("n", 500), 0.95)
    return describe_person("a", answers, np.arange(len(items)), held, bootstrap, np.random.default_rng(0))


def test_differences_and_intervals_of_one_person():
    person = described(held_out(0.75))
    assert (person.own, person.group, person.over_group) == pytest.approx((0.75, 0.5, 0.25))
    # 15 of 60 answers differ: the binomial's standard error
    error = np.sqrt(0.25 * 0.75 / 60)
    assert person.over_shared_low == pytest.approx(0.25 - 1.96 * error, abs=0.03)
    assert person.over_shared_high == pytest.approx(0.25 + 1.96 * error, abs=0.03)


def test_answers_to_one_triplet_are_drawn_together():
    # ten triplets, each answered six times alike: an interval as of ten answers
    items = np.repeat(np.array([[i, i + 1, i + 2] for i in range(10)]), 6, axis=0)
    person = described(held_out(0.6, base=0.3), items)
    assert person.n_triplets == 10
    assert person.over_group_high - person.over_group_low > 0.4


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (0.9, "the own model predicts better than the shared one .* and than other people's models"),
        (0.1, "the own model predicts worse than the shared one .*: use the group's"),
        (0.5, "the data cannot carry a personal model: 60 answers, and the interval .* holds 0"),
    ],
)
def test_verdicts_say_what_the_interval_says(own, words):
    assert re.match(words, described(held_out(own)).verdict)


def test_without_resamples_there_is_no_verdict():
    person = described(held_out(0.9), n=0)
    assert np.isnan(person.over_group_low)
    assert person.verdict.startswith("no interval: 60 answers")


def test_the_own_ceiling_is_agreement_with_oneself():
    items = np.array([[0, 1, 2], [2, 1, 0], [0, 1, 2], [3, 4, 5], [3, 4, 5], [6, 7, 8]])
    person = described(held_out(0.5, 6), items)
    assert person.ceiling == pytest.approx(ceilings(items.tolist(), ["a"] * 6)["within-person"])
    assert "ceiling" not in person.verdict
    alone = described(held_out(0.5))
    assert np.isnan(alone.ceiling)
    assert alone.verdict.endswith("no triplet was answered twice, so no own ceiling")


def test_people_count_the_same_however_many_answers_they_gave():
    person = np.array([0] * 10 + [1] * 2)
    own, none = np.array([1.0] * 10 + [0.0] * 2), np.zeros(12)
    held = HeldOut(own, none, none, np.full(12, np.nan), own, np.eye(2))
    tests = {test.name: test for test in compare_people(held, person, Bootstrap(100, 0.95), np.random.default_rng(0))}
    assert tests["accuracy, own - group"].mean == 0.5
    assert np.isnan(tests["accuracy, own - others"].p)
