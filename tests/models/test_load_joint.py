"""Both towers by name."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from reference import toy_clip

from alignkit.models import Preprocess, load_joint
from alignkit.models._build_clip import build_clip
from alignkit.models._clip_run_model import save_clip_model

open_clip = pytest.importorskip("open_clip")
CONFIG = toy_clip.sizes()
PICTURE = Image.linear_gradient("L").convert("RGB")
LONG = "a photo of a dog, " * 30


def save(folder, config=CONFIG, towers=("image", "text")):
    folder.mkdir(parents=True, exist_ok=True)
    clip = build_clip(config, seed=2)
    save_clip_model(
        folder, clip, architecture=config, preprocess=Preprocess.clip(32), manifest={"method": "pi"}, towers=towers
    )
    return clip.eval()


@pytest.mark.parametrize("custom", [False, True])
def test_a_run_encodes_as_the_model_that_was_saved(tmp_path, custom):
    clip = save(tmp_path / "epochs" / "0003", {**CONFIG, "custom_text": custom, "init_logit_scale": math.log(50)})
    model = load_joint(f"run:{tmp_path}/epochs/0003", device="cpu")
    # 16 tokens, not 77
    tokens = open_clip.get_tokenizer("ViT-B-32")(["a dog", LONG], context_length=16)
    with torch.no_grad():
        np.testing.assert_allclose(model.text_features(["a dog", LONG]), clip.encode_text(tokens).numpy(), atol=1e-6)
        image = torch.from_numpy(model.image.preprocess(PICTURE))[None]
        np.testing.assert_allclose(model.image_features([PICTURE]), clip.encode_image(image).numpy(), atol=1e-6)
    assert model.logit_scale == pytest.approx(math.log(50))
    assert model.text.preprocess.max_length == 16


def test_an_open_clip_model_has_both(tmp_path, monkeypatch):
    weights = toy_clip.add_tiny_clip(tmp_path, monkeypatch, CONFIG)
    model = load_joint("open_clip:Tiny-CLIP", weights=weights, device="cpu")
    clip = toy_clip.make_clip(config=CONFIG)
    with torch.no_grad():
        theirs = clip.encode_text(open_clip.get_tokenizer("Tiny-CLIP")(["a dog", LONG])).numpy()
    np.testing.assert_allclose(model.text_features(["a dog", LONG]), theirs, atol=1e-6)
    assert model.logit_scale == pytest.approx(math.log(1 / 0.07))


def test_what_has_no_texts_is_refused(tmp_path):
    save(tmp_path / "stage1", towers=("image",))
    with pytest.raises(ValueError, match="without a text tower"):
        load_joint(f"run:{tmp_path / 'stage1'}")
    few = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "vocab_size": 50}}
    save(tmp_path / "few", few)
    with pytest.raises(ValueError, match="the text tower knows 50 words"):
        load_joint(f"run:{tmp_path / 'few'}")
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "model.json").write_text('{"kind": "alignkit student model"}')
    with pytest.raises(ValueError, match="an alignkit student model, which has no text tower"):
        load_joint(f"run:{tmp_path / 'student'}")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_joint(f"run:{tmp_path / 'absent'}")
    for name in ("minilm", "run:", "timm:resnet18"):
        with pytest.raises(ValueError, match="reads no texts"):
            load_joint(name)
