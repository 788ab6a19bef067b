"""How many times are read and worked on at once, and that each is read no more often than it must."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from alignkit.meg._as_trials import as_trials
from alignkit.meg._estimators import Estimate, Estimator, estimator_of
from alignkit.meg._noise import EstimatedNoise
from alignkit.meg._pseudo_trials import pseudo_trials
from alignkit.meg._rdms_over_time import Computation, HeldTrials, steps_beside, stretch_and_step, times_at_once
from alignkit.meg._windows import windowed
from alignkit.rsa._patterns import MetricOptions, Undefined


def trials_of(rng, n_times=20):
    condition, fold = np.tile(np.arange(4), 12), np.repeat(np.arange(3), 16)
    data = rng.normal(size=(48, 5, n_times))
    return as_trials(data, by=condition, folds=fold, times=np.arange(n_times) / 100 - 0.05)


@pytest.mark.parametrize("memory", [1, 10**5, 10**6, 10**9])
def test_what_is_held_fits_into_the_memory(rng, memory):
    trials = trials_of(rng)
    for n_sets in (0, 4):
        stretch, step = stretch_and_step(trials, [trials], "float64", n_sets, memory)
        assert 1 <= step <= stretch <= trials.n_times
        assert stretch * trials.n_bytes <= max(memory, trials.n_bytes)
        assert times_at_once(trials, [trials], "float64", n_sets, memory) <= stretch
    assert stretch_and_step(trials, [trials], "float64", 0, 10**9) == (20, 16)


def test_more_memory_is_never_less_at_once(rng):
    trials = trials_of(rng)
    found = [stretch_and_step(trials, [trials], "float64", 4, memory) for memory in range(1, 10**6, 20_011)]
    assert [step for _, step in found] == sorted(step for _, step in found)


def test_an_engine_of_one_time_after_the_other_keeps_every_thread_busy(rng, monkeypatch):
    monkeypatch.setattr("alignkit.meg._rdms_over_time.n_threads", lambda: 3)
    trials = trials_of(rng)
    found = [stretch_and_step(trials, [trials], "float64", 4, memory, True) for memory in range(1, 10**6, 20_011)]
    steps = [step for _, step in found]
    assert steps[0] == 1
    assert steps == sorted(steps)
    assert all(step % 3 == 0 for step in steps if step > 3)
    assert max(steps) == 15
    assert all(step <= stretch <= trials.n_times for stretch, step in found)


def test_steps_are_worked_on_side_by_side_where_that_costs_no_pass_over_a_file(rng, monkeypatch):
    monkeypatch.setattr("alignkit.meg._rdms_over_time.n_threads", lambda: 3)
    trials = trials_of(rng)
    assert trials.in_memory
    assert steps_beside(trials, [trials], "float64", 0, 10**9, 16) == 3
    assert steps_beside(trials, [trials], "float64", 0, 10**9, 8) == 0
    assert steps_beside(trials, [trials] * 2, "float64", 0, 10**9, 16) == 0
    assert steps_beside(trials, [trials], "float64", 4, 10**9, 16) == 0
    assert steps_beside(trials, [trials], "float64", 0, 10**5, 16) < 3
    assert not windowed(trials, window=0.05).in_memory


@pytest.mark.parametrize("beside", [1, 3])
def test_steps_side_by_side_have_the_bits_of_one_after_the_other(rng, monkeypatch, beside):
    monkeypatch.setattr("alignkit._threads.n_threads", lambda: 3)
    trials = trials_of(rng)
    estimator = estimator_of(
        "crossnobis", trials.design, MetricOptions(), covariance="shared", ridge=0, dtype="float64"
    )
    pending = np.ones(20, dtype=bool)
    pending[5:7] = False
    found = []
    for more in (0, beside):
        held, written = HeldTrials(trials, hold=True), np.full((20, 6), np.nan)

        def write(start, values, written=written):
            written[start : start + len(values)] = values

        assert (
            Computation(held, [held.trials], [None], estimator, "float64", 9, 4, more).run(
                write, pending, progress=False
            )
            == []
        )
        found.append(written)
    np.testing.assert_array_equal(np.isfinite(found[1]).all(axis=1), pending)
    np.testing.assert_array_equal(*found)


def test_held_trials_are_read_once(rng):
    trials, read = trials_of(rng), []
    counting = dataclasses.replace(trials, read=lambda a, b: (read.append((a, b)), trials.read(a, b))[1])
    held = HeldTrials(counting, hold=True)
    with held.held(4, 9):
        np.testing.assert_array_equal(held.trials.read(5, 7), trials.read(5, 7))
        np.testing.assert_array_equal(held.trials.read(8, 9), trials.read(8, 9))
    assert read == [(4, 9)]
    held.trials.read(0, 1)
    assert read[1:] == [(0, 1)]


@pytest.mark.parametrize(("mode", "passes"), [("epoch", 20 + 20), ("baseline", 5 + 20), ("time", 20)])
def test_repeats_share_what_is_read(rng, mode, passes):
    trials, read = trials_of(rng), []
    counting = dataclasses.replace(trials, read=lambda a, b: (read.append(b - a), trials.read(a, b))[1])
    base = HeldTrials(counting, hold=True)
    repeats = [pseudo_trials(base.trials, size=2, repeat=i, rng=0) for i in range(3)]
    noises = [EstimatedNoise(one, mode) for one in repeats]
    estimator = estimator_of(
        "crossnobis", repeats[0].design, MetricOptions(), covariance="shared", ridge=0.01, dtype="float64"
    )
    computation = Computation(base, repeats, noises, estimator, "float64", 6, 4)
    written = np.full((20, 6), np.nan)

    def write(start, values):
        written[start : start + len(values)] = values

    assert computation.run(write, np.ones(20, dtype=bool), progress=False) == []
    assert np.isfinite(written).all()
    assert sum(read) == passes
    assert set(computation.found()) == {"shrinkage_range", "noise_dof"}


def test_what_is_undefined_at_any_time_is_noted(rng):
    """Two stretches with another undefined pair each: both are named in the end."""
    trials = as_trials(rng.normal(size=(8, 3, 4)), by=[0, 1, 2, 3] * 2, times=np.arange(4) / 100)
    estimator = Estimator(lambda x, _: Estimate(np.zeros((len(x), 6)), [Undefined("why", x[:, :6, 0] > 9, "pairs")]))
    made = np.zeros((4, 8, 3))
    made[0, 1], made[3, 4] = 10, 10
    held = HeldTrials(dataclasses.replace(trials, read=lambda start, stop: made[start:stop]), hold=True)
    computation = Computation(held, [held.trials], [None], estimator, "float64", 2, 1)
    (found,) = computation.run(lambda *_: None, np.ones(4, dtype=bool), progress=False)
    assert found.reason == "why"
    np.testing.assert_array_equal(found.mask, [False, True, False, False, True, False])


def test_nothing_pending_reads_nothing(rng):
    trials = trials_of(rng)
    refusing = dataclasses.replace(trials, read=lambda a, b: pytest.fail("was read"))
    base = HeldTrials(refusing, hold=True)
    estimator = estimator_of(
        "crossnobis", trials.design, MetricOptions(), covariance="shared", ridge=0.01, dtype="float64"
    )
    computation = Computation(base, [base.trials], [EstimatedNoise(trials, "epoch")], estimator, "float64", 6, 4)
    assert computation.run(lambda *_: None, np.zeros(20, dtype=bool), progress=False) == []
