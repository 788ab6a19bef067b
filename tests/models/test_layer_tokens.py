"""Class tokens of all blocks; oracle: timm's own intermediate layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch

from alignkit.models import Model, Preprocess, load
from alignkit.models._layer_tokens import LayerTokens


def vit(**more: Any) -> Any:
    torch.manual_seed(0)
    return timm.create_model("vit_tiny_patch16_224", img_size=32, depth=4, num_classes=0, **more).eval()


def as_model(network: Any, **fields: Any) -> Model:
    return Model.from_module(
        network, Preprocess.clip(32), name="toy", **{"n_prefix_tokens": 1, "class_token": True, **fields}
    )


def pictures(n: int = 3) -> torch.Tensor:
    return torch.rand((n, 3, 32, 32), generator=torch.Generator().manual_seed(1))


def class_tokens(network: Any, x: torch.Tensor, n: int) -> torch.Tensor:
    layers = network.get_intermediate_layers(x, n=list(range(n)), return_prefix_tokens=True, norm=False)
    return torch.stack([tokens[1][:, 0] for tokens in layers], dim=1)


@pytest.mark.parametrize("n", [4, 3])
def test_every_cut_gives_the_class_token_behind_every_block(n: int) -> None:
    network = vit()
    tower = LayerTokens.from_model(as_model(network), None if n == 4 else 2)
    with torch.no_grad():
        expected = class_tokens(network, pictures(), n)
        assert torch.equal(tower(pictures()), expected)
        for block in range(n + 1):
            tower.split_at(block)
            kept = tower.prefix(pictures())
            assert kept.shape == (3, n if block == n else block + 5, 192)
            assert torch.equal(tower.suffix(kept), expected)
            assert torch.equal(tower(pictures()), expected)


def test_clip_gives_its_blocks_first_tokens(make_clip: Callable[..., Any]) -> None:
    clip = make_clip()
    tower = LayerTokens.from_model(as_model(clip.visual))
    seen: list[torch.Tensor] = []
    blocks = clip.visual.transformer.resblocks
    handles = [block.register_forward_hook(lambda _b, _a, output: seen.append(output[:, 0])) for block in blocks]
    with torch.no_grad():
        clip.encode_image(pictures())
        for handle in handles:
            handle.remove()
        tower.split_at(1)
        assert torch.equal(tower(pictures()), torch.stack(seen, dim=1))


def test_gradients_are_those_of_all_tokens_and_reach_trained_blocks_alone() -> None:
    network = vit()
    tower = LayerTokens.from_model(as_model(network))
    assert tower.reads_first  # of the last block
    tower.double().split_at(2)
    x = pictures().double()
    upstream = torch.randn(3, 4, 192, dtype=torch.float64)
    trained = [p for block in network.blocks[2:] for p in block.parameters()]
    found = torch.autograd.grad((tower(x) * upstream).sum(), trained)
    # timm's own forward, whose frozen blocks get gradients too
    expected = torch.autograd.grad((class_tokens(network, x, 4) * upstream).sum(), trained)
    torch.testing.assert_close(found, expected)
    assert not tower.prefix(x).requires_grad


def test_half_precision_rows_are_computed_in_the_network_s_own() -> None:
    tower = LayerTokens.from_model(as_model(vit()))
    tower.split_at(2)
    found = tower.suffix(tower.prefix(pictures()).half())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, tower(pictures()), rtol=0.02, atol=0.02)


def test_networks_without_class_tokens_or_blocks_are_refused() -> None:
    model = as_model(vit(class_token=False, global_pool="avg"), class_token=False, n_prefix_tokens=0)
    with pytest.raises(ValueError, match="toy has no class token"):
        LayerTokens.from_model(model)
    with pytest.raises(ValueError, match="has no blocks"):
        LayerTokens.from_model(load("random:small_cnn", device="cpu"))
    with pytest.raises(ValueError, match="that is none of its blocks"):
        LayerTokens.from_model(as_model(vit()), "blocks.1.norm1")
