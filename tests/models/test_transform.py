from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from alignkit.models import Features, Transform, load_transform


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("per_channel", [True, False])
def test_apply_equals_a_plain_loop(
    tmp_path: Path, rng: np.random.Generator, readonly: Callable[..., np.ndarray], bias: bool, per_channel: bool
) -> None:
    x, weights, b = rng.normal(size=(6, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)
    mean, std = (rng.normal(size=4), rng.uniform(1, 2, 4)) if per_channel else (0.3, 1.7)
    parts = {"weights": weights, "mean": mean, "std": std, **({"bias": b} if bias else {})}
    np.savez(tmp_path / "t.npz", **parts)
    expected = np.empty((6, 3))
    for i in range(6):
        for j in range(3):
            scaled = [(x[i, k] - np.broadcast_to(mean, 4)[k]) / np.broadcast_to(std, 4)[k] for k in range(4)]
            expected[i, j] = sum(scaled[k] * weights[k, j] for k in range(4)) + (b[j] if bias else 0.0)
    transform = load_transform(tmp_path / "t.npz")
    np.testing.assert_allclose(transform.apply(readonly(x)), expected, rtol=1e-12)
    feats = Features.from_array(x, list("abcdef")).transform(transform)
    np.testing.assert_allclose(feats.array(), expected, rtol=1e-12)
    assert feats.labels == tuple("abcdef")
    assert feats.name == "features + t"
    assert len(feats.manifest["transform"]["sha256"]) == 64


def test_wrong_dimensions_and_arrays_are_refused(tmp_path: Path) -> None:
    eye = Transform(np.eye(4))
    with pytest.raises(ValueError, match=r"takes features of 4 channels; got shape \(2, 3\)"):
        eye.apply(np.ones((2, 3)))
    with pytest.raises(ValueError, match="bias must be 4 numbers"):
        Transform(np.eye(4), bias=np.ones(3))
    with pytest.raises(ValueError, match="mean must be one number or 4"):
        Transform(np.eye(4), mean=np.ones(2))
    with pytest.raises(ValueError, match="std holds zeros"):
        Transform(np.eye(4), std=0.0)
    with pytest.raises(ValueError, match="weights holds 1 NaN"):
        Transform([[np.nan]])
    np.savez(tmp_path / "no.npz", w=np.eye(2))
    with pytest.raises(ValueError, match=r"no\.npz is not a transform.*got 'w'"):
        load_transform(tmp_path / "no.npz")
    np.savez(tmp_path / "flat.npz", weights=np.ones(2))
    with pytest.raises(ValueError, match=r"flat\.npz is not a usable transform: weights must have 2 axes"):
        load_transform(tmp_path / "flat.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "no.npz").read_bytes()[:100])
    with pytest.raises(ValueError, match="truncated or damaged"):
        load_transform(tmp_path / "cut.npz")
    np.savez(tmp_path / "evil.npz", weights=np.array([[{}]], dtype=object))
    with pytest.raises(ValueError, match="pickled"):
        load_transform(tmp_path / "evil.npz")


def test_the_published_glocal_transform_moves_clip_to_people(shared_data: Callable[..., Path]) -> None:
    # known answer: Spearman .41 -> .86 against SPoSE's dot products (the transform was trained on these objects)
    x = np.load(shared_data("things", "clip_features", "clip_feature_maps_test.npy"))[:, 0]
    names = shared_data("things", "clip_features", "test_concepts_200.txt").read_text().split()
    words = [line.split("\t")[-1] for line in shared_data("things", "item_names.tsv").read_text().splitlines()[1:]]
    row = {word: i for i, word in enumerate(words)}
    spose = np.loadtxt(shared_data("things", "spose_embedding_66d_sorted.txt"))
    keep = [i for i, name in enumerate(names) if name in row]
    assert len(keep) > 190
    human = spose[[row[names[i]] for i in keep]]
    upper = np.triu_indices(len(keep), 1)

    def agreement(features: np.ndarray) -> float:
        unit = features / np.linalg.norm(features, axis=1, keepdims=True)
        return float(spearmanr((unit @ unit.T)[upper], (human @ human.T)[upper]).statistic)

    transform = load_transform(shared_data("glocal", "clip_ViT-L_14_visual.npz"))
    assert agreement(x[keep]) == pytest.approx(0.41, abs=0.01)
    assert agreement(transform.apply(x[keep])) == pytest.approx(0.86, abs=0.01)
