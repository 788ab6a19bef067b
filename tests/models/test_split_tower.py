"""Both halves of a network together are the network, bit for bit; oracles: the libraries' own functions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import timm
import torch
from torch import nn

from alignkit.models import Model, Preprocess, load
from alignkit.models._attention import separate_attention
from alignkit.models._clip_text import clip_text
from alignkit.models._split_tower import SplitTower
from alignkit.train._checkpointing import checkpoint_blocks

TEXTS = ["a red ball", "three cats that sleep on a chair", "dog"]


def pictures(n: int = 3, size: int = 32) -> torch.Tensor:
    return torch.rand((n, 3, size, size), generator=torch.Generator().manual_seed(1))


def as_model(network: nn.Module, size: int = 32, **fields: Any) -> Model:
    fields = {"n_prefix_tokens": 1, "class_token": True, **fields}
    return Model.from_module(network, Preprocess.clip(size), name="toy", **fields)


@torch.no_grad()
def check_cuts(tower: SplitTower, x: Any, expected: torch.Tensor) -> None:
    """Every cut gives the expected embedding, from tokens without a history."""
    tower.eval()
    assert torch.equal(tower(x), expected)
    for block in range(len(tower.block_names) + 1):
        tower.split_at(block)
        with torch.enable_grad():
            hidden = tower.prefix(x)
        assert not hidden.requires_grad
        assert len(hidden) == len(expected)
        assert torch.equal(tower.suffix(hidden, x), expected)
        assert torch.equal(tower(x), expected)


def test_clip_image_tower_equals_encode_image(make_clip: Callable[..., Any]) -> None:
    clip = make_clip()
    tower = SplitTower.from_model(as_model(clip.visual))
    assert tower.block_names == ("transformer.resblocks.0", "transformer.resblocks.1")
    assert tower.width == 24
    with torch.no_grad():
        check_cuts(tower, pictures(), clip.encode_image(pictures()))


def test_clip_with_a_trunk_of_timm_equals_encode_image(make_clip: Callable[..., Any]) -> None:
    clip = make_clip("CustomTextCLIP", timm_model_name="test_vit", timm_pool="", timm_proj="linear")
    tower = SplitTower.from_model(as_model(clip.visual))
    assert len(tower.block_names) == 6
    with torch.no_grad():
        check_cuts(tower, pictures(), clip.encode_image(pictures()))


@pytest.mark.parametrize("kind", ["CLIP", "CustomTextCLIP"])
def test_clip_text_tower_equals_encode_text(make_clip: Callable[..., Any], kind: str) -> None:
    clip = make_clip(kind)
    model = clip_text(clip, open_clip.get_tokenizer("ViT-B-32"), name="toy")
    tower = SplitTower.from_model(model)
    assert tower.block_names == ("transformer.resblocks.0", "transformer.resblocks.1")
    tokens = model.preprocess(TEXTS)  # type: ignore[operator]
    with torch.no_grad():
        check_cuts(tower, tokens, clip.encode_text(tokens))


@pytest.mark.parametrize("pool", ["token", "avg"])
def test_timm_vit_equals_its_own_output(pool: str) -> None:
    vit = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=3, num_classes=0, global_pool=pool).eval()
    tower = SplitTower.from_model(as_model(vit))
    assert tower.block_names == ("blocks.0", "blocks.1", "blocks.2")
    with torch.no_grad():
        check_cuts(tower, pictures(), vit(pictures()))


@pytest.mark.parametrize("layer", [1, "blocks.1"])
def test_a_block_is_its_class_token_without_the_final_norm(layer: str | int) -> None:
    vit = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=3, num_classes=0).eval()
    tower = SplitTower.from_model(as_model(vit), layer)
    assert tower.block_names == ("blocks.0", "blocks.1")  # the last one is not needed
    with torch.no_grad():
        tokens = vit.get_intermediate_layers(pictures(), n=[1], return_prefix_tokens=True, norm=False)[0][1]
        check_cuts(tower, pictures(), tokens[:, 0])


def test_a_layer_inside_a_block_needs_that_block() -> None:
    vit = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=3, num_classes=0).eval()
    tower = SplitTower.from_model(as_model(vit), "blocks.1.norm1")
    assert tower.block_names == ("blocks.0", "blocks.1")
    with torch.no_grad():
        tokens = vit.get_intermediate_layers(pictures(), n=[0], return_prefix_tokens=True, norm=False)[0]
        check_cuts(tower, pictures(), vit.blocks[1].norm1(torch.cat([tokens[1], tokens[0]], 1))[:, 0])


def test_real_weights_at_block_10(shared_data: Callable[..., Path]) -> None:
    path = shared_data("weights", "vit_small_patch14_dinov2.imgfocus_fp16.safetensors")
    model = load(path, device="cpu", img_size=224)
    tower = SplitTower.from_model(model, 10)
    assert (len(tower.block_names), tower.block_names[-1], tower.width) == (11, "blocks.10", 384)
    assert {parameter.dtype for parameter in tower.parameters()} == {torch.float32}  # the file is float16
    x = pictures(2, 224)
    vit: Any = model.module
    with torch.no_grad():
        tokens = vit.get_intermediate_layers(x, n=[10], return_prefix_tokens=True, norm=False)[0][1]
        tower.split_at(10)
        hidden = tower.prefix(x)
        assert hidden.shape == (2, 257, 384)
        assert torch.equal(tower.suffix(hidden), tokens[:, 0])
        assert torch.equal(tower(x), tokens[:, 0])


def test_minilm_equals_sentence_transformers() -> None:
    model = load("minilm", device="cpu")
    tower = SplitTower.from_model(model)
    assert (len(tower.block_names), tower.width) == (6, 384)
    tokens = model.preprocess(TEXTS)  # type: ignore[operator]
    encoder: Any = model.module
    with torch.no_grad():
        check_cuts(tower, tokens, encoder(dict(tokens))["sentence_embedding"])
    expected = encoder.encode(TEXTS, convert_to_tensor=True, normalize_embeddings=True, show_progress_bar=False)
    torch.testing.assert_close(tower(tokens), expected.clone())  # it sorts texts by length first
    # mean over real tokens, of length 1
    with torch.no_grad():
        hidden = encoder[0](dict(tokens))["token_embeddings"]
    means = torch.stack([row[mask.bool()].mean(0) for row, mask in zip(hidden, tokens["attention_mask"], strict=True)])
    torch.testing.assert_close(tower(tokens), means / means.norm(dim=1, keepdim=True))


def test_blocks_that_give_tuples_can_be_cut() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor]:
            return (hidden_states + self.linear(hidden_states),)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.ModuleList(Block() for _ in range(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = x[:, :, :4, :8].flatten(1, 2)
            for block in self.layer:
                tokens = block(hidden_states=tokens)[0]
            return tokens[:, 0]

    network = Network()
    tower = SplitTower.from_model(as_model(network))
    assert len(tower.block_names) == 3
    with torch.no_grad():
        check_cuts(tower, pictures(), network(pictures()))


def test_networks_that_cannot_be_cut_are_kept_whole() -> None:
    class Bridged(nn.Module):  # the last block sees what came before the first
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first = tokens = x[:, :, :4, :8].flatten(1, 2)
            for block in self.blocks:
                tokens = block(tokens)
            return (tokens + first)[:, 0]

    for network in (Bridged(), timm.create_model("resnet10t", num_classes=0).eval()):
        tower = SplitTower.from_model(as_model(network, n_prefix_tokens=0, class_token=False))
        assert tower.block_names == ()
        with torch.no_grad():
            check_cuts(tower, pictures(), network(pictures()))


def test_a_network_that_writes_into_its_tokens_is_kept_whole() -> None:
    class Careless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(8, 8)) for _ in range(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = x[:, :, :4, :8].flatten(1, 2) - 0.5
            for block in self.blocks:
                tokens = block(tokens)
            return tokens[:, 0]

    assert SplitTower.from_model(as_model(Careless())).block_names == ()


def test_gradients_reach_the_suffix_alone(make_clip: Callable[..., Any]) -> None:
    tower = SplitTower.from_model(as_model(make_clip().visual))
    tower.split_at(1)
    tower(pictures()).square().sum().backward()
    with_gradient = {name for name, value in tower.network.named_parameters() if value.grad is not None}
    assert {name for name in with_gradient if "resblocks.1" in name}
    assert not {name for name in with_gradient if "resblocks.0" in name or "conv1" in name}


def test_gradients_are_those_of_the_network(make_clip: Callable[..., Any]) -> None:
    names = ("transformer.resblocks.1.mlp.c_fc.weight", "transformer.resblocks.1.attn.out_proj.weight")
    gradients = []
    for whole in (True, False):
        network = make_clip().visual
        tower = SplitTower.from_model(as_model(network))
        tower.split_at(1)
        (network(pictures()) if whole else tower(pictures())).square().sum().backward()
        gradients.append([network.get_parameter(name).grad for name in names])
    for expected, got in zip(*gradients, strict=True):
        torch.testing.assert_close(got, expected)


def test_the_network_is_left_as_it_was(make_clip: Callable[..., Any]) -> None:
    network = make_clip().visual
    before = dict(network.named_modules())
    tower = SplitTower.from_model(as_model(network))
    tower.split_at(1)
    hidden = tower.prefix(pictures())
    kept = hidden.clone()
    tower.suffix(hidden)
    with pytest.raises(RuntimeError):
        tower.suffix(hidden[..., :5])
    assert dict(network.named_modules()) == before
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())
    assert torch.equal(hidden, kept)


def test_what_is_frozen_stays_in_evaluation_mode() -> None:
    vit = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2, num_classes=0, proj_drop_rate=0.5)
    tower = SplitTower.from_model(as_model(vit)).train()
    tower.split_at(1)
    assert torch.equal(tower(pictures()), tower(pictures()))
    assert tower.training
    assert not any(part.training for part in vit.modules() if isinstance(part, nn.Dropout))
    assert vit.blocks[1].training  # so that it may recompute its activations
    assert not vit.blocks[0].training


def test_half_precision_tokens_are_computed_in_the_network_s_own() -> None:
    tower = SplitTower.from_model(load("random:test_vit", device="cpu", img_size=32))
    tower.split_at(5)
    hidden = tower.prefix(pictures())
    assert torch.equal(tower.suffix(hidden.half()), tower.suffix(hidden.half().float()))


def vit(**more: Any) -> Any:
    return timm.create_model("vit_tiny_patch16_224", img_size=32, depth=3, num_classes=0, **more).eval()


def seen_by(part: nn.Module, tower: SplitTower, hidden: torch.Tensor) -> list[int]:
    """Return how many tokens a part of a network gives while a suffix with gradients runs."""
    found: list[int] = []
    with part.register_forward_hook(lambda _part, _args, output: found.append(output.shape[1])):
        tower.suffix(hidden)
    return found


@pytest.mark.parametrize("layer", [None, 1])
@pytest.mark.parametrize("separate", [False, True])
def test_training_leaves_out_what_the_class_token_does_not_need(layer: int | None, separate: bool) -> None:
    torch.manual_seed(0)
    network = vit(init_values=0.3)
    tower = SplitTower.from_model(as_model(network), layer)
    assert tower.reads_first
    if separate:
        separate_attention(network)
    last = network.blocks[2 if layer is None else layer]
    tower.double().split_at(1)
    hidden = tower.prefix(pictures().double())
    weights = [parameter for parameter in last.parameters() if parameter.requires_grad]
    short = tower.suffix(hidden)
    gradients = torch.autograd.grad(short.square().sum(), weights)
    tower.reads_first = False
    whole = tower.suffix(hidden)
    torch.testing.assert_close(short, whole)
    torch.testing.assert_close(gradients, torch.autograd.grad(whole.square().sum(), weights))
    assert seen_by(last.mlp, tower, hidden) == [5]
    tower.reads_first = True
    assert seen_by(last.mlp, tower, hidden) == seen_by(last.attn.proj, tower, hidden) == [1]
    assert seen_by(last.attn.qkv, tower, hidden) == [5]


def test_a_clip_leaves_out_what_its_class_token_does_not_need(make_clip: Callable[..., Any]) -> None:
    clip = make_clip()
    tower = SplitTower.from_model(as_model(clip.visual))
    separate_attention(clip.visual)
    tower.split_at(1)
    hidden = tower.prefix(pictures())
    last = clip.visual.transformer.resblocks[1]
    assert seen_by(last.mlp, tower, hidden) == seen_by(last.attn.out_proj, tower, hidden) == [1]
    with torch.no_grad():
        torch.testing.assert_close(tower(pictures()), clip.encode_image(pictures()))
    torch.testing.assert_close(tower.suffix(hidden), clip.encode_image(pictures()))


def test_networks_that_read_all_tokens_are_given_all(make_clip: Callable[..., Any]) -> None:
    # scales so small that numbers alone would not show it
    for network in (vit(global_pool="avg", init_values=1e-6), vit(class_token=False, global_pool="avg")):
        model = as_model(network, class_token=False, n_prefix_tokens=int(network.cls_token is not None))
        assert not SplitTower.from_model(model).reads_first
    clip = make_clip()
    assert not SplitTower.from_model(clip_text(clip, open_clip.get_tokenizer("ViT-B-32"), name="toy")).reads_first
    assert not SplitTower.from_model(load("minilm", device="cpu")).reads_first


class ConvolvedBlock(nn.Module):
    """A block whose MLP lets neighbours see each other, behind the norm's usual name, however little it adds."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.norm2 = nn.LayerNorm(16)
        self.mlp = nn.Conv1d(16, 16, 3, padding=1)
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mixed: torch.Tensor = self.mlp(self.norm2(x).transpose(1, 2)).transpose(1, 2)
        return x + self.scale * mixed


class ClassOfPatches(nn.Module):
    """A small network of blocks that reads its first token."""

    def __init__(self, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 16, 16)
        self.cls = nn.Parameter(torch.linspace(-1, 1, 16).expand(1, 1, 16))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.Linear(16, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1)
        for block in self.blocks:
            x = block(x)
        embedding: torch.Tensor = self.norm(x[:, 0])
        return embedding


@pytest.mark.parametrize("scale", [1.0, 1e-7, 0.0])
def test_a_block_whose_tokens_meet_in_its_mlp_is_given_all(scale: float) -> None:
    # training may make much of a branch that adds next to nothing at first
    torch.manual_seed(0)
    tower = SplitTower.from_model(as_model(ClassOfPatches([ConvolvedBlock(scale) for _ in range(2)])))
    assert tower.block_names == ("blocks.0", "blocks.1")
    assert not tower.reads_first


def test_a_block_that_adds_little_is_still_shortened() -> None:
    torch.manual_seed(0)
    assert SplitTower.from_model(as_model(vit(init_values=1e-6))).reads_first


def test_a_block_that_computes_again_finds_all_tokens_again() -> None:
    network = vit()
    tower = SplitTower.from_model(as_model(network)).double().train()
    tower.split_at(1)
    hidden = tower.prefix(pictures().double())
    weights = list(network.blocks[2].parameters())
    expected = torch.autograd.grad(tower.suffix(hidden).square().sum(), weights)
    checkpoint_blocks(network)
    torch.testing.assert_close(torch.autograd.grad(tower.suffix(hidden).square().sum(), weights), expected)


@pytest.mark.filterwarnings("ignore:Guards may run slower:RuntimeWarning")  # of Python 3.13.0 alone
def test_compiled_halves_agree(make_clip: Callable[..., Any]) -> None:
    tower = SplitTower.from_model(as_model(make_clip().visual))
    tower.split_at(1)
    hidden = tower.prefix(pictures())
    compiled = torch.compile(tower.suffix, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(hidden), tower.suffix(hidden))


def test_split_at_refuses_more_blocks_than_there_are() -> None:
    tower = SplitTower.from_model(load("random:test_vit", device="cpu", img_size=32), 3)
    with pytest.raises(ValueError, match=r"block must be at most 4, the number of blocks; got 5\."):
        tower.split_at(5)
    with pytest.raises(ValueError, match="block must be at least 0"):
        tower.split_at(-1)
