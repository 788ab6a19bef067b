"""The registry of metrics agrees with what it names."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from alignkit.meg._estimators import KINDS, Metric, check_options, estimator_of
from alignkit.meg._trials import Design
from alignkit.rsa._metrics import METRICS
from alignkit.rsa._patterns import MetricOptions

DESIGN = Design(np.tile(np.arange(3), 6), ("a", "b", "c"), np.repeat(np.arange(3), 6), ("x", "y", "z"))


def test_every_metric_has_a_kind():
    assert set(get_args(Metric)) == set(KINDS)
    for name, kind in KINDS.items():
        assert kind.decodes == (name in ("decoding", "decoding_weighted", "svm"))
        if not kind.decodes:
            assert METRICS[name].crossvalidated == kind.folds
            assert kind.takes <= METRICS[name].takes | {"variance_floor"}


@pytest.mark.parametrize("metric", KINDS)
def test_every_metric_computes(rng, metric):
    design = DESIGN if KINDS[metric].folds else Design(DESIGN.condition, DESIGN.labels)
    estimator = estimator_of(metric, design, MetricOptions(), covariance="shared", ridge=0.01, dtype="float32")
    x = rng.normal(size=(2, 18, 4)) + 9 * rng.normal(size=(3, 4))[DESIGN.condition]
    found = estimator.compute(x, None)
    assert found.values.shape == (2, 3)
    assert found.counted == (estimator.n_decisions is not None)
    if found.counted:
        assert estimator.n_decisions == 12
        assert found.values.max() <= 24


def test_equal_counts_leave_a_fold_out_and_unequal_ones_pair_trials():
    def cv(design):
        return estimator_of("crossnobis", design, MetricOptions(), covariance="shared", ridge=0.01, dtype="float64").cv

    assert cv(DESIGN) == "leave-one-fold-out"
    fewer = Design(DESIGN.condition[1:], DESIGN.labels, DESIGN.fold[1:], DESIGN.folds)
    assert cv(fewer) == "observation-pairs"


@pytest.mark.parametrize("metric", KINDS)
def test_options_are_refused_where_they_mean_nothing(metric):
    options = {
        "cv": MetricOptions(cv="fold-pairs"),
        "normalize": MetricOptions(normalize=True),
        "variance_floor": MetricOptions(variance_floor=0.1),
    }
    for name, given in options.items():
        if name in KINDS[metric].takes:
            check_options(metric, given, "shared")
        else:
            with pytest.raises(ValueError, match=f"{name} is only for metric="):
                check_options(metric, given, "shared")
