"""A block of which the first token alone is read: what the other tokens would become is left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

#: Parts of a block from which on no token sees another, by the names that timm and open_clip give them.
_APART = ("attn.proj", "attn.out_proj", "norm2", "ln_2")


@contextmanager
def first_token_alone(block: nn.Module) -> Iterator[None]:
    """Let a block compute its first token alone wherever tokens do not meet, for a while.

    Attention still has all tokens as keys, values and queries; its output's projection and the MLP see the first one,
    and what they add to it is added to all. So the first token comes out as ever, to rounding, and the others wrong.

    Parameters
    ----------
    block : torch.nn.Module
        A block of a transformer, tokens on axis 1.
    """
    parts = dict(block.named_modules())
    handles = [parts[name].register_forward_pre_hook(_first) for name in _APART if name in parts]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _first(_part: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (args[0][:, :1], *args[1:])
