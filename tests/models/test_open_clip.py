from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from reference.layer_features import layer_outputs
from reference.toy_clip import add_tiny_clip
from safetensors.torch import load_file, save_file

from alignkit.models import Preprocess, extract, load
from alignkit.models import _hub as hub

from .conftest import picture

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 3, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 2, "layers": 1},
}
MEAN, STD = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny CLIP that open_clip knows as Tiny-CLIP, with a QuickGELU tag, and a file of its weights."""
    tag = {
        "url": "", "hf_hub": "someone/tiny/", "mean": MEAN, "std": STD,
        "interpolation": "bilinear", "resize_mode": "squash", "quick_gelu": True,
    }  # fmt: skip
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "Tiny-CLIP", {"quick": tag})
    return add_tiny_clip(tmp_path, monkeypatch, TINY)


@pytest.mark.parametrize(("name", "quick"), [("Tiny-CLIP/quick", True), ("Tiny-CLIP", False)])
def test_the_tower_has_its_tags_activation_and_constants(weights: Path, name: str, quick: bool) -> None:
    model = load(f"open_clip:{name}", weights=weights, device="cpu")
    tagged = Preprocess(size=32, mean=MEAN, std=STD, resize="squash", interpolation="bilinear")
    assert model.preprocess == (tagged if quick else Preprocess.clip(32))
    assert model.settings["quick_gelu"] is quick
    clip = open_clip.CLIP(**TINY, quick_gelu=quick)
    clip.load_state_dict(load_file(weights), strict=True)
    images = [picture(i) for i in range(3)]
    inputs = [model.preprocess(image) for image in images]
    feats = extract(model, images, layers=[1, "transformer.resblocks.2", "output"], batch_size=2, progress=False)
    assert feats.layers == ("transformer.resblocks.1", "transformer.resblocks.2", "output")
    for layer in feats.layers[:2]:
        expected = [tokens[0] for tokens in layer_outputs(clip.visual, inputs, layer)]
        np.testing.assert_allclose(feats.array(layer), expected, rtol=1e-3, atol=1e-5)
    with torch.no_grad():
        embedded = clip.eval().encode_image(torch.from_numpy(np.stack(inputs)))
    np.testing.assert_allclose(feats.array("output"), embedded, rtol=1e-3, atol=1e-5)
    other = open_clip.CLIP(**TINY, quick_gelu=not quick).eval()
    other.load_state_dict(load_file(weights))
    with torch.no_grad():
        wrong = other.encode_image(torch.from_numpy(np.stack(inputs)))
    assert not np.allclose(feats.array("output"), wrong, rtol=1e-3)


def test_another_input_size(weights: Path) -> None:
    model = load("open_clip:Tiny-CLIP/quick", weights=weights, device="cpu", img_size=48)
    assert model.probe().n_tokens == 37
    assert model.preprocess.size == 48  # type: ignore[union-attr]
    assert extract(model, [Image.new("RGB", (9, 9))], progress=False).array().shape == (1, 16)


def test_weights_that_do_not_load(weights: Path, tmp_path: Path) -> None:
    state = load_file(weights)
    del state["visual.ln_post.bias"]
    save_file(state, tmp_path / "bad.safetensors")
    sentence = r"bad\.safetensors cannot be loaded into open_clip's Tiny-CLIP \(.*visual\.ln_post\.bias"
    with pytest.raises(ValueError, match=sentence):
        load("open_clip:Tiny-CLIP/quick", weights=tmp_path / "bad.safetensors", device="cpu")
    (tmp_path / "cut.safetensors").write_bytes(weights.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"cut\.safetensors cannot be loaded into open_clip's Tiny-CLIP \("):
        load("open_clip:Tiny-CLIP/quick", weights=tmp_path / "cut.safetensors", device="cpu")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load("open_clip:Tiny-CLIP/quick", weights=tmp_path / "no.safetensors", device="cpu")


def test_no_network_names_the_file_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(hub, "reachable", lambda url: False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    sentence = (
        r"the weights of open_clip:ViT-L-14/openai are not in the local cache .* open_clip wants "
        r"open_clip_model\.safetensors of https://huggingface\.co/timm/vit_large_patch14_clip_224\.openai: .*FILE"
    )
    with pytest.raises(FileNotFoundError, match=sentence):
        load("open_clip:ViT-L-14/openai", device="cpu")
