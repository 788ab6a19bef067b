from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignkit.train._monitor import Monitor

NO_NUMBERS = st.sampled_from([math.nan, math.inf, -math.inf])
VALUES = st.lists(st.one_of(st.floats(-5, 5), NO_NUMBERS), min_size=1, max_size=20)


@given(VALUES, st.sampled_from(["min", "max"]), st.integers(1, 4))
def test_the_best_is_the_first_extreme_number(values, mode, patience):
    monitor = Monitor("m", mode, patience)
    improved = [monitor.update(10 * i, {"m": value}) for i, value in enumerate(values)]
    assert improved[0]
    numbers = [value for value in values if math.isfinite(value)]
    if numbers:
        best = min(numbers) if mode == "min" else max(numbers)
        assert monitor.best == best
        assert monitor.best_step == 10 * values.index(best)
    else:
        assert math.isnan(monitor.best)
        assert monitor.best_step == 0
    since = len(values) - 1 - max(i for i, better in enumerate(improved) if better)
    assert monitor.n_worse == since
    assert monitor.exhausted == (since >= patience)


def test_without_patience_it_never_ends():
    monitor = Monitor("m", "max")
    for step in range(100):
        monitor.update(step, {"m": -float(step)})
    assert not monitor.exhausted


@pytest.mark.parametrize("value", [0.1, math.nan, math.inf, -math.inf])
def test_its_state_survives_json(value):
    monitor = Monitor("m", "min", 3)
    monitor.update(4, {"m": value})
    again = Monitor("m", "min", 3)
    again.restore(json.loads(json.dumps(monitor.state(), allow_nan=False)))
    assert again.state() == monitor.state()
    assert repr(again.best) == repr(value if math.isfinite(value) else math.nan)


def test_a_metric_that_is_not_there_is_named():
    with pytest.raises(
        ValueError, match=r"monitor names 'rdm_spearmen'.* gives 'loss', 'rdm_spearman'; did you mean rdm_sp"
    ):
        Monitor("rdm_spearmen", "max").update(0, {"loss": 1.0, "rdm_spearman": 0.2})


def test_the_last_is_kept_whatever_it_was():
    monitor = Monitor("m", "last", patience=1)
    assert [monitor.update(step, {"m": value}) for step, value in enumerate([0.9, math.nan, 0.1])] == [True] * 3
    assert (monitor.best_step, monitor.best, monitor.exhausted) == (2, 0.1, False)
