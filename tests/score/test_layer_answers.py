from __future__ import annotations

import math

import numpy as np
import pytest
from reference.nested import nested_credit
from reference.score import clustered_bootstrap
from reference.triplets import credits

from alignkit.rsa import triplet_ceiling
from alignkit.score._nested import halvings
from alignkit.score._row import Settings
from alignkit.score._triplets import Answers, Battery, ceiling_of, layer_task

SETTINGS = Settings(n_bootstrap=2000, n_splits=5, seed=2)


@pytest.fixture(scope="module")
def layers(lab):
    rng = np.random.default_rng(3)
    return [lab.embedding + noise * rng.normal(size=lab.embedding.shape) for noise in (1.5, 0.5)]


@pytest.fixture(scope="module")
def battery(lab):
    ceiling = ceiling_of(lab.repeats)
    sets = [Answers("repeats", lab.repeats, ceiling, repeated=True), Answers("answers", lab.triplets, ceiling)]
    return Battery.of(sets, "all")


@pytest.fixture(scope="module")
def scored(battery, layers):
    task = layer_task(battery, 24, SETTINGS)
    return task.scored("net", ["a", "b"], np.stack([task.measure(x) for x in layers]))


@pytest.mark.parametrize("part", ["repeats", "answers", "all"])
def test_the_nested_line_equals_a_plain_loop(scored, battery, layers, part):
    items = next(one.triplets.items for one in battery.parts if one.part == part).tolist()
    plain = [credits(x, items, "cosine", "wrong") for x in layers]
    halves = [set(np.flatnonzero(row).tolist()) for row in halvings(24, 5, 2)]
    expected = [own for own in nested_credit(plain, items, halves) if own is not None]
    row, unit = next((unit.row, unit) for unit in scored.units if unit.row.part == part)
    np.testing.assert_allclose(unit.credits, expected, atol=1e-12)
    assert row.value == pytest.approx(sum(expected) / len(expected))
    assert row.n == len(expected) < len(items)
    # repeated answers to one triplet are drawn together
    kept = [k for k, own in enumerate(nested_credit(plain, items, halves)) if own is not None]
    groups = [tuple(sorted(items[k])) for k in kept]
    assert (row.low, row.high) == pytest.approx(clustered_bootstrap(expected, groups, 4000, 0.95), abs=0.012)


def test_the_ceiling_of_repeats_is_that_of_the_answers_scored(scored, lab):
    row = next(unit.row for unit in scored.units if unit.row.part == "repeats")
    halves = halvings(24, 5, 2)
    inside = halves[:, lab.repeats.items].all(axis=-1) | ~halves[:, lab.repeats.items].any(axis=-1)
    kept = np.flatnonzero(inside.any(axis=0))
    ceiling = triplet_ceiling(lab.repeats.take(kept), n_bootstrap=0)
    assert (row.ceiling_low, row.ceiling_high) == (ceiling.leave_one_out, ceiling.plug_in)
    assert row.ceiling_low != triplet_ceiling(lab.repeats, n_bootstrap=0).leave_one_out
    # other answers keep the ceiling of the repeats
    other = next(unit.row for unit in scored.units if unit.row.part == "answers")
    assert other.ceiling_low == triplet_ceiling(lab.repeats, n_bootstrap=0).leave_one_out


def test_curves_have_intervals_over_triplets(scored, battery, layers):
    for part in battery.parts:
        items = part.triplets.items.tolist()
        groups = [tuple(sorted(row)) for row in items]
        for layer, x in zip("ab", layers, strict=True):
            row = next(r for r in scored.rows if (r.part, r.layer) == (part.part, layer))
            own = credits(x, items, "cosine", "wrong")
            assert row.value == pytest.approx(sum(own) / len(own))
            assert (row.low, row.high) == pytest.approx(clustered_bootstrap(own, groups, 4000, 0.95), abs=0.012)


def test_the_split_says_what_it_cost(scored, lab):
    row = next(unit.row for unit in scored.units if unit.row.part == "answers")
    halves = halvings(24, 5, 2)
    within = [halves[:, lab.triplets.items].all(axis=-1), ~halves[:, lab.triplets.items].any(axis=-1)]
    mean = np.mean([mask.sum() for pair in within for mask in pair])
    assert f"about {mean:,.0f}, and scored on those within the other" in row.split
    assert f"the {1 - 2 * mean / 900:.0%} that mix the halves count in neither" in row.split
    assert "nested 2 x 5" in row.split


def test_answers_that_are_never_within_a_half_give_no_number(lab):
    few = Answers("answers", lab.triplets.take([0]), None)
    for seed in range(20):
        task = layer_task(Battery.of([few]), 24, Settings(n_splits=1, seed=seed, n_bootstrap=5))
        (unit,) = task.scored("net", ["a", "b"], np.ones((2, 1))).units
        # one answer cannot both be chosen on and be scored
        assert math.isnan(unit.row.value)


def test_answers_count_only_where_the_other_half_has_some_to_choose_by(lab):
    # of so few, some lie within a half once or twice, and always opposite a half without any
    few = Answers("answers", lab.triplets.take(np.arange(12)), None)
    items = few.triplets.items.tolist()
    n_left_out = 0
    for seed in range(12):
        settings = Settings(n_splits=6, seed=seed, n_bootstrap=5)
        task = layer_task(Battery.of([few]), 24, settings)
        x = [lab.embedding, lab.embedding[::-1]]
        (unit,) = task.scored("net", ["a", "b"], np.stack([task.measure(layer) for layer in x])).units
        plain = [credits(layer, items, "cosine", "wrong") for layer in x]
        halves = [set(np.flatnonzero(row).tolist()) for row in halvings(24, 6, seed)]
        expected = [own for own in nested_credit(plain, items, halves) if own is not None]
        np.testing.assert_allclose(unit.credits, expected, atol=1e-12)
        assert (unit.row.n, unit.row.value) == (len(expected), pytest.approx(sum(expected) / len(expected)))
        within = [{*row} <= half or not {*row} & half for row in items for half in halves]
        n_left_out += sum(any(within[6 * k : 6 * k + 6]) for k in range(12)) - len(expected)
    assert n_left_out > 0
