"""``alignkit train spose | vice``: embeddings and their scores, from one seed or two, and once more."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.cli import main
from alignkit.rsa import Triplets
from alignkit.train import EmbeddingScores, HumanEmbedding

FEW = ["--loop.max-steps=20", "--loop.validate-every=10", "--start-steps=20", "--n-dims=5", "--loop.device=cpu"]


@pytest.fixture
def answers(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.random((15, 2)) * 2
    items = rng.permuted(np.tile(np.arange(15), (2000, 1)), axis=1)[:, :3]
    odd = np.stack([(x[items[:, k]] * x[items[:, m]]).sum(1) for k, m in ((1, 2), (0, 2), (0, 1))]).argmax(axis=0)
    path = tmp_path / "answers.npz"
    Triplets.from_columns(items, odd=odd + 1, base=0, labels=[f"item {i}" for i in range(15)]).save(path)
    return path


@pytest.mark.parametrize("method", ["spose", "vice"])
def test_one_embedding_and_once_more(answers, tmp_path, capsys, method):
    out = tmp_path / "one"
    assert main(["train", method, "--triplets", str(answers), "--out", str(out), *FEW]) == 0
    said = capsys.readouterr().out
    assert "dimensions of 15 items from 1," in said
    assert f"embedding: {out / 'embedding.npz'}" in said
    scores = EmbeddingScores.load(out / "scores.json")
    embedding = HumanEmbedding.load(out / "embedding.npz")
    assert (scores.n_dims, scores.method) == (embedding.n_dims, embedding.method)
    again = tmp_path / "again"
    assert main(["train", "--from", str(out), "--out", str(again)]) == 0
    assert np.array_equal(HumanEmbedding.load(again / "embedding.npz").values, embedding.values)


def test_two_seeds(answers, tmp_path, capsys):
    out = tmp_path / "two"
    assert main(["train", "spose", "--triplets", str(answers), "--seeds", "0", "1", "--out", str(out), *FEW]) == 0
    said = capsys.readouterr().out
    assert "EmbeddingSeeds of 2 seeds" in said
    assert "best-match r" in said
    assert len((out / "seeds.csv").read_text().splitlines()) == 3


def test_refusals(answers, tmp_path, capsys):
    assert main(["train", "spose", "--triplets", str(tmp_path / "none.npz")]) == 2
    assert "--triplets" in capsys.readouterr().err
    wrong = ["train", "vice", "--triplets", str(answers), "--out", str(tmp_path / "x"), "--spike", "0"]
    assert main(wrong) == 2
    assert "spike must be" in capsys.readouterr().err
    one = ["train", "vice", "--triplets", str(answers), "--out", str(tmp_path / "y"), "--seeds", "1"]
    assert main(one) == 2
    assert "--seeds must be at least two different ones" in capsys.readouterr().err
