"""A trained model in a folder: the same numbers when it is loaded, and one sentence for what is broken."""

from __future__ import annotations

import json
import os
import shutil
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from alignkit._io import sha256
from alignkit.models import Preprocess, Towers, extract, list_layers, load, load_towers
from alignkit.models._adapter_config import AdapterConfig
from alignkit.models._prompt_model import PromptModel
from alignkit.models._run_model import read_run_model, save_run_model

PROMPTS = ["metallic; artificial", "food-related", "red"]
NAMES = ["metallic", "food", "red"]
DORA = AdapterConfig(kind="dora", rank=2, image_blocks=2, text_blocks=1)
PAIR = {"text": "minilm", "img_size": 32}


def trained(towers: Towers, adapter: AdapterConfig = DORA, **options: Any) -> PromptModel:
    """Return a model whose trained parameters have all moved."""
    model = PromptModel.build(towers, PROMPTS, adapter, **options)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def images(n: int = 3) -> torch.Tensor:
    return torch.rand((n, 3, 32, 32), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PromptModel]:
    """A finished run of a pair, with block 4 of its image network, and its model."""
    folder = tmp_path_factory.mktemp("run")
    model = trained(load_towers("random:test_vit", layer=4, preprocess="hba", **PAIR), affine=True)
    save_run_model(folder, model, manifest={"method": "hba", "dimensions": NAMES, "splits": "splits.json"})
    return folder, model


@pytest.fixture
def copied(run: tuple[Path, PromptModel], tmp_path: Path) -> Path:
    return Path(shutil.copytree(run[0], tmp_path / "copied"))


@pytest.fixture
def module() -> Iterator[Any]:
    made = types.ModuleType("users_run")
    made.__spec__ = __import__("importlib.machinery").machinery.ModuleSpec("users_run", None)
    sys.modules["users_run"] = made
    yield made
    del sys.modules["users_run"]


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "model.json"
    content = json.loads(path.read_text())
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(content.get(name), dict):
            value = {**content[name], **value}
        content[name] = value
    path.write_text(json.dumps(content))


def test_the_loaded_model_gives_the_same_dimensions(run: tuple[Path, PromptModel]) -> None:
    folder, model = run
    loaded = load(f"run:{folder}", device="cpu")
    assert loaded.kind == "image"
    assert loaded.preprocess == Preprocess.hba(32)
    assert (loaded.default_layer, loaded.layers()[-1]) == ("output", "output")
    assert loaded.settings["dimensions"] == NAMES
    assert loaded.settings["method"] == "hba"
    assert loaded.settings["backbone"]["backbone"] == "random:test_vit"
    with torch.no_grad():
        assert torch.equal(loaded.module(images()), model({"image": images()}))
    assert not loaded.module.training


def test_blocks_and_the_embedding_are_layers(run: tuple[Path, PromptModel]) -> None:
    table = list_layers(f"run:{run[0]}")
    shapes = dict(zip(table.layers, table.shapes, strict=True))
    assert table.default_layer == "output"
    assert shapes["output"] == (3,)
    assert shapes["model.image"] == (64,)
    assert [layer for layer, block in zip(table.layers, table.blocks, strict=True) if block is not None] == [
        f"model.image.network.blocks.{i}" for i in range(5)
    ]


def test_features_are_the_dimensions_of_images(run: tuple[Path, PromptModel], folder: Path) -> None:
    loaded = load(f"run:{run[0]}", device="cpu")
    features = extract(loaded, folder)
    from PIL import Image

    paths = sorted(folder.rglob("[0-9]*.png"))
    batch = np.stack([Preprocess.hba(32)(Image.open(path)) for path in paths])
    with torch.no_grad():
        expected = run[1]({"image": torch.from_numpy(batch)})
    np.testing.assert_allclose(features.array("output"), expected, rtol=1e-4, atol=1e-4)


def test_the_files_hold_what_was_trained_and_no_more(run: tuple[Path, PromptModel]) -> None:
    folder, model = run
    assert sorted(os.listdir(folder)) == ["adapter.safetensors", "model.json"]
    saved = read_run_model(folder)
    assert saved.trained.keys() == model.trained().keys()
    assert any(name.startswith("texts.") for name in saved.trained)  # to train on from here
    torch.testing.assert_close(saved.text_features, model.features().detach())
    manifest = saved.manifest
    assert (manifest["prompts"], manifest["splits"]) == (PROMPTS, "splits.json")
    assert manifest["adapter"]["rank"] == 2
    assert manifest["backbone"]["preprocess"] == Preprocess.hba(32).to_dict()
    n_bytes = sum(value.numel() * 4 for value in [*saved.trained.values(), saved.text_features])
    assert (folder / "adapter.safetensors").stat().st_size < n_bytes + 8000


def test_dropout_leaves_no_mark_in_the_prompts_that_are_kept(
    make_towers: Callable[..., Towers], tmp_path: Path
) -> None:
    model = trained(make_towers(), AdapterConfig(kind="lora", rank=2, dropout=0.5, image_blocks=1, text_blocks=1))
    expected = model.eval().features().detach()
    save_run_model(tmp_path, model.train(), manifest={})
    assert torch.equal(read_run_model(tmp_path).text_features, expected)
    assert model.training


def test_a_run_without_adapters(tmp_path: Path) -> None:
    model = trained(load_towers("random:resnet10t", **PAIR), AdapterConfig(kind="none"))
    save_run_model(tmp_path, model, manifest={"method": "hba"})
    loaded = load(f"run:{tmp_path}", device="cpu")
    assert loaded.settings["dimensions"] == PROMPTS  # by default
    with torch.no_grad():
        assert torch.equal(loaded.module(images()), model({"image": images()}))


def test_a_clip_of_the_users_own(tmp_path: Path, module: Any, make_towers: Callable[..., Towers]) -> None:
    module.make = make_towers
    model = trained(load_towers("users_run:make"))
    save_run_model(tmp_path, model, manifest={"method": "hba"})
    with pytest.raises(ValueError, match=r"is users_run:make, a function of .*; pass architecture='users_run:make'"):
        load(f"run:{tmp_path}", device="cpu")
    loaded = load(f"run:{tmp_path}", device="cpu", architecture="users_run:make")
    with torch.no_grad():
        assert torch.equal(loaded.module(images()), model({"image": images()}))
    module.make = lambda: make_towers(seed=1)
    with pytest.raises(ValueError, match=r"the weights of users_run:make are not those that the run .* was trained on"):
        load(f"run:{tmp_path}", device="cpu", architecture="users_run:make")


def test_weights_that_moved_are_asked_for(tmp_path: Path) -> None:
    path, other = tmp_path / "test_vit.mine.safetensors", tmp_path / "elsewhere.safetensors"
    save_file(timm.create_model("test_vit", num_classes=0, img_size=32).state_dict(), path)
    model = trained(load_towers(path, **PAIR))
    save_run_model(tmp_path, model, manifest={"method": "hba"})
    load(f"run:{tmp_path}", device="cpu")
    path.rename(other)
    with pytest.raises(
        FileNotFoundError, match=r"test_vit\.mine\.safetensors, which are not there any more; pass weights"
    ):
        load(f"run:{tmp_path}", device="cpu")
    loaded = load(f"run:{tmp_path}", device="cpu", weights=other)
    with torch.no_grad():
        assert torch.equal(loaded.module(images()), model({"image": images()}))
    save_file(timm.create_model("test_vit", num_classes=0, img_size=32).state_dict(), other)
    with pytest.raises(ValueError, match=r"are not those that the run .* was trained on \(SHA-256"):
        load(f"run:{tmp_path}", device="cpu", weights=other)


def test_layers_are_listed_without_the_backbone_s_weights(copied: Path) -> None:
    edit(copied, backbone={"backbone": "timm:test_vit.r160_in1k", "settings": {"architecture": "test_vit"}})
    assert list_layers(f"run:{copied}").shapes[-1] == (3,)


def test_options_that_a_run_has_already(run: tuple[Path, PromptModel]) -> None:
    with pytest.raises(ValueError, match="does not take 'img_size'"):
        load(f"run:{run[0]}", img_size=64)
    with pytest.raises(ValueError, match="does not take 'preprocess'"):
        load(f"run:{run[0]}", preprocess="clip")
    with pytest.raises(ValueError, match="does not take 'architecture'"):
        load(f"run:{run[0]}", architecture="test_vit")


def test_folders_that_are_no_finished_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing does not exist; the folder of a finished run is expected"):
        load(f"run:{tmp_path / 'missing'}")
    with pytest.raises(FileNotFoundError, match=r"has no model\.json: it holds no run\."):
        load(f"run:{tmp_path}")
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(FileNotFoundError, match=r"has no model\.json: the run was not finished"):
        load(f"run:{tmp_path}")
    with pytest.raises(FileNotFoundError, match=r"config\.toml is a file; the folder of a finished run is expected"):
        load(f"run:{tmp_path / 'config.toml'}")
    (tmp_path / "model.json").mkdir()
    with pytest.raises(IsADirectoryError, match=r"model\.json is a directory"):
        load(f"run:{tmp_path}")


@pytest.mark.parametrize("text", ["", '{"kind": "alig', "[1, 2]", '{"kind": "features"}', "\x00\x01", "null"])
def test_damaged_manifests(copied: Path, text: str) -> None:
    (copied / "model.json").write_text(text)
    with pytest.raises(ValueError, match=r"model\.json (is empty|is not valid JSON|describes no trained model)"):
        load(f"run:{copied}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, r"has schema 2, and this version reads 1; update alignkit\."),
        ({"dimensions": []}, "dimensions must be names, at least one"),
        ({"dimensions": [1, 2, 3]}, "dimensions must be names"),
        ({"dimensions": ["one"]}, "holds no text_features with a row for each of the 1 dimensions"),
        ({"log_scale": "4"}, "is damaged: log_scale is '4'"),
        ({"log_scale": True}, "is damaged: log_scale is True"),
        ({"paired": None}, "is damaged: paired is None"),
        ({"paired": False}, "does not fit the model that model.json describes"),
        ({"affine": False}, "does not fit the model that model.json describes"),
        ({"adapter": {"kind": "mixed"}}, "adapter settings that this version does not know"),
        ({"adapter": {"colour": 1}}, "adapter settings that this version does not know"),
        ({"adapter": {"rank": 10**9}}, "has adapters of rank 2, and model.json says 1000000000"),
        ({"adapter": {"image_blocks": 99}}, "image_blocks is 99, and the image network has 5 blocks"),
        ({"adapter": {"image_blocks": 1}}, "does not fit the model that model.json describes"),
        ({"tensors_sha256": "0" * 64}, "is not the file that .*model.json was written with"),
        ({"backbone": {"layer": None}}, "layer of its backbone is None"),
        ({"backbone": {"layer": "nowhere"}}, "has no layer 'nowhere'"),
        ({"backbone": {"backbone": "run:."}}, "names another run as its backbone"),
        ({"backbone": {"backbone": "os:abort"}}, "is os:abort, a function of somebody's own"),
        ({"backbone": {"preprocess": {"size": 0}}}, "preprocessing settings that make no sense"),
        ({"backbone": {"weights_sha256": "f" * 64}}, r"are not those that the run .* was trained on"),
        ({"backbone": {"img_size": "big"}}, "img_size of its backbone is 'big'"),
    ],
)
def test_manifests_that_do_not_fit(copied: Path, changes: dict[str, Any], message: str) -> None:
    edit(copied, **changes)
    with pytest.raises(ValueError, match=message):
        load(f"run:{copied}", device="cpu")


def test_damaged_tensors(copied: Path) -> None:
    path = copied / "adapter.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"is not the file that .*: truncated, damaged or exchanged\."):
        load(f"run:{copied}")
    edit(copied, tensors_sha256=sha256(path))
    with pytest.raises(ValueError, match="is not a readable weights file"):
        load(f"run:{copied}")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"adapter\.safetensors does not exist"):
        load(f"run:{copied}")


def test_tensors_of_another_model(copied: Path) -> None:
    path = copied / "adapter.safetensors"
    tensors = load_file(path)
    save_file({**tensors, "text_features": torch.zeros(3, 7)}, path)
    edit(copied, tensors_sha256=sha256(path))
    with pytest.raises(
        ValueError, match=r"does not fit the model .* projection.weight is \(384, 64\) instead of \(7, 64\)"
    ):
        load(f"run:{copied}", device="cpu")


def test_what_a_manifest_may_not_say(tmp_path: Path, make_towers: Callable[..., Towers]) -> None:
    model = PromptModel.build(make_towers(), PROMPTS, AdapterConfig(kind="none"))
    with pytest.raises(ValueError, match="the manifest may not hold 'prompts', which the model itself says"):
        save_run_model(tmp_path, model, manifest={"prompts": []})
    with pytest.raises(ValueError, match="dimensions must hold one label per item: expected 3, got 1"):
        save_run_model(tmp_path, model, manifest={"dimensions": ["one"]})
    with pytest.raises(ValueError, match="the manifest holds what JSON does not know"):
        save_run_model(tmp_path, model, manifest={"score": float("nan")})
    assert not list(tmp_path.iterdir())
