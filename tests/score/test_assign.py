from __future__ import annotations

import numpy as np
import pytest

from alignkit.score._assign import Assignment


def test_averages_equal_a_plain_loop(rng):
    labels = rng.choice(list("abcde"), 40).tolist()
    x = rng.normal(size=(40, 3))
    assignment = Assignment.by_label(labels)
    assert assignment.labels == tuple(dict.fromkeys(labels))
    for label, mean in zip(assignment.labels, assignment.apply(x, "average"), strict=True):
        own = [row for row, name in zip(x.tolist(), labels, strict=True) if name == label]
        np.testing.assert_allclose(mean, [sum(column) / len(own) for column in zip(*own, strict=True)], rtol=1e-13)


def test_the_best_is_the_row_nearest_to_the_mean(rng):
    labels = rng.choice(list("abcde"), 40).tolist()
    x = rng.normal(size=(40, 3))
    assignment = Assignment.by_label(labels)
    best = assignment.apply(x, "best")
    for label, row in zip(assignment.labels, best, strict=True):
        own = np.array([row for row, name in zip(x, labels, strict=True) if name == label])
        distances = [float(((one - own.mean(axis=0)) ** 2).sum()) for one in own]
        np.testing.assert_array_equal(row, own[distances.index(min(distances))])


def test_of_two_rows_the_first_is_best_whatever_the_rounding(rng):
    x = rng.normal(size=(40, 7)) * 1e3
    labels = [f"{i % 20}" for i in range(40)]
    np.testing.assert_array_equal(Assignment.by_label(labels).apply(x, "best"), x[:20])


def test_one_row_may_show_several_items():
    x = np.array([[1.0, 0.0], [3.0, 4.0], [5.0, 8.0]])
    assignment = Assignment(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1]), ("a", "b"))
    np.testing.assert_allclose(assignment.apply(x, "average"), [[1, 0], [3, 4]])
    np.testing.assert_allclose(assignment.apply(x, "best"), [[1, 0], [3, 4]])


@pytest.mark.parametrize("many", ["average", "best"])
def test_without_duplicates_nothing_is_computed(rng, many):
    x = rng.normal(size=(3, 2))
    assert Assignment.by_label(["a", "b", "c"]).apply(x, many) is x
    some = Assignment(np.array([2, 0]), np.array([1, 0]), ("a", "b"))
    np.testing.assert_array_equal(some.apply(x, many), x[[0, 2]])


@pytest.mark.parametrize("many", ["average", "best"])
def test_inputs_are_not_written_to(rng, readonly, many):
    x = readonly(rng.normal(size=(6, 2)))
    Assignment.by_label(list("aabbcc")).apply(x, many)
