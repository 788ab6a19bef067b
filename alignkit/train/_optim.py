"""AdamW: which parameters decay, the learning rate as a pure function of the step, and the gradient's norm."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from alignkit._check import join_names
from alignkit.train.config import OptimConfig

if TYPE_CHECKING:
    import torch
    from torch import nn

#: Key of a parameter group's factor of the learning rate.
_FACTOR = "lr_factor"


def learning_rate(step: int, n_steps: int, config: OptimConfig) -> float:
    """Return the learning rate of optimiser step ``step`` (from 0) of ``n_steps``.

    It rises linearly over the first ``warmup`` steps, the last of which has the full rate, and reaches
    ``final_lr`` (as a share of the full rate) at the very last step, unless it is constant.

    Examples
    --------
    >>> config = OptimConfig(lr=1.0, schedule="linear", warmup=2)
    >>> [learning_rate(step, 6, config) for step in range(6)]
    [0.5, 1.0, 0.75, 0.5, 0.25, 0.0]
    """
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    peak = max(config.warmup - 1, 0)
    progress = (step - peak) / max(n_steps - 1 - peak, 1)
    left = {"constant": 1.0, "linear": 1.0 - progress, "cosine": (1.0 + math.cos(math.pi * progress)) / 2.0}
    share = left[config.schedule]
    return config.lr * (config.final_lr + (1.0 - config.final_lr) * share if config.schedule != "constant" else 1.0)


def check_warmup(n_steps: int, config: OptimConfig, name: str = "optim") -> None:
    """Raise when the warm-up would not end before the run does; ``name`` is what the config is called."""
    if config.warmup > n_steps:
        msg = (
            f"{name}.warmup is {config.warmup} steps, but the run has {n_steps}: "
            "the full learning rate would never come; shorten the warm-up or train longer."
        )
        raise ValueError(msg)


def make_optimizer(
    parameters: Mapping[str, nn.Parameter], config: OptimConfig, rates: Mapping[str, float] | None = None, /
) -> torch.optim.AdamW:
    """Return AdamW over named parameters; matrices decay, and vectors and scalars too where ``decay_all``.

    With ``decay_to_init`` all of them are pulled back to what they are now.

    Parameters
    ----------
    parameters : mapping of str to Parameter
    config : OptimConfig
    rates : mapping of str to float, optional
        Factors of the learning rate, by what parameters' names begin with.

    Raises
    ------
    ValueError
        Nothing that trains, or a factor of parameters that there are none of.
    """
    import torch

    if not parameters:
        msg = "nothing trains: no parameter of the module requires a gradient."
        raise ValueError(msg)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    factors = _factors(parameters, rates or {})
    for name, p in parameters.items():
        decay = config.weight_decay if config.decay_all or p.ndim >= 2 else 0.0
        groups.setdefault((factors[name], decay), []).append(p)
    # those that decay first, as checkpoints have them
    ordered = sorted(groups, key=lambda key: (key[0] != 1.0, key[0], -key[1]))
    optimizer = torch.optim.AdamW(
        [{"params": groups[key], "weight_decay": key[1], _FACTOR: key[0]} for key in ordered],
        lr=config.lr,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        fused=_fusable(parameters.values()) or None,
    )
    if config.decay_to_init:
        from alignkit.train._decay_to_init import decay_to_init

        decay_to_init(optimizer, config.decay_to_init)
    return optimizer


def _fusable(parameters: Iterable[nn.Parameter]) -> bool:
    """Return whether one kernel can take the step of all parameters, several times as fast; of shards it need not."""
    return all(
        p.device.type in ("cpu", "cuda") and p.is_floating_point() and not hasattr(p, "full_tensor") for p in parameters
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all groups, times the factor of each."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get(_FACTOR, 1.0)


def _factors(parameters: Mapping[str, nn.Parameter], rates: Mapping[str, float]) -> dict[str, float]:
    unused = [start for start in rates if not any(name.startswith(start) for name in parameters)]
    if unused:
        msg = f"a learning rate is given for {join_names(unused)}, but no such parameter trains."
        raise ValueError(msg)
    return {
        name: next((factor for start, factor in rates.items() if name.startswith(start)), 1.0) for name in parameters
    }


def not_finite(parameters: Mapping[str, nn.Parameter], norm: Callable[[list[nn.Parameter]], Any]) -> list[str]:
    """Return the names of the parameters whose gradient has a norm that is no finite number.

    Every process must ask: ``norm`` (:meth:`Processes.grad_norm`) adds what the others hold of a sharded gradient.
    """
    return [name for name, p in parameters.items() if not math.isfinite(float(norm([p])))]


def scale_gradients(parameters: Iterable[nn.Parameter], factor: float) -> None:
    """Multiply all gradients by ``factor``, in place."""
    for p in parameters:
        if p.grad is not None:
            p.grad.mul_(factor)
