"""Activations computed again: the same outputs and gradients, with and without dropout."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from alignkit.train._checkpointing import checkpoint_blocks, find_blocks


def block(dropout: float = 0.0) -> nn.Module:
    return nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4), nn.Tanh(), nn.Dropout(dropout))


def network(dropout: float = 0.0) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Sequential(*(block(dropout) for _ in range(3))), nn.Linear(4, 2)).double()


def gradients(module: nn.Module) -> list[torch.Tensor]:
    torch.default_generator.manual_seed(3)
    x = torch.linspace(-1, 1, 15, dtype=torch.float64).reshape(5, 3)
    (module(x) ** 2).sum().backward()
    return [parameter.grad for parameter in module.parameters()]


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_gradients_are_equal(dropout):
    plain = network(dropout)
    again = copy.deepcopy(plain)
    passes = []
    again[1][1][0].register_forward_hook(lambda *_: passes.append(1))
    assert checkpoint_blocks(again) == 3
    expected, found = gradients(plain), gradients(again)
    assert len(passes) == 2  # once forward, once in the backward pass
    assert all(a.equal(b) for a, b in zip(found, expected, strict=True))


def test_nothing_is_computed_again_without_need():
    module = network()
    checkpoint_blocks(module)
    assert checkpoint_blocks(module) == 3  # a second time changes nothing
    passes = []
    module[1][0].register_forward_hook(lambda *_: passes.append(1))
    x = torch.ones(2, 3, dtype=torch.float64)
    module.eval()(x).sum().backward()
    with torch.no_grad():
        module.train()(x)
    assert len(passes) == 2


def test_names_and_classes_stay():
    module = network()
    kinds, names = [type(part).__name__ for part in module.modules()], list(module.state_dict())
    checkpoint_blocks(module)
    assert [type(part).__name__ for part in module.modules()] == kinds
    assert all(isinstance(part, nn.Sequential) for part in module[1])
    assert list(module.state_dict()) == names


@pytest.mark.parametrize("library", ["open_clip", "timm", "torch"])
def test_blocks_of_transformers_are_found(library):
    if library == "open_clip":
        open_clip = pytest.importorskip("open_clip")
        vision = {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8}
        text = {"context_length": 16, "vocab_size": 64, "width": 32, "heads": 2, "layers": 3}
        clip = open_clip.CLIP(embed_dim=24, vision_cfg=vision, text_cfg=text)
        assert find_blocks(clip) == [*clip.visual.transformer.resblocks, *clip.transformer.resblocks]
    elif library == "timm":
        timm = pytest.importorskip("timm")
        vit = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=3)
        assert find_blocks(vit) == list(vit.blocks)
    else:
        layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2), 2, enable_nested_tensor=False)
        assert find_blocks(nn.ModuleDict({"encoder": layers})) == list(layers.layers)


def test_a_module_may_name_its_blocks():
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(2, 2), nn.Tanh()

        def checkpointed_blocks(self) -> list[nn.Module]:
            return [self.first]

    module = Named()
    assert find_blocks(nn.Sequential(module, nn.Tanh())) == [module.first]


def test_without_blocks_it_says_what_to_do():
    with pytest.raises(ValueError, match=r"Sequential has no list of them .give it a method checkpointed_blocks"):
        checkpoint_blocks(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)))
