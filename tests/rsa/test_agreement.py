from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import triplets as reference

from alignkit.rsa._agreement import DEFINITIONS, agreement_sums, code_answers, random_halves


def drawn(seed, n=60, n_triplets=6, n_people=12):
    rng = np.random.default_rng(seed)
    return rng.integers(0, n_triplets, n), rng.integers(0, 3, n), rng.integers(0, n_people, n)


def as_items(triplet, option):
    """Answers to triplet t about items 3t, 3t+1, 3t+2, the chosen one last."""
    return np.array(
        [[3 * t + (k + 1) % 3, 3 * t + (k + 2) % 3, 3 * t + k] for t, k in zip(triplet, option, strict=True)]
    )


@given(seed=st.integers(0, 1000))
def test_halves_are_halves(seed):
    triplet, option, people = drawn(seed)
    answers = code_answers(triplet, option, people)
    half = random_halves(answers, np.random.default_rng(seed))
    for t in range(answers.n_triplets):
        own = half[answers.triplet == t]
        assert own.sum() == len(own) // 2


def test_exact_half_split_is_the_mean_over_random_ones():
    triplet, option, _ = drawn(5, n=40, n_triplets=4)
    answers, ones = code_answers(triplet, option, None), np.ones(40)
    column = list(DEFINITIONS).index("half-split")
    exact = agreement_sums(answers, ones)[0][:, column]
    rng = np.random.default_rng(0)
    random = agreement_sums(answers, ones, tuple(random_halves(answers, rng) for _ in range(3000)))[0][:, column]
    np.testing.assert_allclose(random, exact, atol=0.015)


@given(seed=st.integers(0, 300))
def test_leaving_people_out_is_having_never_asked_them(seed):
    """Weight 0 equals dropping the person's answers."""
    triplet, option, people = drawn(seed)
    gone = people < 4
    weighted = agreement_sums(code_answers(triplet, option, people), np.where(gone, 0.0, 1.0))
    items = as_items(triplet, option)[~gone]
    sizes = np.bincount(triplet[~gone])
    enough = (sizes > 1)[triplet[~gone]]
    if not enough.any():
        return
    expected = reference.ceilings(items[enough], people[~gone][enough])
    for k, name in enumerate(DEFINITIONS):
        if name in ("plug-in", "half-split"):  # these also see triplets with one answer left, or have other halves
            continue
        total, size = weighted[0][:, k].sum(), weighted[1][:, k].sum()
        if size:
            assert total / size == pytest.approx(expected[name], abs=1e-12)


@given(seed=st.integers(0, 300), weight=st.integers(2, 5))
def test_copies_of_everyone_change_no_pair_or_majority(seed, weight):
    """Everybody drawn the same number of times is everybody drawn once: copies are not other people."""
    triplet, option, people = drawn(seed)
    answers = code_answers(triplet, option, people)
    rng = np.random.default_rng(seed)
    halves = (random_halves(answers, rng),)
    one = agreement_sums(answers, np.ones(60), halves)
    many = agreement_sums(answers, np.full(60, float(weight)), halves)
    for k in range(len(DEFINITIONS)):
        np.testing.assert_allclose(many[0][:, k].sum() / many[1][:, k].sum(), one[0][:, k].sum() / one[1][:, k].sum())


def test_copies_of_a_person_are_not_other_people():
    # two people disagree; one is drawn three times: no pair of different people agrees
    answers = code_answers(np.zeros(2, dtype=int), np.array([0, 1]), np.array([0, 1]))
    totals, sizes = agreement_sums(answers, np.array([3.0, 1.0]), (np.array([True, False]),))
    for name in ("between-person", "answer-pairs", "leave-one-out", "leave-one-person-out"):
        k = list(DEFINITIONS).index(name)
        assert totals[:, k].sum() == 0.0
        assert sizes[:, k].sum() > 0


def test_expected_half_of_every_small_count():
    for counts in itertools.product(range(4), repeat=3):
        if sum(counts) < 2:
            continue
        votes = np.repeat([0, 1, 2], counts)
        answers = code_answers(np.zeros(len(votes), dtype=int), votes, None)
        totals, _ = agreement_sums(answers, np.ones(len(votes)))
        assert totals[0, list(DEFINITIONS).index("half-split")] == pytest.approx(
            reference._halves(list(votes)), abs=1e-12
        )
