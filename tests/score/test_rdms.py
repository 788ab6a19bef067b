from __future__ import annotations

import numpy as np
import pytest
from reference.score import clustered_bootstrap, mean_spearman
from scipy.spatial.distance import pdist, squareform

from alignkit.rsa import noise_ceiling, rdm
from alignkit.score._rdms import central_range, make_target, score_rdm, shuffled_rdm
from alignkit.score._row import Settings

LABELS = tuple("abcdefghijkl")


@pytest.fixture
def people(rng):
    common = rng.normal(size=(12, 5))
    return rdm(common + rng.normal(size=(8, 12, 5)), metric="sqeuclidean", labels=LABELS, dims=["subject"])


@pytest.fixture
def x(rng):
    return rng.normal(size=(12, 7))


def test_the_score_is_the_mean_over_people(people, x):
    target = make_target("brains", people, Settings(), LABELS)
    (row,) = score_rdm("m", rdm(x, labels=LABELS), target, Settings()).rows
    expected = mean_spearman(squareform(pdist(x, "correlation")), people.squareform())
    assert row.value == pytest.approx(expected, abs=1e-12)
    assert (row.n, row.n_items, row.over, row.part) == (66, 12, "subjects", "brains")
    assert row.percent_of_ceiling == pytest.approx(100 * expected / row.ceiling_low)


def test_the_interval_is_over_people(people, x):
    settings = Settings(n_bootstrap=4000)
    target = make_target("brains", people, settings, LABELS)
    scored = score_rdm("m", rdm(x, labels=LABELS), target, settings)
    (row,), (unit,) = scored.rows, scored.units
    single = [mean_spearman(squareform(pdist(x, "correlation")), [one]) for one in people.squareform()]
    np.testing.assert_allclose(unit.credits, single, atol=1e-12)
    assert (row.low, row.high) == pytest.approx(clustered_bootstrap(single, range(8), 6000, 0.95), abs=0.01)


def test_a_subset_has_its_own_ceiling(people, x):
    some = LABELS[2:9]
    target = make_target("brains", people, Settings(n_bootstrap=0), some)
    ceiling = noise_ceiling(people.select(some), n_bootstrap=0)
    (row,) = score_rdm("m", rdm(x[2:9], labels=some), target, Settings(n_bootstrap=0)).rows
    assert (row.ceiling_low, row.ceiling_high) == (ceiling.lower, ceiling.upper)
    assert row.ceiling_low < row.ceiling_high
    assert (row.n, row.n_items) == (21, 7)
    assert row.ceiling.startswith("8 subjects, rank pooling")


def test_rows_are_matched_by_label_not_by_place(people, x):
    target = make_target("brains", people, Settings(n_bootstrap=0), LABELS)
    order = np.random.default_rng(1).permutation(12)
    there = score_rdm("m", rdm(x, labels=LABELS), target, Settings(n_bootstrap=0)).rows
    back = score_rdm("m", rdm(x[order], labels=[LABELS[i] for i in order]), target, Settings(n_bootstrap=0)).rows
    assert there[0].value == pytest.approx(back[0].value, abs=1e-12)


def test_baselines_have_no_credits(people, x):
    target = make_target("brains", people, Settings(n_bootstrap=0), LABELS)
    scored = score_rdm("b", rdm(x, labels=LABELS), target, Settings(n_bootstrap=0), role="baseline", split="others")
    assert scored.units == ()
    assert (scored.rows[0].role, scored.rows[0].split) == ("baseline", "others")


def test_shuffled_items_are_at_chance(people):
    settings = Settings(n_shuffles=400, n_bootstrap=0)
    target = make_target("brains", people, settings, LABELS)
    row = shuffled_rdm(people.mean("subject"), target, settings)  # the best RDM there is, with its items shuffled
    assert row.value == pytest.approx(0.0, abs=0.02)
    assert row.low < 0 < row.high
    assert (row.model, row.role, row.over, row.split) == ("shuffled items", "baseline", "shuffles", "")


def test_the_central_range_is_of_the_level_asked_for():
    assert central_range([*range(101)], Settings(confidence=0.8)) == (50.0, pytest.approx(10.0), pytest.approx(90.0))


def test_no_per_cent_of_a_ceiling_that_may_be_zero(x, rng):
    strangers = rdm(rng.normal(size=(8, 12, 5)), metric="sqeuclidean", labels=LABELS, dims=["subject"])
    target = make_target("noise", strangers, Settings(), LABELS)
    assert target.chance is None
    (row,) = score_rdm("m", rdm(x, labels=LABELS), target, Settings()).rows
    assert np.isfinite(row.value)
    assert np.isnan(row.percent_of_ceiling)
