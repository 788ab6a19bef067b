"""Dimensions are matched across seeds as a loop over columns does."""

from __future__ import annotations

import numpy as np
import pytest
from reference.embeddings import best_match

from alignkit.train import HumanEmbedding, Reproducibility, reproducibility


def test_values_are_means_of_fisher_z(rng):
    base = rng.random((25, 5))
    tables = [np.abs(base[:, : 5 - k] + 0.3 * rng.normal(size=(25, 5 - k))) for k in range(3)]
    found = reproducibility(tables)
    expected = []
    for a in range(3):
        z = [np.arctanh(best_match(tables[a], tables[b])) for b in range(3) if b != a]
        expected += list(np.tanh(np.mean(z, axis=0)))
    np.testing.assert_allclose(found.r, expected, atol=1e-12)
    assert found.n_dims == (5, 4, 3)
    assert found.median_embedding == 1
    assert found.matched(0.0)[0] == int((np.array(expected[:5]) >= 0).sum())
    first, second = ((x @ x.T)[np.triu_indices(25, 1)] for x in tables[:2])
    assert found.similarity[0, 1] == pytest.approx(np.corrcoef(first, second)[0, 1])


def test_order_of_dimensions_and_items_does_not_matter(rng):
    x = rng.random((12, 3))
    labels = [f"i{k}" for k in range(12)]
    order = rng.permutation(12)
    one = HumanEmbedding(tuple(labels), x, settings={"seed": 0})
    other = HumanEmbedding(tuple(labels[i] for i in order), x[order][:, ::-1], settings={"seed": 4})
    found = reproducibility([one, other])
    np.testing.assert_allclose(found.r, 1.0)
    assert found.names == ("seed 0", "seed 4")
    assert found.similarity[0, 1] == pytest.approx(1.0)


def test_a_dimension_without_variance_has_no_correlation(rng):
    x = rng.random((10, 2))
    flat = np.column_stack([x, np.ones(10)])
    r = reproducibility([flat, x]).r
    assert np.isnan(r[2])
    assert not np.isnan(np.delete(r, 2)).any()


def test_results_come_back(rng, tmp_path):
    found = reproducibility([rng.random((9, 2)), rng.random((9, 3))], names=["a", "b"])
    found.save(tmp_path / "r.json")
    again = Reproducibility.load(tmp_path / "r.json")
    assert again.names == ("a", "b")
    np.testing.assert_allclose(again.r, found.r)
    assert repr(again) == repr(found)
    assert list(found.to_dataframe().columns) == ["embedding", "dimension", "r"]
    assert len(found.plot().lines) == 2
    assert "Fisher" in found.methods_text()


def test_refusals(rng):
    with pytest.raises(ValueError, match="at least 2 embeddings; got 1"):
        reproducibility([rng.random((9, 2))])
    with pytest.raises(ValueError, match="9 items with dimensions are needed"):
        reproducibility([rng.random((9, 2)), rng.random((8, 2))])
    with pytest.raises(TypeError, match="must be a sequence of embeddings"):
        reproducibility("two")
    with pytest.raises(ValueError, match="names must name 2 embeddings; got 1"):
        reproducibility([rng.random((9, 2)), rng.random((9, 2))], names=["a"])
