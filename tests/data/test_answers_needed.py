"""How many answers a study needs, against simulated studies and fitted people."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from reference.studies import hits

from alignkit.data import AnswersNeeded, StudyAssumptions, answers_needed
from alignkit.data import _simulate_people as people
from alignkit.data._personal_effect import _judges, personal_effect

_OTHERS = np.array([[1, 2], [0, 2], [0, 1]])


def test_an_interval_has_the_width_asked_for():
    assumed = StudyAssumptions(accuracy=0.6, person_sd=0.12, triplet_sd=0.0)
    goal = answers_needed(half_width=0.04, answers_per_person=50, assume=assumed).goals[0]
    assert goal.answers == 50 * goal.people
    person = np.repeat(np.arange(int(goal.people)), 50)
    means = hits(
        np.random.default_rng(0),
        accuracy=0.6,
        person_sd=0.12,
        triplet_sd=0.0,
        person=person,
        triplet=np.arange(len(person)),
        n=3000,
    ).mean(axis=1)
    assert 1.96 * means.std() == pytest.approx(0.04, rel=0.05)


def test_textbook_numbers_of_one_person():
    assumed = StudyAssumptions(accuracy=0.5, person_sd=0.0, triplet_sd=0.0)
    interval = answers_needed(half_width=0.05, assume=assumed).goals[1]
    assert interval.answers == 385  # (1.96 / .05)² / 4
    uncorrelated = dataclasses.replace(assumed, correlation=0.0)
    difference = answers_needed(difference=0.1, assume=uncorrelated).goals[1]
    assert difference.answers == math.ceil((1.959964 + 0.841621) ** 2 * 0.5 / 0.01)


def test_likelihoods_of_simulated_people_say_what_was_computed():
    effect = personal_effect(0.4, 0)
    own = _judges(0.4, 0)
    mean = dataclasses.replace(own, weights=np.broadcast_to(own.weights.mean(axis=0), own.weights.shape))
    rng = np.random.default_rng(5)
    person = rng.integers(40, size=60_000)
    items = people.draw_triples(len(person), np.arange(96), rng)
    p, q = (people.choice_probabilities(judges, items, person) for judges in (own, mean))
    answer = (rng.random(len(p))[:, None] > np.cumsum(p, axis=1)).sum(axis=1)
    rows = np.arange(len(p))
    ratio = np.log(p[rows, answer] / q[rows, answer])
    assert ratio.mean() == pytest.approx(effect.nats, abs=4 * ratio.std() / len(p) ** 0.5)
    assert ratio.var() == pytest.approx(effect.nats_spread, rel=0.1)
    assert ratio.var() == pytest.approx(2 * ratio.mean(), rel=0.25)  # small differences
    difference = (p.argmax(axis=1) == answer).astype(float) - (q.argmax(axis=1) == answer)
    assert difference.mean() == pytest.approx(effect.gain, abs=4 * difference.std() / len(p) ** 0.5)
    assert difference.var() == pytest.approx(effect.spread, rel=0.1)


def fitted(judges, person, n, prior_sd, rng):
    """Return a person's weights, fitted to n of their answers by Newton steps, the group's being the prior."""
    items = people.draw_triples(n, np.arange(96), rng)
    p = people.choice_probabilities(judges, items, np.full(n, person))
    answer = (rng.random(n)[:, None] > np.cumsum(p, axis=1)).sum(axis=1)
    pairs = items[:, _OTHERS]
    x = judges.embedding[pairs[..., 0]] * judges.embedding[pairs[..., 1]] / judges.noise
    group = judges.weights.mean(axis=0)
    weights = group.copy()
    for _ in range(15):
        logits = x @ weights
        q = np.exp(logits - logits.max(axis=1, keepdims=True))
        q /= q.sum(axis=1, keepdims=True)
        mean = np.einsum("nc,ncd->nd", q, x)
        gradient = (x[np.arange(n), answer] - mean).sum(axis=0) - (weights - group) / prior_sd**2
        hessian = np.einsum("nc,ncd,nce->de", q, x, x) - mean.T @ mean + np.eye(len(group)) / prior_sd**2
        weights = weights + np.linalg.solve(hessian, gradient)
    return weights


@pytest.mark.parametrize("n", [150, 600])
def test_fitted_people_keep_the_share_of_the_gain_that_was_promised(n):
    individuality = 0.3
    own = dataclasses.replace(_judges(individuality, 0), lapses=np.zeros(40))
    rng = np.random.default_rng(7)
    weights = np.stack([fitted(own, person, n, own.weights.std(), rng) for person in range(40)])
    person = np.repeat(np.arange(40), 500)
    items = people.draw_triples(len(person), np.arange(96), rng)
    group = np.broadcast_to(own.weights.mean(axis=0), own.weights.shape)
    p, q, f = (
        people.choice_probabilities(dataclasses.replace(own, weights=w), items, person)
        for w in (own.weights, group, weights)
    )
    possible = (p * np.log(p / q)).sum(axis=1).mean()
    kept = (p * np.log(f / q)).sum(axis=1).mean() / possible
    assert kept == pytest.approx(n / (n + 12 / (2 * possible)), abs=0.1)


def test_a_personal_gain_finds_how_people_must_differ():
    needed = answers_needed(personal_gain=0.02, retained=0.5)
    assert needed.effect.gain == pytest.approx(0.04, abs=0.001)
    again = answers_needed(individuality=needed.effect.individuality)
    assert again.goals == needed.goals
    fit, accuracy, likelihood, everything = needed.goals
    assert likelihood.answers < accuracy.answers
    assert everything.answers == fit.answers + likelihood.answers
    assert answers_needed(individuality=0.8).goals[-1].answers < answers_needed(individuality=0.2).goals[-1].answers
    more = answers_needed(individuality=0.8, retained=0.8)
    assert more.goals[0].answers == pytest.approx(4 * answers_needed(individuality=0.8).goals[0].answers, rel=0.02)


def test_the_same_seed_gives_the_same_people():
    assert answers_needed(individuality=0.5, rng=3).goals == answers_needed(individuality=0.5, rng=3).goals
    assert answers_needed(individuality=0.5, rng=3).goals != answers_needed(individuality=0.5, rng=4).goals


def test_it_is_kept_and_shown(tmp_path):
    needed = answers_needed(half_width=0.03, difference=0.03, individuality=0.4)
    needed.save(tmp_path / "needed.json")
    again = AnswersNeeded.load(tmp_path / "needed.json")
    assert again.goals == needed.goals
    assert again.effect == needed.effect
    assert repr(again) == repr(needed)
    assert len(needed.to_dataframe()) == 8
    assert "66 weights varied over simulated people" in needed.methods_text()
    assert "personal" not in answers_needed(half_width=0.03).methods_text()
    assert needed.plot().get_xscale() == "log"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "no goal is given"),
        ({"half_width": 2.0}, "half_width must lie between 0 and 1"),
        ({"personal_gain": 0.02, "individuality": 0.3}, "not both"),
        ({"individuality": 9.0}, "individuality must be at most 3"),
        ({"personal_gain": 0.9}, "cannot be ahead so far"),
        ({"individuality": 1e-9}, "individuality 1e-09 is too small: .* no number of answers"),
        ({"individuality": 1e-300}, "individuality 1e-300 is too small"),
        ({"half_width": 0.02, "answers_per_person": 0}, "answers_per_person must be at least 1"),
        ({"half_width": 0.02, "retained": 1.0}, "retained must lie between 0 and 1"),
    ],
)
def test_impossible_goals_are_named(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        answers_needed(**options)
