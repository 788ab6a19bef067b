"""From class tokens to embeddings: found by trying, in networks of three libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch

from alignkit.models import Model, Preprocess, load
from alignkit.models._final_step import FinalStep, find_final_step, frozen_linear
from alignkit.models._layer_tokens import LayerTokens
from alignkit.models._split_tower import SplitTower


def images() -> torch.Tensor:
    return torch.rand((3, 3, 32, 32), generator=torch.Generator().manual_seed(1))


def shaken(network: Any) -> Any:
    """Return a network whose norms differ, as trained ones do."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.1 * torch.randn(value.shape, generator=generator))
    return network.eval()


def as_model(network: Any) -> Model:
    return Model.from_module(network, Preprocess.clip(32), name="toy", n_prefix_tokens=1, class_token=True)


def check(model: Model, expected: FinalStep, layer: str | None = None) -> None:
    tower = SplitTower.from_model(model, layer)
    tokens = LayerTokens.from_model(model, tower.block_names[-1])
    step = find_final_step(tower, tokens, name="toy")
    assert step == expected
    norm, projection = step.parts(model.module, tokens.width)
    with torch.no_grad():
        found = tokens(images())[:, -1]
        found = found if norm is None else norm(found)
        found = found if projection is None else projection(found)
        torch.testing.assert_close(found, tower(images()), rtol=1e-4, atol=1e-5)
    parts = [part for part in (norm, projection) if part is not None]
    assert not any(value.requires_grad for part in parts for value in part.parameters())


def test_clips_have_a_norm_and_a_matrix(make_clip: Callable[..., Any]) -> None:
    check(as_model(shaken(make_clip().visual)), FinalStep("ln_post", "proj"))


@pytest.mark.parametrize("rms", [False, True])
def test_timm_s_networks_have_a_norm(rms: bool) -> None:
    more = {"norm_layer": "rmsnorm"} if rms else {}
    network = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2, num_classes=0, **more)
    check(as_model(shaken(network)), FinalStep("norm", None))


def test_a_block_s_class_token_is_taken_as_it_is() -> None:
    check(load("random:test_vit", device="cpu", img_size=32), FinalStep(), "blocks.3")


def test_a_hugging_face_clip_has_a_norm_and_a_linear_layer() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=16
    )
    with torch.random.fork_rng(devices=[]):
        network = shaken(transformers.CLIPVisionModelWithProjection(config))

    class Embedding(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.clip = network

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.clip(pixel_values=x).image_embeds

    model = as_model(Embedding())
    tower = SplitTower.from_model(model)
    step = find_final_step(tower, LayerTokens.from_model(model), name="toy")
    assert step.norm is not None
    assert step.norm.endswith("post_layernorm")
    assert step.projection == "clip.visual_projection"
    check(model, step)


def test_networks_whose_embedding_is_no_class_token_are_refused() -> None:
    network = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2, num_classes=0, global_pool="avg")
    model = as_model(shaken(network))
    tower = SplitTower.from_model(model)
    with pytest.raises(ValueError, match=r"the embedding of toy \(layer 'output'\) is neither the class token behind"):
        find_final_step(tower, LayerTokens.from_model(model), name="toy")


def test_names_of_something_else_are_refused(make_clip: Callable[..., Any]) -> None:
    network = make_clip().visual
    for step in (FinalStep("conv1"), FinalStep(None, "ln_post"), FinalStep("nowhere", "proj")):
        with pytest.raises(ValueError, match="is no final step of the network"):
            step.parts(network, 32)


def test_a_frozen_layer_is_a_copy() -> None:
    weight, bias = torch.randn(3, 2), torch.randn(3)
    layer = frozen_linear(weight, bias)
    torch.testing.assert_close(layer(torch.ones(1, 2)), (weight.sum(dim=1) + bias)[None])
    weight.zero_()
    assert bool(layer.weight.any())
    assert not layer.weight.requires_grad
