"""Several seeds share a split, each has a folder, and the dimensions that they share are named."""

from __future__ import annotations

import pytest

from alignkit.train import EmbeddingSeeds, HumanEmbedding, train_embeddings


def test_two_seeds(settings):
    config = settings(loop={"max_steps": 150}, start_steps=150, n_dims=8)
    found = train_embeddings(config, seeds=[0, 3])
    assert [path.name for path in found.paths] == ["seed-0", "seed-3"]
    assert found.scores[0].n_test == found.scores[1].n_test
    assert min(found.reproducibility.matched(0.9)) >= 3
    assert found.embedding.values.shape == HumanEmbedding.load(found.paths[found.median] / "embedding.npz").values.shape
    found.save(config.out / "seeds.json")
    again = EmbeddingSeeds.load(config.out / "seeds.json")
    assert repr(again) == repr(found)
    assert list(again.to_dataframe()["seed"]) == [0, 3]
    assert "2 seeds" in found.methods_text()
    # what is finished is not done again
    assert train_embeddings(config, seeds=[3, 0]).scores[0].cross_entropy == found.scores[1].cross_entropy


def test_refusals(settings):
    for seeds in ([1], [1, 1]):
        with pytest.raises(ValueError, match="at least two different ones"):
            train_embeddings(settings(), seeds=seeds)
    with pytest.raises(TypeError, match="config must be a SPoSEConfig or a VICEConfig"):
        train_embeddings("spose", seeds=[0, 1])
