from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reference.toy_clip import add_tiny_clip, sizes

from alignkit.models import extract, load

from .test_published_hba import adapters_only, published, save

open_clip = pytest.importorskip("open_clip")
pytest.importorskip("peft")

PROMPTS = ["metallic; artificial", "food-related", "animal-related"]
PLACES = {"visual.transformer.resblocks.1.attn.out_proj": 4, "transformer.resblocks.1.attn.out_proj": 4}


@pytest.fixture
def backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file of weights for a tiny CLIP that open_clip knows as Tiny-CLIP."""
    return add_tiny_clip(tmp_path, monkeypatch, sizes())


def original(backbone: Path) -> Any:
    from safetensors.torch import load_file

    clip = open_clip.CLIP(**sizes()).eval()
    clip.load_state_dict(load_file(backbone))
    return clip


@pytest.fixture
def bring(tmp_path: Path, backbone: Path) -> Callable[..., Path]:
    """Return a function that imports a checkpoint of the tiny CLIP."""
    from alignkit.models import import_published_hba

    def call(state: dict[str, Any], **more: Any) -> Path:
        options = {"prompts": PROMPTS, "out": tmp_path / "run", "backbone": "open_clip:Tiny-CLIP", "weights": backbone}
        return import_published_hba(save(state, tmp_path / "hba.pth"), **{**options, **more})

    return call


def expected(backbone: Path, adapted: dict[str, np.ndarray], images: torch.Tensor) -> torch.Tensor:
    """Return what CLIP-HBA's code computes: cosines with the prompts, times the scale."""
    clip = original(backbone)
    with torch.no_grad():
        for path, weight in adapted.items():
            clip.get_submodule(path).weight.copy_(torch.tensor(weight))
        x = torch.nn.functional.normalize(clip.encode_image(images), dim=-1)
        tokens = open_clip.tokenize(PROMPTS, context_length=16)
        t = torch.nn.functional.normalize(clip.encode_text(tokens), dim=-1)
        return clip.logit_scale.exp() * x @ t.T


@pytest.mark.parametrize("layout", ["whole", "adapters"])
def test_an_imported_checkpoint_predicts_what_it_did_before(layout, bring, backbone, folder):
    state, adapted = published(original(backbone), PLACES)
    run = bring(state if layout == "whole" else adapters_only(state))
    model = load(f"run:{run}", device="cpu")
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        got = model.module(images)
    torch.testing.assert_close(got, expected(backbone, adapted, images), rtol=0, atol=1e-4)
    assert model.preprocess.resize == "squash"
    assert model.preprocess.mean == pytest.approx((0.52997664, 0.48070561, 0.41943838))
    assert extract(model, folder).array("output").shape == (11, 3)


def test_the_folder_says_where_it_comes_from_and_is_small(bring, backbone):
    run = bring(published(original(backbone), PLACES)[0], dimensions=["metal", "food", "animal"], alpha=8.0)
    manifest = json.loads((run / "model.json").read_text())
    assert manifest["dimensions"] == ["metal", "food", "animal"]
    assert manifest["prompts"] == PROMPTS
    assert manifest["published"]["file"] == "hba.pth"
    assert manifest["adapter"]["rank"] == 4
    assert manifest["adapter"]["alpha"] == 8.0
    assert {path.name for path in run.iterdir()} == {"model.json", "adapter.safetensors"}


def test_prompts_come_from_a_text_file_too(bring, backbone, tmp_path):
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS) + "\n\n", encoding="utf-8")
    run = bring(published(original(backbone), PLACES)[0], prompts=tmp_path / "prompts.txt")
    assert json.loads((run / "model.json").read_text())["prompts"] == PROMPTS
    (tmp_path / "prompts.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is not a text file"):
        bring(published(original(backbone), PLACES)[0], prompts=tmp_path / "prompts.txt", out=tmp_path / "other")


def test_adapters_of_the_image_tower_alone(bring, backbone):
    place = next(iter(PLACES))
    state, adapted = published(original(backbone), {place: 6})
    model = load(f"run:{bring(state)}", device="cpu")
    images = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model.module(images), expected(backbone, adapted, images), rtol=0, atol=1e-4)


def test_tables_over_time_are_left_out_aloud(bring, backbone):
    state, _ = published(original(backbone), PLACES)
    with pytest.warns(UserWarning, match=r"is a CLIP-HBA-MEG.*'weighting_matrix'"):
        bring({**state, "clip_model.weighting_matrix": torch.eye(3)})


def test_what_does_not_fit_is_refused_and_leaves_no_folder(bring, backbone, tmp_path):
    state, _ = published(original(backbone), PLACES)
    early = published(original(backbone), {"visual.transformer.resblocks.0.attn.out_proj": 4})[0]
    other = {name: torch.randn_like(value) if "original" in name else value for name, value in state.items()}
    for bad, more, words in (
        (early, {}, "the network has them on 'transformer.resblocks.1.attn.out_proj'"),
        (other, {}, "made with other weights"),
        (state, {"prompts": []}, "prompts"),
        (state, {"prompts": ["one", "one"]}, "prompts"),
        (state, {"dimensions": ["one"]}, "dimensions"),
        (state, {"alpha": -1.0}, "alpha must be"),
    ):
        with pytest.raises(ValueError, match=words):
            bring(bad, **more)
    assert not (tmp_path / "run").exists()
    bring(state)
    with pytest.raises(FileExistsError, match="holds a model already"):
        bring(state)
