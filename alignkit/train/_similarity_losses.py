"""Losses on the similarities of three items: what a teacher says of a triplet against what a student says."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from alignkit._check import check_choice, check_positive

Objective = Literal["jsd", "kl", "cross-entropy"]


def pair_similarities(x: Tensor, /) -> Tensor:
    """Return the dot products of the three pairs of each triplet.

    Parameters
    ----------
    x : Tensor, shape (n, 3, dimensions)
        The items of each triplet.

    Returns
    -------
    Tensor, shape (n, 3)
        Of items 0 and 1, of 0 and 2, and of 1 and 2.

    Raises
    ------
    ValueError
        Another shape.

    Examples
    --------
    >>> pair_similarities(torch.tensor([[[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]]])).tolist()
    [[2.0, 0.0, 0.0]]
    """
    if x.ndim != 3 or x.shape[1] != 3:
        msg = f"x must have shape (triplets, 3, dimensions); got {tuple(x.shape)}."
        raise ValueError(msg)
    first, second, third = x.unbind(dim=1)
    return torch.stack([(first * second).sum(dim=1), (first * third).sum(dim=1), (second * third).sum(dim=1)], dim=1)


def similarity_loss(
    similarities: Tensor,
    targets: Tensor,
    /,
    *,
    objective: Objective = "jsd",
    temperature: float | Tensor = 1.0,
    target_temperature: float = 1.0,
) -> Tensor:
    r"""Return how far a student's choice probabilities are from a teacher's, mean over triplets, in nats.

    Both are softmaxes over the three pairs, p of ``targets / target_temperature`` and q of
    ``similarities / temperature``.

    .. math:: \mathrm{JSD} = \tfrac12 \sum p \log\frac{p}{m} + \tfrac12 \sum q \log\frac{q}{m}, \quad m = (p + q) / 2

    .. math:: \mathrm{KL} = \sum p \log\frac{p}{q}

    and the cross-entropy is :math:`-\log q` of the pair that the teacher finds most similar. All is computed from
    logarithms, so that probabilities that vanish do no harm.

    Parameters
    ----------
    similarities : Tensor, shape (n, 3)
        The student's, of items 0 and 1, 0 and 2, 1 and 2.
    targets : Tensor, shape (n, 3)
        The teacher's, in the same order; no gradient reaches them.
    objective : {"jsd", "kl", "cross-entropy"}
        The Jensen-Shannon divergence lies between 0 and log 2, is symmetric, and 0 where both agree, as KL is too.
    temperature, target_temperature : float
        Above 0.

    Returns
    -------
    Tensor, scalar

    Raises
    ------
    ValueError
        Shapes that differ or hold no triplets, or a temperature that is not above 0.

    References
    ----------
    Lin (1991), https://doi.org/10.1109/18.61115; Muttenthaler et al. (2024), https://doi.org/10.48550/arXiv.2409.06509

    Examples
    --------
    >>> s = torch.tensor([[2.0, 0.0, 0.0]])
    >>> similarity_loss(s, s).item(), similarity_loss(50 * s, s, temperature=50.0, objective="kl").item()
    (0.0, 0.0)
    >>> round(similarity_loss(s, s, objective="cross-entropy").item(), 4)  # log(e**2 + 2) - 2
    0.2395
    """
    check_choice("objective", objective, tuple(_LOSSES))
    _check(similarities, targets)
    if not isinstance(temperature, Tensor):
        check_positive("temperature", temperature)
    check_positive("target_temperature", target_temperature)
    log_q = torch.log_softmax(similarities / temperature, dim=1)
    log_p = torch.log_softmax(targets.detach().to(similarities.dtype) / target_temperature, dim=1)
    return _LOSSES[objective](log_p, log_q).mean()


def _jsd(log_p: Tensor, log_q: Tensor) -> Tensor:
    log_m = torch.logaddexp(log_p, log_q) - math.log(2.0)
    return 0.5 * (_divergence(log_p, log_m) + _divergence(log_q, log_m))


def _divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    return (log_p.exp() * (log_p - log_q)).sum(dim=1)


def _choice(log_p: Tensor, log_q: Tensor) -> Tensor:
    return -log_q.gather(1, log_p.argmax(dim=1, keepdim=True)).squeeze(1)


_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "jsd": _jsd,
    "kl": _divergence,
    "cross-entropy": _choice,
}


def _check(similarities: Tensor, targets: Tensor) -> None:
    if similarities.ndim != 2 or similarities.shape[1] != 3 or len(similarities) == 0:
        msg = f"similarities must have shape (triplets, 3) with at least one; got {tuple(similarities.shape)}."
        raise ValueError(msg)
    if similarities.shape != targets.shape:
        msg = (
            f"similarities and targets must have one shape; got {tuple(similarities.shape)} and {tuple(targets.shape)}."
        )
        raise ValueError(msg)
