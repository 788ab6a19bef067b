from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from alignkit.models import Preprocess, load


def test_importing_models_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'timm', 'open_clip', 'sentence_transformers', 'torchvision', 'zarr', 'pandas', 'numba', 'PIL'}"
    code = f"import sys, alignkit.models; sys.exit(', '.join({heavy} & set(sys.modules)))"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_random_networks_come_from_their_seed_and_leave_torchs_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = (load("random:test_resnet", device="cpu", seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert one.weights_sha256 == same.weights_sha256 != other.weights_sha256
    assert one.settings == {"architecture": "test_resnet", "seed": 1}
    assert not one.module.training


def test_preprocessing_can_be_chosen_and_is_part_of_the_identity() -> None:
    own = load("random:test_resnet", device="cpu", img_size=64)
    assert own.preprocess.size == 64  # type: ignore[union-attr]
    hba = load("random:test_resnet", device="cpu", img_size=64, preprocess="hba")
    assert hba.preprocess == Preprocess.hba(64)
    by_settings = load("random:test_resnet", device="cpu", preprocess=Preprocess.hba(64).to_dict())
    assert by_settings.describe()["preprocess"] == hba.describe()["preprocess"] != own.describe()["preprocess"]
    with pytest.raises(ValueError, match="preprocess must be one of 'clip', 'hba', 'imagenet', 'alignet'; got 'vgg'"):
        load("random:test_resnet", device="cpu", preprocess="vgg")
    with pytest.raises(TypeError, match=r"preprocess must be a preset's name.*got int"):
        load("random:test_resnet", device="cpu", preprocess=3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "resnet50",
            "there is no model 'resnet50'; the names are hf:NAME, open_clip:NAME, random:NAME, run:NAME, timm:NAME, ",
        ),
        ("timm:", "there is no model 'timm:'"),
        ("timm:resnet5O", "timm has no network 'resnet5O'; did you mean 'resnet50"),
        ("random:zzzzzzzz", r"timm has no network 'zzzzzzzz'; timm\.list_models\(\) lists them"),
        ("timm:resnet18.nope", r"timm has no weights 'nope' for resnet18; the tags after the point are 'a1_in1k'"),
        ("random:resnet18.nope", "timm has no weights 'nope' for resnet18"),
        ("open_clip:ViT-B-23/openai", "open_clip has no architecture 'ViT-B-23'; did you mean "),
        (
            "open_clip:ViT-B-32/opanai",
            "open_clip has no weights 'opanai' for ViT-B-32; the tags after the slash are 'op",
        ),
        ("open_clip:ViT-B-32", "open_clip has no weights '' for ViT-B-32"),
    ],
)
def test_unknown_names(name: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        load(name, device="cpu")


def test_untrained_networks_take_no_weights(tmp_path) -> None:
    with pytest.raises(ValueError, match="random:small_cnn does not take 'weights'; leave it out"):
        load("random:small_cnn", device="cpu", weights=tmp_path / "trained.safetensors")


def test_devices_that_are_not_there() -> None:
    with pytest.raises(ValueError, match=r"device 'cuda:77' was asked for, torch sees \d+ GPU"):
        load("random:test_resnet", device="cuda:77")
    with pytest.raises(ValueError, match="img_size must be at least 1"):
        load("random:test_vit", device="cpu", img_size=0)
    with pytest.raises(ValueError, match="img_size must be at most 8,192 pixels"):
        load("random:test_vit", device="cpu", img_size=10**7)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_auto_takes_the_gpu() -> None:
    assert load("random:test_resnet").device.type == "cuda"
