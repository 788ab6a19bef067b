"""The sigmoid loss of image-text pairs, exact when several processes share a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alignkit.train._contrastive import check_pairs

if TYPE_CHECKING:
    import torch

    from alignkit.train._processes import Processes


def siglip_loss(
    image: torch.Tensor,
    text: torch.Tensor,
    scale: torch.Tensor | float,
    bias: torch.Tensor | float,
    /,
    *,
    processes: Processes | None = None,
) -> torch.Tensor:
    r"""Return how badly pairs are told from mismatches, summed over texts, mean over images.

    .. math:: L = -\frac{1}{n} \sum_i \sum_j \log \sigma(z_{ij} (s\,x_i \cdot y_j + b))

    with z = 1 where image i and text j are a pair, and -1 elsewhere. It has no softmax: every image and text is
    judged alone, which is why the loss needs a bias (training starts at about -10, with a scale of 10).

    Parameters
    ----------
    image, text : Tensor, shape (n, features)
        Embeddings of pairs, as a rule of length 1. With ``processes``, those of this process' samples.
    scale, bias : Tensor without axes, or float
        Factor of the cosines, and what is added to them then.
    processes : Processes, optional
        Those that share the batch: each compares its own images with the texts of all. The loss is the mean over
        processes, and gradients averaged over them are those of the whole batch. Leave it out where outputs were
        gathered before, as the training loop does.

    Returns
    -------
    Tensor without axes

    Raises
    ------
    TypeError
        Anything but tensors.
    ValueError
        Tensors of different or unfit shapes.

    References
    ----------
    Zhai et al. (2023). Sigmoid loss for language image pre-training. https://doi.org/10.1109/ICCV51070.2023.01100

    Examples
    --------
    >>> import torch
    >>> from alignkit.train._siglip import siglip_loss
    >>> round(siglip_loss(torch.eye(2), torch.eye(2), 0.0, 0.0).item(), 4)  # 2 log 2
    1.3863
    """
    check_pairs(image, text)
    if processes is None or processes.world_size == 1:
        return _judgements(image, text, scale, bias, 0) / len(image)
    import torch.distributed as dist

    from alignkit.train._gather_torch import gather_rows, row_counts

    counts = row_counts(len(image))
    texts = gather_rows(text, counts, same_loss=False)
    start = sum(counts[: dist.get_rank()])
    # the average over processes is the mean over rows, though they may have different numbers of rows
    return _judgements(image, texts, scale, bias, start) * (len(counts) / sum(counts))


def _judgements(
    image: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor | float, bias: torch.Tensor | float, start: int
) -> torch.Tensor:
    """Return the loss summed over images and texts, the images' own texts beginning at row ``start``."""
    import torch
    from torch.nn.functional import logsigmoid

    logits = scale * image @ texts.T + bias
    sign = torch.full_like(logits, -1.0, requires_grad=False)
    sign.diagonal(start).fill_(1.0)
    return -logsigmoid(sign * logits).sum()
