"""What is made small: four terms of RDMs over time, each relative to what it is before training."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from alignkit._check import counted, join_names
from alignkit.train._time_losses import each_time_loss, generalization_loss, over_all_loss, size_loss
from alignkit.train.hba_meg.config import TermsConfig

_TERMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "over_all": over_all_loss,
    "each_time": each_time_loss,
    "size": size_loss,
    "generalization": generalization_loss,
}


#: What a term is where there are too few numbers or differences: r counts as 0, and nothing differs.
_UNKNOWN = {"over_all": 1.0, "each_time": 1.0, "size": 0.0, "generalization": 1.0}


class Objective:
    r"""The loss :math:`\sum_k w_k L_k / L_k^0` over the terms that are defined.

    :math:`L_k^0` is a term before training, on items that nothing is fitted to; 1 where terms are not relative. In a
    batch whose RDMs have too few numbers or differences for a correlation, r counts as 0 and teaches nothing.

    Parameters
    ----------
    config : TermsConfig
        Weights.
    rdms, target : Tensor, shape (times, pairs)
        Of the untrained model, and what was measured.

    Raises
    ------
    ValueError
        No term is defined on these data.

    References
    ----------
    CLIP-HBA-MEG (2025), https://doi.org/10.48550/arXiv.2502.04658
    """

    def __init__(self, config: TermsConfig, rdms: Tensor, target: Tensor, /) -> None:
        weights = {name: getattr(config, name) for name in _TERMS if getattr(config, name)}
        with torch.no_grad():
            undefined = [name for name in weights if not math.isfinite(float(_TERMS[name](target, target)))]
        self.weights = {name: weight for name, weight in weights.items() if name not in undefined}
        if not self.weights:
            msg = f"{join_names(undefined)} cannot be computed on these RDMs; too few pairs of items are numbers."
            raise ValueError(msg)
        if undefined:
            n_times = counted(len(target), "time")
            msg = (
                f"{join_names(undefined)} is not defined on these RDMs ({n_times}) and is left out of the loss; are "
                "there items or times without two different values?"
            )
            warnings.warn(msg, stacklevel=2)
        with torch.no_grad():
            before = {name: float(_term(name, rdms, target)) for name in self.weights}
        # what is perfect already has no scale
        self.before = {name: before[name] if config.relative and before[name] > 0 else 1.0 for name in self.weights}

    def __call__(self, rdms: Tensor, target: Tensor, /) -> Mapping[str, Tensor]:
        """Return ``"loss"`` and the terms as they are, by name."""
        terms = {name: _term(name, rdms, target) for name in self.weights}
        loss = torch.stack([self.weights[name] / self.before[name] * value for name, value in terms.items()]).sum()
        return {"loss": loss, **{name: value.detach() for name, value in terms.items()}}


def _term(name: str, rdms: Tensor, target: Tensor) -> Tensor:
    value = _TERMS[name](rdms, target)
    with torch.no_grad():
        # also of a model that is the same at all times, as before training; but not of one that broke down
        there = ~torch.isnan(target)
        broken = torch.isinf(rdms).any() | (there.any() & ~(there & torch.isfinite(rdms)).any())
        unknown = torch.isnan(value) & ~broken
    return torch.where(unknown, torch.full_like(value, _UNKNOWN[name]), value)
