"""Attention with separate projections in place of fused ones: the same numbers, and adapters can act on each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alignkit._check import check_choice

# Axes: B batch, L queries, S keys, H heads, K width of a head, D width


class SeparateMultihead(nn.Module):
    """What ``nn.MultiheadAttention`` computes, and is called as it is, with four projections that forward calls.

    The original reads the weights of its projections and never calls them, so an adapter inside it trains nothing.
    """

    #: Read by ``nn.TransformerEncoderLayer``, which then leaves out its fused path.
    in_proj_bias = None

    def __init__(self, original: nn.MultiheadAttention) -> None:
        super().__init__()
        self.embed_dim, self.num_heads, self.head_dim = original.embed_dim, original.num_heads, original.head_dim
        self.batch_first, self.dropout = original.batch_first, original.dropout
        self.same_widths = bool(original._qkv_same_embed_dim)
        self.q_proj, self.k_proj, self.v_proj = _in_projections(original)
        self.out_proj = _linear(original.out_proj.weight, original.out_proj.bias)
        self.train(original.training)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the attended values, and the attention's weights where they are asked for."""
        if is_causal and attn_mask is None:
            msg = "is_causal says only that attn_mask is causal; pass the mask as well."
            raise ValueError(msg)
        single = query.dim() == 2
        inputs = [x if self.batch_first or single else x.transpose(0, 1) for x in (query, key, value)]
        x_BLD, k_BSD, v_BSD = (x.unsqueeze(0) if single else x for x in inputs)
        projected = (self.q_proj(x_BLD), self.k_proj(k_BSD), self.v_proj(v_BSD))
        q_BHLK, k_BHSK, v_BHSK = (_heads(x, self.num_heads) for x in projected)
        mask = _joint_mask(attn_mask, key_padding_mask, q_BHLK)
        p = self.dropout if self.training else 0.0
        if need_weights:
            weights_BHLS = F.dropout(_weights(q_BHLK, k_BHSK, mask), p)
            mixed_BHLK = weights_BHLS @ v_BHSK
        else:
            weights_BHLS = None
            mixed_BHLK = F.scaled_dot_product_attention(q_BHLK, k_BHSK, v_BHSK, attn_mask=mask, dropout_p=p)
        out = self.out_proj(mixed_BHLK.transpose(1, 2).flatten(2))
        if weights_BHLS is not None and average_attn_weights:
            weights_BHLS = weights_BHLS.mean(1)
        if single:
            return out[0], None if weights_BHLS is None else weights_BHLS[0]
        return out if self.batch_first else out.transpose(0, 1), weights_BHLS

    def join(self, state: dict[str, Tensor], prefix: str) -> None:
        """Give the tensors in ``state`` that are this module's the names that the original has."""
        weights = [state.pop(f"{prefix}{name}_proj.weight") for name in "qkv"]
        if self.same_widths:
            state[f"{prefix}in_proj_weight"] = torch.cat(weights)
        else:
            state |= {f"{prefix}{name}_proj_weight": weight for name, weight in zip("qkv", weights, strict=True)}
        if self.q_proj.bias is not None:
            state[f"{prefix}in_proj_bias"] = torch.cat([state.pop(f"{prefix}{name}_proj.bias") for name in "qkv"])


class SeparateSelfAttention(nn.Module):
    """What the self-attention of open_clip's custom blocks computes, with four projections that forward calls."""

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.num_heads: int = original.num_heads
        self.q_proj, self.k_proj, self.v_proj = _in_projections(original)
        self.out_proj = _linear(original.out_proj.weight, original.out_proj.bias)
        self.ln_q: nn.Module = original.ln_q
        self.ln_k: nn.Module = original.ln_k
        self.ln_inner: nn.Module = original.ln_inner
        self.attn_drop: nn.Dropout = original.attn_drop
        self.out_drop: nn.Dropout = original.out_drop
        self.head_scale: nn.Parameter | None = original.head_scale
        self.train(original.training)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Return the attended tokens, (B, L, D)."""
        projected = (self.q_proj(x), self.k_proj(x), self.v_proj(x))
        q_BHLK, k_BHLK, v_BHLK = (_heads(x, self.num_heads) for x in projected)
        mixed_BHLK = F.scaled_dot_product_attention(
            self.ln_q(q_BHLK),
            self.ln_k(k_BHLK),
            v_BHLK,
            attn_mask=_joint_mask(attn_mask, None, q_BHLK),
            dropout_p=self.attn_drop.p if self.training else 0.0,
        )
        if self.head_scale is not None:
            mixed_BHLK = mixed_BHLK * self.head_scale
        return self.out_drop(self.out_proj(self.ln_inner(mixed_BHLK.transpose(1, 2).flatten(2))))

    def join(self, state: dict[str, Tensor], prefix: str) -> None:
        """Give the tensors in ``state`` that are this module's the names that the original has."""
        for kind in _kinds(self.q_proj):
            state[f"{prefix}in_proj_{kind}"] = torch.cat([state.pop(f"{prefix}{name}_proj.{kind}") for name in "qkv"])


class SeparateQKV(nn.Module):
    """A fused projection to queries, keys and values in three: the attention around it stays timm's own."""

    def __init__(self, original: nn.Linear) -> None:
        super().__init__()
        biases = (None, None, None) if original.bias is None else original.bias.chunk(3)
        self.q_proj, self.k_proj, self.v_proj = map(_linear, original.weight.chunk(3), biases)
        self.train(original.training)

    def forward(self, x: Tensor) -> Tensor:
        """Return queries, keys and values side by side, (B, L, 3 D)."""
        return torch.cat([self.q_proj(x), self.k_proj(x), self.v_proj(x)], dim=-1)

    def join(self, state: dict[str, Tensor], prefix: str) -> None:
        """Give the tensors in ``state`` that are this module's the names that the original has."""
        for kind in _kinds(self.q_proj):
            state[f"{prefix}{kind}"] = torch.cat([state.pop(f"{prefix}{name}_proj.{kind}") for name in "qkv"])


def separate_attention(module: nn.Module, *, unknown: Literal["refuse", "leave"] = "refuse") -> list[str]:
    """Give every fused attention in a network projections of their own, in place.

    ``nn.MultiheadAttention`` (open_clip, torchvision) and the attention of open_clip's custom blocks are replaced by
    modules with ``q_proj``, ``k_proj``, ``v_proj`` and ``out_proj``; in timm's attention, with rotary positions too,
    ``qkv`` is, and its ``proj`` stays. The weights are copies of the same numbers; outputs differ by rounding.

    Parameters
    ----------
    module : nn.Module
        Any network.
    unknown : {"refuse", "leave"}
        What to do with other fused projections. An ``nn.MultiheadAttention`` that cannot be replaced is refused always.

    Returns
    -------
    list of str
        Names of the attention modules that were separated.

    Raises
    ------
    ValueError
        An attention that cannot be separated: one with its own forward, with an option that has no equal here, or with
        fused projections in an unknown layout.

    Examples
    --------
    >>> block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> separate_attention(block)
    ['self_attn']
    >>> block.self_attn.q_proj
    Linear(in_features=8, out_features=8, bias=True)
    """
    check_choice("unknown", unknown, ("refuse", "leave"))
    found = [(name, child, _separator(name, child, unknown)) for name, child in _all_modules(module)]
    wanted = [(name, child, separate) for name, child, separate in found if separate is not None]
    done: dict[int, nn.Module] = {}
    for name, child, separate in wanted:
        if id(child) not in done:
            done[id(child)] = separate(child)
        if name:
            module.set_submodule(name, done[id(child)])
        elif done[id(child)] is not child:
            msg = f"this module is itself a {_called(child)}, which is replaced as a whole; pass the module around it."
            raise ValueError(msg)
    return [name for name, _, _ in wanted]


def _all_modules(module: nn.Module) -> list[tuple[str, nn.Module]]:
    # one attention under two names is replaced under both
    return list(module.named_modules(remove_duplicate=False))


def _separate_timm(attention: Any) -> nn.Module:
    attention.qkv = SeparateQKV(attention.qkv)
    return attention


_Separate = Callable[[Any], nn.Module]
_MULTIHEAD = ("torch.nn.modules.activation", "MultiheadAttention")
#: Where a class is defined, and what separates it: what its forward computes is known.
_KNOWN: dict[tuple[str, str], _Separate] = {
    _MULTIHEAD: SeparateMultihead,
    ("open_clip.transformer", "Attention"): SeparateSelfAttention,
    ("timm.layers.attention", "Attention"): _separate_timm,
    ("timm.layers.attention", "AttentionRope"): _separate_timm,
    ("timm.models.vision_transformer", "Attention"): _separate_timm,
}


def _separator(name: str, child: nn.Module, unknown: str) -> _Separate | None:
    """Return what separates an attention, and None for modules with nothing (or nothing more) to separate."""
    if not _is_fused(child):
        return None
    base: Any = next((base for base in type(child).__mro__ if (base.__module__, base.__name__) in _KNOWN), None)
    key = ("", "") if base is None else (base.__module__, base.__name__)
    if base is None or type(child).forward is not base.forward or "forward" in vars(child):
        if unknown == "leave" and key != _MULTIHEAD:
            return None
        msg = (
            f"{name or 'the module'} is a {_called(child)}, whose fused projections alignkit cannot separate; adapt "
            "projections=out where its out projection is a module of its own, or choose other blocks."
        )
        raise ValueError(msg)
    _check_options(name, child)
    return _KNOWN[key]


def _is_fused(child: nn.Module) -> bool:
    parameters = child._parameters
    fused = parameters.get("in_proj_weight") is not None or isinstance(child, nn.MultiheadAttention)
    return fused or isinstance(child._modules.get("qkv"), nn.Linear)


def _check_options(name: str, child: nn.Module) -> None:
    for option in ("bias_k", "bias_v"):
        if child._parameters.get(option) is not None:
            msg = f"{name or 'the module'} is a {_called(child)} with add_bias_kv=True, which alignkit cannot separate."
            raise ValueError(msg)
    for option in ("add_zero_attn", "scaled_cosine"):
        if getattr(child, option, False):
            msg = f"{name or 'the module'} is a {_called(child)} with {option}=True, which alignkit cannot separate."
            raise ValueError(msg)


def _called(child: nn.Module) -> str:
    return f"{type(child).__qualname__} ({type(child).__module__})"


def _kinds(layer: nn.Module) -> list[str]:
    return [kind for kind in ("weight", "bias") if getattr(layer, kind) is not None]


def _in_projections(original: Any) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
    fused, bias = original.in_proj_weight, original.in_proj_bias
    separate = (original._parameters.get(f"{name}_proj_weight") for name in "qkv")
    weights = tuple(separate) if fused is None else fused.chunk(3)
    biases = (None, None, None) if bias is None else bias.chunk(3)
    q, k, v = map(_linear, weights, biases)
    return q, k, v


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    # copies: parts of one tensor would share its memory, and keep all of it
    layer.weight = nn.Parameter(weight.detach().clone(), requires_grad=weight.requires_grad)
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone(), requires_grad=bias.requires_grad)
    return layer


def _heads(x_BLD: Tensor, n_heads: int) -> Tensor:
    return x_BLD.reshape(*x_BLD.shape[:-1], n_heads, -1).transpose(1, 2)


def _joint_mask(attn_mask: Tensor | None, key_padding_mask: Tensor | None, q_BHLK: Tensor) -> Tensor | None:
    """Return one mask to be added, from masks that are True, or -inf, where nothing is attended to."""
    joint = None
    if attn_mask is not None:
        joint = _additive(attn_mask, q_BHLK.dtype)
        if joint.dim() == 3:
            joint = joint.reshape(*q_BHLK.shape[:2], *joint.shape[1:])
    if key_padding_mask is not None:
        padding = _additive(key_padding_mask, q_BHLK.dtype)
        padding = padding.view(-1, 1, 1, padding.shape[-1])
        joint = padding if joint is None else joint + padding
    return joint


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask, float("-inf"))


def _weights(q_BHLK: Tensor, k_BHSK: Tensor, mask: Tensor | None) -> Tensor:
    logits_BHLS = q_BHLK @ k_BHSK.transpose(-2, -1) * q_BHLK.shape[-1] ** -0.5
    return (logits_BHLS if mask is None else logits_BHLS + mask).softmax(-1)
