"""Decoding by support vector machines: equal to scikit-learn's, fitted pair by pair on the trials themselves."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from reference.decoding import decode_loop

from alignkit.meg._decoding_svm import decode_svm
from alignkit.meg._trials import Design


def design_of(condition, fold) -> Design:
    names = tuple(f"c{i}" for i in range(max(condition) + 1))
    return Design(np.asarray(condition), names, np.asarray(fold), tuple(map(str, range(max(fold) + 1))))


def support_vectors(cost, whitening=None):
    from sklearn.svm import SVC

    def decide(train_i, train_j, trial, k):
        w = np.eye(len(trial)) if whitening is None else whitening[k]
        train = np.concatenate([train_i, train_j]) @ w
        model = SVC(kernel="linear", C=cost).fit(train, np.arange(len(train)) < len(train_i))
        return model.decision_function((trial @ w)[None])[0]

    return decide


@pytest.mark.parametrize("cost", [1.0, 0.01])
def test_equals_a_loop_over_fits(rng, cost):
    condition, fold = (a.ravel() for a in np.indices((4, 3)).repeat(2, axis=2))
    design = design_of(condition, fold)
    x = rng.normal(size=(2, 24, 8)) + 0.6 * rng.normal(size=(4, 8))[condition]
    w = rng.normal(size=(3, 8, 8)) / 3
    found = decode_svm(x, design, lambda k: w[k][None], C=cost)
    expected = decode_loop(x, condition, fold, 4, support_vectors(cost, w))
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-15)
    assert (found.n_decisions, found.counts.dtype) == (12, np.uint8)


def test_equals_a_loop_for_unbalanced_trials(rng):
    counts = np.array([[1, 2, 0, 3], [2, 1, 1, 0], [1, 1, 2, 0]])
    fold, condition = (np.repeat(a.ravel(), counts.ravel()) for a in np.indices(counts.shape))
    x = rng.normal(size=(1, len(fold), 5)) + rng.normal(size=(4, 5))[condition]
    found = decode_svm(x, design_of(condition, fold))
    np.testing.assert_allclose(
        found.values, decode_loop(x, condition, fold, 4, support_vectors(1.0)), rtol=0, atol=1e-15
    )
    np.testing.assert_array_equal(found.undefined, [3 in pair for pair in combinations(range(4), 2)])


def test_shows_progress_when_asked(rng, capsys):
    design = design_of([0, 1, 0, 1], [0, 0, 1, 1])
    x = rng.normal(size=(1, 4, 3))
    decode_svm(x, design)
    assert capsys.readouterr().err == ""
    decode_svm(x, design, progress=True)
    assert "2/2" in capsys.readouterr().err


def test_refuses_a_cost_that_is_not_positive(rng):
    with pytest.raises(ValueError, match="C must be a finite number above 0"):
        decode_svm(rng.normal(size=(1, 4, 3)), design_of([0, 1, 0, 1], [0, 0, 1, 1]), C=0.0)
