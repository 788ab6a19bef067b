"""Configs are copied whole, and one that nobody could build is refused before anything is built."""

from __future__ import annotations

import json
import math

import pytest
from reference import toy_clip

from alignkit.models._clip_architecture import clip_architecture, image_size

open_clip = pytest.importorskip("open_clip")


def changed(tower, **values):
    config = toy_clip.sizes()
    return {**config, tower: {**config[tower], **values}} if tower else {**config, **values}


def test_a_name_a_file_and_a_mapping_say_the_same(tmp_path):
    named = clip_architecture("ViT-B-32")
    own = open_clip.get_model_config("ViT-B-32")
    assert named == {**own, "vision_cfg": {**own["vision_cfg"], "timm_model_pretrained": False}}
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(own))
    assert clip_architecture(path) == clip_architecture(str(path)) == clip_architecture(own) == named
    assert clip_architecture(named) == named
    assert image_size(named) == 224


def test_what_was_given_is_not_shared():
    given = toy_clip.sizes()
    found = clip_architecture(given)
    found["vision_cfg"]["layers"] = 99
    assert given == toy_clip.sizes()


def test_every_architecture_of_open_clips_own_lies_within_the_bounds():
    configs = {name: open_clip.get_model_config(name) for name in open_clip.list_models()}
    own = [
        name
        for name, config in configs.items()
        if "multimodal_cfg" not in config and "hf_model_name" not in config["text_cfg"]
    ]
    assert len(own) > 100
    for name in own:
        assert clip_architecture(name)["embed_dim"] == configs[name]["embed_dim"], name


@pytest.mark.parametrize(("config", "sentence"), [
    (changed("", embed_dim=10**12), "'embed_dim' of config must be a number of at most"),
    (changed("", embed_dim=10**400), "'embed_dim' of config must be a number of at most"),
    (changed("", init_logit_scale=math.nan), "'init_logit_scale' of config must be a number"),
    (changed("vision_cfg", layers=10**9), "'layers' of config must be a number of at most 512"),
    (changed("vision_cfg", layers=[1, 1, 1, 10**9]), "'layers' of config must be a number of at most 512"),
    (changed("vision_cfg", layers=[1] * 99), "'layers' of config must be a word or a number"),
    (changed("vision_cfg", image_size=4096, patch_size=1), "too many patches"),
    (changed("vision_cfg", patch_size=0), "whole numbers above 0"),
    (changed("vision_cfg", width=[[1]]), "'width' of config must be a word or a number"),
    (changed("vision_cfg", timm_model_name="hf-hub:somebody/model"), "timm_model_name must be the name"),
    (changed("vision_cfg", timm_model_name="beit_base_patch16_224", image_size=4096), "at most 1,024 pixels; got 4096"),
    (changed("text_cfg", vocab_size=10**10), "'vocab_size' of config"),
    (changed("text_cfg", context_length=10**5), "'context_length' of config"),
    (changed("text_cfg", tokenizer_kwargs={"trust_remote_code": True}), "tokenizer_kwargs may hold"),
])  # fmt: skip
def test_sizes_that_no_clip_has_are_refused(config, sentence):
    with pytest.raises(ValueError, match=sentence):
        clip_architecture(config)


def test_files_that_are_no_configs_are_refused(tmp_path):
    big, list_, deep = tmp_path / "big.json", tmp_path / "list.json", tmp_path / "deep.json"
    big.write_bytes(b" " * ((1 << 20) + 1))
    list_.write_text("[1]")
    deep.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="larger than a config can be"):
        clip_architecture(big)
    with pytest.raises(TypeError, match=r"a mapping; got \[1\]"):
        clip_architecture(list_)
    with pytest.raises(ValueError, match="not valid JSON"):
        clip_architecture(deep)
    with pytest.raises(FileNotFoundError):
        clip_architecture("absent.json")
    with pytest.raises(ValueError, match="only square images"):
        image_size({"vision_cfg": {"image_size": [224, 336]}})
