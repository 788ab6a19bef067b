from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reference import hba_dora

from alignkit.models._adapter_config import AdapterConfig
from alignkit.models._adapters import adapted_layers, add_adapters, load_adapter_state, merge_adapters, merged_weight
from alignkit.models._published_hba import published_adapter_state, read_published_hba

from .test_attention import clip, features

pytest.importorskip("peft")

PLACES = {
    "visual.transformer.resblocks.0.attn.out_proj": 4,
    "visual.transformer.resblocks.1.attn.out_proj": 4,
    "transformer.resblocks.1.attn.out_proj": 4,
}


def published(model: Any, ranks: dict[str, int] = PLACES) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the state dict of a CLIP-HBA as its code would save it, and the weights that it amounts to."""
    rng = np.random.default_rng(4)
    state = {f"clip_model.{name}": value.clone() for name, value in model.state_dict().items()}
    adapted = {}
    for path, rank in ranks.items():
        layer = model.get_submodule(path)
        original = layer.weight.detach().double().numpy()
        m, a, b = hba_dora.start(original, rank, rng)
        m = m * rng.uniform(0.5, 1.5, m.shape)
        adapted[path] = hba_dora.weight(original, m, a, b, 16.0)
        del state[f"clip_model.{path}.weight"]
        name = f"clip_model.{path}"
        lengths = np.sqrt((original**2).sum(1, keepdims=True))
        parts = {"m": m[:, None], "D": original / lengths, "delta_D_A": a, "delta_D_B": b}
        state |= {f"{name}.{part}": torch.tensor(value, dtype=torch.float32) for part, value in parts.items()}
        state[f"{name}.original_layer.weight"] = layer.weight.detach().clone()
        state[f"{name}.original_layer.bias"] = layer.bias.detach().clone()
    return state, adapted


def save(state: dict[str, Any], path: Path) -> Path:
    torch.save(state, path)
    return path


def adapters_only(state: dict[str, Any]) -> dict[str, Any]:
    """Return what the later code of the same laboratory saves."""
    kept = (".m", ".delta_D_A", ".delta_D_B")
    return {name.removeprefix("clip_model."): value for name, value in state.items() if name.endswith(kept)}


def loaded(path: Path, *, rank: int = 4, alpha: float = 16.0) -> Any:
    """Return the tiny CLIP with the adapters of a checkpoint."""
    model = clip()
    found = read_published_hba(path)
    blocks = [name.removesuffix(".attn.out_proj") for name in found.adapters]
    add_adapters(model, blocks, AdapterConfig(rank=rank, alpha=alpha))
    load_adapter_state(model, published_adapter_state(found.adapters, model))
    return model


@pytest.mark.parametrize("layout", ["whole", "parallel", "adapters", "wrapped"])
def test_both_layouts_give_the_published_weights(layout, tmp_path):
    state, adapted = published(clip())
    saved = {
        "whole": state,
        "parallel": {f"module.{name}": value for name, value in state.items()},
        "adapters": adapters_only(state),
        "wrapped": {"state_dict": state},
    }[layout]
    model = loaded(save(saved, tmp_path / "hba.pth"))
    assert set(adapted_layers(model)) == set(PLACES)
    for path, expected in adapted.items():
        got = merged_weight(model.get_submodule(path)).double().numpy()
        # the published code's epsilon, and single precision
        np.testing.assert_allclose(got, expected, rtol=0, atol=5e-7 * np.abs(expected).max())


def test_the_mapping_is_exact_in_double_precision(tmp_path):
    """At the width of ViT-L/14's image tower, by the formula alone."""
    rng = np.random.default_rng(0)
    original = rng.normal(size=(256, 256)) / 16
    m, a, b = hba_dora.start(original, 32, rng)
    lengths = np.sqrt((original**2).sum(1, keepdims=True))
    moved = original + 16.0 / 32 * (lengths * a.T) @ b.T
    ours = m[:, None] * moved / np.sqrt((moved**2).sum(1, keepdims=True))
    assert np.abs(ours - hba_dora.weight(original, m, a, b, 16.0)).max() < 2e-8


def test_the_imported_network_gives_the_published_ones_embeddings(tmp_path):
    state, adapted = published(clip())
    model = loaded(save(state, tmp_path / "hba.pth"))
    expected = clip()
    with torch.no_grad():
        for path, weight in adapted.items():
            expected.get_submodule(path).weight.copy_(torch.tensor(weight))
    merge_adapters(model)
    for got, wanted in zip(features(model), features(expected), strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=2e-6)


def test_a_lower_rank_and_another_alpha_give_the_same_weights(tmp_path):
    """Each adapter was scaled by alpha over its own rank; one setting holds for all here."""
    ranks = dict(zip(PLACES, (2, 3, 6), strict=True))
    state, adapted = published(clip(), ranks)
    model = loaded(save(state, tmp_path / "hba.pth"), rank=6, alpha=4.0)
    for path, expected in adapted.items():
        got = merged_weight(model.get_submodule(path)).double().numpy()
        np.testing.assert_allclose(got, expected, rtol=0, atol=5e-7 * np.abs(expected).max())


def test_towers_and_tables_are_told_apart(tmp_path):
    state, _ = published(clip())
    state |= {"clip_model.weighting_matrix": torch.eye(24), "clip_model.beta": torch.ones(5)}
    found = read_published_hba(save(state, tmp_path / "meg.pth"))
    assert set(found.tables) == {"weighting_matrix", "beta"}
    assert torch.equal(found.tables["beta"], torch.ones(5))
    assert set(found.tower("image")) == {
        "transformer.resblocks.0.attn.out_proj",
        "transformer.resblocks.1.attn.out_proj",
    }
    assert set(found.tower("text")) == {"transformer.resblocks.1.attn.out_proj"}
    assert {adapter.rank for adapter in found.adapters.values()} == {4}
    assert read_published_hba(save(adapters_only(state), tmp_path / "adapters.pth")).tables == {}


def test_another_backbone_is_refused(tmp_path):
    state, _ = published(clip())
    name = f"clip_model.{next(iter(PLACES))}.original_layer.weight"
    state[name] = torch.randn(state[name].shape)
    with pytest.raises(ValueError, match="made with other weights of visual"):
        loaded(save(state, tmp_path / "hba.pth"))
    wide, _ = published(clip(width=64, layers=2))
    with pytest.raises(ValueError, match=r"is for weights of shape \(64, 64\); the network's are \(32, 32\)"):
        loaded(save(adapters_only(wide), tmp_path / "wide.pth"))


def test_other_places_and_ranks_are_refused(tmp_path):
    found = read_published_hba(save(published(clip())[0], tmp_path / "hba.pth"))
    model = clip()
    add_adapters(model, ["visual.transformer.resblocks.1"], AdapterConfig(rank=2))
    with pytest.raises(ValueError, match=r"the network has them on 'visual.transformer.resblocks.1.attn.out_proj'"):
        published_adapter_state(found.adapters, model)
    with pytest.raises(ValueError, match="has rank 4, the network's 2"):
        loaded(tmp_path / "hba.pth", rank=2)
    with pytest.raises(ValueError, match="alpha must be a finite number above 0"):
        published_adapter_state(found.adapters, model, alpha=0.0)


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "hba.pth"
    state, _ = published(clip())
    first = f"clip_model.{next(iter(PLACES))}"
    cases = {
        "holds no adapters of CLIP-HBA": {"conv.weight": torch.ones(2)},
        "checkpoint is incomplete": {k: v for k, v in state.items() if k != f"{first}.m"},
        "do not fit each other": {**state, f"{first}.m": torch.ones(3)},
        "in places of its own": {f"layers.0.{part}": torch.ones(2, 2) for part in ("m", "delta_D_A", "delta_D_B")},
    }
    for words, content in cases.items():
        with pytest.raises(ValueError, match=words):
            read_published_hba(save(content, path))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match="truncated or damaged"):
        read_published_hba(path)
    with pytest.raises(FileNotFoundError):
        read_published_hba(tmp_path / "none.pth")
