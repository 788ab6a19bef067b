from __future__ import annotations

import math

import numpy as np
import pytest
from reference import triplets as reference
from reference.score import clustered_bootstrap

from alignkit.rsa import Triplets, calibration, triplet_ceiling
from alignkit.score._row import Settings
from alignkit.score._triplets import Answers, Battery, ceiling_of, score_triplets, triplet_baselines

QUICK = Settings(n_bootstrap=0, n_shuffles=5)


@pytest.fixture
def x(lab):
    return lab.embedding + 0.5 * np.random.default_rng(0).normal(size=lab.embedding.shape)


@pytest.fixture
def repeats(lab):
    return Answers("repeats", lab.repeats, ceiling_of(lab.repeats), repeated=True)


def by_measure(scored):
    return {row.measure: row for row in scored.rows}


@pytest.mark.parametrize("kernel", ["cosine", "dot", "euclidean"])
def test_accuracy_equals_a_plain_loop(lab, x, kernel):
    settings = Settings(kernel=kernel, n_bootstrap=2000)
    scored = score_triplets("m", x, Answers("answers", lab.triplets, None), settings)
    row, (unit,) = scored.rows[0], scored.units
    credits = reference.credits(x, lab.triplets.items.tolist(), kernel, "wrong")
    assert unit.credits.tolist() == credits
    assert row.value == pytest.approx(sum(credits) / len(credits))
    groups = [tuple(sorted(items)) for items in lab.triplets.items.tolist()]
    assert (row.low, row.high) == pytest.approx(clustered_bootstrap(credits, groups, 4000, 0.95), abs=0.006)
    people = lab.triplets.participant.tolist()
    assert (row.people_low, row.people_high) == pytest.approx(
        clustered_bootstrap(credits, people, 4000, 0.95), abs=0.006
    )
    assert (row.n, row.n_items, row.over) == (900, 24, "triplets")


def test_repeated_answers_are_one_cluster(repeats, x):
    (unit,) = score_triplets("m", x, repeats, QUICK).units
    assert len(unit.credits) == len(repeats.triplets)
    assert len(np.unique(unit.groups)) == 60
    for group in range(60):  # all answers to one triplet show the same three items
        assert len(np.unique(np.sort(repeats.triplets.items[unit.groups == group], axis=1), axis=0)) == 1


def test_percent_of_the_ceiling_is_above_chance(repeats, x, lab):
    ceiling = triplet_ceiling(lab.repeats, n_bootstrap=0)
    row = score_triplets("m", x, repeats, QUICK).rows[0]
    assert (row.ceiling_low, row.ceiling_high) == (ceiling.leave_one_out, ceiling.plug_in)
    assert row.percent_of_ceiling == pytest.approx(100 * (row.value - 1 / 3) / (ceiling.leave_one_out - 1 / 3))
    assert "leave-one-out (low), plug-in (high)" in row.ceiling


def test_cross_entropy_at_temperature_one_equals_a_plain_loop(lab, x):
    rows = by_measure(score_triplets("m", x, Answers("answers", lab.triplets, None), Settings(kernel="dot")))
    row = rows["cross-entropy (nats), T = 1"]
    p = reference.probabilities(x, lab.triplets.items.tolist(), "dot", 1.0)
    assert row.value == pytest.approx(-sum(math.log(own[2]) for own in p) / len(p), abs=1e-12)
    assert not row.higher_is_better
    assert row.low < row.value < row.high


def test_the_measures_of_fit_are_those_of_calibration(repeats, x):
    rows = by_measure(score_triplets("m", x, repeats, Settings(kernel="dot", n_bootstrap=0)))
    fit = calibration(x, repeats.triplets, repeats=repeats.triplets, n_bootstrap=0, rng=0)
    for k, end in enumerate(("T = 1", "T cross-validated")):
        assert rows[f"cross-entropy (nats), {end}"].value == fit.cross_entropy[k]
        assert rows[f"KL from people's distributions (nats), {end}"].value == fit.kl[k]
        assert rows[f"expected calibration error, {end}"].value == fit.calibration_error[k]
        assert rows[f"cross-entropy (nats), {end}"].ceiling_low == fit.human_entropy
        fitted = "temperature fitted on other triplets" in rows[f"cross-entropy (nats), {end}"].split
        assert fitted == (k == 1)
    uncertainty = rows["spearman of model and human uncertainty (entropy)"]
    assert uncertainty.value == fit.entropy_spearman
    assert uncertainty.ceiling_low == pytest.approx(math.sqrt(fit.entropy_reliability))


def test_a_cosine_is_not_scored_at_temperature_one(repeats, x):
    assert not [row for row in score_triplets("m", x, repeats, QUICK).rows if row.measure.endswith("T = 1")]


def test_only_repeated_triplets_know_peoples_distributions(lab, x):
    rows = score_triplets("m", x, Answers("answers", lab.triplets, None), Settings(kernel="dot", n_bootstrap=0)).rows
    assert not [row for row in rows if "KL" in row.measure or "uncertainty" in row.measure]


def test_few_triplets_have_neither_ceiling_nor_temperature(lab, x):
    few = lab.repeats.take(np.isin(lab.repeats.repeat, np.arange(20)))
    assert ceiling_of(few) is None
    assert ceiling_of(None) is None
    scored = score_triplets("m", x, Answers("repeats", few, None), QUICK)
    assert len(scored.rows) == 1
    assert math.isnan(scored.rows[0].ceiling_low)
    assert math.isnan(scored.rows[0].percent_of_ceiling)
    assert scored.rows[0].ceiling == ""


def test_chance_and_shuffled_items(lab, x, repeats):
    shuffled, chance, entropy = triplet_baselines(x, Battery.of([repeats]), Settings(n_shuffles=200))
    assert shuffled.value == pytest.approx(1 / 3, abs=0.01)
    assert shuffled.low < 1 / 3 < shuffled.high
    assert shuffled.over == "shuffles"
    assert shuffled.percent_of_ceiling == pytest.approx(
        100 * (shuffled.value - 1 / 3) / (shuffled.ceiling_low - 1 / 3), abs=1e-9
    )
    assert (chance.value, chance.percent_of_ceiling, entropy.value) == (1 / 3, 0.0, math.log(3))
    assert not entropy.higher_is_better
    assert {row.role for row in (shuffled, chance, entropy)} == {"baseline"}
    assert {row.split for row in (shuffled, chance, entropy)} == {""}


def test_shuffled_items_are_those_of_the_seed(repeats, x):
    rng = np.random.default_rng(3)
    values = []
    for _ in range(5):
        credits = reference.credits(x[rng.permutation(24)], repeats.triplets.items.tolist(), "cosine", "wrong")
        values.append(sum(credits) / len(credits))
    assert triplet_baselines(x, Battery.of([repeats]), Settings(n_shuffles=5, seed=3))[0].value == pytest.approx(
        np.mean(values)
    )


def test_ties_are_worth_what_was_asked_for():
    flat = np.ones((4, 2))
    answers = Answers("answers", Triplets([[0, 1, 2], [1, 2, 3]]), None)
    values = {
        ties: score_triplets("m", flat, answers, Settings(ties=ties)).rows[0].value for ties in ("wrong", "share")
    }
    assert values == {"wrong": 0.0, "share": pytest.approx(1 / 3)}
