"""A model whose outputs are cosines between an image and a prompt per dimension, as CLIP-HBA has them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import torch
from torch import nn

from alignkit._check import as_labels, check_choice, check_count, join_names
from alignkit.models._adapter_config import AdapterConfig
from alignkit.models._adapters import add_adapters
from alignkit.models._encoded_texts import EncodedTexts, encode, unit
from alignkit.models._model import Tokenizer
from alignkit.models._split_tower import SplitTower
from alignkit.models._towers import Towers
from alignkit.models._trained_parameters import copies_of, put_into, trainable
from alignkit.models._weights import check_fit

Head = Literal["prompts", "ridge"]

# Axes: B images, D dimensions (one prompt each), L tokens, W channels of the texts' space.


class PromptModel(nn.Module):
    r"""Predict dimensions as scaled cosines of an image embedding with the embeddings of prompts.

    .. math:: e_{bd} = \exp(s) \, \cos(P x_b + c, \; t_d)

    with the image embedding x, the prompt's embedding t, and the log scale s. In a CLIP P is the identity and s frozen;
    for a pair of encoders that were trained apart, P, c and s are trained. With ``affine`` every dimension has a slope
    and an offset of its own on top. Outputs are on the scale from 0 to 100 that targets are brought to.

    Use :meth:`build`; the parameters are those of a model that is at hand.

    Parameters
    ----------
    image : SplitTower
        The image network; its adapters are in place.
    text_features : torch.Tensor, shape (D, W)
        Embeddings of the prompts, of length 1.
    log_scale : float
        s, or where it starts.
    paired : bool
        Whether there is a projection, and s is trained.
    affine : bool
        Whether each dimension has a slope and an offset.
    texts : EncodedTexts, optional
        The prompts in the text network, where some of it is trained.
    dropout : float
        Share of the image embedding's channels that the projection does not see in training.

    Examples
    --------
    >>> from alignkit.models import load_towers
    >>> towers = load_towers("random:test_vit", text="minilm", img_size=32)
    >>> model = PromptModel.build(towers, ["red", "a tool"], AdapterConfig(kind="none"))
    >>> images = {"image": torch.zeros(3, 3, 32, 32)}
    >>> tuple(model(images).shape), tuple(model.embed(images).shape)
    ((3, 2), (3, 64))
    >>> sorted(name for name, parameter in model.named_parameters() if parameter.requires_grad)
    ['log_scale', 'projection.bias', 'projection.weight']
    """

    text_features: torch.Tensor
    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(
        self,
        image: SplitTower,
        text_features: torch.Tensor,
        /,
        *,
        log_scale: float,
        paired: bool,
        affine: bool = False,
        texts: EncodedTexts | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.image = image
        self.texts = texts
        self.register_buffer("text_features", text_features)
        n, width = text_features.shape
        self.projection = _linear(image.width, width) if paired else None
        self.dropout = nn.Dropout(dropout)
        # not saved: a saved projection is that of the embedding as it is
        self.register_buffer("mean", torch.zeros(image.width), persistent=False)
        self.register_buffer("spread", torch.ones(image.width), persistent=False)
        self.log_scale = nn.Parameter(torch.full((1,), log_scale), requires_grad=paired)
        self.slope = nn.Parameter(torch.ones(n)) if affine else None
        self.offset = nn.Parameter(torch.zeros(n)) if affine else None
        self.prompts: tuple[str, ...] = ()
        self.adapter = AdapterConfig(kind="none")
        self.identity: dict[str, Any] = {}

    @classmethod
    def build(
        cls,
        towers: Towers,
        prompts: Sequence[str],
        adapter: AdapterConfig,
        /,
        *,
        affine: bool = False,
        head: Head = "prompts",
        dropout: float = 0.0,
        seed: int = 0,
    ) -> Self:
        """Put adapters into two towers, encode the prompts, and join both.

        The towers become part of the model and are frozen but for their adapters.

        Parameters
        ----------
        towers : Towers
        prompts : sequence of str
            One per dimension.
        adapter : AdapterConfig
        affine : bool
        head : {"prompts", "ridge"}
            ``"ridge"`` announces that :meth:`set_projection` will be called, which needs a pair.
        dropout : float
            See the class; needs a pair too.
        seed : int
            Of the adapters' and the projection's start.

        Raises
        ------
        ValueError
            More blocks to adapt than there are, no text network, no prompts, or ``"ridge"`` without a pair.
        """
        check_choice("head", head, ("prompts", "ridge"))
        check_count("seed", seed)
        names = as_labels("prompts", prompts, unique=False)
        if dropout and not towers.paired:
            msg = f"dropout is of a pair's projection, and the towers of {towers.model.name} share one space."
            raise ValueError(msg)
        text, tokens = _read(towers, names, head)
        adapt(towers.image, adapter, adapter.image_blocks, "image", seed=seed)
        adapted = adapt(text, adapter, adapter.text_blocks, "text", seed=seed + 1)
        model = cls(
            towers.image,
            encode(text, tokens),
            log_scale=towers.log_scale,
            paired=towers.paired,
            affine=affine,
            texts=EncodedTexts(text, tokens) if adapted else None,
            dropout=dropout,
        )
        model.prompts, model.adapter, model.identity = names, adapter, dict(towers.identity)
        model._start(seed)
        return model.eval()

    @property
    def dimensions(self) -> int:
        """Number of outputs."""
        return len(self.text_features)

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the predicted dimensions, shape (B, D), on the scale from 0 to 100.

        Parameters
        ----------
        inputs : mapping of tensors
            ``"image"``: preprocessed images, shape (B, 3, height, width); or ``"hidden"``: what the image tower's
            prefix gave.
        """
        x_BW = self.embed(inputs)
        if self.projection is not None:
            x_BW = self.projection(self.dropout((x_BW - self.mean) / self.spread))
        e_BD = self.log_scale.exp() * (unit(x_BW) @ self.features().T)
        if self.slope is None or self.offset is None:
            return e_BD
        return e_BD * self.slope + self.offset

    def embed(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the image embedding, shape (B, channels of the image tower), before any projection."""
        if "hidden" in inputs:
            return self.image.suffix(inputs["hidden"])
        embedding: torch.Tensor = self.image(inputs["image"])
        return embedding

    def features(self) -> torch.Tensor:
        """Return the prompts' embeddings, shape (D, W), of length 1; computed anew where the text tower is trained."""
        if self.texts is None:
            return self.text_features
        features: torch.Tensor = self.texts()
        return features

    def set_projection(self, weight: torch.Tensor, bias: torch.Tensor, log_scale: float | None = None) -> None:
        """Let the projection of a pair be this one, e.g. one that starts at a regression of the targets.

        Parameters
        ----------
        weight : torch.Tensor, shape (W, channels of the image tower)
        bias : torch.Tensor, shape (W,)
        log_scale : float, optional
            Where the log scale starts; by default it stays.

        Raises
        ------
        ValueError
            A CLIP, which has no projection, or other shapes.
        """
        if self.projection is None:
            msg = "the two towers share one space and have no projection; only a pair of encoders has."
            raise ValueError(msg)
        check_fit("the projection does not fit", {"weight": weight, "bias": bias}, self.projection.state_dict())
        with torch.no_grad():
            self.projection.weight.copy_(weight * self.spread.to(weight))
            self.projection.bias.copy_(bias + weight @ self.mean.to(weight))
            if log_scale is not None:
                self.log_scale.fill_(log_scale)

    def standardise(self, mean: torch.Tensor, spread: torch.Tensor, /) -> None:
        """Let the projection see standardised channels, so that all are trained and dropped alike; outputs stay.

        Parameters
        ----------
        mean, spread : torch.Tensor, shape (channels of the image tower,)
            Of the embedding, over the training images; a spread of 0 counts as 1.
        """
        own = self.plain_projection()
        self.mean.copy_(mean)
        self.spread.copy_(torch.where(spread > 0, spread, torch.ones_like(spread)))
        if own:
            self.set_projection(own["projection.weight"], own["projection.bias"])

    def plain_projection(self) -> dict[str, torch.Tensor]:
        """Return the projection of the embedding as it is, not standardised, by its parameters' names."""
        if self.projection is None:
            return {}
        weight = self.projection.weight.detach().double() / self.spread
        bias = self.projection.bias.detach() - weight @ self.mean.double()
        return {
            name: value.float().cpu().contiguous()
            for name, value in (("projection.weight", weight), ("projection.bias", bias))
        }

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

    def load_saved(self, state: Mapping[str, torch.Tensor], /) -> None:
        """Put what a folder holds into a model of the same settings; its projection is that of the embedding as it is.

        Raises
        ------
        ValueError
            Names or shapes that do not fit; nothing is changed then.
        """
        self.load_trained(state)
        if self.projection is not None:
            self.set_projection(state["projection.weight"], state["projection.bias"])

    def _start(self, seed: int) -> None:
        """Draw the projection as torch would, from a generator of its own."""
        if self.projection is None:
            return
        bound = self.projection.in_features**-0.5
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.projection.weight.uniform_(-bound, bound, generator=generator)
            self.projection.bias.zero_()


class OfImages(nn.Module):
    """A :class:`PromptModel` that takes images as they are, as any other network."""

    def __init__(self, model: PromptModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the predicted dimensions, shape (B, D)."""
        dimensions: torch.Tensor = self.model({"image": images})
        return dimensions


def _read(towers: Towers, prompts: tuple[str, ...], head: Head) -> tuple[SplitTower, Any]:
    """Return the text tower and the prompts' tokens."""
    if not prompts:
        msg = "there are no prompts; give one per dimension."
        raise ValueError(msg)
    if head == "ridge" and not towers.paired:
        msg = f"head='ridge' starts the projection of a pair, and the towers of {towers.model.name} share one space."
        raise ValueError(msg)
    if towers.text is None or towers.tokenizer is None:
        msg = f"{towers.model.name} came without a text network, which the prompts need; load it with text=."
        raise ValueError(msg)
    tokenizer = towers.tokenizer
    if isinstance(tokenizer, Tokenizer) and tokenizer.count is not None:
        counts = tokenizer.count(list(prompts))
        cut = [prompt for prompt, n in zip(prompts, counts, strict=True) if n > tokenizer.max_length]
        if cut:
            warnings.warn(
                f"{len(cut)} of {len(prompts)} prompts are longer than the {tokenizer.max_length} tokens that the text "
                f"network reads and are cut: {join_names(cut)}; shorten them.",
                UserWarning,
                stacklevel=3,
            )
    return towers.text, tokenizer(list(prompts))


def adapt(tower: SplitTower, adapter: AdapterConfig, n_blocks: int, which: str, /, *, seed: int = 0) -> bool:
    """Freeze a tower, put adapters into its last blocks, and cut it before them; return whether it has any.

    Raises
    ------
    ValueError
        More blocks than there are, or that cannot be adapted.
    """
    n_blocks = 0 if adapter.kind == "none" else n_blocks
    if adapter.kind == "full" and n_blocks > len(tower.block_names) and tower.blank is not None:
        tower.as_one_block()
        n_blocks = 1
    n_all = len(tower.block_names)
    if n_blocks and not n_all:
        msg = (
            f"the {which} network has no blocks that can be adapted; set adapter.kind to 'none', which trains the head "
            f"alone, or {which}_blocks to 0."
        )
        raise ValueError(msg)
    if n_blocks > n_all:
        msg = (
            f"{which}_blocks is {n_blocks}, and the {which} network has {n_all} blocks that can be adapted; choose "
            f"at most {n_all}, or adapter kind 'none'."
        )
        raise ValueError(msg)
    trained = add_adapters(tower.network, tower.block_names[n_all - n_blocks :], adapter, seed=seed)
    tower.split_at(n_all - n_blocks)
    tower.eval()
    return bool(trained)


def _linear(n_in: int, n_out: int) -> nn.Linear:
    """Return a linear layer without drawing from torch's own generator."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, n_in, n_out)  # type: ignore[no-untyped-call]
    return layer
