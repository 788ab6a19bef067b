"""A network with a linear layer on top, whose dot products say how similar images are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import nn

from alignkit._check import check_count, check_positive
from alignkit.models._adapter_config import AdapterConfig
from alignkit.models._prompt_model import adapt
from alignkit.models._split_tower import SplitTower
from alignkit.models._towers import Towers
from alignkit.models._trained_parameters import copies_of, put_into, trainable

# Axes: B images, W channels of the network, H channels of the head.


class StudentModel(nn.Module):
    r"""Describe images by vectors whose dot products, divided by a temperature, are similarities.

    .. math:: z_b = A x_b + c, \qquad s_{bb'} = z_b \cdot z_{b'} / T

    with the network's embedding x. Without a head, z is x. Use :meth:`build`; the parameters are those of a model that
    is at hand.

    Parameters
    ----------
    towers : Towers
        Its image network; adapters are in place, and nothing of its text network is used.
    head : int or None
        Channels H of the head.
    temperature : float
        T.

    Examples
    --------
    >>> from alignkit.models._image_tower import load_image_tower
    >>> towers = load_image_tower("random:test_vit", img_size=32)
    >>> student = StudentModel.build(towers, AdapterConfig(kind="none"), head=8)
    >>> images = {"image": torch.zeros(3, 3, 32, 32)}
    >>> tuple(student(images).shape), tuple(student.embed(images).shape)
    ((3, 8), (3, 64))
    >>> [name for name, parameter in student.named_parameters() if parameter.requires_grad]
    ['head.weight', 'head.bias']
    """

    temperature: torch.Tensor

    def __init__(self, towers: Towers, /, *, head: int | None, temperature: float = 1.0) -> None:
        super().__init__()
        self.image = towers.image
        self.head: nn.Linear | None = None
        if head is not None:
            # without drawing from torch's own generator
            self.head = nn.utils.skip_init(nn.Linear, towers.image.width, head)  # type: ignore[no-untyped-call]
        # not saved with the tensors, as it is a setting
        self.register_buffer("temperature", torch.tensor(temperature), persistent=False)
        self.adapter = AdapterConfig(kind="none")
        self.identity: dict[str, Any] = dict(towers.identity)

    @classmethod
    def build(
        cls,
        towers: Towers,
        adapter: AdapterConfig,
        /,
        *,
        head: int | None,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> Self:
        """Put adapters into an image network, or let parts of it train, and put a new head on top.

        Weights of the head are drawn with variance 1 / W, so that dot products are about W / H of what they were; its
        constants start at 0.

        Parameters
        ----------
        towers : Towers
            Becomes part of the model.
        adapter : AdapterConfig
            Of the last ``image_blocks`` blocks.
        head : int or None
            Channels of the head; ``None``: there is none.
        temperature : float
        seed : int
            Of adapters and head.

        Raises
        ------
        ValueError
            More blocks to adapt than there are, no channels, or a temperature that is not above 0.
        """
        check_positive("temperature", temperature)
        check_count("seed", seed)
        if head is not None:
            check_count("head", head, 1)
        adapt_tower(towers.image, adapter, seed=seed)
        model = cls(towers, head=head, temperature=temperature)
        model.adapter = adapter
        if model.head is not None:
            generator = torch.Generator().manual_seed(seed)
            with torch.no_grad():
                model.head.weight.normal_(0.0, model.head.in_features**-0.5, generator=generator)
                model.head.bias.zero_()
        return model.eval()

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the vectors whose dot products count, shape (B, H), or (B, W) without a head.

        Parameters
        ----------
        inputs : mapping of tensors
            ``"image"``: preprocessed images, shape (B, 3, height, width); or ``"hidden"``: what the network's prefix
            gave.
        """
        return self.on_top(self.embed(inputs))

    def embed(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the network's embedding, shape (B, W), before any head."""
        if "hidden" in inputs:
            return self.image.suffix(inputs["hidden"])
        embedding: torch.Tensor = self.image(inputs["image"])
        return embedding

    def on_top(self, x_BW: torch.Tensor, /) -> torch.Tensor:
        """Return what the head makes of embeddings, shape (B, H)."""
        if self.head is None:
            return x_BW
        # a frozen network's embeddings may lie on disk in another precision
        z_BH: torch.Tensor = self.head(x_BW.to(self.head.weight.dtype))
        return z_BH

    def trained(self) -> dict[str, torch.Tensor]:
        """Return copies of all parameters that are trained, by name, on the CPU."""
        return copies_of(trainable(self))

    def load_trained(self, state: Mapping[str, torch.Tensor], /) -> None:
        """Put what :meth:`trained` returned into a model of the same settings.

        Raises
        ------
        ValueError
            Names or shapes that do not fit; nothing is changed then.
        """
        put_into(trainable(self), state)


def adapt_tower(tower: SplitTower, adapter: AdapterConfig, /, *, seed: int = 0) -> None:
    """Put adapters into a tower, or let its last blocks train, and freeze what its embedding does not depend on.

    A network that trains as a whole may have more layers behind the one that is taken, such as a classifier.
    """
    adapt(tower, adapter, adapter.image_blocks, "image", seed=seed)
    trained = [p for p in tower.parameters() if p.requires_grad]
    if adapter.kind != "full" or not trained or tower.blank is None or trained[0].is_meta:
        return
    with torch.enable_grad():
        found = torch.autograd.grad(tower(tower.blank).sum(), trained, allow_unused=True)
    for p, gradient in zip(trained, found, strict=True):
        p.requires_grad_(gradient is not None)


class StudentNetwork(nn.Module):
    """A :class:`StudentModel` that takes images as they are; its layers ``embedding`` and ``head`` can be taken.

    The output is divided by the square root of the temperature: its dot products are the logits of choices.
    """

    def __init__(self, student: StudentModel) -> None:
        super().__init__()
        # before the student, so that these are their names
        self.backbone = student.image
        self.embedding = nn.Identity()
        self.head = student.head or nn.Identity()
        self.student = student

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return vectors, shape (B, H), whose dot products are similarities at temperature 1."""
        z_BH: torch.Tensor = self.head(self.embedding(self.backbone(images)))
        return z_BH * self.student.temperature**-0.5
