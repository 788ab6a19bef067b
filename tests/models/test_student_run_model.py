"""A student's folder holds what its backbone lacks, and nothing else is believed."""

from __future__ import annotations

import json

import pytest
import torch

from alignkit.models import AdapterConfig, load
from alignkit.models._image_tower import load_image_tower
from alignkit.models._student_model import StudentModel
from alignkit.models._student_run_model import read_student_model, save_student_model

KINDS = [
    (AdapterConfig(kind="lora", rank=2, image_blocks=1), 8),
    (AdapterConfig(kind="full", image_blocks=1000), None),
    (AdapterConfig(kind="none"), 8),
]


def student(adapter=KINDS[0][0], head=8):
    return StudentModel.build(
        load_image_tower("random:test_vit", img_size=32), adapter, head=head, temperature=4.0, seed=1
    )


@pytest.mark.parametrize(("adapter", "head"), KINDS)
def test_a_saved_student_gives_the_same_numbers(tmp_path, adapter, head):
    model = student(adapter, head)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.add_(0.01 * torch.randn(p.shape, generator=generator))
    save_student_model(tmp_path, model, manifest={"method": "alignet"})
    found = load(f"run:{tmp_path}", device="cpu")
    images = torch.rand(3, 3, 32, 32, generator=generator)
    with torch.no_grad():
        assert torch.allclose(found.module(images), model({"image": images}) / 2, atol=1e-6)
        assert torch.allclose(found.module.backbone(images), model.embed({"image": images}), atol=1e-6)
    layers = set(found.probe().shapes)
    assert {"embedding", "output"} <= layers
    assert "head" in layers


def test_the_head_keeps_dot_products_on_average():
    wide = StudentModel.build(
        load_image_tower("random:test_vit", img_size=32), AdapterConfig(kind="none"), head=4096, seed=0
    )
    x = torch.randn(5, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        z = wide.on_top(x)
    ratio = (z @ z.T) / (x @ x.T) / (4096 / 64)
    assert torch.diagonal(ratio).mean().item() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(("change", "sentence"), [
    ({"head": 9}, "does not hold the head of 9 channels"),
    ({"temperature": -1.0}, "temperature is -1.0"),
    ({"temperature": "hot"}, "temperature is 'hot'"),
    ({"kind": "alignkit prompt model"}, "is of an alignkit prompt model, and here an alignkit student model"),
    ({"tensors_sha256": "0"}, "is not the file that"),
])  # fmt: skip
def test_damaged_folders_are_refused(tmp_path, change, sentence):
    save_student_model(tmp_path, student(), manifest={"method": "alignet"})
    path = tmp_path / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=sentence):
        read_student_model(tmp_path)


def test_what_a_model_says_itself_is_taken(tmp_path):
    with pytest.raises(ValueError, match="may not hold 'head'"):
        save_student_model(tmp_path, student(), manifest={"head": 3})
    with pytest.raises(FileNotFoundError, match=r"has no model\.json"):
        read_student_model(tmp_path)
