"""A block of which the first token alone is read: what the other tokens would become is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from alignkit.models._run import first_tensor

#: How far apart rounding may take the same numbers, computed of one token or of all: kernels differ between devices.
_ROUNDING = 1e-4
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
    with ExitStack() as stack:
        for part in _parts(block):
            stack.enter_context(part.register_forward_pre_hook(_first))
        yield


def is_first_token_enough(block: nn.Module, run: Callable[[], torch.Tensor], /) -> bool:
    """Try whether nothing but a block's first token is read, and comes out the same by itself.

    Numbers alone would not show it of a branch that training has yet to scale up; its gradients do.

    Parameters
    ----------
    block : torch.nn.Module
        The last block of a network.
    run : callable
        Runs the block and what comes after it, and returns the embedding.
    """
    try:
        read = _gradients(block, run)
        if not read or not all(map(_is_of_first, read)):
            return False
        with torch.no_grad():
            expected = run()
            with first_token_alone(block):
                found = run()
    except Exception:  # whatever a network raises that wants its tokens whole
        return False
    if found.shape != expected.shape:
        return False
    return bool((found - expected).abs().max() <= _ROUNDING * expected.abs().max())


def _gradients(block: nn.Module, run: Callable[[], torch.Tensor]) -> tuple[torch.Tensor | None, ...]:
    """Return the gradients of the embedding's squares at a block's output and at the inputs of its parts.

    Empty where the output is not reached.
    """
    outputs: list[torch.Tensor] = []
    inputs: list[torch.Tensor] = []

    def watch_input(_part: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (_watched(args[0], inputs), *args[1:])

    def watch_output(_block: nn.Module, _args: Any, output: Any) -> torch.Tensor:
        tensor = first_tensor(output)
        assert tensor is not None  # blocks give tokens
        return _watched(tensor, outputs)

    with ExitStack() as stack:
        stack.enter_context(torch.enable_grad())
        for part in _parts(block):
            stack.enter_context(part.register_forward_pre_hook(watch_input))
        stack.enter_context(block.register_forward_hook(watch_output, prepend=True))
        squares = run().square().sum()
    if not outputs or not squares.requires_grad:
        return ()
    return torch.autograd.grad(squares, [*outputs, *inputs], allow_unused=True)


def _parts(block: nn.Module) -> list[nn.Module]:
    parts = dict(block.named_modules())
    return [parts[name] for name in _APART if name in parts]


def _first(_part: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (args[0][:, :1], *args[1:])


def _watched(x: torch.Tensor, zeros: list[torch.Tensor]) -> torch.Tensor:
    """Return the same numbers, whose gradient is that of the zeros added to them."""
    zeros.append(torch.zeros_like(x, requires_grad=True))
    return x + zeros[-1]


def _is_of_first(gradient: torch.Tensor | None) -> bool:
    """Return whether the first token, on axis 1, has a gradient, and no other one has."""
    return gradient is not None and gradient.ndim == 3 and bool(gradient.any()) and not gradient[:, 1:].any()
