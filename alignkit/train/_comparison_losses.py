"""Losses on 2AFC judgements: which of two images people found closer to a reference, and odd-one-out answers likewise.

Every one is a mean over judgements of a function of one judgement alone, so that batches may be computed in parts.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from alignkit._check import check_choice, check_not_negative, check_positive

Objective = Literal["hinge", "logistic"]
_OBJECTIVES = ("hinge", "logistic")


def cosine_distances(embeddings: Tensor, /) -> Tensor:
    """Return the cosine distances of two items to a reference, 1 - cos.

    Parameters
    ----------
    embeddings : Tensor, shape (n, 3, dimensions)
        Reference, left and right of each judgement, of any length.

    Returns
    -------
    Tensor, shape (n, 2)
        Of left and of right; NaN where an embedding is all zeros.

    Raises
    ------
    ValueError
        Another shape, or no judgements.

    Examples
    --------
    >>> cosine_distances(torch.tensor([[[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]]])).tolist()
    [[0.0, 1.0]]
    """
    if embeddings.ndim != 3 or embeddings.shape[1] != 3 or len(embeddings) == 0:
        msg = (
            "embeddings must have shape (judgements, 3, dimensions), of reference, left and right, with at least one; "
            f"got {tuple(embeddings.shape)}."
        )
        raise ValueError(msg)
    unit = embeddings / embeddings.norm(dim=2, keepdim=True)
    return 1 - (unit[:, :1] * unit[:, 1:]).sum(dim=2)


def comparison_loss(
    embeddings: Tensor,
    right: Tensor,
    /,
    *,
    objective: Objective = "hinge",
    margin: float = 0.05,
    temperature: float | Tensor = 1.0,
) -> Tensor:
    r"""Return how far a network is from people's 2AFC judgements, mean over judgements.

    With the cosine distances of the reference to left and right, and :math:`\delta = d_{left} - d_{right}`, a vote for
    right (y = 1) or for left (y = -1) costs

    .. math:: \mathrm{hinge} = \max(0,\, m - y\,\delta), \qquad \mathrm{logistic} = \log(1 + e^{-y\,\delta / T}) ,

    the second being the negative log-likelihood of Bradley and Terry. Where votes are shared, each counts with its
    share: :math:`p\,L(y = 1) + (1 - p)\,L(y = -1)`.

    Parameters
    ----------
    embeddings : Tensor, shape (n, 3, dimensions)
        Reference, left and right of each judgement; they are brought to length 1 here.
    right : Tensor, shape (n,)
        1 where people chose right and 0 where they chose left, or the share of votes for right.
    objective : {"hinge", "logistic"}
    margin : float
        Of the hinge, in units of cosine distance: how much closer the chosen one should be. Its gradient is 0 from
        there on, and where the margin is met exactly.
    temperature : float or Tensor without axes
        Of the logistic loss, above 0.

    Returns
    -------
    Tensor, scalar
        NaN where an embedding is all zeros.

    Raises
    ------
    ValueError
        Shapes that do not fit, shares outside 0 to 1, or settings out of range.

    References
    ----------
    Fu et al. (2023), https://doi.org/10.48550/arXiv.2306.09344; Bradley & Terry (1952),
    https://doi.org/10.1093/biomet/39.3-4.324

    Examples
    --------
    >>> x = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])  # left is closer by 1
    >>> comparison_loss(x, torch.tensor([0])).item(), round(comparison_loss(x, torch.tensor([1])).item(), 4)
    (0.0, 1.05)
    >>> round(comparison_loss(x, torch.tensor([1]), objective="logistic").item(), 4)  # log(1 + e)
    1.3133
    """
    check_choice("objective", objective, _OBJECTIVES)
    check_not_negative("margin", margin)
    if not isinstance(temperature, Tensor):
        check_positive("temperature", temperature)
    distances = cosine_distances(embeddings)
    share = _shares(right, distances)
    delta = distances[:, 0] - distances[:, 1]
    if objective == "logistic":
        return functional.binary_cross_entropy_with_logits(delta / temperature, share)
    return (share * torch.relu(margin - delta) + (1 - share) * torch.relu(margin + delta)).mean()


def odd_one_out_loss(
    embeddings: Tensor,
    /,
    *,
    objective: Objective = "hinge",
    margin: float = 0.05,
    temperature: float | Tensor = 1.0,
) -> Tensor:
    """Return the loss of odd-one-out answers as 2AFC judgements, mean over answers.

    Who finds the third of i, j, k the odd one finds i closer to j than to k, and j closer to i than to k: an answer is
    these two judgements, and its loss is the mean of theirs (:func:`comparison_loss`).

    Parameters
    ----------
    embeddings : Tensor, shape (n, 3, dimensions)
        The items of each answer, the odd one last, as in the files of THINGS.
    objective : {"hinge", "logistic"}
    margin, temperature : float
        As those of :func:`comparison_loss`.

    Returns
    -------
    Tensor, scalar
        Independent of the order of the two that were kept.

    Raises
    ------
    ValueError
        As :func:`comparison_loss`.

    Examples
    --------
    >>> x = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    >>> odd_one_out_loss(x).item()
    0.0
    >>> round(odd_one_out_loss(x[:, [0, 2, 1]]).item(), 4)  # 1.05 and 0.05
    0.55
    """
    if embeddings.ndim == 3 and embeddings.shape[1] == 3:
        # as reference, left and right: the odd one stands left
        embeddings = torch.cat([embeddings[:, [0, 2, 1]], embeddings[:, [1, 2, 0]]])
    right = embeddings.new_ones(len(embeddings))
    return comparison_loss(embeddings, right, objective=objective, margin=margin, temperature=temperature)


def two_afc_hits(distances: Tensor, right: Tensor, /) -> Tensor:
    r"""Return how far distances agree with each 2AFC judgement: 1 if they do, 0 if not, 0.5 where they tie exactly.

    Where votes are shared, it is the share of the votes that agree: :math:`p h + (1 - p) (1 - h)` with h = 1 where
    right is closer, as in the 2AFC score of LPIPS. The mean is the 2AFC accuracy.

    Parameters
    ----------
    distances : Tensor, shape (n, 2)
        Of the reference to left and to right.
    right : Tensor, shape (n,)
        1 where people chose right and 0 where they chose left, or the share of votes for right.

    Returns
    -------
    Tensor, shape (n,)
        NaN where a distance is NaN: no answer, not a wrong one.

    Raises
    ------
    ValueError
        Shapes that do not fit, or shares outside 0 to 1.

    References
    ----------
    Zhang et al. (2018), https://doi.org/10.1109/CVPR.2018.00068

    Examples
    --------
    >>> distances = torch.tensor([[0.4, 0.2], [0.4, 0.2], [0.3, 0.3]])
    >>> two_afc_hits(distances, torch.tensor([1, 0, 1])).tolist()
    [1.0, 0.0, 0.5]
    """
    if distances.ndim != 2 or distances.shape[1] != 2 or len(distances) == 0:
        msg = f"distances must have shape (judgements, 2) with at least one; got {tuple(distances.shape)}."
        raise ValueError(msg)
    share = _shares(right, distances)
    left_distance, right_distance = distances.detach().unbind(dim=1)
    closer = (right_distance < left_distance).to(share.dtype) + (right_distance == left_distance).to(share.dtype) / 2
    hits = share * closer + (1 - share) * (1 - closer)
    return hits.masked_fill(distances.isnan().any(dim=1), float("nan"))


def _shares(right: Tensor, distances: Tensor) -> Tensor:
    """Return the votes for right as numbers between 0 and 1, one per row of distances; no gradient reaches them."""
    if right.shape != distances.shape[:1]:
        msg = f"right must have shape ({len(distances)},), one choice per judgement; got {tuple(right.shape)}."
        raise ValueError(msg)
    share = right.detach().to(distances.dtype)
    # written so that NaN is refused too
    if not bool(((share >= 0) & (share <= 1)).all()):
        msg = (
            "right must be 1 where people chose right, 0 where they chose left, or the share of votes for right; "
            f"got {float(share.min()):g} to {float(share.max()):g}."
        )
        raise ValueError(msg)
    return share
