from __future__ import annotations

import numpy as np
import pytest

from alignkit.data import simulate
from alignkit.train.hba import _personal_fit
from alignkit.train.hba._personal_fit import People, fit_people


def gathered(lab, embedding=None):
    _, person = np.unique(lab.triplets.participant, return_inverse=True)
    return People.of(lab.embedding if embedding is None else embedding, lab.triplets.items, person), person


def lab_of(individuality, n=200, people=10):
    return simulate(
        48, n_participants=people, n_dimensions=8, n_triplets=n * people, individuality=individuality, lapse=0.0, rng=2
    )


def everything(people_of):
    return np.ones(len(people_of.triplets), dtype=bool)


def test_people_keep_their_answers_whatever_the_chunks(monkeypatch):
    lab = lab_of(0.5, 31, 5)
    mixed = np.random.default_rng(0).permutation(len(lab.triplets))[:120]
    items = lab.triplets.items[mixed]
    _, person = np.unique(lab.triplets.participant[mixed], return_inverse=True)
    for size in (1, 1 << 21):
        monkeypatch.setattr(_personal_fit, "_CHUNK", size)
        people = People.of(lab.embedding, items, person)
        assert len(people.chunks) == (5 if size == 1 else 1)
        seen = {}
        for members, rows in zip(people.members, people.rows, strict=True):
            for number, line in zip(members, rows, strict=True):
                seen[number] = sorted(line[line >= 0])
        assert seen == {p: np.flatnonzero(person == p).tolist() for p in range(5)}
        if size == 1:
            apart = fit_people(people, np.ones(120, dtype=bool), 4.0, np.random.default_rng(0))
    together = fit_people(people, np.ones(120, dtype=bool), 4.0, np.random.default_rng(0))
    assert together.theta == pytest.approx(apart.theta, abs=1e-7)


def test_the_spread_and_the_weights_that_were_planted_are_found():
    lab = lab_of(0.6, 800)
    people, _ = gathered(lab)
    fit = fit_people(people, everything(lab), "people", np.random.default_rng(0))
    assert 0.4 < fit.spread[0] < 0.95
    planted, found = np.log(lab.weights), fit.theta[:, :-1] - fit.shared[:-1]
    planted = planted - planted.mean(axis=1, keepdims=True)
    assert np.corrcoef(planted.ravel(), found.ravel())[0, 1] > 0.85
    assert np.exp(-fit.theta[:, -1]) == pytest.approx(lab.noise, rel=0.6)


def test_people_who_do_not_differ_have_the_smallest_spread():
    lab = lab_of(0.0)
    people, _ = gathered(lab)
    fit = fit_people(people, everything(lab), "people", np.random.default_rng(0))
    assert fit.spread[0] <= 0.1
    assert np.abs(fit.theta[:, :-1] - fit.shared[:-1]).max() < 0.1


def test_a_strong_prior_holds_everybody_to_what_is_shared():
    lab = lab_of(0.6, 60)
    people, _ = gathered(lab)
    fit = fit_people(people, everything(lab), 1e8, np.random.default_rng(0))
    assert fit.spread == pytest.approx(1e-4)
    assert np.abs(fit.theta[:, :-1] - fit.shared[:-1]).max() < 1e-4


def test_shared_weights_undo_a_group_that_is_out_of_proportion():
    lab = lab_of(0.0, 400)
    factor = np.array([2.0, 0.5, 1, 1, 1, 1, 1, 1])
    people, _ = gathered(lab, lab.embedding * np.sqrt(factor))
    fit = fit_people(people, everything(lab), "people", np.random.default_rng(0))
    undone = fit.shared[:-1] - fit.shared[2:-1].mean()
    assert undone[:2] == pytest.approx(-np.log(factor[:2]), abs=0.35)


def test_units_of_the_embedding_change_the_scale_alone():
    lab = lab_of(0.4, 100)
    small, _ = gathered(lab)
    large, _ = gathered(lab, 100 * lab.embedding)
    one, other = (fit_people(p, everything(lab), 5.0, np.random.default_rng(0)) for p in (small, large))
    assert other.theta[:, :-1] == pytest.approx(one.theta[:, :-1], abs=1e-4)
    assert other.theta[:, -1] == pytest.approx(one.theta[:, -1] - 2 * np.log(100), abs=1e-3)


def test_each_person_may_have_an_own_prior():
    lab = lab_of(0.6, 150, 4)
    people, _ = gathered(lab)
    fit = fit_people(people, everything(lab), "person", np.random.default_rng(0))
    assert set(fit.spread) <= set(_personal_fit.SPREADS)
    assert np.isfinite(fit.theta).all()


def test_one_person_tells_nothing_of_what_is_shared():
    lab = lab_of(0.6, 100, 2)
    own = lab.triplets.participant == "p001"
    people = People.of(lab.embedding, lab.triplets.items[own], np.zeros(own.sum(), dtype=np.int64))
    fit = fit_people(people, np.ones(own.sum(), dtype=bool), "people", np.random.default_rng(0))
    assert not fit.shared[:-1].any()
