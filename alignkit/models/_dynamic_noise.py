"""Noise on a model's dimensions over time: what all draws average to, or one draw, as CLIP-HBA-MEG has it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Axes: B images, T times, D dimensions.

#: What CLIP-HBA-MEG adds to every dimension, from a uniform distribution, so that no image has the same in all.
_JITTER = (1e-6, 1.1e-5)


def mean_of_noise(x_BTD: Tensor, spread_TD: Tensor, gain_T: Tensor, /) -> Tensor:
    r"""Return what rectified noise adds up to on average, exactly.

    .. math:: g \, \mathrm{E}\max(0, x + \sigma N)
        = g \, \big(x \, \Phi(x / \sigma) + \sigma \, \varphi(x / \sigma)\big)

    with a standard normal N, its distribution function :math:`\Phi` and its density :math:`\varphi`.

    Parameters
    ----------
    x_BTD : Tensor, shape (images, times, dimensions)
    spread_TD : Tensor, shape (times, dimensions)
        The noise's standard deviation; where it is 0, x is rectified.
    gain_T : Tensor, shape (times,)
        A factor, at least 0.
    """
    silent_TD = spread_TD == 0
    ratio_BTD = x_BTD / torch.where(silent_TD, 1.0, spread_TD)  # a quotient by 0 would make gradients NaN
    below = 0.5 * (1.0 + torch.erf(ratio_BTD / math.sqrt(2.0)))
    density = torch.exp(-0.5 * ratio_BTD**2) / math.sqrt(2.0 * math.pi)
    noisy = torch.where(silent_TD, torch.relu(x_BTD), x_BTD * below + spread_TD * density)
    return gain_T[:, None] * noisy


def draw_noise(x_BTD: Tensor, level_T: Tensor, stored_TD: Tensor, gain_T: Tensor, /) -> Tensor:
    r"""Return one draw of :math:`\max(0, g (x + n s N)) + U`, with the spread s of the batch, as published.

    Parameters
    ----------
    x_BTD : Tensor, shape (images, times, dimensions)
    level_T : Tensor, shape (times,)
        n.
    stored_TD : Tensor, shape (times, dimensions)
        s of a single image, whose batch has none.
    gain_T : Tensor, shape (times,)
        g.
    """
    spread_TD = x_BTD.std(dim=0) if len(x_BTD) > 1 else stored_TD
    noisy = torch.relu(gain_T[:, None] * (x_BTD + level_T[:, None] * spread_TD * torch.randn_like(x_BTD)))
    low, high = _JITTER
    return noisy + (low + (high - low) * torch.rand_like(noisy))
