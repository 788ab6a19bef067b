from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from alignkit.models._adapter_config import AdapterConfig
from alignkit.models._adapters import adapter_state, add_adapters
from alignkit.models._attention import separate_attention
from alignkit.models._plain_state_dict import plain_state_dict

from .test_adapters import ALL, BLOCKS, KINDS, moved
from .test_attention import clip, features, random_, tokens

pytest.importorskip("peft")


@KINDS
@pytest.mark.parametrize("projections", [("out",), ALL])
@pytest.mark.parametrize("vision", [{}, {"attentional_pool": True, "attn_pooler_queries": 4}])
def test_merged_weights_load_into_a_fresh_open_clip(kind, projections, vision):
    model, fresh = clip(**vision), clip(**vision)
    separate_attention(model)
    add_adapters(model, BLOCKS, AdapterConfig(kind=kind, rank=4, projections=projections))
    moved(model)
    before = adapter_state(model)
    fresh.load_state_dict(plain_state_dict(model), strict=True)
    for got, expected in zip(features(fresh), features(model), strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=2e-6)
    after = adapter_state(model)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_without_adapters_the_weights_come_back_exactly():
    model = clip()
    original = {name: value.clone() for name, value in model.state_dict().items()}
    separate_attention(model)
    state = plain_state_dict(model)
    assert set(state) == set(original)
    assert all(torch.equal(state[name], original[name]) for name in original)
    assert all(torch.equal(value, original[name]) for name, value in plain_state_dict(clip()).items())


@pytest.mark.parametrize("more", [{"qk_norm": True, "scale_heads": True, "inner_norm": True}, {"qkv_bias": False}])
def test_attention_of_custom_blocks_comes_back(more):
    transformer = pytest.importorskip("open_clip.transformer")
    model = nn.ModuleDict({"attn": random_(transformer.Attention(32, 4, **more))})
    fresh = copy.deepcopy(model)
    add_adapters(nn.ModuleDict({"block": model}), ["block"], AdapterConfig(rank=4, projections=ALL))
    moved(model)
    fresh.load_state_dict(plain_state_dict(model), strict=True)
    x = tokens(2, 5, 32)
    torch.testing.assert_close(fresh["attn"](x), model["attn"](x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("projections", [("out",), ALL])
def test_a_timm_network_comes_back(projections):
    timm = pytest.importorskip("timm")
    model = random_(timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2, num_classes=0))
    fresh = copy.deepcopy(model)
    add_adapters(model, ["blocks.1"], AdapterConfig(rank=4, projections=projections))
    moved(model)
    fresh.load_state_dict(plain_state_dict(model), strict=True)
    x = tokens(2, 3, 32, 32)
    torch.testing.assert_close(fresh(x), model(x), rtol=1e-5, atol=1e-5)


def test_one_attention_under_two_names_comes_back_twice():
    attention = nn.MultiheadAttention(8, 2)
    both = nn.ModuleDict({"a": nn.ModuleDict({"attn": attention}), "b": nn.ModuleDict({"attn": attention})})
    names = set(both.state_dict())
    separate_attention(both)
    add_adapters(both, ["a"], AdapterConfig(rank=2))
    assert set(plain_state_dict(both)) == names
