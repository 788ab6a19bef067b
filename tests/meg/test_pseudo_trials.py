"""Pseudo-trials average each trial once, within its condition and fold."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignkit.meg._as_trials import as_trials
from alignkit.meg._pseudo_trials import pseudo_trials


def marked_trials(condition, fold=None, n_times=6):
    """Return trials whose channel i is 1 in trial i alone: an average shows its members and their weights."""
    n = len(condition)
    data = np.repeat(np.eye(n)[:, :, np.newaxis], n_times, axis=2)
    return as_trials(data, by=condition, folds=fold, times=np.arange(n_times) / 100)


@pytest.mark.filterwarnings("ignore:.*with fewer than")
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40), st.integers(1, 7))
def test_each_trial_counts_once_within_its_condition_and_fold(codes, size):
    condition, fold = (np.array(column) for column in zip(*codes, strict=True))
    trials = marked_trials(condition, fold)
    made = pseudo_trials(trials, size=size, rng=1)
    weights = made.read(0, 1)[0]
    members = weights > 0
    np.testing.assert_array_equal(members.sum(axis=0), 1)  # none is dropped, none counts twice
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    for group, what, where in zip(members, made.design.condition, made.design.fold, strict=True):
        assert set(trials.design.condition[group]) == {what}
        assert set(trials.design.fold[group]) == {where}
    for what in set(condition.tolist()):
        for where in set(fold.tolist()):
            n = int(((condition == what) & (fold == where)).sum())
            code = trials.design.labels.index(str(what)), trials.design.folds.index(str(where))
            sizes = members[(made.design.condition == code[0]) & (made.design.fold == code[1])].sum(axis=1)
            assert len(sizes) == (max(1, n // size) if n else 0)
            if n:
                assert np.ptp(sizes) <= 1
                assert sizes.min() >= min(n, size)


def test_reads_averages_of_any_stretch(rng):
    data = rng.standard_normal((30, 4, 12))
    trials = as_trials(data, by=np.arange(30) % 3, times=np.arange(12) / 100)
    made = pseudo_trials(trials, size=5, rng=3)
    weights = pseudo_trials(marked_trials(np.arange(30) % 3), size=5, rng=3).read(0, 1)[0]
    expected = np.einsum("gn,nct->tgc", weights, data)
    np.testing.assert_allclose(made.read(0, 12), expected, atol=1e-12)
    np.testing.assert_allclose(np.concatenate([made.read(i, i + 3) for i in range(0, 12, 3)]), expected, atol=1e-12)
    assert made.read(2, 5).flags.c_contiguous
    assert made.n_bytes == 6 * 4 * 8


def test_never_reads_more_than_it_returns(rng):
    trials = as_trials(rng.standard_normal((30, 4, 12)), by=np.arange(30) % 3, times=np.arange(12) / 100)
    asked = []

    def read(start, stop):
        asked.append(stop - start)
        return trials.read(start, stop)

    made = pseudo_trials(dataclasses.replace(trials, read=read), size=5, rng=3)
    made.read(0, 12)
    assert asked == [2] * 6  # 30 trials are read where 6 are returned


def test_a_seed_gives_its_groups_and_a_repeat_others():
    trials = marked_trials(np.arange(40) % 2)

    def groups(**options):
        return pseudo_trials(trials, size=5, **options).read(0, 1)

    np.testing.assert_array_equal(groups(rng=0), groups(rng=0))
    np.testing.assert_array_equal(groups(rng=0, repeat=3), groups(rng=0, repeat=3))
    found = [groups(rng=0), groups(rng=0, repeat=1), groups(rng=0, repeat=2), groups(rng=1)]
    assert len({each.tobytes() for each in found}) == 4
    generator = np.random.default_rng(0)
    assert not np.array_equal(groups(rng=generator), groups(rng=generator))


def test_float32_stays(rng):
    data = rng.standard_normal((12, 3, 4)).astype(np.float32)
    trials = as_trials(data, by=np.arange(12) % 3, times=np.arange(4) / 100)
    assert pseudo_trials(trials, size=2, rng=0).read(0, 1).dtype == np.float32


def test_too_few_trials_are_told():
    trials = marked_trials(["a"] * 5 + ["b"] * 2, None)
    with pytest.warns(RuntimeWarning, match="1 condition with fewer than 4 trials, which make one .*: 'b'") as told:
        made = pseudo_trials(trials, size=4, rng=0)
    assert told[0].filename == __file__
    np.testing.assert_array_equal(made.design.condition, [0, 1])
    with pytest.warns(RuntimeWarning, match="2 conditions with fewer than 3 trials in a fold"):
        pseudo_trials(marked_trials(["a", "b"] * 4, [1] * 4 + [2] * 4), size=3, rng=0)


def test_bad_values_are_refused():
    trials = marked_trials(np.arange(6) % 2)
    with pytest.raises(ValueError, match="size must be at least 1"):
        pseudo_trials(trials, size=0, rng=0)
    with pytest.raises(TypeError, match="repeat must be a whole number"):
        pseudo_trials(trials, size=2, repeat=1.5, rng=0)
    with pytest.raises(TypeError, match="rng must be"):
        pseudo_trials(trials, size=2, rng="a")
