"""Zero-shot accuracy against scikit-learn, plain loops and hand-computed ties."""

from __future__ import annotations

import numpy as np
import pytest
from reference.zero_shot import cosines, hit

from alignkit.score import ZeroShotAccuracy, zero_shot_accuracy


@pytest.fixture
def problem(rng):
    weights = rng.normal(size=(8, 6))
    targets = rng.integers(0, 7, 300) ** 2 % 8  # some classes frequent, some absent
    return weights[targets] + 1.5 * rng.normal(size=(300, 6)), weights, targets


def test_against_scikit_learn(problem):
    metrics = pytest.importorskip("sklearn.metrics")
    x, weights, targets = problem
    result = zero_shot_accuracy(x, weights, targets, n_bootstrap=0)
    unit = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    scores = x / np.linalg.norm(x, axis=1, keepdims=True) @ unit.T
    predicted = scores.argmax(axis=1)
    kept = np.isin(predicted, targets)  # scikit-learn warns of predicted classes without images
    assert not kept.all()
    assert result.n_classes_seen == len(np.unique(targets)) < 8
    assert result.top1 == metrics.accuracy_score(targets, predicted)
    recall = metrics.recall_score(targets, predicted, labels=np.unique(targets), average="macro")
    assert result.mean_per_class_recall == pytest.approx(recall, abs=1e-12)
    assert result.top5 == metrics.top_k_accuracy_score(targets, scores, k=5, labels=np.arange(8))
    some = zero_shot_accuracy(x[kept], weights, targets[kept], n_bootstrap=0)
    balanced = metrics.balanced_accuracy_score(targets[kept], predicted[kept])
    assert some.mean_per_class_recall == pytest.approx(balanced, abs=1e-12)
    assert result.metrics()["acc1"] == result.top1


@pytest.mark.parametrize("ties", ["share", "wrong"])
def test_ties_against_all_orders(rng, ties):
    x, weights = rng.integers(-1, 2, (40, 2)), rng.integers(-1, 2, (6, 2))
    x[~x.any(axis=1)] = 1
    weights[~weights.any(axis=1)] = 1
    targets = rng.integers(0, 6, 40)
    result = zero_shot_accuracy(x, weights, targets, ties=ties, n_bootstrap=0)
    scores = cosines(x, weights)
    for k, found in ((1, result.per_image), (5, result.per_image_top5)):
        expected = [hit(row, {target}, k, ties) for row, target in zip(scores, targets, strict=True)]
        np.testing.assert_allclose(found, expected, atol=1e-12)
    assert result.n_ties == sum((row == row[target]).sum() > 1 for row, target in zip(scores, targets, strict=True))


def test_a_collapsed_model_is_at_chance():
    x, weights, targets = np.ones((90, 4)), np.full((9, 4), 0.3), np.r_[np.zeros(80, int), np.arange(10) % 9]
    shared = zero_shot_accuracy(x, weights, targets, n_bootstrap=0)
    assert shared.top1 == pytest.approx(1 / 9)
    assert shared.top5 == pytest.approx(5 / 9)
    assert zero_shot_accuracy(x, weights, targets, ties="wrong", n_bootstrap=0).top5 == 0
    assert shared.n_ties == 90


def test_top_5_needs_five_classes(rng):
    x = rng.normal(size=(20, 3))
    four, five = (zero_shot_accuracy(x, rng.normal(size=(c, 3)), np.arange(20) % c, n_bootstrap=20) for c in (4, 5))
    assert np.isnan([four.top5, four.top5_low, four.top5_high]).all()
    assert (five.top5, five.top5_low, five.top5_high) == (1, 1, 1)


def test_intervals_are_those_of_images_drawn_again(problem):
    x, weights, targets = problem
    result = zero_shot_accuracy(x, weights, targets, n_bootstrap=4000)
    rng, drawn = np.random.default_rng(1), []
    for _ in range(4000):
        which = rng.integers(0, 300, 300)
        right, classes = result.per_image[which], targets[which]
        recall = np.mean([right[classes == c].mean() for c in np.unique(classes)])
        drawn.append([right.mean(), result.per_image_top5[which].mean(), recall])
    expected = np.quantile(drawn, [0.025, 0.975], axis=0)
    names = ("top1", "top5", "mean_per_class_recall")
    found = [[getattr(result, f"{name}_{end}") for name in names] for end in ("low", "high")]
    np.testing.assert_allclose(found, expected, atol=0.007)


def test_bits_do_not_depend_on_blocks_or_lengths(problem, monkeypatch, readonly):
    x, weights, targets = problem
    whole = zero_shot_accuracy(x, weights, targets, seed=3)
    monkeypatch.setattr("alignkit.score._joint_space._BLOCK", 24)
    monkeypatch.setattr("alignkit.score._zero_shot_accuracy._DRAWN", 100)
    scaled = zero_shot_accuracy(readonly(x * 2), readonly(weights * 8), readonly(targets), seed=3)
    assert scaled.to_dataframe().equals(whole.to_dataframe())


def test_it_comes_back_from_a_file(problem, tmp_path):
    result = zero_shot_accuracy(*problem, n_bootstrap=50)
    result.save(tmp_path / "accuracy.json")
    again = ZeroShotAccuracy.load(tmp_path / "accuracy.json")
    assert (again.top1, again.top5_high, again.ties) == (result.top1, result.top5_high, "share")
    assert again.per_image is None
    assert "300 images" in result.methods_text()
    assert "top-1" in repr(result)


@pytest.mark.parametrize(
    ("options", "targets", "text"),
    [
        ({"ties": "first"}, [0, 1], "ties must be one of 'share', 'wrong'"),
        ({}, [0, 2], "between 0 and 1; got 2"),
        ({}, [0], "targets must be 2 of whole numbers"),
    ],
)
def test_what_cannot_be_scored_is_said(options, targets, text):
    with pytest.raises(ValueError, match=text):
        zero_shot_accuracy(np.eye(2), np.eye(2), targets, **options)


def test_one_class_is_no_choice():
    with pytest.raises(ValueError, match="at least two classes"):
        zero_shot_accuracy(np.eye(2), [[1.0, 0]], [0, 0])


def test_one_image_has_no_interval():
    result = zero_shot_accuracy([[1.0, 0]], np.eye(2), [0])
    assert result.top1 == 1
    assert np.isnan(result.top1_low)
