"""Retrieval against plain loops and CLIP_benchmark's definition, with many captions, ties and distractors."""

from __future__ import annotations

import numpy as np
import pytest
from reference.zero_shot import recalls, sorted_recalls

from alignkit.score import RetrievalRecall, retrieval_recall


def make(rng, n_images, captions, noise, width=6):
    images = rng.normal(size=(n_images, width))
    image_of = rng.permutation(np.repeat(np.arange(n_images), captions))
    return images, images[image_of] + noise * rng.normal(size=(len(image_of), width)), image_of


def test_against_sorting_as_clip_benchmark_does(rng, readonly):
    images, texts, image_of = make(rng, 40, rng.integers(1, 7, 40), 1.5)
    found = retrieval_recall(readonly(images), readonly(texts), readonly(image_of), n_bootstrap=0)
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (images, texts)]
    for i, k in enumerate((1, 5, 10)):
        expected = sorted_recalls(*unit, image_of, k)
        assert (found.image_retrieval[i], found.text_retrieval[i]) == pytest.approx(expected, abs=1e-12)
    assert 0 < found.image_retrieval[0] < found.text_retrieval[0] < 1
    assert found.mean_recall_at_1 == (found.image_retrieval[0] + found.text_retrieval[0]) / 2
    assert found.n_ties == found.n_distractors == 0


def test_against_one_hot_top_k(rng):
    torch = pytest.importorskip("torch")
    images, texts, image_of = make(rng, 12, 3, 1.0)
    scores = torch.nn.functional.normalize(torch.tensor(texts)) @ torch.nn.functional.normalize(torch.tensor(images)).T
    true = torch.zeros(36, 12, dtype=torch.bool)
    true[torch.arange(36), torch.tensor(image_of)] = True
    found = retrieval_recall(images, texts, image_of, k=[1, 3], n_bootstrap=0)
    for i, k in enumerate((1, 3)):
        for values, rows, matches in (
            (found.image_retrieval, scores, true),
            (found.text_retrieval, scores.T, true.T),
        ):
            top = torch.nn.functional.one_hot(rows.topk(k, dim=1).indices, rows.shape[1])
            assert values[i] == pytest.approx(((top * matches[:, None]).sum((1, 2)) > 0).double().mean().item())


@pytest.mark.parametrize("ties", ["share", "wrong"])
@pytest.mark.parametrize("seed", range(4))
def test_ties_against_all_orders(seed, ties):
    rng = np.random.default_rng(seed)
    images, texts = (rng.integers(-1, 2, (n, 2)) + np.array([0, 0.5]) for n in (5, 6))
    image_of = rng.integers(0, 4, 6)  # one image at least is a distractor
    for k in (1, 2, 4):
        found = retrieval_recall(images, texts, image_of, k=[k], ties=ties, n_bootstrap=0)
        expected = recalls(images, texts, image_of, k, ties)
        assert (found.image_retrieval[0], found.text_retrieval[0]) == pytest.approx(expected, abs=1e-12)
    assert found.n_distractors == 5 - len(set(image_of))


def test_a_caption_of_two_images_counts_half():
    found = retrieval_recall(np.eye(2), [[1.0, 1], [1, 1]], [0, 1], k=(1, 2), n_bootstrap=0)
    assert found.image_retrieval.tolist() == found.text_retrieval.tolist() == [0.5, 1]
    assert found.n_ties == 4


def test_blocks_change_nothing(rng, monkeypatch):
    problem = make(rng, 50, rng.integers(0, 5, 50), 1.0)
    whole = retrieval_recall(*problem, seed=1)
    monkeypatch.setattr("alignkit.score._joint_space._BLOCK", 200)
    assert retrieval_recall(*problem, seed=1).to_dataframe().equals(whole.to_dataframe())


def test_memory_stays_bounded(rng, monkeypatch):
    import tracemalloc

    images, texts, image_of = make(rng, 1000, 5, 1.0)
    monkeypatch.setattr("alignkit.score._joint_space._BLOCK", 1 << 16)
    tracemalloc.start()
    try:
        retrieval_recall(images, texts, image_of, n_bootstrap=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1000 * 5000 / 4  # of all scores


def test_intervals_draw_images_with_their_captions(rng):
    images, texts, image_of = make(rng, 60, rng.integers(1, 4, 60), 1.5)
    found = retrieval_recall(images, texts, image_of, k=[1], n_bootstrap=3000)
    again, drawn = np.random.default_rng(5), []
    for _ in range(3000):
        which = again.integers(0, 60, 60)
        credits = np.concatenate([found.per_text[image_of == i, 0] for i in which])
        drawn.append([credits.mean(), found.per_image[which, 0].mean()])
    (low_i, low_t), (high_i, high_t) = np.quantile(drawn, [0.025, 0.975], axis=0)
    assert (found.image_retrieval_low[0], found.image_retrieval_high[0]) == pytest.approx((low_i, high_i), abs=0.015)
    assert (found.text_retrieval_low[0], found.text_retrieval_high[0]) == pytest.approx((low_t, high_t), abs=0.02)


def test_more_places_than_candidates_mean_nothing():
    found = retrieval_recall(np.eye(3), np.eye(3), [0, 1, 2], n_bootstrap=0)
    assert found.image_retrieval[0] == 1
    assert np.isnan(found.image_retrieval[1:]).all()
    assert np.isnan(found.text_retrieval[1:]).all()


def test_names_and_files(rng, tmp_path):
    found = retrieval_recall(*make(rng, 12, 2, 1.0), n_bootstrap=20)
    assert list(found.metrics()) == [
        *(f"image_retrieval_recall@{k}" for k in (1, 5, 10)),
        *(f"text_retrieval_recall@{k}" for k in (1, 5, 10)),
        "mean_recall@1",
    ]
    found.save(tmp_path / "recall.json")
    again = RetrievalRecall.load(tmp_path / "recall.json")
    assert again.k == (1, 5, 10)
    np.testing.assert_array_equal(again.text_retrieval_low, found.text_retrieval_low)
    assert "24 captions" in found.methods_text()
    assert "R@10" in repr(found)
    assert "mean_recall@1" not in retrieval_recall(np.eye(2), np.eye(2), [0, 1], k=[2], n_bootstrap=0).metrics()


@pytest.mark.parametrize("k", [(), 5, "5"])
def test_k_is_a_sequence(k):
    with pytest.raises(ValueError, match="k must be a sequence"):
        retrieval_recall(np.eye(2), np.eye(2), [0, 1], k=k)
