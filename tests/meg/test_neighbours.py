import itertools

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from reference.flip_tests import grid_neighbours
from scipy import ndimage, sparse

from alignkit.meg._neighbours import components, neighbour_lists, neighbours


@pytest.mark.parametrize("shape", [(1,), (7,), (3, 4), (2, 3, 4)])
def test_a_grid_touches_along_every_axis(shape):
    number = np.arange(np.prod(shape)).reshape(shape)
    expected = {
        tuple(sorted((int(number[cell]), int(number[other]))))
        for cell in np.ndindex(shape)
        for other in grid_neighbours(cell, shape)
    }
    pairs = neighbours(shape)
    assert {tuple(pair) for pair in pairs.tolist()} == expected
    assert len(pairs) == len(expected)
    assert (pairs[:, 0] < pairs[:, 1]).all()


def test_an_adjacency_replaces_the_first_axis_or_all():
    adjacency = np.zeros((3, 3), dtype=bool)
    adjacency[2, 0] = adjacency[1, 1] = True
    pairs = neighbours((3, 2), adjacency)
    # cells 0 1 | 2 3 | 4 5: in time each with the next, and channel 0 with channel 2
    assert {tuple(pair) for pair in pairs.tolist()} == {(0, 1), (2, 3), (4, 5), (0, 4), (1, 5)}
    assert_array_equal(neighbours((3, 2), sparse.csr_array(adjacency)), pairs)
    whole = sparse.coo_array(([1.0, 1.0], ([0, 5], [3, 2])), shape=(6, 6))
    assert {tuple(pair) for pair in neighbours((3, 2), whole).tolist()} == {(0, 3), (2, 5)}
    with pytest.raises(ValueError, match=r"shape \(3, 3\) for the axis after subjects, or \(6, 6\)"):
        neighbours((3, 2), np.eye(2))
    for matrix in (np.full((3, 3), np.nan), sparse.csr_array(np.diag([1.0, np.inf, 1.0]))):
        with pytest.raises(ValueError, match="adjacency holds"):
            neighbours((3, 2), matrix)


def test_lists_hold_the_neighbours_of_each_cell():
    pairs = neighbours((2, 2))
    start, near = neighbour_lists(pairs, 4, both=True)
    assert [near[a:b].tolist() for a, b in itertools.pairwise(start)] == [[1, 2], [0, 3], [0, 3], [1, 2]]
    start, near = neighbour_lists(pairs, 4, both=False)
    assert [near[a:b].tolist() for a, b in itertools.pairwise(start)] == [[], [0], [0], [1, 2]]


def test_components_are_those_of_scipy(rng):
    for shape in ((40,), (9, 11)):
        member = rng.integers(-1, 2, size=shape)
        found = components(member.ravel(), neighbours(shape)).reshape(shape)
        assert_array_equal(found == 0, member == 0)
        for sign in (-1, 1):
            labels, n = ndimage.label(member == sign)
            assert len(set(zip(labels[labels > 0], found[labels > 0], strict=True))) == n
        first = [np.flatnonzero(found == k)[0] for k in range(1, found.max() + 1)]
        assert first == sorted(first)
    assert components(np.zeros(4, dtype=int), neighbours((4,))).tolist() == [0, 0, 0, 0]
