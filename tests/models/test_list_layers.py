from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from alignkit.models import Model, Preprocess, extract, list_layers, load
from alignkit.models import _timm as timm_loader

from .conftest import PLAIN, picture


def test_the_table_is_what_the_model_knows() -> None:
    model = load("random:test_vit", device="cpu", img_size=32)
    table = list_layers(model)
    assert list(table.layers) == model.layers()
    assert table.shapes == tuple(model.probe().shapes.values())
    assert [table.layers[i] for i, block in enumerate(table.blocks) if block is not None] == model.probe().blocks
    assert (table.default_layer, len(table)) == (model.default_layer, len(model.layers()))
    assert table.n_parameters == sum(p.numel() for p in model.module.parameters())
    frame = table.to_dataframe()
    assert frame.loc[frame.layer == "blocks.3", ["shape", "block"]].to_numpy().tolist() == [["5 x 64", 3]]
    assert frame.loc[frame.default, "layer"].tolist() == ["head_drop"]
    blocks = table.only_blocks()
    assert blocks.layers == (*model.probe().blocks, "head_drop")
    # the shape that is told is the shape that comes
    feats = extract(model, [picture(0)], layers="blocks.3", pool="flatten", progress=False)
    assert feats.array().shape == (1, 5 * 64)


@pytest.mark.parametrize("name", ["test_vit", "test_resnet", "resnet10t", "test_convnext"])
def test_an_outline_tells_what_the_loaded_network_has(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = list_layers(f"random:{name}")
    monkeypatch.setattr(timm_loader, "load_random", lambda *_: pytest.fail("numbers were drawn"))
    monkeypatch.setattr(timm_loader, "hub_or_cache", lambda: pytest.fail("weights were asked for"))
    outline = list_layers(f"timm:{name}")
    for field in ("layers", "shapes", "blocks", "default_layer", "n_prefix_tokens", "n_parameters", "preprocess"):
        assert getattr(outline, field) == getattr(trained, field), field


def test_a_network_that_needs_numbers_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm_loader._create

    def no_outline(*args: object, **options: object) -> nn.Module:
        module = create(*args, **options)  # type: ignore[arg-type]
        if next(module.parameters()).is_meta:
            raise NotImplementedError
        return module

    monkeypatch.setattr(timm_loader, "_create", no_outline)
    assert list_layers("timm:test_vit").default_layer == "head_drop"


def test_open_clip_and_transformers_need_no_weights(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("open_clip")
    transformers = pytest.importorskip("transformers")
    table = list_layers("open_clip:RN50/openai")
    assert (table.default_layer, table.shapes[-1], table.preprocess["size"]) == ("output", (1024,), 224)
    assert caplog.records == []
    tiny = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.Dinov2Config(**tiny, image_size=32, patch_size=8)
    config.save_pretrained(tmp_path)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    table = list_layers(f"hf:{tmp_path}")
    assert [table.layers[i] for i, block in enumerate(table.blocks) if block is not None] == [
        "encoder.layer.0",
        "encoder.layer.1",
    ]
    assert table.class_token
    with pytest.raises(FileNotFoundError, match=r"has no model\.safetensors"):
        load(f"hf:{tmp_path}", device="cpu")


def test_the_page() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    text = list_layers(Model.from_module(net, PLAIN, name="mine")).to_text()
    assert text.splitlines()[0] == "mine: takes images, 0.0 M parameters"
    assert "preprocessing: size 16, mean 0 0 0, std 1 1 1, resize squash" in text
    assert text.splitlines()[-5:] == [
        "0       4 x 14 x 14",
        "1       4 x 14 x 14",
        "2       4 x 1 x 1",
        "3       4",
        "output  4            default",
    ]


def test_what_is_refused() -> None:
    net = Model.from_module(nn.Flatten(), Preprocess.clip(8), name="mine")
    with pytest.raises(ValueError, match="mine is loaded already; leave architecture, weights and img_size out"):
        list_layers(net, img_size=32)
    with pytest.raises(TypeError, match="a model is named by a string or a path; got 5"):
        list_layers(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="there is no model 'resnet50'"):
        list_layers("resnet50")


def test_all_means_blocks_where_there_are_any() -> None:
    model = load("random:test_vit", device="cpu", img_size=32)
    assert model.resolve("all") == model.resolve(["all"]) == tuple(model.probe().blocks)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
    assert Model.from_module(net, PLAIN, name="mine").resolve("all") == ("0", "1", "output")
    named = nn.Sequential()
    named.add_module("all", nn.Flatten())
    assert Model.from_module(named, PLAIN, name="mine").resolve("all") == ("all",)
