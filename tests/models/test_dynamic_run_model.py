"""A model that unfolds, in a folder: the same numbers when it is loaded, and one sentence for what is broken."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reference.dynamic_models import (
    FROZEN,
    NAMES,
    OF_START,
    PROMPTS,
    TIMES,
    images,
    moved_dynamics,
    outputs,
    save_dynamics,
    save_start,
)
from safetensors.torch import load_file, save_file

from alignkit._io import sha256
from alignkit.models import extract, list_layers, load
from alignkit.models._build_dynamic_model import build_dynamic_model
from alignkit.models._dynamic_model import DynamicModel, DynamicSettings
from alignkit.models._dynamic_run_model import read_dynamic_model, restore_dynamic_model, save_dynamic_model
from alignkit.models._prompt_model import PromptModel
from alignkit.models._run_model import kind_of_run, read_run_model


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PromptModel]:
    """A finished run of a pair, and its model."""
    folder = tmp_path_factory.mktemp("start")
    return folder, save_start(folder)


@pytest.fixture(scope="module")
def run(start: tuple[Path, PromptModel], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DynamicModel]:
    """A trained model that started there, and its folder."""
    folder = tmp_path_factory.mktemp("run")
    return folder, save_dynamics(folder, start[0])


@pytest.fixture
def copied(run: tuple[Path, DynamicModel], tmp_path: Path) -> Path:
    return Path(shutil.copytree(run[0], tmp_path / "copied"))


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "model.json"
    content = json.loads(path.read_text())
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(content.get(name), dict):
            value = {**content[name], **value}
        content[name] = value
    path.write_text(json.dumps(content))


def exchange(folder: Path, **changes: Any) -> None:
    """Write other tensors, which the manifest agrees to; None leaves one out."""
    path = folder / "adapter.safetensors"
    tensors = {**load_file(path), **changes}
    save_file({name: value for name, value in tensors.items() if value is not None}, path)
    edit(folder, tensors_sha256=sha256(path))


def test_the_model_comes_back_bit_by_bit_without_its_start(run: tuple[Path, DynamicModel]) -> None:
    folder, model = run
    restored = restore_dynamic_model(folder)
    assert torch.equal(outputs(restored), outputs(model))
    assert restored.settings == model.settings
    for name in ("gain", "noise_level", "spread", "slope", "offset"):
        assert torch.equal(getattr(restored, name), getattr(model, name)), name
    assert restored.trained().keys() == model.trained().keys()
    assert restored.start is not None
    assert restored.start.adapter == OF_START
    assert restored.prompts == tuple(PROMPTS)
    assert kind_of_run(folder) == "alignkit dynamic model"


def test_a_restored_model_saved_again_is_the_same_file(run: tuple[Path, DynamicModel], tmp_path: Path) -> None:
    save_dynamic_model(tmp_path, restore_dynamic_model(run[0]), manifest={})
    first, second = (load_file(folder / "adapter.safetensors") for folder in (run[0], tmp_path))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_times_are_layers(run: tuple[Path, DynamicModel]) -> None:
    folder, model = run
    loaded = load(f"run:{folder}", device="cpu")
    assert loaded.layers()[-5:] == ["-100ms", "0ms", "100ms", "170ms", "output"]
    assert loaded.resolve("all") == ("-100ms", "0ms", "100ms", "170ms")
    assert loaded.default_layer == "output"
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)
    features = extract(loaded, pixels, layers="all", progress=False)
    assert features.layers == ("-100ms", "0ms", "100ms", "170ms")
    from PIL import Image

    batch = torch.from_numpy(np.stack([loaded.preprocess(Image.fromarray(picture)) for picture in pixels]))
    with torch.no_grad():
        expected = model({"image": batch})
    for number, name in enumerate(features.layers):
        np.testing.assert_allclose(features.array(name), expected[:, number], rtol=1e-5, atol=1e-5)
    response = extract(loaded, pixels, progress=False).array("output")
    np.testing.assert_allclose(response, expected[:, 1:].mean(dim=1), rtol=1e-5, atol=1e-5)


def test_what_is_said_of_a_loaded_model(run: tuple[Path, DynamicModel]) -> None:
    settings = load(f"run:{run[0]}", device="cpu").settings
    assert (settings["method"], settings["subject"]) == ("hba-meg", "3")
    assert settings["times"] == list(TIMES)
    assert settings["dimensions"] == NAMES
    assert settings["backbone"]["backbone"] == "random:test_vit"
    json.dumps(dict(settings))
    table = list_layers(f"run:{run[0]}")
    shapes = dict(zip(table.layers, table.shapes, strict=True))
    assert shapes["170ms"] == shapes["output"] == (3,)


def test_layers_are_listed_without_the_backbone_s_weights(copied: Path) -> None:
    edit(copied, backbone={"backbone": "timm:test_vit.r160_in1k", "settings": {"architecture": "test_vit"}})
    assert list_layers(f"run:{copied}").shapes[-1] == (3,)


def test_before_onset_alone_everything_is_the_output(start: tuple[Path, PromptModel], tmp_path: Path) -> None:
    model = build_dynamic_model(DynamicSettings(times=(-0.2, -0.1)), FROZEN, start=start[0])
    save_dynamic_model(tmp_path, moved_dynamics(model), manifest={})
    with torch.no_grad():
        found = load(f"run:{tmp_path}", device="cpu").module(images())
    torch.testing.assert_close(found, outputs(model).mean(dim=1))


def test_weights_of_dimensions_come_back(start: tuple[Path, PromptModel], tmp_path: Path) -> None:
    settings = DynamicSettings(times=TIMES, dimension_weights=True)
    model = build_dynamic_model(settings, FROZEN, start=start[0])
    plain = outputs(model)
    factors = torch.linspace(0.5, 2.0, model.mixing.log_factors.numel()).reshape(len(TIMES), -1)
    with torch.no_grad():
        model.mixing.log_factors.copy_(factors.log())
    torch.testing.assert_close(outputs(model), plain * factors)
    save_dynamic_model(tmp_path, model, manifest={})
    assert torch.equal(outputs(restore_dynamic_model(tmp_path)), outputs(model))


def test_options_that_a_run_has_already(run: tuple[Path, DynamicModel]) -> None:
    with pytest.raises(ValueError, match="does not take 'img_size'"):
        load(f"run:{run[0]}", img_size=64)


def test_kinds_of_runs_are_told_apart(run: tuple[Path, DynamicModel], start: tuple[Path, PromptModel]) -> None:
    with pytest.raises(ValueError, match="is of an alignkit dynamic model, and here an alignkit prompt model is exp"):
        read_run_model(run[0])
    with pytest.raises(ValueError, match="is of an alignkit prompt model, and here an alignkit dynamic model is exp"):
        read_dynamic_model(start[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, r"has schema 2, and this version reads 1; update alignkit\."),
        ({"dimensions": []}, "dimensions must be names, at least one"),
        ({"dimensions": ["one"]}, "holds no text_features with a row for each of the 1 dimensions"),
        ({"dynamics": {"times": [0.0]}}, r"no mixing\.table with a row for each of 1 times \(shape \(4, 6\)\)"),
        ({"dynamics": {"times": 3}}, "holds dynamics that this version does not know"),
        ({"dynamics": {"times": [1, 0, 2, 3]}}, "holds dynamics that this version does not know"),
        ({"dynamics": {"colour": 3}}, "holds dynamics that this version does not know"),
        ({"dynamics": None}, "is damaged: dynamics is None"),
        ({"final_step": {"norm": "nowhere"}}, "does not fit the model that .*: 'nowhere' is no final step"),
        ({"final_step": {"norm": 3}}, "does not fit the model that .*: its final step is"),
        ({"start": {"adapter": 3}}, "the adapter of its start is 3"),
        ({"start": {"adapter": {"rank": 99}}}, "has adapters of rank 3, and model.json says 99"),
        ({"start": None}, r"holds a start, of which model\.json says nothing"),
        ({"start": 7}, "is damaged: start is 7"),
        ({"adapter": {"rank": 10**9}}, "has adapters of rank 2, and model.json says 1000000000"),
        ({"adapter": {"image_blocks": 1}}, "does not fit the model that model.json describes"),
        ({"paired": False}, "does not fit the model that model.json describes"),
        ({"log_scale": "4"}, "is damaged: log_scale is '4'"),
        ({"tensors_sha256": "0" * 64}, "is not the file that .*model.json was written with"),
        ({"backbone": {"layer": "nowhere"}}, "has no layer 'nowhere'"),
        ({"backbone": {"backbone": "os:abort"}}, "is os:abort, a function of somebody's own"),
        ({"backbone": {"weights_sha256": "f" * 64}}, r"are not those that the run .* was trained on"),
    ],
)
def test_manifests_that_do_not_fit(copied: Path, changes: dict[str, Any], message: str) -> None:
    edit(copied, **changes)
    with pytest.raises(ValueError, match=message):
        load(f"run:{copied}", device="cpu")


def test_damaged_and_exchanged_tensors(copied: Path) -> None:
    path = copied / "adapter.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"is not the file that .*: truncated, damaged or exchanged\."):
        load(f"run:{copied}")
    path.write_bytes(whole)
    for changes, message in (
        ({"mixing.table": None}, r"holds no mixing\.table with a row for each of 4 times \(none\)"),
        ({"mixing.table": torch.zeros(4, 7)}, "does not fit the model"),
        ({"gain": None}, "does not fit the model .*: what noise and dimensions are scaled by: 1 missing: 'gain'"),
        ({"spread": torch.zeros(4, 9)}, r"spread is \(4, 9\) instead of \(4, 3\)"),
        ({"projection.bias": None}, "it holds no projection of a pair"),
        ({"text_features": torch.zeros(3, 7)}, "images have 384 channels, and text_features 7"),
        ({"more": torch.zeros(1)}, "1 unexpected: 'more'"),
    ):
        path.write_bytes(whole)
        exchange(copied, **changes)
        with pytest.raises(ValueError, match=message):
            load(f"run:{copied}", device="cpu")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"adapter\.safetensors does not exist"):
        load(f"run:{copied}")


def test_what_a_manifest_may_not_say(run: tuple[Path, DynamicModel], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the manifest may not hold 'dynamics', which the model itself says"):
        save_dynamic_model(tmp_path, run[1], manifest={"dynamics": {}})
    with pytest.raises(ValueError, match="dimensions must hold one label per item: expected 3, got 1"):
        save_dynamic_model(tmp_path, run[1], manifest={"dimensions": ["one"]})
    assert not list(tmp_path.iterdir())
