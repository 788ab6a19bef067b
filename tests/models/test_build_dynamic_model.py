"""Models that unfold, as they start: at every time what a finished run or a CLIP gives, rectified."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from reference.dynamic_models import (
    DORA,
    FROZEN,
    OF_START,
    PAIR,
    PROMPTS,
    SETTINGS,
    TIMES,
    images,
    moved_dynamics,
    moved_start,
    outputs,
    save_dynamics,
    save_start,
)
from reference.toy_clip import add_tiny_clip, sizes
from safetensors.torch import load_file

from alignkit.models import AdapterConfig, load, load_towers
from alignkit.models._build_dynamic_model import build_dynamic_model
from alignkit.models._dynamic_model import DynamicModel, DynamicSettings
from alignkit.models._dynamic_run_model import restore_dynamic_model, save_dynamic_model
from alignkit.models._prompt_model import PromptModel
from alignkit.models._run_model import read_run_model, save_run_model


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


def test_every_time_starts_as_the_run_does(start: tuple[Path, PromptModel]) -> None:
    found = outputs(build_dynamic_model(SETTINGS, DORA, start=start[0]))
    expected = torch.relu(outputs(start[1]))
    torch.testing.assert_close(found, expected[:, None].expand_as(found), rtol=1e-4, atol=1e-4)
    assert bool((expected > 0).any())


def test_the_plain_backbone_with_the_run_s_prompts(start: tuple[Path, PromptModel]) -> None:
    model = build_dynamic_model(SETTINGS, FROZEN, start=start[0], start_image=False)
    plain = PromptModel.build(load_towers("random:test_vit", preprocess="hba", **PAIR), PROMPTS, FROZEN, affine=True)
    saved = read_run_model(start[0])
    plain.load_trained({name: saved.trained[name] for name in plain.trained()})
    plain.text_features.copy_(saved.text_features)
    torch.testing.assert_close(outputs(model)[:, 1], torch.relu(outputs(plain)), rtol=1e-4, atol=1e-4)
    assert model.start is None
    assert not torch.allclose(outputs(model)[:, 1], torch.relu(outputs(start[1])), rtol=1e-3)


def test_blocks_trained_as_a_whole_are_a_start_too(tmp_path: Path) -> None:
    full = AdapterConfig(kind="full", image_blocks=1, text_blocks=0)
    start = moved_start(PromptModel.build(load_towers("random:test_vit", layer=3, **PAIR), PROMPTS, full))
    save_run_model(tmp_path, start, manifest={})
    model = moved_dynamics(build_dynamic_model(SETTINGS, full, start=tmp_path))
    assert model.mixing.table.shape == (4, 4)  # blocks up to the one whose class token the run took
    fresh = build_dynamic_model(SETTINGS, FROZEN, start=tmp_path)
    torch.testing.assert_close(outputs(fresh)[:, 0], torch.relu(outputs(start)), rtol=1e-4, atol=1e-4)
    folder = tmp_path / "run"
    folder.mkdir()
    save_dynamic_model(folder, model, manifest={})
    assert torch.equal(outputs(restore_dynamic_model(folder)), outputs(model))


def test_a_clip_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = add_tiny_clip(tmp_path, monkeypatch, sizes(3))
    name = "open_clip:Tiny-CLIP"
    model = moved_dynamics(build_dynamic_model(SETTINGS, DORA, backbone=name, prompts=PROMPTS, weights=weights))
    plain = PromptModel.build(load_towers(name, weights=weights), PROMPTS, FROZEN)
    fresh = build_dynamic_model(SETTINGS, DORA, backbone=name, prompts=PROMPTS, weights=weights)
    torch.testing.assert_close(
        fresh.logits({"image": images()})[:, -1], plain({"image": images()}), rtol=1e-4, atol=1e-4
    )
    save_dynamic_model(tmp_path, model, manifest={"method": "hba-meg"})
    loaded = load(f"run:{tmp_path}", device="cpu")
    with torch.no_grad():
        assert torch.equal(loaded.module(images()), outputs(model)[:, 1:].mean(dim=1))
    assert "projection.weight" not in load_file(tmp_path / "adapter.safetensors")  # the backbone has it
    other = AdapterConfig(rank=2, image_blocks=1, text_blocks=1)
    save_run_model(
        tmp_path, moved_start(PromptModel.build(load_towers(name, weights=weights), PROMPTS, other)), manifest={}
    )
    unfolded = build_dynamic_model(SETTINGS, DORA, start=tmp_path)
    with torch.no_grad():
        expected = load(f"run:{tmp_path}", device="cpu").module(images())
    torch.testing.assert_close(unfolded.logits({"image": images()})[:, -1], expected, rtol=1e-4, atol=1e-4)


def test_what_nothing_can_be_built_of(start: tuple[Path, PromptModel], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give either start, the folder of a finished run, or backbone"):
        build_dynamic_model(SETTINGS, DORA)
    with pytest.raises(ValueError, match=r"adapter\.text_blocks must be 0; got 1"):
        build_dynamic_model(SETTINGS, OF_START, start=start[0])
    with pytest.raises(ValueError, match="random:test_vit reads no texts"):
        build_dynamic_model(SETTINGS, DORA, backbone="random:test_vit", prompts=PROMPTS)
    with pytest.raises(FileNotFoundError, match="it holds no run"):
        build_dynamic_model(SETTINGS, DORA, start=tmp_path)
    towers = load_towers("random:resnet10t", **PAIR)
    save_run_model(tmp_path, PromptModel.build(towers, PROMPTS, FROZEN), manifest={})
    with pytest.raises(ValueError, match=r"random:resnet10t has no blocks; time-resolved models mix the class tokens"):
        build_dynamic_model(SETTINGS, DORA, start=tmp_path)


def test_training_goes_on_from_a_run_of_the_same_kind(run: tuple[Path, DynamicModel]) -> None:
    folder, model = run
    noisy = DynamicSettings(times=TIMES, reach=1, noise="mean")
    found = build_dynamic_model(noisy, DORA, start=folder)
    assert found.settings.noise == "mean"
    assert all(torch.equal(value, model.trained()[name]) for name, value in found.trained().items())
    assert found.cut == 0
    assert all(value.requires_grad for value in found.adapter_parameters().values())
    with pytest.raises(ValueError, match=r"dynamics of the run .* as they are alone: reach 1 \(not 0\)"):
        build_dynamic_model(DynamicSettings(times=TIMES), DORA, start=folder)
    other = AdapterConfig(rank=6, image_blocks=24, text_blocks=0, train_magnitude=False)
    with pytest.raises(ValueError, match=r"adapters of the run .* as they are alone: rank 2 \(not 6\)"):
        build_dynamic_model(SETTINGS, other, start=folder)
