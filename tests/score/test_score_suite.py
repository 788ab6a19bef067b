from __future__ import annotations

import numpy as np
import pytest

from alignkit.models import Transform
from alignkit.score import score_suite


def test_order_and_names_of_items_do_not_matter(meg, static):
    given = static()
    order = np.random.default_rng(2).permutation(len(given))
    shuffled = given.select([given.labels[i] for i in order])
    one, other = (score_suite(x, "hba", root=meg.root, n_bootstrap=50, n_shuffles=2) for x in (given, shuffled))
    for a, b in zip(one.table.rows, other.table.rows, strict=True):
        assert (a.model, a.part, a.measure) == (b.model, b.part, b.measure)
        if a.role == "model":
            assert a.value == pytest.approx(b.value)
            assert (a.low, a.high) == pytest.approx((b.low, b.high), nan_ok=True)


def test_options_reach_the_scores(meg, static):
    given = {"root": meg.root, "n_bootstrap": 0, "n_shuffles": 1}
    plain = score_suite(static(), **given).table.value("static", "Cichy-118", "AUC").value
    for change in ({"metric": "euclidean"}, {"method": "pearson"}, {"centre": True}):
        table = score_suite(static(), **given, **change).table
        assert table.value("static", "Cichy-118", "AUC").value != pytest.approx(plain, rel=1e-6)
        assert table.settings[next(iter(change))] == next(iter(change.values()))


def test_a_transform_is_scored_besides(meg, static):
    transform = Transform(np.diag([3.0, 1, 1, 1, 1, 1, 1, 0]), name="by")
    table = score_suite(static(), root=meg.root, transform=transform, n_bootstrap=0, n_shuffles=1).table
    row = table.value("static + by", "Cichy-118", "AUC")
    assert row.split.startswith("transform by fitted elsewhere")


def test_features_may_be_paths(meg, static, tmp_path):
    static().save(tmp_path / "feats.npz")
    table = score_suite(tmp_path / "feats.npz", root=meg.root, n_bootstrap=0, n_shuffles=1).table
    assert {row.model for row in table.rows if row.role == "model"} == {"feats"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"metric": "crossnobis"}, "metric must be one of"),
        ({"method": "bures"}, "method must be one of"),
        ({"many": "worst"}, "many must be one of"),
        ({"centre": 1}, "centre must be True or False"),
        ({"n_shuffles": 0}, "n_shuffles must be at least 1"),
        ({"n_bootstrap": -1}, "n_bootstrap must be at least 0"),
        ({"confidence": 2}, "confidence must lie between 0 and 1"),
        ({"layer": "b3"}, "hold the layers 'features', not 'b3'"),
    ],
)
def test_refusals(meg, static, change, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        score_suite(static(), root=meg.root, **change)


def test_an_unknown_suite(static):
    with pytest.raises(ValueError, match=r"suite must be one of 'alignet', 'hba'; got 'brain-score'\."):
        score_suite(static(), "brain-score")
