"""A CLIP's folder holds all of its weights, and nothing in it is believed unless it fits."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from reference import toy_clip

from alignkit.models import Preprocess, load, load_towers
from alignkit.models._build_clip import build_clip
from alignkit.models._clip_run_model import read_clip_model, save_clip_model

pytest.importorskip("open_clip")
CONFIG = toy_clip.sizes()
PREPROCESS = Preprocess.clip(32)
RESNET = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8}
TIMM = {"image_size": 32, "timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "linear"}
POSITIONS = {**CONFIG["vision_cfg"], "pos_embed_type": "sin_cos_2d", "attentional_pool": True, "attn_pooler_heads": 2}


def save(folder, clip=None, *, config=CONFIG, preprocess=PREPROCESS, towers=("image", "text"), **manifest):
    clip = build_clip(config, seed=1) if clip is None else clip
    save_clip_model(
        folder,
        clip,
        architecture=config,
        preprocess=preprocess,
        manifest={"method": "pi", **manifest},
        towers=towers,
    )
    return clip


@pytest.mark.parametrize(("config", "custom"), [
    (CONFIG, False), (CONFIG, True), ({**CONFIG, "quick_gelu": True}, False),
    ({**CONFIG, "vision_cfg": RESNET}, False), ({**CONFIG, "vision_cfg": TIMM}, False),
    ({**CONFIG, "vision_cfg": POSITIONS}, False),
])  # fmt: skip
def test_a_saved_clip_is_the_one_that_was_saved(tmp_path, config, custom):
    config = {**config, "custom_text": custom, "init_logit_bias": -10.0}
    size = config["vision_cfg"]["image_size"]
    clip = save(tmp_path, config=config, preprocess=Preprocess.clip(size), arm="pi")
    saved = read_clip_model(tmp_path)
    assert saved.towers == ("image", "text")
    assert saved.manifest["arm"] == "pi"
    assert list(saved.state) != []
    built = saved.build()
    assert not built.training
    for name, value in clip.state_dict().items():
        assert torch.equal(built.state_dict()[name], value), name
    images, texts = torch.rand(2, 3, size, size), torch.randint(0, 49408, (2, 16))
    with torch.no_grad():
        for ours, theirs in zip(built(images, texts), clip.eval()(images, texts), strict=True):
            assert torch.equal(ours, theirs)
    model = load(f"run:{tmp_path}", device="cpu")
    with torch.no_grad():
        assert torch.equal(model.module(images), clip.encode_image(images))


def test_its_image_tower_is_known_as_open_clips_are(tmp_path, monkeypatch):
    weights = toy_clip.add_tiny_clip(tmp_path, monkeypatch, CONFIG)
    theirs = load("open_clip:Tiny-CLIP", weights=weights, device="cpu")
    (tmp_path / "epochs" / "0003").mkdir(parents=True)
    save(tmp_path / "epochs" / "0003", toy_clip.make_clip(config=CONFIG), epoch=3)
    ours = load(f"run:{tmp_path}/epochs/0003", device="cpu")
    assert (ours.n_prefix_tokens, ours.class_token) == (theirs.n_prefix_tokens, theirs.class_token) == (1, True)
    assert ours.layers() == theirs.layers()
    assert ours.weights_sha256 == theirs.weights_sha256
    assert ours.preprocess == PREPROCESS
    assert ours.settings["epoch"] == 3
    assert json.loads(json.dumps(ours.describe())) == ours.describe()


def test_stage_1_leaves_no_text_tower(tmp_path):
    clip = save(tmp_path, towers=("image",))
    saved = read_clip_model(tmp_path)
    assert saved.towers == ("image",)
    assert set(saved.state) == {name for name in clip.state_dict() if name.startswith("visual.")}
    whole = sum(value.numel() for value in clip.state_dict().values())
    assert sum(value.numel() for value in saved.state.values()) < whole / 10
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(load(f"run:{tmp_path}", device="cpu").module(images), clip.eval().encode_image(images))


def test_a_run_is_a_model_already(tmp_path):
    save(tmp_path)
    with pytest.raises(ValueError, match="does not take 'weights'"):
        load(f"run:{tmp_path}", weights="x.safetensors")
    with pytest.raises(ValueError, match="is a trained model already"):
        load_towers(f"run:{tmp_path}")


@pytest.mark.parametrize(("change", "sentence"), [
    ({"architecture": "ViT-B-32"}, "architecture is 'ViT-B-32'"),
    ({"architecture": {**CONFIG, "embed_dim": 10**12}}, "'embed_dim' of config must be a number of at most"),
    ({"architecture": {**CONFIG, "embed_dim": 32}}, "does not fit the model that model.json describes"),
    ({"architecture": {**CONFIG, "vision_cfg": {}}}, "preprocess gives images of 32 pixels"),
    ({"architecture": {**CONFIG, "vision_cfg": {"image_size": 32, "layers": 300, "width": 16384}}}, "does not fit"),
    ({"architecture": {**CONFIG, "text_cfg": {"hf_model_name": "a/b"}}}, "text tower of transformers"),
    ({"preprocess": {**PREPROCESS.to_dict(), "size": 10**9}}, "images of 1,000,000,000 pixels"),
    ({"preprocess": {"size": 32}}, "preprocessing settings have missing"),
    ({"towers": ["text"]}, r"towers must be \('image',\)"),
    ({"towers": [["image"]]}, r"towers must be \('image',\)"),
    ({"towers": ["image"]}, "does not fit the model"),
    ({"tensors_sha256": "0"}, "is not the file that"),
    ({"schema": 2}, "update alignkit"),
    ({"kind": "alignkit student model"}, "is of an alignkit student model, and here an alignkit clip model"),
])  # fmt: skip
def test_damaged_folders_are_refused(tmp_path, change, sentence):
    save(tmp_path)
    path = tmp_path / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=sentence) as caught:
        read_clip_model(tmp_path)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_read_back_is_not_written(tmp_path):
    clip = build_clip(CONFIG, seed=1)
    with pytest.raises(ValueError, match=r"not of the architecture given: .* missing"):
        save(tmp_path, clip, config={**CONFIG, "vision_cfg": {**CONFIG["vision_cfg"], "layers": 3}})
    with pytest.raises(ValueError, match="may not hold 'towers'"):
        save_clip_model(tmp_path, clip, architecture=CONFIG, preprocess=PREPROCESS, manifest={"towers": 1})
    with pytest.raises(TypeError, match="preprocess must be a Preprocess"):
        save(tmp_path, clip, preprocess=np.asarray)
    with pytest.raises(ValueError, match="preprocess gives images of 224 pixels"):
        save(tmp_path, clip, preprocess=Preprocess.clip())
    with pytest.raises(ValueError, match="towers must be"):
        save(tmp_path, clip, towers=("text",))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match=r"has no model\.json"):
        read_clip_model(tmp_path)
