"""The small transformer: tokens behind convolutions, and what becomes of it when all of it is trained."""

from __future__ import annotations

from pathlib import Path

import torch

from alignkit.models import AdapterConfig, list_models, load, load_towers
from alignkit.models._build_dynamic_model import build_dynamic_model
from alignkit.models._dynamic_model import DynamicSettings
from alignkit.models._layer_tokens import LayerTokens
from alignkit.models._prompt_model import PromptModel
from alignkit.models._run_model import save_run_model
from alignkit.models._small_vit import small_vit

PROMPTS = ["red", "a tool", "round"]
#: More blocks than there are: all of the network.
WHOLE = AdapterConfig(kind="full", image_blocks=99, text_blocks=0)


def pictures(n: int = 3) -> torch.Tensor:
    return torch.rand((n, 3, 64, 64), generator=torch.Generator().manual_seed(1))


def test_it_has_blocks_with_a_class_token_and_comes_from_its_seed() -> None:
    one, same, other = (load("random:small_vit", device="cpu", seed=seed) for seed in (1, 1, 2))
    assert one.weights_sha256 == same.weights_sha256 != other.weights_sha256
    assert LayerTokens.from_model(one).block_names == tuple(f"blocks.{k}" for k in range(6))
    assert "random:small_vit" in list_models("random:small_*").names


def test_training_mode_changes_nothing_and_every_weight_gets_a_gradient() -> None:
    network = small_vit()
    with torch.no_grad():
        torch.testing.assert_close(network.train()(pictures()), network.eval()(pictures()))
    network(pictures()).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in network.parameters())


def test_a_network_that_was_trained_as_a_whole_unfolds_from_there(tmp_path: Path) -> None:
    towers = load_towers("random:small_vit", text="minilm")
    model = PromptModel.build(towers, PROMPTS, WHOLE)
    assert model.image.takes_inputs
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(2)))
        expected = torch.relu(model({"image": pictures()}))
    assert "image.network.patch_embed.stages.0.0.weight" in model.trained()
    save_run_model(tmp_path, model, manifest={"method": "hba"})
    adapter = AdapterConfig(kind="lora", rank=2, image_blocks=99, text_blocks=0)
    unfolding = build_dynamic_model(DynamicSettings(times=(0.0, 0.1)), adapter, start=tmp_path)
    assert len(unfolding.image.block_names) == 6
    with torch.no_grad():
        found = unfolding({"image": pictures()})
    for t in range(2):
        torch.testing.assert_close(found[:, t], expected, rtol=1e-4, atol=1e-4)
