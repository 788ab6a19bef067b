"""Embeddings become files, tables, features and probabilities, and come back."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit._io import save_npz
from alignkit.rsa import Triplets, choice_probabilities
from alignkit.train import HumanEmbedding


@pytest.fixture
def embedding(rng):
    mean = rng.normal(0.3, 0.5, (7, 3))
    return HumanEmbedding(
        tuple("abcdefg"),
        np.maximum(mean, 0.0),
        mean=mean,
        sd=rng.uniform(0.1, 0.4, (7, 3)),
        method="VICE",
        settings={"seed": 2, "n_posterior": 8, "n_answers": 1000},
    )


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_it_comes_back(embedding, tmp_path, suffix):
    embedding.save(tmp_path / f"e{suffix}")
    again = HumanEmbedding.load(tmp_path / f"e{suffix}")
    assert (again.labels, again.method, again.settings) == (embedding.labels, "VICE", embedding.settings)
    for name in ("values", "mean", "sd"):
        assert np.array_equal(getattr(again, name), getattr(embedding, name))
    assert repr(again) == "<HumanEmbedding (VICE) 7 items, 3 dimensions, with standard deviations>"


def test_probabilities_are_means_over_the_posterior(embedding):
    items = np.array([[0, 1, 2], [6, 3, 1]])
    draws = np.random.default_rng(5)
    expected = np.zeros((2, 3))
    for _ in range(8):
        drawn = np.maximum(embedding.mean + embedding.sd * draws.standard_normal((7, 3)), 0)
        expected += choice_probabilities(drawn, items) / 8
    np.testing.assert_allclose(embedding.choice_probabilities(items, rng=5), expected, atol=1e-12)
    plain = embedding.choice_probabilities(items, n_posterior=0)
    np.testing.assert_allclose(plain, choice_probabilities(embedding.values, items))


def test_items_are_found_by_name(embedding):
    named = Triplets([[0, 1, 2]], ["g", "a", "c"])
    found = embedding.choice_probabilities(named)
    np.testing.assert_allclose(found, embedding.choice_probabilities([[6, 0, 2]]))
    with pytest.raises(ValueError, match="x has no row for 'z'"):
        embedding.choice_probabilities(Triplets([[0, 1, 2]], ["z", "a", "c"]))


def test_tables_and_features(embedding, tmp_path):
    embedding.to_csv(tmp_path / "e.csv")
    assert (tmp_path / "e.csv").read_text().startswith("item,dimension_1,dimension_2,dimension_3\na,")
    features = embedding.to_features()
    assert features.labels == embedding.labels
    assert np.array_equal(features.array(), embedding.values)
    assert "1,000 odd-one-out answers" in embedding.methods_text()
    assert embedding.plot(dimension=1).get_xlabel() == "value on dimension 2"
    with pytest.raises(ValueError, match="dimension must be below 3; got 3"):
        embedding.plot(dimension=3)


def test_refusals(embedding, tmp_path):
    with pytest.raises(ValueError, match="values must not be negative; the smallest is -1"):
        HumanEmbedding(("a", "b"), [[1.0], [-1.0]])
    with pytest.raises(ValueError, match="mean and sd belong together"):
        HumanEmbedding(("a", "b"), [[1.0], [1.0]], sd=[[1.0], [1.0]])
    with pytest.raises(ValueError, match="sd must be above 0"):
        HumanEmbedding(("a", "b"), [[1.0], [1.0]], mean=[[1.0], [1.0]], sd=[[1.0], [0.0]])
    with pytest.raises(ValueError, match=r"mean must have the shape \(2, 1\)"):
        HumanEmbedding(("a", "b"), [[1.0], [1.0]], mean=[[1.0]], sd=[[1.0]])
    with pytest.raises(ValueError, match="must have items and dimensions"):
        HumanEmbedding(("a", "b"), np.zeros((2, 0)))
    save_npz(tmp_path / "other.npz", {"values": np.ones((2, 2))}, {"schema": "other"})
    with pytest.raises(ValueError, match="does not hold a HumanEmbedding"):
        HumanEmbedding.load(tmp_path / "other.npz")
    with pytest.raises(ValueError, match=r"saved as .json or .csv"):
        embedding.save(tmp_path / "e.txt")
