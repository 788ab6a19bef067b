from __future__ import annotations

import math

import numpy as np
import pytest
from reference.score import clustered_bootstrap

from alignkit.score import ScoreRow
from alignkit.score._paired import bootstrap_mean, paired_differences
from alignkit.score._row import Scored, Settings, Unit

SETTINGS = Settings(n_bootstrap=4000)


def scored(name, credits, groups=None, *, higher=True, part="p"):
    credits = np.asarray(credits, dtype=float)
    row = ScoreRow(
        model=name,
        role="model",
        part=part,
        measure="x",
        value=float(credits.mean()),
        over="trials",
        higher_is_better=higher,
    )
    return Scored((row,), (Unit(row, credits, groups),))


def test_the_best_is_compared_with_every_other(rng):
    credits = {
        name: (rng.random(300) < share).astype(float) for name, share in zip("abc", (0.5, 0.7, 0.3), strict=True)
    }
    found = paired_differences([scored(name, values) for name, values in credits.items()], SETTINGS)
    assert [(d.better, d.other) for d in found] == [("b", "a"), ("b", "c")]
    for d in found:
        gaps = credits["b"] - credits[d.other]
        assert d.difference == pytest.approx(sum(gaps) / 300)
        low, high = clustered_bootstrap(gaps.tolist(), range(300), 4000, 0.95)
        assert (d.low, d.high) == pytest.approx((low, high), abs=0.008)
        assert (d.part, d.measure, d.over) == ("p", "x", "trials")


def test_answers_to_one_triplet_are_drawn_together(rng):
    # ten answers to each of 40 triplets, all alike: an interval over answers would be three times too narrow
    groups = np.repeat(np.arange(40), 10)
    gaps = np.repeat(rng.normal(size=40), 10)
    low, high = bootstrap_mean(gaps, SETTINGS, groups)
    assert (low, high) == pytest.approx(clustered_bootstrap(gaps.tolist(), groups.tolist(), 6000, 0.95), abs=0.03)
    apart = bootstrap_mean(gaps, SETTINGS)
    assert (high - low) / (apart[1] - apart[0]) == pytest.approx(math.sqrt(10), rel=0.1)


def test_pairing_makes_the_interval_narrower(rng):
    difficulty = rng.random(500)
    a, b = ((difficulty + noise < 0.6).astype(float) for noise in (0.0, 0.02))
    (d,) = paired_differences([scored("a", a), scored("b", b)], SETTINGS)
    alone = bootstrap_mean(a, SETTINGS)
    assert d.high - d.low < (alone[1] - alone[0]) / 2
    assert 0 < d.low < d.difference < d.high


def test_where_lower_is_better_the_best_is_the_lowest():
    (d,) = paired_differences([scored("a", [3.0, 4.0], higher=False), scored("b", [1.0, 2.0], higher=False)], SETTINGS)
    assert (d.better, d.other, d.difference) == ("b", "a", -2.0)


def test_undefined_credits_give_an_undefined_difference_and_are_never_best():
    models = [scored("nan", [1.0] * 9000 + [math.nan]), scored("a", np.zeros(9001)), scored("b", np.full(9001, 0.5))]
    found = paired_differences(models, SETTINGS)
    assert [(d.better, d.other) for d in found] == [("b", "a"), ("b", "nan")]
    assert found[0].difference == 0.5
    assert all(math.isnan(value) for value in (found[1].difference, found[1].low, found[1].high))


def test_one_model_has_nobody_to_be_compared_with():
    assert paired_differences([scored("a", [1.0, 0.0])], SETTINGS) == ()


def test_parts_are_kept_apart():
    models = [scored(name, [k, 0.0], part=part) for k, name in enumerate("ab") for part in "pq"]
    assert [(d.part, d.better) for d in paired_differences(models, SETTINGS)] == [("p", "b"), ("q", "b")]


def test_no_interval_without_resamples_or_with_one_cluster():
    values = np.array([0.0, 1.0, 1.0])
    assert np.isnan(bootstrap_mean(values, Settings(n_bootstrap=0))).all()
    assert np.isnan(bootstrap_mean(values, SETTINGS, np.zeros(3, dtype=np.int64))).all()
