"""The symmetric contrastive loss of image-text pairs, exact when several processes share a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alignkit._check import is_tensor

if TYPE_CHECKING:
    import torch

    from alignkit.train._processes import Processes


def contrastive_loss(
    image: torch.Tensor,
    text: torch.Tensor,
    scale: torch.Tensor | float,
    /,
    *,
    local: bool = True,
    with_grad: bool = True,
    processes: Processes | None = None,
) -> torch.Tensor:
    r"""Return the mean cross-entropy with which every image finds its text, and every text its image.

    .. math::
        L = -\frac{1}{2n} \sum_i \left(\log\frac{e^{s\,x_i \cdot y_i}}{\sum_j e^{s\,x_i \cdot y_j}}
            + \log\frac{e^{s\,x_i \cdot y_i}}{\sum_j e^{s\,x_j \cdot y_i}}\right)

    Parameters
    ----------
    image, text : Tensor, shape (n, features)
        Embeddings of pairs, as a rule of length 1. With ``processes``, those of this process' samples.
    scale : Tensor without axes, or float
        Factor of the cosines (an inverse temperature).
    local : bool
        Every process compares its own rows with all others, which takes its share of the memory; the loss is the mean
        over processes. Otherwise all compute the whole loss.
    with_grad : bool
        Send gradients back to the process that a row comes from. Without, gradients (averaged over processes, as in
        data-parallel training) are wrong: too small by the number of processes, and with ``local`` in another
        direction altogether.
    processes : Processes, optional
        Those that share the batch. Leave it out where outputs were gathered before, as the training loop does.

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
    Radford et al. (2021). Learning transferable visual models from natural language supervision.
    https://doi.org/10.48550/arXiv.2103.00020

    Examples
    --------
    >>> import torch
    >>> from alignkit.train._contrastive import contrastive_loss
    >>> contrastive_loss(torch.eye(2), torch.eye(2), 100.0).item()
    0.0
    """
    check_pairs(image, text)
    if processes is None or processes.world_size == 1:
        return _cross_entropy(image, text, text, image, scale, 0) / len(image)
    import torch
    import torch.distributed as dist

    from alignkit.train._gather_torch import gather_rows, row_counts

    counts = row_counts(len(image))
    rank, n = dist.get_rank(), sum(counts)
    start = sum(counts[:rank])
    everything = []
    for own in (image, text):
        rows = gather_rows(own if with_grad else own.detach(), counts, same_loss=False)
        if not with_grad and not local:
            rows = torch.cat([rows[:start], own, rows[start + len(own) :]])
        everything.append(rows)
    images, texts = everything
    if local:
        # the average over processes is the mean over rows, though they may have different numbers of rows
        return _cross_entropy(image, text, texts, images, scale, start) * (len(counts) / n)
    return _cross_entropy(images, texts, texts, images, scale, 0) / n


def _cross_entropy(
    image: torch.Tensor,
    text: torch.Tensor,
    texts: torch.Tensor,
    images: torch.Tensor,
    scale: torch.Tensor | float,
    start: int,
) -> torch.Tensor:
    """Return the loss summed over rows, whose partners begin at row ``start`` of all texts and images."""
    import torch
    from torch.nn.functional import cross_entropy

    partners = torch.arange(start, start + len(image), device=image.device)
    of_images = cross_entropy(scale * image @ texts.T, partners, reduction="sum")
    of_texts = cross_entropy(scale * text @ images.T, partners, reduction="sum")
    return (of_images + of_texts) / 2


def check_pairs(image: torch.Tensor, text: torch.Tensor) -> None:
    for name, value in (("image", image), ("text", text)):
        if not is_tensor(value):
            msg = f"{name} must be a tensor; got {type(value).__name__}."
            raise TypeError(msg)
    if image.ndim != 2 or image.shape != text.shape:
        msg = f"image and text must both have shape (n, features); got {tuple(image.shape)} and {tuple(text.shape)}."
        raise ValueError(msg)
