"""Losses on embeddings: squared error, likelihood of odd-one-out answers, correlation of dissimilarities.

Every one compares a whole batch at once and has the exact gradient, so that batches may be computed in parts.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from alignkit._check import check_count

#: Triplets whose softmax is computed at once: a few tens of MB.
_CHUNK = 1 << 18


def mse_loss(prediction: Tensor, target: Tensor, /) -> Tensor:
    r"""Return the mean squared error over all entries, :math:`\frac{1}{nD}\sum_{id}(x_{id} - y_{id})^2`.

    Parameters
    ----------
    prediction, target : Tensor, shape (n, dimensions)
        Of exactly one shape: broadcasting would train every prediction towards the mean.

    Returns
    -------
    Tensor, scalar

    Raises
    ------
    ValueError
        Different shapes, or no two axes.

    Examples
    --------
    >>> mse_loss(torch.zeros(2, 3), torch.ones(2, 3)).item()
    1.0
    """
    _check_rows(prediction, 1)
    if prediction.shape != target.shape:
        msg = (
            f"prediction and target must have one shape; got {tuple(prediction.shape)} and {tuple(target.shape)}, "
            "which would be broadcast."
        )
        raise ValueError(msg)
    return functional.mse_loss(prediction, target.to(prediction.dtype))


def triplet_loss(embedding: Tensor, targets: Tensor, /, *, chunk: int = _CHUNK) -> Tensor:
    r"""Return the mean cross-entropy of odd-one-out answers, in nats; chance is log 3.

    Of three items i, j, k the pair i, j is kept with probability

    .. math:: p_{ij|k} = \frac{e^{s_{ij}}}{e^{s_{ij}} + e^{s_{ik}} + e^{s_{jk}}}, \qquad s_{ij} = x_i \cdot x_j .

    With soft targets (an embedding of the same items) the loss is :math:`-\sum q \log p` over the three pairs, mean
    over **all** n (n - 1) (n - 2) / 6 triplets, where q are the same probabilities of the target embedding. With
    answers it is :math:`-\log p` of the pairs that people kept.

    Parameters
    ----------
    embedding : Tensor, shape (n, dimensions)
        In the units in which dot products are similarities: those of SPoSE, not 0 to 100.
    targets : Tensor, shape (n, any) of floats, or shape (answers, 3) of whole numbers
        An embedding of the same items, or rows of ``embedding`` with the odd one out last. No gradient reaches it.
    chunk : int
        Triplets that are computed at once; the numbers do not depend on it but for rounding.

    Returns
    -------
    Tensor, scalar

    Raises
    ------
    ValueError
        Fewer than three items, another number of items in the targets, answers beyond the items, or none.

    References
    ----------
    Zheng et al. (2019), https://doi.org/10.48550/arXiv.1901.02915;
    Hebart et al. (2020), https://doi.org/10.1038/s41562-020-00951-3

    Examples
    --------
    >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> round(triplet_loss(x, torch.tensor([[0, 1, 2]])).item(), 4)  # log(e + 2) - 1
    0.5514
    """
    _check_rows(embedding, 3)
    if not targets.is_floating_point():
        return _answers_loss(embedding, targets)
    _check_rows(targets, 3, "targets")
    if len(targets) != len(embedding):
        msg = f"targets must have one row per item: expected {len(embedding)}, got {len(targets)}."
        raise ValueError(msg)
    check_count("chunk", chunk, 1)
    with torch.no_grad():
        target = _dot_products(targets.to(embedding.dtype))
    loss: Tensor = _AllTriplets.apply(_dot_products(embedding), target, len(embedding), chunk)
    return loss


def rdm_loss(embedding: Tensor, target: Tensor, /) -> Tensor:
    r"""Return 1 - Pearson correlation of two RDMs over all item pairs.

    Both RDMs hold 1 - Pearson correlation between rows; the loss lies between 0 and 2.

    Parameters
    ----------
    embedding, target : Tensor, shape (n, dimensions)
        Rows of the same items; the number of dimensions may differ. NaN where a row is constant.

    Returns
    -------
    Tensor, scalar

    Raises
    ------
    ValueError
        Fewer than three items, fewer than two dimensions, or another number of items.

    References
    ----------
    Kriegeskorte, Mur & Bandettini (2008), https://doi.org/10.3389/neuro.06.004.2008

    Examples
    --------
    >>> x = torch.eye(4) + torch.arange(16.0).reshape(4, 4) ** 2
    >>> round(rdm_loss(x, 2 * x + 1).item(), 4) + 0.0
    0.0
    """
    for name, x in (("embedding", embedding), ("target", target)):
        _check_rows(x, 3, name)
        if x.shape[1] < 2:
            msg = f"{name} must have at least 2 dimensions to be correlated over; got {x.shape[1]}."
            raise ValueError(msg)
    if len(embedding) != len(target):
        msg = f"target must have one row per item: expected {len(embedding)}, got {len(target)}."
        raise ValueError(msg)
    first, second = _correlations(embedding), _correlations(target.to(embedding.dtype))
    return 1 - _unit(first) @ _unit(second)


def agreeing_triplets(embedding: Tensor, target: Tensor, /, *, chunk: int = _CHUNK) -> float:
    """Return the share of all triplets of items in which both embeddings keep the same pair; chance is 1/3.

    Parameters
    ----------
    embedding, target : Tensor, shape (n, dimensions)
        Rows of the same items; dot products are similarities. Ties of the embedding count as errors.
    chunk : int
        Triplets that are computed at once.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        Fewer than three items, or another number of items.

    Examples
    --------
    >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> agreeing_triplets(x, 3 * x)
    1.0
    """
    _check_rows(embedding, 3)
    _check_rows(target, 3, "target")
    if len(embedding) != len(target):
        msg = f"target must have one row per item: expected {len(embedding)}, got {len(target)}."
        raise ValueError(msg)
    n = len(embedding)
    model, people = _dot_products(embedding.detach()), _dot_products(target.detach())
    agreeing = 0
    for positions in _all_triplets(n, chunk):
        index = positions.to(model.device)
        three = model[index]
        best = three.max(dim=0).values
        kept = three.gather(0, people[index].argmax(dim=0, keepdim=True)).squeeze(0)
        agreeing += int(((kept == best) & ((three == best).sum(dim=0) == 1)).sum())
    return agreeing / (n * (n - 1) * (n - 2) // 6)


class _AllTriplets(torch.autograd.Function):
    """Mean cross-entropy over all triplets of similarities of pairs; its gradient is computed beside its value.

    Autograd alone would keep every softmax: 3 (n choose 3) numbers, 0.3 GB for 370 items.
    """

    @staticmethod
    def forward(ctx: Any, pairs: Tensor, target: Tensor, n: int, chunk: int) -> Tensor:
        total = pairs.new_zeros(())
        gradient = torch.zeros_like(pairs)
        for positions in _all_triplets(n, chunk):
            index = positions.to(pairs.device)
            log_p = torch.log_softmax(pairs[index], dim=0)
            q = torch.softmax(target[index], dim=0)
            total -= (q * log_p).sum()
            gradient.index_add_(0, index.flatten(), (log_p.exp() - q).flatten())
        n_triplets = n * (n - 1) * (n - 2) // 6
        ctx.save_for_backward(gradient.div_(n_triplets))
        return total / n_triplets

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return upstream * gradient, None, None, None


def _all_triplets(n: int, chunk: int) -> Iterator[Tensor]:
    """Yield, for all i < j < k, where the pairs ij, ik and jk stand in the condensed triangle, shape (3, triplets)."""
    first = 0
    while first < n - 2:
        stop, count = first, 0
        while stop < n - 2 and (count == 0 or count + _above(n, stop) <= chunk):
            count += _above(n, stop)
            stop += 1
        yield _positions(n, first, stop)
        first = stop


def _above(n: int, i: int) -> int:
    """Return how many triplets have ``i`` as their smallest number."""
    return (n - i - 1) * (n - i - 2) // 2


@functools.lru_cache(maxsize=4)
def _positions(n: int, first: int, stop: int) -> Tensor:
    parts = []
    row, column = torch.triu_indices(n, n, offset=1)
    for i in range(first, stop):
        start = len(row) - (n - i - 1) * (n - i - 2) // 2  # pairs of items above i are the end of the triangle
        j, k = row[start:], column[start:]
        own = start - (n - i - 1) - (i + 1)  # where the pair of i and item 0 would stand
        parts.append(torch.stack([own + j, own + k, torch.arange(start, len(row))]))
    return torch.cat(parts, dim=1)


def _answers_loss(embedding: Tensor, answers: Tensor) -> Tensor:
    if answers.ndim != 2 or answers.shape[1] != 3 or len(answers) == 0:
        msg = f"answers must have shape (answers, 3) with at least one; got {tuple(answers.shape)}."
        raise ValueError(msg)
    if int(answers.min()) < 0 or int(answers.max()) >= len(embedding):
        msg = f"answers must number the {len(embedding)} rows; got {int(answers.min())} to {int(answers.max())}."
        raise ValueError(msg)
    i, j, k = embedding[answers].unbind(dim=1)
    similarities = torch.stack([(i * j).sum(dim=1), (i * k).sum(dim=1), (j * k).sum(dim=1)])
    return -torch.log_softmax(similarities, dim=0)[0].mean()


def _dot_products(x: Tensor) -> Tensor:
    """Return dot products of all pairs of rows, condensed."""
    row, column = torch.triu_indices(len(x), len(x), offset=1, device=x.device)
    return (x @ x.T)[row, column]


def _correlations(x: Tensor) -> Tensor:
    """Return dissimilarities, 1 - Pearson, of all pairs of rows, condensed."""
    centred = x - x.mean(dim=1, keepdim=True)
    return 1 - _dot_products(centred / centred.norm(dim=1, keepdim=True))


def _unit(x: Tensor) -> Tensor:
    centred = x - x.mean()
    return centred / centred.norm()


def _check_rows(x: Tensor, minimum: int, name: str = "embedding") -> None:
    if x.ndim != 2:
        msg = f"{name} must have shape (items, dimensions); got {tuple(x.shape)}."
        raise ValueError(msg)
    if len(x) < minimum:
        msg = f"{name} must hold at least {minimum} items; got {len(x)} (batches must be that large throughout)."
        raise ValueError(msg)
