from __future__ import annotations

import math

import pytest
import torch
from reference import toy_clip

from alignkit.models._build_clip import build_clip
from alignkit.models._state_sha256 import state_sha256

open_clip = pytest.importorskip("open_clip")

CONFIG = toy_clip.sizes()
VISION = {
    "deeper": {"image_size": 32, "layers": 3, "width": 32, "head_width": 16, "patch_size": 8},
    "wider": {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 16},
    "resnet": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8},
    "timm": {"image_size": 32, "timm_model_name": "resnet10t", "timm_pool": "", "timm_proj": "linear"},
}


def text_of(model):
    return state_sha256({k: v for k, v in model.state_dict().items() if not k.startswith("visual.")})


def test_one_seed_gives_one_model_and_leaves_the_callers_numbers_alone():
    state = torch.get_rng_state()
    first = build_clip(CONFIG, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(5)
    again, other = build_clip(CONFIG, seed=3), build_clip(CONFIG, seed=4)
    assert state_sha256(first) == state_sha256(again)
    assert text_of(first) != text_of(other)
    assert state_sha256(first.visual) != state_sha256(other.visual)
    assert {value.device.type for value in first.state_dict().values()} == {"cpu"}
    assert all(parameter.requires_grad for parameter in first.parameters())


@pytest.mark.parametrize("vision", VISION)
def test_the_text_tower_is_the_same_whatever_the_vision_tower_is(vision):
    if vision == "timm":
        pytest.importorskip("timm")
    plain, other = build_clip(CONFIG, seed=3), build_clip({**CONFIG, "vision_cfg": VISION[vision]}, seed=3)
    assert text_of(plain) == text_of(other)
    assert state_sha256(plain.visual) != state_sha256(other.visual)


def test_the_vision_tower_is_the_same_whatever_the_text_tower_is():
    plain = build_clip(CONFIG, seed=3)
    for more in ({"layers": 3}, {"width": 16}, {"vocab_size": 100}):
        other = build_clip({**CONFIG, "text_cfg": {**CONFIG["text_cfg"], **more}}, seed=3)
        assert state_sha256(plain.visual) == state_sha256(other.visual)
        assert text_of(plain) != text_of(other)


def test_weights_are_distributed_as_open_clips():
    """Each tensor has the spread of the one that open_clip draws, to 5 standard errors; constants are the same."""
    ours, theirs = build_clip(CONFIG, seed=0).state_dict(), toy_clip.make_clip(seed=1).state_dict()
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        found = ours[name].double()
        if value.numel() < 2 or value.std() == 0:
            torch.testing.assert_close(ours[name], value, rtol=0, atol=0)
            continue
        n, spread = value.numel(), float(value.double().std())
        assert not torch.equal(ours[name], value)
        assert float(found.std()) == pytest.approx(spread, rel=5 / math.sqrt(n)), name
        assert abs(float(found.mean() - value.double().mean())) < 5 * spread * math.sqrt(2 / n), name


def test_the_two_towers_draw_from_streams_of_their_own():
    text = {**CONFIG["text_cfg"], "width": 32, "heads": 2}
    model = build_clip({**CONFIG, "text_cfg": text}, seed=0)
    image, words = (
        model.visual.transformer.resblocks[0].mlp.c_fc.weight,
        model.transformer.resblocks[0].mlp.c_fc.weight,
    )
    assert image.shape == words.shape
    correlation = torch.corrcoef(torch.stack([image.flatten(), words.flatten()]))[0, 1]
    assert abs(correlation) < 5 / math.sqrt(image.numel())


def test_it_encodes_images_and_texts():
    model = build_clip(CONFIG, seed=0)
    image, text, scale = model(torch.rand(2, 3, 32, 32), torch.randint(0, 49408, (2, 16)))
    assert image.shape == text.shape == (2, 24)
    assert scale.item() == pytest.approx(1 / 0.07)


def test_names_and_all_settings_are_open_clips(tmp_path, monkeypatch):
    toy_clip.add_tiny_clip(tmp_path, monkeypatch, CONFIG)
    assert state_sha256(build_clip("Tiny-CLIP", seed=5)) == state_sha256(build_clip(CONFIG, seed=5))
    more = {"init_logit_scale": math.log(100), "init_logit_bias": -10.0, "nonscalar_logit_scale": True}
    model = build_clip({**CONFIG, **more}, seed=5)
    assert model.logit_scale.tolist() == pytest.approx([4.60517])
    assert model.logit_bias.tolist() == [-10.0]
    split = build_clip({**CONFIG, "custom_text": True}, seed=5)
    assert type(split).__name__ == "CustomTextCLIP"
    plain = build_clip(CONFIG, seed=5)
    assert torch.equal(split.text.token_embedding.weight, plain.token_embedding.weight)
    assert state_sha256(split.visual) == state_sha256(plain.visual)


def test_a_config_is_not_changed():
    config = toy_clip.sizes()
    build_clip(config, seed=0)
    assert config == CONFIG


def test_what_cannot_be_built_is_refused():
    with pytest.raises(ValueError, match="no architecture 'ViT-B-33'; did you mean 'ViT-B-32'"):
        build_clip("ViT-B-33", seed=0)
    with pytest.raises(TypeError, match="config must be the name of an architecture or a mapping; got 3"):
        build_clip(3, seed=0)
    with pytest.raises(ValueError, match="it lacks 'text_cfg'"):
        build_clip({"embed_dim": 3, "vision_cfg": {}}, seed=0)
    with pytest.raises(ValueError, match="it holds 'vision'"):
        build_clip({**CONFIG, "vision": {}}, seed=0)
    with pytest.raises(TypeError, match="vision_cfg must be a mapping; got 'ViT'"):
        build_clip({**CONFIG, "vision_cfg": "ViT"}, seed=0)
    with pytest.raises(ValueError, match=r"open_clip cannot build this config \(.*'depth'"):
        build_clip({**CONFIG, "vision_cfg": {"depth": 3}}, seed=0)
    with pytest.raises(ValueError, match="open_clip cannot build this config"):
        build_clip({**CONFIG, "vision_cfg": {"width": 32, "head_width": 64}}, seed=0)
    with pytest.raises(ValueError, match="transformers"):
        build_clip("roberta-ViT-B-32", seed=0)
    with pytest.raises(ValueError, match="CoCa"):
        build_clip("coca_ViT-B-32", seed=0)
    with pytest.raises(ValueError, match="seed must be at least 0"):
        build_clip(CONFIG, seed=-1)
