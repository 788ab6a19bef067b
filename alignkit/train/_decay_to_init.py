"""Weights that are pulled back to where training began, so that a network forgets little of what it knew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor


def decay_to_init(optimizer: torch.optim.Optimizer, strength: float, /) -> None:
    r"""Let every step of an optimiser also go back to the parameters as they are now.

    .. math:: \theta \leftarrow \theta - r \, (u + \lambda (\theta - \theta_0))

    with the learning rate r and the optimiser's own update u, in which gradients are divided by their size as Adam does
    it, but the pull is not: it is decoupled, as weight decay is in AdamW [1]_. Beside weight decay of strength w, which
    is part of u, the sum is exact too. A step that is left out (an infinite gradient in float16) pulls nothing.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Of any kind whose ``weight_decay`` is decoupled or 0; its parameters are copied now.
    strength : float
        :math:`\lambda`. With a constant rate and no gradient, what separates a weight from its start shrinks by the
        factor :math:`1 - r \lambda` a step.

    References
    ----------
    .. [1] Loshchilov & Hutter (2019), Decoupled weight decay regularization. doi:10.48550/arXiv.1711.05101

    Examples
    --------
    >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.AdamW([weight], lr=0.25, weight_decay=0.0)
    >>> decay_to_init(optimizer, 1.0)
    >>> with torch.no_grad():
    ...     _ = weight.add_(8.0)
    >>> weight.grad = torch.zeros(1)
    >>> optimizer.step()
    >>> weight.item()
    7.0
    """
    first: dict[Tensor, Tensor] = {p: p.detach().clone() for group in optimizer.param_groups for p in group["params"]}

    @torch.no_grad()
    def pull(optimizer: torch.optim.Optimizer, _args: Any, _options: Any) -> None:
        for group in optimizer.param_groups:
            rate = float(group["lr"])
            # the optimiser's weight decay multiplies what is left by 1 - r w afterwards
            share = rate * strength / (1.0 - rate * float(group.get("weight_decay", 0.0)))
            for p in group["params"]:
                if p.grad is not None and share:
                    p.detach().lerp_(first[p], share)

    optimizer.register_step_pre_hook(pull)
