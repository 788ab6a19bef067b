from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from alignkit.rsa._tiles._feature_tiles import TILED_METRICS, FeatureTiles, Recipe
from alignkit.rsa._tiles._grid import Grid
from alignkit.rsa._tiles._source import ArrayRows, survey


def tiles_of(x, metric="correlation", side=8, **options):
    kwargs = {name: options.pop(name) for name in ("memory", "order") if name in options}
    rows = ArrayRows(x)
    return FeatureTiles(rows, survey(rows), Recipe(metric, **options), Grid(len(x), side), **kwargs)


@pytest.mark.parametrize("metric", TILED_METRICS)
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_tiles_are_scipys_distances(metric, offset, rng, readonly):
    x = readonly(rng.normal(size=(20, 6)) + offset)
    expected = cdist(x, x, metric)
    found = tiles_of(x, metric)
    for i, j in found.grid.tiles():
        block = expected[slice(*found.grid.bounds(i)), slice(*found.grid.bounds(j))]
        tile = found.tile(i, j)
        assert tile.dtype == np.float32
        # scipy itself loses digits to an offset
        np.testing.assert_allclose(tile, block, rtol=3e-7, atol=1e-8 if offset == 0 else 1e-9 * offset)


@pytest.mark.parametrize("metric", TILED_METRICS)
@pytest.mark.parametrize("unit", [1e-160, 1e-3, 1e12])
def test_units_do_not_matter_to_angles_and_scale_distances(metric, unit, rng):
    x = rng.normal(size=(12, 5))
    first, second = tiles_of(x, metric).tile(0, 1), tiles_of(x * unit, metric).tile(0, 1)
    power = {"euclidean": 1, "sqeuclidean": 2}.get(metric, 0)
    np.testing.assert_allclose(second, (first * unit**power).astype(np.float32), rtol=1e-6, atol=1e-45)


def test_distances_beyond_float32_are_refused(rng):
    x = rng.normal(size=(12, 5)) * 1e30
    assert np.isfinite(tiles_of(x, "euclidean").tile(0, 1)).all()
    with pytest.raises(ValueError, match="leave float32; divide"):
        tiles_of(x, "sqeuclidean").tile(0, 1)


def test_near_copies_keep_their_distance(rng):
    x = rng.normal(size=(10, 4))
    x[9] = x[0] + 1e-7
    np.testing.assert_allclose(tiles_of(x, "euclidean").tile(0, 1)[0, 1], 2e-7, rtol=1e-6)


def test_discrete_patterns_keep_their_ties(rng):
    x = np.eye(6)[rng.integers(0, 6, 60)]
    for metric in TILED_METRICS:
        found = tiles_of(x, metric, side=16)
        values = np.concatenate([found.tile(i, j).ravel() for i, j in found.grid.tiles()])
        assert len(np.unique(values)) == 2, metric


def test_items_that_cannot_be_placed_are_nan_and_no_others(rng):
    x = rng.normal(size=(20, 6))
    x[3, 2], x[17] = np.inf, 4.0
    tile = tiles_of(x).tile(0, 2)
    expected = np.zeros_like(tile, dtype=bool)
    expected[3], expected[:, 1] = True, True
    np.testing.assert_array_equal(np.isnan(tile), expected)
    assert np.isnan(tiles_of(x, "euclidean").tile(0, 2)).any(axis=1).tolist() == [False] * 3 + [True] + [False] * 4


def test_kept_blocks_orders_and_travel_change_no_bit(rng):
    x = rng.normal(size=(20, 6))
    plain = tiles_of(x)
    kept = tiles_of(x, memory=2 * plain.bytes_of_block)
    order = rng.permutation(20)
    ordered, same = tiles_of(x[np.argsort(order)], order=order), pickle.loads(pickle.dumps(kept))
    for i, j in plain.grid.tiles() * 2:
        for other in (kept, ordered, same):
            np.testing.assert_array_equal(plain.tile(i, j), other.tile(i, j))


def test_single_precision_and_normalisation(rng):
    x = rng.normal(size=(20, 50))
    np.testing.assert_allclose(tiles_of(x, precision="float32").tile(0, 1), tiles_of(x).tile(0, 1), atol=1e-6)
    whole = tiles_of(x, "sqeuclidean").tile(0, 1)
    np.testing.assert_allclose(tiles_of(x, "sqeuclidean", normalize=True).tile(0, 1), whole / 50, rtol=2e-7)


def test_recipes_that_are_none():
    with pytest.raises(ValueError, match="got 'crossnobis'"):
        Recipe("crossnobis")
    with pytest.raises(ValueError, match="normalize is for"):
        Recipe("cosine", normalize=True)
    with pytest.raises(ValueError, match="dtype must be one of"):
        Recipe("cosine", "float16")
