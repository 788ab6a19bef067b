from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa._repeats import average_repeats, average_within_folds, number_by_name


def test_numbers_follow_the_first_appearance():
    numbers, names = number_by_name(["b", "a", "b", "c", "a"])
    assert numbers.tolist() == [0, 1, 0, 2, 1]
    assert names == ("b", "a", "c")


def test_average_repeats_is_the_mean_by_label(rng, readonly):
    x = readonly(rng.normal(size=(2, 3, 7, 4)))
    labels = ["z", "a", "z", "b10", "b2", "a", "z"]
    means, names = average_repeats(x, labels)
    assert names == ("z", "a", "b10", "b2")
    for i, name in enumerate(names):
        rows = [k for k, label in enumerate(labels) if label == name]
        assert np.allclose(means[..., i, :], x[..., rows, :].mean(axis=-2), rtol=0, atol=1e-15)


def test_labels_that_differ_only_in_typing_are_one(rng):
    _, names = average_repeats(rng.normal(size=(3, 2)), ["caf\u00e9", "x", "cafe\u0301"])
    assert names == ("caf\u00e9", "x")


def test_without_repeats_the_rows_are_kept(rng):
    x = rng.normal(size=(3, 2))
    assert average_repeats(x, ["c", "a", "b"])[0] is x


def test_opposite_infinities_make_no_noise():
    means, _ = average_repeats(np.array([[np.inf, 1], [-np.inf, 3], [0, 0]]), ["a", "a", "b"])
    assert np.isnan(means[0, 0])
    assert means[0, 1] == 2


def test_average_within_folds(rng):
    x = rng.normal(size=(2, 9, 3))
    labels = ["b", "a", "b", "a", "b", "b", "a", "a", "a"]
    folds = [2, 2, 1, 1, 2, 1, 1, 2, 1]
    means, names, counts, fold_names = average_within_folds(x, labels, folds)
    assert fold_names == ("2", "1")
    assert names == ("b", "a")
    assert counts.tolist() == [[2, 2], [2, 3]]
    for f, fold in enumerate([2, 1]):
        for i, name in enumerate(names):
            rows = [k for k in range(9) if labels[k] == name and folds[k] == fold]
            assert np.allclose(means[:, f, i], x[:, rows].mean(axis=1), rtol=0, atol=1e-15)


def test_bad_folds(rng):
    x = rng.normal(size=(4, 3))
    with pytest.raises(ValueError, match=r"at least two folds.*; got 1"):
        average_within_folds(x, ["a", "a", "b", "b"], [1, 1, 1, 1])
    with pytest.raises(ValueError, match="every condition must occur in every fold; missing: 'b in fold 2'"):
        average_within_folds(x, ["a", "a", "b", "b"], [1, 2, 1, 1])
    with pytest.raises(ValueError, match="folds must hold one label per item: expected 4, got 3"):
        average_within_folds(x, ["a", "a", "b", "b"], [1, 2, 1])
    with pytest.raises(ValueError, match="labels must hold one label per item: expected 4, got 2"):
        average_repeats(x, ["a", "b"])
