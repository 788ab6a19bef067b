from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from alignkit.models._attention import SeparateMultihead, SeparateQKV, separate_attention

N_TOKENS, WIDTH = 7, 32


def random_(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give every parameter random numbers, biases too, which start at zero otherwise."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            scale = 1.0 if parameter.dim() < 2 else parameter.shape[-1] ** -0.5
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    return module.eval()


def tokens(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def inside(module: nn.Module) -> nn.ModuleDict:
    return nn.ModuleDict({"attn": module})


def separated(module: nn.Module) -> Any:
    """Return a separated copy of an attention module."""
    import copy

    outer = inside(copy.deepcopy(module))
    assert separate_attention(outer) == ["attn"]
    return outer["attn"]


def clip(**more: Any) -> Any:
    open_clip = pytest.importorskip("open_clip")
    text = {"context_length": 8, "vocab_size": 50, "layers": 2, "width": WIDTH, "heads": 2, **more.pop("text", {})}
    vision = {"image_size": 32, "patch_size": 8, "layers": 2, "width": WIDTH, "head_width": 16, **more}
    return random_(open_clip.CLIP(24, vision, text))


def features(model: Any) -> list[torch.Tensor]:
    texts = torch.randint(1, 50, (3, 8), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        out = model.encode_image(tokens(3, 3, 32, 32)), model.encode_text(texts)
    return [nn.functional.normalize(x, dim=-1) for x in out]


CAUSAL = torch.full((N_TOKENS, N_TOKENS), -math.inf).triu(1)
PADDING = torch.tensor([[False] * 7, [False] * 5 + [True] * 2, [False] * 6 + [True]])
MASKS = {
    "none": {},
    "causal": {"attn_mask": CAUSAL},
    "hint": {"attn_mask": CAUSAL, "is_causal": True},
    "boolean": {"attn_mask": CAUSAL < 0},
    "per head": {"attn_mask": CAUSAL.expand(12, N_TOKENS, N_TOKENS)},
    "padding": {"key_padding_mask": PADDING},
    "both": {"attn_mask": CAUSAL, "key_padding_mask": torch.zeros(3, N_TOKENS).masked_fill(PADDING, -math.inf)},
}


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("weights", [False, True, "per head"])
def test_multihead_attention_gives_the_same_numbers(batch_first, mask, weights):
    original = random_(nn.MultiheadAttention(WIDTH, 4, batch_first=batch_first))
    x = tokens(3, N_TOKENS, WIDTH) if batch_first else tokens(N_TOKENS, 3, WIDTH)
    options = {"need_weights": bool(weights), "average_attn_weights": weights is True, **MASKS[mask]}
    expected, expected_weights = original(x, x, x, **options)
    got, got_weights = separated(original)(x, x, x, **options)
    torch.testing.assert_close(got, expected, rtol=0, atol=2e-6)
    if weights:
        torch.testing.assert_close(got_weights, expected_weights, rtol=0, atol=1e-6)
    else:
        assert got_weights is None


@pytest.mark.parametrize(("width", "causal"), [(1024, False), (768, True)])
def test_multihead_attention_of_vit_l_14_differs_by_rounding(width, causal):
    torch.manual_seed(0)
    original = nn.MultiheadAttention(width, width // 64, batch_first=True).eval()
    x = tokens(2, 40, width)
    mask = torch.full((40, 40), -math.inf).triu(1) if causal else None
    with torch.no_grad():
        expected = original(x, x, x, need_weights=False, attn_mask=mask)[0]
        got = separated(original)(x, x, x, need_weights=False, attn_mask=mask)[0]
    assert (got - expected).abs().max() <= 5e-7


@pytest.mark.parametrize("options", [{"bias": False}, {"kdim": 12, "vdim": 20}])
def test_other_widths_and_no_biases(options):
    original = random_(nn.MultiheadAttention(WIDTH, 4, batch_first=True, **options))
    x = tokens(3, N_TOKENS, WIDTH)
    k, v = tokens(3, 5, original.kdim), tokens(3, 5, original.vdim)
    torch.testing.assert_close(separated(original)(x, k, v)[0], original(x, k, v)[0], rtol=0, atol=2e-6)
    torch.testing.assert_close(separated(original)(x[0], k[0], v[0])[0], original(x, k, v)[0][0], rtol=0, atol=2e-6)


def test_dropout_of_attention_acts_in_training_only():
    attention = separated(random_(nn.MultiheadAttention(WIDTH, 4, dropout=0.5, batch_first=True)))
    x = tokens(3, N_TOKENS, WIDTH)
    for need in (True, False):
        call = partial(attention, x, x, x, need_weights=need)
        assert torch.equal(attention.eval()(x, x, x, need_weights=need)[0], call()[0])
        attention.train()
        assert not torch.equal(call()[0], call()[0])
        attention.eval()


def test_gradients_are_those_of_the_fused_projections():
    original = random_(nn.MultiheadAttention(WIDTH, 4, batch_first=True))
    other = separated(original)
    x = tokens(3, N_TOKENS, WIDTH)
    for module in (original, other):
        module(x, x, x, need_weights=False)[0].square().sum().backward()
    joined = torch.cat([getattr(other, f"{name}_proj").weight.grad for name in "qkv"])
    torch.testing.assert_close(joined, original.in_proj_weight.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(other.out_proj.weight.grad, original.out_proj.weight.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("text", [{}, {"no_causal_mask": True}])
@pytest.mark.parametrize("vision", [{}, {"attentional_pool": True, "attn_pooler_queries": 4}])
def test_cosines_of_open_clip_are_kept(text, vision):
    model = clip(text=text, **vision)
    before = features(model)
    names = separate_attention(model)
    assert len(names) == 4 + bool(vision)
    assert {"visual.transformer.resblocks.0.attn", "transformer.resblocks.1.attn"} <= set(names)
    assert not any(isinstance(part, nn.MultiheadAttention) for part in model.modules())
    for old, new in zip(before, features(model), strict=True):
        torch.testing.assert_close(new @ new.T, old @ old.T, rtol=0, atol=1e-5)
        torch.testing.assert_close(new, old, rtol=0, atol=1e-5)


def test_cosines_of_an_open_clip_that_runs_tokens_first_are_kept():
    transformer = pytest.importorskip("open_clip.transformer")
    stack = random_(transformer.Transformer(WIDTH, 2, 4, batch_first=False))
    x = tokens(3, N_TOKENS, WIDTH)
    with torch.no_grad():
        expected = stack(x, attn_mask=CAUSAL)
        assert separate_attention(stack) == ["resblocks.0.attn", "resblocks.1.attn"]
        torch.testing.assert_close(stack(x, attn_mask=CAUSAL), expected, rtol=0, atol=5e-6)


@pytest.mark.parametrize("qk_norm", [False, True])
@pytest.mark.parametrize("more", [{}, {"scale_heads": True, "inner_norm": True}, {"qkv_bias": False}])
@pytest.mark.parametrize("mask", [None, CAUSAL, CAUSAL < 0])
def test_attention_of_open_clips_custom_blocks(qk_norm, more, mask):
    transformer = pytest.importorskip("open_clip.transformer")
    original = random_(transformer.Attention(WIDTH, 4, qk_norm=qk_norm, **more))
    x = tokens(3, N_TOKENS, WIDTH)
    expected = original(x, attn_mask=mask)
    torch.testing.assert_close(separated(original)(x, attn_mask=mask), expected, rtol=0, atol=5e-6)


@pytest.mark.parametrize("name", ["Attention", "AttentionRope"])
@pytest.mark.parametrize(
    "more", [{"qkv_bias": True}, {"qkv_bias": False}, {"qkv_bias": True, "qk_norm": True, "scale_norm": True}]
)
def test_attention_of_timm_keeps_all_its_options(name, more):
    layers = pytest.importorskip("timm.layers")
    original = random_(getattr(layers, name)(WIDTH, 4, norm_layer=nn.LayerNorm, gated=True, attn_drop=0.5, **more))
    x = tokens(3, N_TOKENS, WIDTH)
    rope = {"rope": tokens(N_TOKENS - 1, 2 * WIDTH // 4)} if name == "AttentionRope" else {}
    other = separated(original)
    assert isinstance(other.qkv, SeparateQKV)
    torch.testing.assert_close(other(x, **rope), original(x, **rope), rtol=0, atol=5e-6)
    other.train()
    assert not torch.equal(other(x, **rope), other(x, **rope))


def test_a_timm_network_and_a_torchvision_one_give_the_same_numbers():
    timm, torchvision = pytest.importorskip("timm"), pytest.importorskip("torchvision")
    vit = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2, num_classes=0)
    other = torchvision.models.VisionTransformer(32, 8, 2, 4, WIDTH, 64)
    for network, n in ((vit, 2), (other, 2)):
        x = tokens(2, 3, 32, 32)
        random_(network)
        with torch.no_grad():
            expected = network(x)
            assert len(separate_attention(network)) == n
            torch.testing.assert_close(network(x), expected, rtol=1e-5, atol=1e-5)


def test_torchs_own_encoder_gives_the_same_numbers():
    layer = nn.TransformerEncoderLayer(WIDTH, 4, 16, batch_first=True)
    encoder = random_(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))
    x = tokens(3, N_TOKENS, WIDTH)
    with torch.no_grad():
        expected = encoder(x, mask=CAUSAL), encoder(x, src_key_padding_mask=PADDING)[~PADDING]
        separate_attention(encoder)
        got = encoder(x, mask=CAUSAL), encoder(x, src_key_padding_mask=PADDING)[~PADDING]
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=5e-6)


def test_nothing_more_is_separated_a_second_time_and_types_are_kept():
    model = clip().to(torch.bfloat16).requires_grad_(False)
    model.visual.transformer.resblocks[0].train()
    assert separate_attention(model)
    assert separate_attention(model) == []
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert model.visual.transformer.resblocks[0].attn.training
    assert not model.visual.transformer.resblocks[1].attn.q_proj.training
    # parts of one tensor would keep all of it in memory, and cannot be saved as safetensors
    attention = model.transformer.resblocks[0].attn
    assert attention.q_proj.weight.untyped_storage().nbytes() == WIDTH * WIDTH * 2


def test_one_attention_under_two_names_stays_one():
    attention = nn.MultiheadAttention(8, 2)
    both = nn.ModuleList([attention, attention])
    assert separate_attention(both) == ["0", "1"]
    assert both[0] is both[1]
    assert isinstance(both[0], SeparateMultihead)


def test_separation_works_without_numbers():
    with torch.device("meta"):
        attention = inside(nn.MultiheadAttention(1024, 16))
    separate_attention(attention)
    assert {parameter.device.type for parameter in attention.parameters()} == {"meta"}


class Reweighted(nn.MultiheadAttention):
    def forward(self, *args: Any, **more: Any) -> Any:
        return super().forward(*args, **more)


class Renamed(nn.MultiheadAttention):
    pass


def test_a_subclass_is_separated_only_where_it_computes_the_same():
    assert separate_attention(inside(Renamed(8, 2))) == ["attn"]
    for unknown in ("refuse", "leave"):
        with pytest.raises(ValueError, match=r"attn is a Reweighted \(.*cannot separate"):
            separate_attention(inside(Reweighted(8, 2)), unknown=unknown)
    patched = nn.MultiheadAttention(8, 2)
    patched.forward = lambda x: x  # type: ignore[method-assign, assignment]
    with pytest.raises(ValueError, match="cannot separate"):
        separate_attention(inside(patched))


def test_fused_projections_of_unknown_layout_are_refused_or_left():
    beit = pytest.importorskip("timm.models.beit")
    block = inside(beit.Attention(WIDTH, 4))
    with pytest.raises(ValueError, match=r"attn is a Attention \(timm.models.beit\), whose fused projections"):
        separate_attention(block)
    assert separate_attention(block, unknown="leave") == []


@pytest.mark.parametrize("option", ["add_bias_kv", "add_zero_attn"])
def test_options_without_an_equal_are_refused(option):
    with pytest.raises(ValueError, match=f"{option}=True, which alignkit cannot separate"):
        separate_attention(inside(nn.MultiheadAttention(8, 2, **{option: True})))


def test_scaled_cosine_attention_is_refused():
    transformer = pytest.importorskip("open_clip.transformer")
    with pytest.raises(ValueError, match="scaled_cosine=True"):
        separate_attention(inside(transformer.Attention(WIDTH, 4, scaled_cosine=True)))


def test_a_refusal_changes_nothing():
    both = nn.ModuleDict({"good": nn.MultiheadAttention(8, 2), "other": Reweighted(8, 2)})
    with pytest.raises(ValueError, match="other is a Reweighted"):
        separate_attention(both)
    assert type(both["good"]) is nn.MultiheadAttention


def test_an_attention_by_itself_cannot_be_replaced_in_place():
    with pytest.raises(ValueError, match="pass the module around it"):
        separate_attention(nn.MultiheadAttention(8, 2))
    with pytest.raises(ValueError, match="unknown must be one of"):
        separate_attention(nn.Linear(2, 2), unknown="skip")  # type: ignore[arg-type]


def test_a_causal_hint_needs_its_mask():
    x = tokens(3, N_TOKENS, WIDTH)
    attention = separated(nn.MultiheadAttention(WIDTH, 4, batch_first=True))
    with pytest.raises(ValueError, match="pass the mask as well"):
        attention(x, x, x, is_causal=True)


def test_weights_by_hand():
    """One head, two tokens, everything written out."""
    original = random_(nn.MultiheadAttention(2, 1, batch_first=True))
    x = np.array([[0.3, -1.2], [0.8, 0.5]])
    w, b = original.in_proj_weight.detach().double().numpy(), original.in_proj_bias.detach().double().numpy()
    q, k, v = (x @ w[i : i + 2].T + b[i : i + 2] for i in (0, 2, 4))
    logits = np.exp(q @ k.T / np.sqrt(2.0))
    mixed = logits / logits.sum(1, keepdims=True) @ v
    out = mixed @ original.out_proj.weight.detach().double().numpy().T + original.out_proj.bias.detach().numpy()
    y = torch.tensor(x, dtype=torch.float32)[None]
    np.testing.assert_allclose(separated(original)(y, y, y, need_weights=False)[0][0].detach(), out, atol=1e-6)
