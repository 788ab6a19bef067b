"""Parameters that training changes: copied out of a module, and put back into one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from alignkit.models._weights import check_fit


def trainable(module: nn.Module, /) -> dict[str, nn.Parameter]:
    """Return the parameters that have gradients, by name."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


def copies_of(parameters: Mapping[str, nn.Parameter], /) -> dict[str, torch.Tensor]:
    """Return copies of parameters on the CPU, by name."""
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in parameters.items()}


def put_into(parameters: Mapping[str, nn.Parameter], state: Mapping[str, torch.Tensor], /) -> None:
    """Put what :func:`copies_of` returned into the parameters of a model of the same settings.

    Raises
    ------
    ValueError
        Names or shapes that do not fit; nothing is changed then.
    """
    check_fit("the trained parameters do not fit this model", state, parameters)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(state[name])
