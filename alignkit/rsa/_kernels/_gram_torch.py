"""Distances from products of rows of tensors: the twins of ``_gram_numpy``, on any device and with gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from alignkit.rsa._kernels._gram_numpy import CLOSE, SAFE_EXPONENT

#: Elements of the rows whose differences are taken at once.
_MAX_ELEMENTS = 1 << 24


def angular(x: torch.Tensor, *, centred: bool, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Return one minus the cosine of all pairs of rows, and which rows have no direction."""
    unit, undefined = unit_rows(x, centred=centred, dtype=dtype)
    return (1.0 - upper(unit @ unit.mT)).clamp(0.0, 2.0), undefined


def unit_rows(x: torch.Tensor, *, centred: bool, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows of unit length, centred if so asked, and which of them had no length."""
    low, high = x.detach().amin(-1, keepdim=True), x.detach().amax(-1, keepdim=True)
    empty = low == high if centred else (low == 0) & (high == 0)
    exponent = torch.frexp(torch.maximum(-low, high))[1]
    exponent = torch.where(exponent.abs() > SAFE_EXPONENT, exponent, 0)
    rows = x.double() * 2.0 ** -exponent.double()
    if centred:
        rows = rows - rows.mean(-1, keepdim=True)
        rows = rows - rows.mean(-1, keepdim=True)
    # what is divided by a root of zero has no gradient, even where it is not used
    rows = torch.where(empty, 1.0, rows)
    unit = rows / torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    return torch.where(empty, 0.0, unit).to(dtype), empty[..., 0]


def squares(x: torch.Tensor, *, dtype: torch.dtype) -> torch.Tensor:
    """Return the squared distances of all pairs of rows."""
    rows = (x - x.double().mean(-2, keepdim=True)).to(dtype)
    norms = (rows * rows).sum(-1)
    scale = upper(norms[..., :, None] + norms[..., None, :])
    values = scale - 2.0 * upper(rows @ rows.mT)
    near = (values < CLOSE[str(dtype).removeprefix("torch.")] * scale).nonzero(as_tuple=True)
    if near[0].numel() == 0:
        return values
    first, second = (torch.as_tensor(side, device=x.device) for side in np.triu_indices(x.shape[-2], k=1))
    values = values.clone()
    for part in zip(*(index.split(max(1, _MAX_ELEMENTS // x.shape[-1])) for index in near), strict=True):
        *leading, pair = part
        difference = x[(*leading, first[pair])].double() - x[(*leading, second[pair])].double()
        values[part] = (difference * difference).sum(-1).to(dtype)
    return values


def upper(square: Any) -> Any:
    """Return the upper triangle, row-major, of the last two axes."""
    rows, columns = torch.triu_indices(square.shape[-1], square.shape[-1], offset=1, device=square.device)
    return square[..., rows, columns]
