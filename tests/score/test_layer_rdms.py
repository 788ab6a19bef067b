from __future__ import annotations

import numpy as np
import pytest
from reference.nested import nested_similarity
from reference.score import clustered_bootstrap, mean_spearman
from scipy.spatial.distance import pdist, squareform

from alignkit.rsa import noise_ceiling, rdm
from alignkit.score._nested import halvings
from alignkit.score._rdms import layer_task, make_target
from alignkit.score._row import Settings

LABELS = tuple(f"i{k}" for k in range(24))
SETTINGS = Settings(n_splits=4, seed=1, n_bootstrap=3000)


@pytest.fixture
def common(rng):
    return rng.normal(size=(24, 5))


@pytest.fixture
def people(rng, common):
    return rdm(common + rng.normal(size=(7, 24, 5)), metric="sqeuclidean", labels=LABELS, dims=["subject"])


@pytest.fixture
def layers(rng, common):
    return [common + noise * rng.normal(size=(24, 5)) for noise in (1.2, 1.0, 1.1)]


@pytest.fixture
def scored(people, layers):
    task = layer_task(make_target("brains", people, SETTINGS, LABELS), SETTINGS)
    return task.scored("net", list("abc"), np.stack([task.measure(x) for x in layers]))


def test_the_nested_line_equals_a_plain_loop(scored, people, layers):
    models = [squareform(pdist(x, "correlation")) for x in layers]
    halves = [set(np.flatnonzero(row).tolist()) for row in halvings(24, 4, 1)]
    expected, shares = nested_similarity(models, people.squareform().tolist(), halves)
    (unit,) = scored.units
    np.testing.assert_allclose(unit.credits, expected, atol=1e-12)
    assert unit.row.value == pytest.approx(np.mean(expected))
    assert [row.chosen for row in scored.rows[:3]] == pytest.approx(shares)
    assert len([share for share in shares if share > 0]) > 1
    assert (unit.row.low, unit.row.high) == pytest.approx(clustered_bootstrap(expected, range(7), 6000, 0.95), abs=0.01)


def test_the_ceilings_are_those_of_the_same_halves(scored, people):
    parts = [np.flatnonzero(row == which) for row in halvings(24, 4, 1) for which in (True, False)]
    ceilings = [noise_ceiling(people.take(part), n_bootstrap=0) for part in parts]
    (unit,) = scored.units
    assert unit.row.ceiling_low == pytest.approx(np.mean([c.lower for c in ceilings]))
    assert unit.row.ceiling_high == pytest.approx(np.mean([c.upper for c in ceilings]))
    assert unit.row.percent_of_ceiling == pytest.approx(100 * unit.row.value / unit.row.ceiling_low)
    assert unit.row.ceiling.endswith("; mean over the same halves of the items")


def test_the_curve_is_over_all_items(scored, people, layers):
    whole = noise_ceiling(people, n_bootstrap=0)
    for row, x in zip(scored.rows[:3], layers, strict=True):
        assert row.value == pytest.approx(mean_spearman(squareform(pdist(x, "correlation")), people.squareform()))
        assert (row.ceiling_low, row.ceiling_high) == (whole.lower, whole.upper)
        single = [mean_spearman(squareform(pdist(x, "correlation")), [one]) for one in people.squareform()]
        assert (row.low, row.high) == pytest.approx(clustered_bootstrap(single, range(7), 6000, 0.95), abs=0.01)


def test_no_per_cent_of_a_ceiling_that_may_be_zero(rng, layers):
    strangers = rdm(rng.normal(size=(8, 24, 5)), metric="sqeuclidean", labels=LABELS, dims=["subject"])
    task = layer_task(make_target("noise", strangers, SETTINGS, LABELS), SETTINGS)
    rows = task.scored("net", list("abc"), np.stack([task.measure(x) for x in layers])).rows
    assert all(np.isfinite(row.value) and np.isnan(row.percent_of_ceiling) for row in rows)
