"""Gradient checkpointing: blocks whose activations are computed again in the backward pass instead of kept."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def find_blocks(module: nn.Module) -> list[nn.Module]:
    """Return the repeated blocks of a network: those that it names itself, else the items of its lists of alike.

    A module names its own by a method ``checkpointed_blocks()``. Otherwise a list or sequence counts whose two or more
    items are of one class and have parts, as in all transformers; of nested ones, the outermost.
    """
    named = getattr(module, "checkpointed_blocks", None)
    if named is not None:
        return list(named())
    if _is_stack(module):
        return list(module.children())
    return [block for child in module.children() for block in find_blocks(child)]


def checkpoint_blocks(module: nn.Module) -> int:
    """Let every block of ``module`` keep its input alone while it trains; return how many there are.

    Outputs and gradients stay the same: random numbers (dropout) are drawn again from the same state.

    Raises
    ------
    ValueError
        No blocks are found.
    """
    blocks = find_blocks(module)
    if not blocks:
        msg = (
            f"gradient_checkpointing needs a network of blocks; {type(module).__name__} has no list of them (give it a "
            "method checkpointed_blocks() that returns its blocks, or switch gradient_checkpointing off)."
        )
        raise ValueError(msg)
    for block in blocks:
        if not getattr(block, "recomputes", False):
            # a class, not a method of this one instance, so that copies of the module are whole
            kind: Any = type(block)
            block.__class__ = _recomputing(kind)
    return len(blocks)


def _is_stack(module: nn.Module) -> bool:
    from torch import nn

    items = list(module.children())
    if not isinstance(module, nn.ModuleList | nn.Sequential) or len(items) < 2:
        return False
    return len({type(item) for item in items}) == 1 and all(list(item.children()) for item in items)


@functools.cache
def _recomputing(kind: Any) -> type[nn.Module]:
    import torch
    from torch.utils.checkpoint import checkpoint

    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        plain = functools.partial(kind.forward, self)
        if not (self.training and torch.is_grad_enabled()):
            return plain(*args, **kwargs)
        return checkpoint(plain, *args, use_reentrant=False, **kwargs)

    return type(kind.__name__, (kind,), {"forward": forward, "recomputes": True})
