"""What epochs are chosen by, against scipy."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import spearmanr

from alignkit.train.hba_meg import _validation
from alignkit.train.hba_meg._validation import mean_spearman, validation_items

RNG = np.random.default_rng(0)
TIMES = np.array([-0.1, 0.0, 0.1, 0.2])
MINE, THEIRS = RNG.random((2, 4, 15))


def test_the_mean_is_that_of_scipy_over_times_from_0_on():
    expected = np.mean([spearmanr(MINE[t], THEIRS[t]).statistic for t in (1, 2, 3)])
    assert mean_spearman(MINE, THEIRS, TIMES) == pytest.approx(expected)
    before = np.mean([spearmanr(a, b).statistic for a, b in zip(MINE, THEIRS, strict=True)])
    assert mean_spearman(MINE, THEIRS, TIMES - 1) == pytest.approx(before)


def test_pairs_without_a_number_do_not_count_and_neither_do_times_without_differences():
    theirs = THEIRS.copy()
    theirs[1, :6] = np.nan
    theirs[2] = 0.5
    expected = np.mean([spearmanr(MINE[1, 6:], theirs[1, 6:]).statistic, spearmanr(MINE[3], theirs[3]).statistic])
    assert mean_spearman(MINE, theirs, TIMES) == pytest.approx(expected)
    assert math.isnan(mean_spearman(MINE, np.full_like(theirs, np.nan), TIMES))


def test_a_model_without_numbers_for_most_pairs_is_no_better_for_it():
    mine = np.full_like(THEIRS, np.nan)
    mine[:, :4] = THEIRS[:, :4]  # all that it has is right
    found = mean_spearman(mine, THEIRS, TIMES)
    filled = [np.where(np.isnan(row), row[:4].mean(), row) for row in mine]
    assert 0 < found < 0.75
    # about what the mean in their place gives
    expected = np.mean([spearmanr(a, b).statistic for a, b in zip(filled[1:], THEIRS[1:], strict=True)])
    assert found == pytest.approx(expected, abs=0.2)
    assert math.isnan(mean_spearman(np.full_like(THEIRS, np.nan), THEIRS, TIMES))


def data(n_train: int, n_val: int, n_times: int = 4) -> SimpleNamespace:
    return SimpleNamespace(train=np.arange(n_train), val=n_train + np.arange(n_val), times=np.zeros(n_times))


def test_epochs_are_chosen_on_validation_items_where_there_are_enough():
    assert validation_items(data(9, 5), seed=0).tolist() == [9, 10, 11, 12, 13]
    assert validation_items(data(9, 3), seed=0).tolist() == list(range(9))


def test_of_many_items_some_are_drawn(monkeypatch):
    monkeypatch.setattr(_validation, "_MAX_VALUES", 4 * 45)
    items = validation_items(data(9, 40), seed=0)
    assert len(items) == 10  # whose 45 pairs at 4 times are allowed
    assert set(items) <= set(range(9, 49))
    assert (validation_items(data(9, 40), seed=0) == items).all()
    assert (validation_items(data(9, 40), seed=1) != items).any()
