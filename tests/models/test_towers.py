"""Two networks by name: a CLIP's own, or a pair; and what is said when they cannot be had."""

from __future__ import annotations

import math
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import open_clip
import pytest
import timm
import torch
from safetensors.torch import save_file

from alignkit.models import Model, Preprocess, Towers, load, load_towers


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    """A module of the user's own, to put functions into."""
    made = types.ModuleType("users_towers")
    made.__spec__ = __import__("importlib.machinery").machinery.ModuleSpec("users_towers", None)
    sys.modules["users_towers"] = made
    yield made
    del sys.modules["users_towers"]


def test_both_towers_of_open_clip_come_from_one_file(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        clip = open_clip.create_model("ViT-S-32-alt", pretrained=None, load_weights=False).eval()
    path = tmp_path / "clip.safetensors"
    save_file({name: value.contiguous() for name, value in clip.state_dict().items()}, path)
    towers = load_towers("open_clip:ViT-S-32-alt", weights=path, preprocess="hba")
    assert (towers.paired, towers.width_image, towers.width_text) == (False, 256, 256)
    assert towers.log_scale == pytest.approx(math.log(1 / 0.07), rel=1e-6)  # where open_clip starts
    assert towers.preprocess == Preprocess.hba(224)
    assert towers.identity["weights"] == str(path)
    tokens = towers.tokenizer(["a dog", "two cats"])  # type: ignore[misc]
    x = torch.rand((2, 3, 224, 224), generator=torch.Generator().manual_seed(0))
    assert towers.text is not None
    with torch.no_grad():
        assert torch.equal(towers.image(x), clip.encode_image(x))
        assert torch.equal(towers.text(tokens), clip.encode_text(tokens))


def test_another_layer_of_a_clip_needs_a_projection(tmp_path: Path) -> None:
    clip = open_clip.create_model("ViT-S-32-alt", pretrained=None, load_weights=False)
    path = tmp_path / "clip.safetensors"
    save_file({name: value.contiguous() for name, value in clip.state_dict().items()}, path)
    towers = load_towers("open_clip:ViT-S-32-alt", weights=path, layer="3")
    assert towers.paired
    assert towers.identity["layer"] == "transformer.resblocks.3"
    assert len(towers.image.block_names) == 4


def test_weights_that_are_not_at_hand_are_named() -> None:
    with pytest.raises(
        FileNotFoundError, match=r"open_clip wants .*openai.*fetch it elsewhere and pass weights=FILE\.$"
    ):
        load_towers("open_clip:ViT-L-14/openai")


def test_a_pair_by_name() -> None:
    towers = load_towers("random:test_vit", text="minilm", layer="-2", img_size=32)
    assert (towers.paired, towers.width_image, towers.width_text) == (True, 64, 384)
    assert towers.log_scale == pytest.approx(math.log(100))
    identity = towers.identity
    assert (identity["backbone"], identity["layer"], identity["img_size"]) == ("random:test_vit", "blocks.4", 32)
    assert identity["weights_sha256"] == load("random:test_vit", device="cpu", img_size=32).weights_sha256
    assert identity["text"] == "minilm"
    assert repr(towers) == "<Towers 'random:test_vit' (pair), 64 and 384 channels>"


def test_weights_of_a_file_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vit = timm.create_model("test_vit", num_classes=0)
    save_file(vit.state_dict(), tmp_path / "test_vit.mine.safetensors")
    monkeypatch.chdir(tmp_path)
    towers = load_towers("test_vit.mine.safetensors", text="minilm")
    assert towers.identity["backbone"] == str(tmp_path / "test_vit.mine.safetensors")  # from whatever folder


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("random:test_vit", {}, r"random:test_vit reads no texts; name a text encoder to pair with it"),
        ("minilm", {"text": "minilm"}, r"minilm takes texts, not images; name an image model\."),
        ("random:test_vit", {"text": "random:test_vit"}, r"takes images, not texts; name a text model\."),
        ("random:test_vit", {"text": "minilm", "layer": "6"}, r"has 6 blocks, numbered 0 to 5; got 6\."),
        ("random:test_vit", {"text": "minilm", "layer": "block"}, r"has no layer 'block'"),
        ("random:test_vit", {"text": "minilm", "preprocess": "klip"}, r"preprocess must be one of"),
        ("run:somewhere", {"text": "minilm"}, r"run:somewhere is a trained model already"),
        ("open_clip:ViT-Z", {}, r"open_clip has no architecture 'ViT-Z'"),
    ],
)
def test_names_that_make_no_towers(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_towers(name, **options)


def test_a_factory_may_return_towers(module: Any, make_towers: Callable[..., Towers]) -> None:
    module.make = make_towers
    towers = load_towers("users_towers:make")
    assert not towers.paired
    assert towers.identity["backbone"] == "users_towers:make"
    with pytest.raises(ValueError, match=r"users_towers:make gives both towers; leave text and layer out\."):
        load_towers("users_towers:make", text="minilm", layer=1)
    with pytest.raises(ValueError, match="does not take 'img_size'"):
        load_towers("users_towers:make", img_size=64)


def test_a_factory_may_return_networks_and_a_tokenizer(module: Any, make_clip: Callable[..., Any]) -> None:
    clip = make_clip("CustomTextCLIP")
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    module.make = lambda: (clip.visual, clip.text, lambda texts: tokenizer(texts, context_length=16))
    towers = load_towers("users_towers:make", img_size=32)
    assert towers.paired  # nobody said that they share a space
    assert len(towers.image.block_names) == 2
    assert towers.text is not None
    assert len(towers.text.block_names) == 2
    module.make = lambda: (clip.visual, clip.text, None)
    with pytest.raises(TypeError, match="the tokenizer of users_towers:make must be callable"):
        load_towers("users_towers:make", img_size=32)


def test_a_factory_may_return_an_image_network_for_a_pair(module: Any) -> None:
    vit = timm.create_model("test_vit", num_classes=0, img_size=32)
    module.make = lambda: Model.from_module(vit, Preprocess.clip(32), name="mine", class_token=True, n_prefix_tokens=1)
    towers = load_towers("users_towers:make", text="minilm", layer=2)
    assert (towers.width_image, towers.identity["layer"]) == (64, "blocks.2")
