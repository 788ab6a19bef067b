from __future__ import annotations

import itertools

import pytest

from alignkit.rsa._tiles._grid import Grid


@pytest.mark.parametrize(("n", "side"), [(2, 1), (7, 3), (9, 3), (5, 1024), (1024, 1024), (1025, 1024)])
def test_tiles_hold_every_pair_once(n, side):
    grid = Grid(n, side)
    assert len(grid.tiles()) == grid.n_tiles
    found = []
    for i, j in grid.tiles():
        pairs = [
            pair for pair in itertools.product(range(*grid.bounds(i)), range(*grid.bounds(j))) if pair[0] < pair[1]
        ]
        assert len(pairs) == grid.pairs_of((i, j))
        found += pairs
    assert sorted(found) == list(itertools.combinations(range(n), 2))
    assert grid.n_pairs == len(found)
