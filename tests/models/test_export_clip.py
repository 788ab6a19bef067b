from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from reference.toy_clip import make_clip

from alignkit.models import export_clip, load

from . import test_import_published_hba as imported
from .test_published_hba import published

open_clip = pytest.importorskip("open_clip")
pytest.importorskip("peft")

backbone = imported.backbone
bring = imported.bring


@pytest.fixture
def run(bring: Any, backbone: Path) -> Path:
    return bring(published(imported.original(backbone), imported.PLACES)[0])


def test_the_file_loads_into_open_clip_with_the_trained_weights(run, backbone, tmp_path):
    out = export_clip(run, out=tmp_path / "out.safetensors")
    clip = open_clip.create_model("Tiny-CLIP", pretrained=str(out)).eval()
    clip.load_state_dict(clip.state_dict(), strict=True)
    assert set(clip.state_dict()) == set(imported.original(backbone).state_dict())
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    _, adapted = published(imported.original(backbone), imported.PLACES)
    with torch.no_grad():
        x = torch.nn.functional.normalize(clip.encode_image(images), dim=-1)
        tokens = open_clip.tokenize(imported.PROMPTS, context_length=16)
        t = torch.nn.functional.normalize(clip.encode_text(tokens), dim=-1)
        expected = imported.expected(backbone, adapted, images)
        torch.testing.assert_close(clip.logit_scale.exp() * x @ t.T, expected, rtol=0, atol=1e-4)
        got = load(f"run:{run}", device="cpu").module(images)
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-4)


def test_alignkit_loads_the_file_as_any_weights(run, tmp_path):
    out = export_clip(run, out=tmp_path / "out.safetensors")
    assert load("open_clip:Tiny-CLIP", weights=out, device="cpu").layers()[-1] == "output"


def test_another_backbone_is_refused(run, backbone, tmp_path):
    from safetensors.torch import save_file

    save_file(make_clip(seed=1).state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="are not those that"):
        export_clip(run, out=tmp_path / "out.safetensors", weights=tmp_path / "other.safetensors")
    backbone.rename(tmp_path / "moved.safetensors")
    with pytest.raises(FileNotFoundError):
        export_clip(run, out=tmp_path / "out.safetensors")
    export_clip(run, out=tmp_path / "out.safetensors", weights=tmp_path / "moved.safetensors")


def test_what_does_not_go_into_open_clip_is_refused_or_said(run, tmp_path):
    with pytest.raises(ValueError, match=r"must be the name of a \.safetensors file; got 'clip.pt'"):
        export_clip(run, out="clip.pt")
    manifest = json.loads((run / "model.json").read_text())
    timm = {**manifest["backbone"], "backbone": "timm:vit_tiny_patch16_224"}
    (run / "model.json").write_text(json.dumps({**manifest, "backbone": timm}))
    with pytest.raises(ValueError, match="only a CLIP of open_clip by itself"):
        export_clip(run, out=tmp_path / "out.safetensors")
    with pytest.raises(FileNotFoundError):
        export_clip(tmp_path / "none", out=tmp_path / "out.safetensors")


def test_slopes_and_offsets_are_left_out_aloud(backbone, tmp_path):
    from alignkit.models import AdapterConfig
    from alignkit.models._prompt_model import PromptModel
    from alignkit.models._run_model import save_run_model
    from alignkit.models._towers import load_towers

    towers = load_towers("open_clip:Tiny-CLIP", weights=backbone)
    model = PromptModel.build(towers, imported.PROMPTS, AdapterConfig(kind="lora", rank=2, text_blocks=0), affine=True)
    (tmp_path / "run").mkdir()
    save_run_model(tmp_path / "run", model, manifest={"method": "hba"})
    with pytest.warns(UserWarning, match="has a slope and an offset"):
        out = export_clip(tmp_path / "run", out=tmp_path / "out.safetensors")
    from safetensors.torch import load_file

    state, wanted = load_file(out), imported.original(backbone).state_dict()
    assert all(torch.equal(state[name], wanted[name]) for name in wanted)
