from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from reference.layer_features import layer_outputs
from safetensors.torch import load_file, save_file

from alignkit._io import sha256
from alignkit.models import Preprocess, extract, load
from alignkit.models import _hub as hub


@pytest.fixture
def vit(tmp_path: Path) -> Path:
    """A file of weights for timm's test_vit, in half precision."""
    torch.manual_seed(3)
    state = timm.create_model("test_vit").state_dict()
    path = tmp_path / "weights.safetensors"
    save_file({name: value.half() for name, value in state.items()}, path)
    return path


def test_every_tensor_of_the_file_is_loaded(vit: Path) -> None:
    model = load("timm:test_vit", weights=vit, device="cpu")
    loaded = model.module.state_dict()
    for name, value in load_file(vit).items():
        assert torch.equal(loaded[name], value.float()), name
    assert model.settings["weights_file_sha256"] == sha256(vit)
    assert model.default_layer == "head_drop"


def test_another_input_size_interpolates_position_embeddings(vit: Path) -> None:
    model = load("timm:test_vit", weights=vit, device="cpu", img_size=80)
    assert isinstance(model.preprocess, Preprocess)
    assert (model.preprocess.size, model.settings["img_size"]) == (80, 80)
    whole, resized = load_file(vit)["pos_embed"].float(), model.module.state_dict()["pos_embed"]
    assert (whole.shape[1], resized.shape[1]) == (101, 26)
    assert torch.equal(whole[:, 0], resized[:, 0])
    patches = whole[:, 1:].reshape(1, 10, 10, -1).permute(0, 3, 1, 2)
    small = torch.nn.functional.interpolate(patches, (5, 5), mode="bicubic", antialias=True)
    np.testing.assert_allclose(resized[0, 1:], small[0].flatten(1).T, atol=1e-5)


def test_a_file_without_its_classifier_is_whole(vit: Path, tmp_path: Path) -> None:
    state = {name: value for name, value in load_file(vit).items() if not name.startswith("head.")}
    save_file(state, tmp_path / "headless.safetensors")
    model = load("timm:test_vit", weights=tmp_path / "headless.safetensors", device="cpu")
    assert model.default_layer == "output"
    images = {"a": Image.new("RGB", (160, 160), (9, 99, 199))}
    with_head = extract(load("timm:test_vit", weights=vit, device="cpu"), images, progress=False)
    np.testing.assert_array_equal(extract(model, images, progress=False).array(), with_head.array())


def test_weights_that_do_not_fit_are_named(vit: Path, tmp_path: Path) -> None:
    state = load_file(vit)
    state["extra.weight"] = torch.ones(1)
    del state["norm.bias"], state["blocks.3.mlp.fc1.bias"]
    save_file(state, tmp_path / "bad.safetensors")
    sentence = (
        r"bad\.safetensors does not fit timm's test_vit \(2 missing: .*'norm.bias'; 1 unexpected: 'extra.weight'\)"
    )
    with pytest.raises(ValueError, match=sentence):
        load("timm:test_vit", weights=tmp_path / "bad.safetensors", device="cpu")
    with pytest.raises(ValueError, match=r"does not fit timm's test_vit3 \("):
        load("timm:test_vit3", weights=vit, device="cpu")
    state = load_file(vit)
    state["norm.bias"] = torch.ones(3)
    save_file(state, tmp_path / "bad.safetensors")
    with pytest.raises(ValueError, match=r"1 of another shape: norm\.bias is \(3,\) instead of \(64,\)"):
        load("timm:test_vit", weights=tmp_path / "bad.safetensors", device="cpu")


def test_files_that_are_damaged_missing_or_pickled(vit: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    for content in (vit.read_bytes()[:-10], vit.read_bytes()[:30], b"\xff" * 100):
        cut.write_bytes(content)
        with pytest.raises(ValueError, match=r"cut\.safetensors is not a readable weights file .* truncated"):
            load("timm:test_vit", weights=cut, device="cpu")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load("timm:test_vit", weights=tmp_path / "no.safetensors", device="cpu")
    with pytest.raises(IsADirectoryError, match="a file is expected"):
        load("timm:test_vit", weights=tmp_path, device="cpu")
    (tmp_path / "text.pth").write_text("hi\n")
    with pytest.raises(ValueError, match=r"text\.pth is not a readable torch file; it is truncated or damaged, or no"):
        load("timm:test_vit", weights=tmp_path / "text.pth", device="cpu")
    torch.save({"state_dict": Path("x")}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match=r"evil\.pth holds more than plain tensors, which alignkit never loads"):
        load("timm:test_vit", weights=tmp_path / "evil.pth", device="cpu")
    torch.save([1], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="holds a list; a state dict"):
        load("timm:test_vit", weights=tmp_path / "list.pth", device="cpu")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "list.pth").read_bytes()[:50])
    with pytest.raises(ValueError, match=r"cut\.pth (is not a readable torch file|holds more than plain tensors)"):
        load("timm:test_vit", weights=tmp_path / "cut.pth", device="cpu")


def test_torch_checkpoints_load_as_safetensors_do(vit: Path, tmp_path: Path) -> None:
    torch.save({"state_dict": {f"module.{k}": v for k, v in load_file(vit).items()}}, tmp_path / "c.pth")
    by_torch = load("timm:test_vit", weights=tmp_path / "c.pth", device="cpu")
    assert by_torch.weights_sha256 == load("timm:test_vit", weights=vit, device="cpu").weights_sha256


def test_a_bare_file_names_its_network(vit: Path, tmp_path: Path) -> None:
    expected = load("timm:test_vit", weights=vit, device="cpu").weights_sha256
    with pytest.raises(ValueError, match=r'pass architecture= .* or put \{"architecture": "NAME"\} into weights\.json'):
        load(vit, device="cpu")
    assert load(vit, device="cpu", architecture="test_vit").weights_sha256 == expected
    vit.with_suffix(".json").write_text(json.dumps({"architecture": "test_vit"}))
    assert load(str(vit), device="cpu").weights_sha256 == expected
    vit.with_suffix(".json").unlink()
    vit.with_name("config.json").write_text(json.dumps({"architecture": "test_vit"}))
    assert load(vit, device="cpu").weights_sha256 == expected
    vit.with_name("config.json").unlink()
    save_file(load_file(vit), vit, metadata={"architecture": "test_vit"})
    assert load(vit, device="cpu").weights_sha256 == expected
    named = vit.rename(tmp_path / "test_vit.mine.safetensors")
    assert load(named, device="cpu").weights_sha256 == expected
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load(vit, device="cpu")


def test_no_network_gives_one_sentence_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(hub, "reachable", lambda url: False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    sentence = (
        r"the weights of timm:vit_tiny_patch16_224 are not in the local cache and cannot be downloaded .*timm wants "
        r"model\.safetensors of https://huggingface\.co/timm/vit_tiny_patch16_224\.augreg_in21k_ft_in1k.*weights=FILE"
    )
    with pytest.raises(FileNotFoundError, match=sentence):
        load("timm:vit_tiny_patch16_224", device="cpu")
    assert constants.HF_HUB_OFFLINE is False


def test_cached_weights_load_without_a_network(vit: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    repository = tmp_path / "cache" / f"models--{timm.get_pretrained_cfg('test_vit').hf_hub_id.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    (repository / "snapshots" / ("0" * 40)).mkdir(parents=True)
    (repository / "snapshots" / ("0" * 40) / "model.safetensors").write_bytes(vit.read_bytes())
    monkeypatch.setattr(hub, "reachable", lambda url: False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    cached = load("timm:test_vit", device="cpu")
    assert cached.weights_sha256 == load("timm:test_vit", weights=vit, device="cpu").weights_sha256


def test_the_hubs_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "getproxies", dict)
    assert not hub.reachable("http://127.0.0.1:9")
    monkeypatch.setattr(hub, "getproxies", lambda: {"https": "proxy"})
    assert hub.reachable("http://127.0.0.1:9")


@pytest.mark.slow
def test_the_real_dino_gives_the_same_features_as_a_plain_loop(shared_data: Callable[..., Path]) -> None:
    path = shared_data("weights", "vit_small_patch14_dinov2.imgfocus_fp16.safetensors")
    photos = sorted(shared_data("things", "photos").glob("*.jpg"))[:3]
    model = load(path, device="cpu", img_size=224)
    assert model.resolve(10) == ("blocks.10",)
    transform = timm.data.create_transform(
        input_size=(3, 224, 224), interpolation="bicubic", crop_pct=1.0,
        mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225),
    )  # fmt: skip
    net = timm.create_model("vit_small_patch14_dinov2", pretrained=False, img_size=518)
    net.load_state_dict({name: value.float() for name, value in load_file(path).items()}, strict=True)
    net.set_input_size((224, 224))
    inputs = [transform(Image.open(photo).convert("RGB")).numpy() for photo in photos]
    expected = [tokens[0] for tokens in layer_outputs(net, inputs, "blocks.10")]
    feats = extract(model, photos, layers=10, progress=False)
    np.testing.assert_allclose(feats.array(), expected, rtol=1e-3, atol=1e-4)
    assert load(path, device="cpu").preprocess.size == 518  # type: ignore[union-attr]
