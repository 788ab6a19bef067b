"""Decoders trained at one time and tested at another: equal to a loop, and to decoding where both are the same."""

from __future__ import annotations

import numpy as np
import pytest
from reference.decoding import nearest_mean
from threadpoolctl import threadpool_limits

from alignkit.meg import _decoding_times
from alignkit.meg._decoding import decode_shared
from alignkit.meg._decoding_times import decode_across_times
from alignkit.meg._kernels import _numba, _numpy
from alignkit.meg._trials import Design


@pytest.fixture(params=[_numpy, _numba], ids=["numpy", "numba"])
def kernel(request, monkeypatch):
    """Decode by one kernel or the other."""
    monkeypatch.setattr(_decoding_times, "decision_kernels", lambda work: request.param)
    return request.param


def design_of(counts, rng) -> Design:
    fold, condition = (np.repeat(a.ravel(), counts.ravel()) for a in np.indices(counts.shape))
    order = rng.permutation(len(fold))
    names = (tuple(map(str, range(n))) for n in counts.shape)
    folds, labels = names
    return Design(condition[order], labels, fold[order], folds)


BALANCED = np.full((3, 5), 2)
UNBALANCED = np.array([[1, 2, 0, 3, 1], [2, 1, 1, 0, 0], [1, 1, 2, 0, 2]])


def data(rng, design, times=4, channels=7):
    signal = rng.normal(size=(times, design.n_conditions, channels))
    return rng.normal(size=(times, design.n_trials, channels)) + 2.0 + 0.6 * signal[:, design.condition]


def test_what_all_times_share_is_no_burden(rng, kernel):
    """Products of patterns a hundred million from zero would leave no digit of what tells conditions apart."""
    design = design_of(UNBALANCED, rng)
    x = np.round(data(rng, design), 3)
    near = decode_across_times(x, x, design, None, mean=False)
    np.testing.assert_array_equal(decode_across_times(x + 2.0**27, x + 2.0**27, design, None, mean=False), near)


@pytest.mark.parametrize("counts", [BALANCED, UNBALANCED], ids=["balanced", "unbalanced"])
@pytest.mark.parametrize("roots_of", ["none", "shared", "times"])
def test_equals_a_loop(rng, kernel, counts, roots_of):
    design = design_of(counts, rng)
    train, test = data(rng, design, times=2), data(rng, design, times=3)
    w = rng.normal(size=(3, {"none": 1, "shared": 1, "times": 2}[roots_of], 7, 6))
    roots = None if roots_of == "none" else lambda fold: w[fold]
    found = decode_across_times(train, test, design, roots, mean=False)
    assert found.shape == (2, 3, 10)
    for t in range(2):
        whitening = None if roots is None else lambda k, t=t: w[k, t if roots_of == "times" else 0]
        decide = nearest_mean(whitening)
        for u in range(3):
            pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
            for p, (i, j) in enumerate(pairs):
                right = {i: [], j: []}
                for k in range(3):
                    held = design.fold == k
                    learned = [train[t, ~held & (design.condition == c)] for c in (i, j)]
                    if not all(map(len, learned)):
                        continue
                    for c, sign in ((i, 1), (j, -1)):
                        trials = test[u, held & (design.condition == c)]
                        right[c] += [sign * decide(*learned, trial, k) > 0 for trial in trials]
                expected = np.mean([np.mean(right[c]) if right[c] else np.nan for c in (i, j)])
                np.testing.assert_allclose(found[t, u, p], expected, rtol=0, atol=1e-15)
    averaged = decode_across_times(train, test, design, roots)
    np.testing.assert_allclose(averaged, np.nanmean(found, axis=2), rtol=0, atol=1e-14)


@pytest.mark.parametrize("counts", [BALANCED, UNBALANCED], ids=["balanced", "unbalanced"])
def test_the_diagonal_is_decoding_at_one_time(rng, kernel, counts):
    design = design_of(counts, rng)
    x = data(rng, design)
    w = rng.normal(size=(3, 4, 7, 7))
    found = decode_across_times(x, x, design, lambda fold: w[fold], mean=False)
    expected = decode_shared(x, design, lambda fold: w[fold]).values
    np.testing.assert_array_equal(found[np.arange(4), np.arange(4)], expected)


def test_chunks_and_threads_leave_the_bits(rng, kernel):
    design = design_of(UNBALANCED, rng)
    x = data(rng, design, times=6)
    with threadpool_limits(1):
        whole = decode_across_times(x, x, design, None)
    with threadpool_limits(2):
        for rows in (slice(0, 3), slice(3, 6)):
            for columns in (slice(0, 2), slice(2, 6)):
                part = decode_across_times(x[rows], x[columns], design, None)
                np.testing.assert_array_equal(part, whole[rows, columns])


def test_a_signal_that_lasts_generalizes_and_one_that_moves_does_not(rng):
    design = design_of(np.full((4, 6), 3), rng)
    pattern = rng.normal(size=(2, 6, 12))
    signal = np.array([pattern[0], pattern[0], pattern[1]])
    x = rng.normal(size=(3, design.n_trials, 12)) + 5 * signal[:, design.condition]
    found = decode_across_times(x, x, design, None)
    np.testing.assert_array_equal(found[:2, :2], 1.0)
    assert found[2, 2] == 1.0
    assert found[:2, 2].max() < 0.75


def test_nothing_to_decide_is_nan(rng):
    design = Design(np.array([0, 0, 1, 1]), ("a", "b"), np.array([0, 0, 1, 1]), ("0", "1"))
    x = rng.normal(size=(2, 4, 3))
    assert np.isnan(decode_across_times(x, x, design, None)).all()
    assert np.isnan(decode_across_times(x, x, design, None, mean=False)).all()


def test_refuses_other_trials(rng):
    design = design_of(BALANCED, rng)
    x = data(rng, design)
    with pytest.raises(ValueError, match="the same trials and channels"):
        decode_across_times(x, x[:, :-1], design, None)
