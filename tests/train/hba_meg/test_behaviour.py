"""Behaviour is predicted at every time, as single comparisons say."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from reference.meg_cells import LABELS, N_PAIRS, TIMES, models, planted, study

from alignkit.rsa import RDM, Triplets, compare
from alignkit.train.hba_meg._behaviour import behaviour_curves
from alignkit.train.hba_meg._score_cell import Notes


@pytest.fixture
def answers(rng):
    items = np.array([rng.choice(30, 3, replace=False) for _ in range(6000)])
    return Triplets(items, LABELS)


def curves(data, embedders=(), kernels=(), window=None):
    notes = Notes()
    found = list(behaviour_curves(data, models(), dict(embedders), dict(kernels), window, notes))
    return {(one.model, one.measure): one for one in found}, list(notes)


def credit(x, triplets):
    """Return the share of answers whose kept pair is the most similar, ties shared, one answer at a time."""
    total = 0.0
    for a, b, c in triplets.items:
        pairs = np.array([x[a] @ x[b], x[a] @ x[c], x[b] @ x[c]])
        best = np.flatnonzero(pairs == pairs.max())
        total += (0 in best) / len(best)
    return total / len(triplets)


def test_people_s_rdm_is_compared_at_every_time(rng):
    people = RDM(rng.normal(size=N_PAIRS), LABELS).take(np.arange(29, 17, -1))
    found, notes = curves(study(rdm48=people), window=(0.1, 0.3))
    assert notes == []
    for method in ("spearman", "pearson"):
        moving = found["moving", f"RDM48, {method}"]
        own = planted().take(range(18, 30))
        for t in (0, 15, 50):
            expected = float(compare(own.isel(time=t), people, method=method))
            assert moving.values[t] == pytest.approx(expected)
        assert moving.n_items == 12
        assert moving.n == 66
        assert moving.window == (0.1, 0.3)
        assert moving.mean == pytest.approx(np.trapezoid(moving.values[20:41], TIMES[20:41]) / 0.2)
        still = found["still", f"RDM48, {method}"]
        assert still.times is None
        assert still.window is None
        assert still.values.tolist() == [still.mean]
        assert math.isnan(still.best[0])
    assert found["moving", "RDM48, pearson"].ceiling == 0.91
    assert math.isnan(found["moving", "RDM48, spearman"].ceiling)
    when, best = moving.best
    assert best == moving.values.max()
    assert moving.values[np.flatnonzero(when == TIMES)[0]] == best


def test_too_few_of_the_48_are_no_measure(rng):
    few = RDM(rng.normal(size=N_PAIRS), LABELS).take(range(9))
    assert curves(study(rdm48=few))[0] == {}


def test_answers_about_held_out_items_are_predicted_at_every_time(rng, answers):
    data = study(triplets=answers)
    over_time = rng.random((30, 51, 4))
    over_time[:, :10] = 0.0
    still = rng.normal(size=(30, 3))
    found, notes = curves(data, {"moving": lambda rows: over_time[rows], "still": lambda rows: still[rows]})
    assert notes == []
    own = answers.restrict([LABELS[i] for i in data.held_out])
    moving = found["moving", "odd-one-out accuracy"]
    assert moving.kernel == "dot"
    assert moving.items == "held-out items"
    assert moving.n == len(own)
    for t in (9, 10, 50):
        assert moving.values[t] == pytest.approx(credit(over_time[data.held_out, t], own))
    assert moving.values[0] == pytest.approx(1 / 3)
    assert moving.chance == 1 / 3
    other = found["still", "odd-one-out accuracy"]
    unit = still / np.linalg.norm(still, axis=1, keepdims=True)
    assert other.kernel == "cosine"
    assert other.mean == pytest.approx(credit(unit[data.held_out], own))
    assert other.times is None


def test_the_kernel_is_that_asked_for(rng, answers):
    data, x = study(triplets=answers), rng.normal(size=(30, 3))
    found, _ = curves(data, {"still": lambda rows: x[rows]}, {"still": "dot"})
    own = answers.restrict([LABELS[i] for i in data.held_out])
    assert found["still", "odd-one-out accuracy"].mean == pytest.approx(credit(x[data.held_out], own))
    with pytest.raises(ValueError, match="the kernel of 'still'"):
        curves(data, {"still": lambda rows: x[rows]}, {"still": "precomputed"})


def test_too_few_answers_about_held_out_items_give_way_to_all(rng, answers):
    few = answers.take(np.arange(200))
    x = rng.normal(size=(30, 3))
    found, notes = curves(study(triplets=few), {"still": lambda rows: x[rows]})
    one = found["still", "odd-one-out accuracy"]
    assert one.items == "all items, trained ones among them"
    assert one.n == 200
    assert one.mean == pytest.approx(credit(x / np.linalg.norm(x, axis=1, keepdims=True), few))
    assert "about the 10 held-out items alone: those about all items were scored" in notes[0]
    assert curves(study(triplets=answers.take(np.arange(20))), {"still": lambda rows: x[rows]})[0] == {}
    assert curves(study(triplets=few))[0] == {}


def test_repeats_give_the_ceiling(rng, answers):
    triplets = np.array(list(itertools.combinations(range(20, 30), 3))[:40])
    repeats = Triplets(np.repeat(triplets, 4, axis=0), LABELS)
    x = rng.normal(size=(30, 3))
    found, _ = curves(study(triplets=answers, repeats=repeats), {"still": lambda rows: x[rows]})
    assert found["still", "odd-one-out accuracy"].ceiling == 1.0


def test_other_times_than_the_data_s_are_refused(rng, answers):
    x = rng.random((30, 50, 3))
    with pytest.raises(ValueError, match="'moving' has 50 times and the data 51"):
        curves(study(triplets=answers), {"moving": lambda rows: x[rows]})
