"""A model that unfolds over time: dimensions at every moment, mixed of class tokens of all blocks."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import torch
from torch import Tensor, nn

from alignkit._check import as_flag, check_choice, check_count
from alignkit.models._adapter_config import AdapterConfig
from alignkit.models._dynamic_noise import draw_noise, mean_of_noise
from alignkit.models._encoded_texts import unit
from alignkit.models._final_step import FinalStep
from alignkit.models._layer_mixing import LayerMixing, Window
from alignkit.models._layer_tokens import LayerTokens
from alignkit.models._model import weights_sha256
from alignkit.models._time_names import time_names
from alignkit.models._towers import Towers
from alignkit.models._trained_parameters import copies_of, put_into

if TYPE_CHECKING:
    from alignkit.models._model import Model

Readout = Literal["cosine", "linear"]
Noise = Literal["off", "mean", "published"]
Stage = Literal["weights", "all"]

# Axes: B images, T times, L blocks, D dimensions (one prompt each), W width of a block, E width of the texts' space.

#: What CLIP-HBA-MEG multiplies products of features with prompts by.
_PUBLISHED_SCALE = 100.0
#: Times that windows are made for, which takes a table of their square.
_MAX_TIMES = 10_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DynamicSettings:
    """How a model unfolds.

    Parameters
    ----------
    times : tuple of float
        In seconds, ascending.
    readout : {"cosine", "linear"}
        Dimensions that a block gives: scaled cosines behind the final norm, or products without norms (published).
    window : {"causal", "centred"}
        Whether a time's weights are averaged with earlier ones alone.
    reach : int
        Samples of that window on each side.
    dimension_weights : bool
        Whether each dimension has a factor of its own at every time, beside the blocks' weights.
    noise : {"off", "mean", "published"}
        None; what all draws average to, by the stored spread; or one draw per pass, by the batch's own.
    """

    times: tuple[float, ...]
    readout: Readout = "cosine"
    window: Window = "causal"
    reach: int = 0
    dimension_weights: bool = False
    noise: Noise = "off"

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", tuple(float(time) for time in self.times))
        if not self.times or list(self.times) != sorted(self.times):
            msg = "times must ascend, in seconds, with at least one of them."
            raise ValueError(msg)
        if len(self.times) > _MAX_TIMES:
            msg = f"there may be {_MAX_TIMES:,} times at most; got {len(self.times):,}: average successive samples."
            raise ValueError(msg)
        time_names(self.times)
        for name, allowed in (("readout", Readout), ("window", Window), ("noise", Noise)):
            check_choice(name, getattr(self, name), get_args(allowed))
        check_count("reach", self.reach)
        as_flag("dimension_weights", self.dimension_weights)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What the backbone was made into before: a finished run's image adapters, merged into its weights.

    Parameters
    ----------
    adapter : AdapterConfig
        Of these adapters.
    tensors : dict of str to Tensor
        What the run had trained in the image network, by :class:`PromptModel`'s names.
    """

    adapter: AdapterConfig
    tensors: dict[str, Tensor]


class DynamicModel(nn.Module):
    r"""Dimensions of an image at every time, as mixtures of what the network's blocks give.

    .. math:: e_{btd} = \max\Big(0, \sum_l w_{tl} \, z_{bld}\Big), \qquad
        z_{bld} = \exp(s) \, \cos(P \, \mathrm{norm}(c_{bl}) + a, \; t_d)

    with the class token c behind block l, the network's final norm, the projection P that its embedding has (for a pair
    of encoders that of the run it starts at, with an offset a), the prompt's embedding t and the log scale s. So with
    the last block's weight alone, as the weights start, every time gives what the start gives, rectified. With
    ``readout="linear"``, as published, :math:`z_{bld} = 100 \, (P c_{bl} + a) \cdot t_d`: no norms.

    :func:`build_dynamic_model` makes one; the parameters are those of parts that are at hand.

    Parameters
    ----------
    image : LayerTokens
        The image network; its adapters are in place.
    text_features : Tensor, shape (D, E)
        Embeddings of the prompts, of length 1.
    settings : DynamicSettings
    log_scale : float
        s.
    norm : nn.Module, optional
        The final norm.
    projection : nn.Linear, optional
        P and a.
    slope, offset : Tensor, shape (D,), optional
        Of every dimension, where the start has them: z is multiplied, and then added to.

    Attributes
    ----------
    gain : Tensor, shape (T,)
        Factor on all dimensions of a time, where there is noise.
    noise_level : Tensor, shape (T,)
        Noise, in units of the spread.
    spread : Tensor, shape (T, D)
        Standard deviation of the dimensions over the training images.

    References
    ----------
    CLIP-HBA-MEG (2025), https://doi.org/10.48550/arXiv.2502.04658
    """

    text_features: Tensor
    log_scale: Tensor
    slope: Tensor
    offset: Tensor
    gain: Tensor
    noise_level: Tensor
    spread: Tensor

    def __init__(
        self,
        image: LayerTokens,
        text_features: Tensor,
        settings: DynamicSettings,
        /,
        *,
        log_scale: float,
        norm: nn.Module | None = None,
        projection: nn.Linear | None = None,
        slope: Tensor | None = None,
        offset: Tensor | None = None,
    ) -> None:
        super().__init__()
        n_dimensions, n_times = len(text_features), len(settings.times)
        self.settings = settings
        self.image = image
        self.norm = norm
        self.projection = projection
        self.mixing = LayerMixing(
            n_times,
            len(image.block_names),
            reach=settings.reach,
            window=settings.window,
            n_dimensions=n_dimensions if settings.dimension_weights else None,
        )
        self.register_buffer("text_features", text_features)
        self.register_buffer("log_scale", torch.full((1,), log_scale))
        self.register_buffer("slope", torch.ones(n_dimensions) if slope is None else slope)
        self.register_buffer("offset", torch.zeros(n_dimensions) if offset is None else offset)
        self.register_buffer("gain", torch.ones(n_times))
        self.register_buffer("noise_level", torch.zeros(n_times))
        self.register_buffer("spread", torch.ones(n_times, n_dimensions))
        self.prompts: tuple[str, ...] = ()
        self.paired = False
        self.adapter = AdapterConfig(kind="none")
        self.start: Start | None = None
        self.final_step = FinalStep()
        self.identity: dict[str, Any] = {}
        self.backbone: Model | None = None
        self.cut = image.start
        self._adapters: tuple[str, ...] = ()
        self._stage: Stage = "all"
        self.note_adapters()
        self.eval()

    @property
    def dimensions(self) -> int:
        """Number of dimensions, D."""
        return len(self.text_features)

    @property
    def times(self) -> tuple[float, ...]:
        """Times, in seconds."""
        return self.settings.times

    # --- what it computes

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the dimensions at every time, shape (B, T, D), at least 0.

        Parameters
        ----------
        inputs : mapping of tensors
            ``"image"``: preprocessed images, shape (B, 3, height, width); or ``"hidden"``: what the image network's
            prefix gave; or ``"logits"``: what :meth:`logits` gave.
        """
        return self.from_logits(inputs["logits"] if "logits" in inputs else self.logits(inputs))

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the dimensions that every block gives, shape (B, L, D), before they are mixed."""
        tokens = self.image.suffix(inputs["hidden"]) if "hidden" in inputs else self.image(inputs["image"])
        with _full_precision(tokens):  # cosines times 100 have no bits to spare
            return self._read(tokens.to(self.text_features.dtype))

    def from_logits(self, logits_BLD: Tensor, /) -> Tensor:
        """Return the dimensions at every time, shape (B, T, D), of what :meth:`logits` gave."""
        with _full_precision(logits_BLD):
            mixed_BTD: Tensor = self.mixing(logits_BLD.to(self.mixing.table.dtype))
            if self.settings.noise == "off":
                return mixed_BTD
            if self.settings.noise == "mean":
                return mean_of_noise(mixed_BTD, self.noise_level[:, None] * self.spread, self.gain)
            return draw_noise(mixed_BTD, self.noise_level, self.spread, self.gain)

    def _read(self, tokens_BLW: Tensor) -> Tensor:
        cosine = self.settings.readout == "cosine"
        x = self.norm(tokens_BLW) if cosine and self.norm is not None else tokens_BLW
        x_BLE = x if self.projection is None else self.projection(x)
        if not cosine:
            return _PUBLISHED_SCALE * (x_BLE @ self.text_features.T)
        return self.log_scale.exp() * (unit(x_BLE) @ self.text_features.T) * self.slope + self.offset

    # --- noise

    def set_curves(
        self,
        *,
        generalization: Tensor | None = None,
        richness: Tensor | None = None,
        noise_level: Tensor | None = None,
    ) -> None:
        """Let gain and noise follow curves over time, each of shape (T,); those not given stay.

        The gain is the product of generalisation and richness, each averaged over the window as weights are: a factor
        on features is one on dimensions, which are rectified. The noise level is taken as it is.

        Raises
        ------
        ValueError
            Another number of times, or values that are negative or no numbers.
        """
        curves = {"generalization": generalization, "richness": richness, "noise_level": noise_level}
        for name, curve in curves.items():
            if curve is not None and (curve.shape != self.gain.shape or not bool((curve >= 0).all())):
                msg = f"{name} must have a value of at least 0 for each of {len(self.gain)} times; got {_shown(curve)}."
                raise ValueError(msg)
        averaged = [self.mixing.average @ c.to(self.gain) for c in (generalization, richness) if c is not None]
        if averaged:
            self.gain.copy_(averaged[0] * averaged[1] if len(averaged) == 2 else averaged[0])
        if noise_level is not None:
            self.noise_level.copy_(noise_level)

    @torch.no_grad()
    def store_spread(self, logits_BLD: Tensor, /) -> None:
        """Keep how much the dimensions of these images, as weights are now, differ: the scale of noise from now on.

        Raises
        ------
        ValueError
            Fewer than two images.
        """
        if len(logits_BLD) < 2:
            msg = f"a spread is of at least 2 images; got {len(logits_BLD)}."
            raise ValueError(msg)
        self.spread.copy_(self.mixing(logits_BLD.to(self.spread)).std(dim=0))

    # --- what is trained

    def stage(self, which: Stage, /) -> None:
        """Train the weights over time alone (``"weights"``), or adapters too (``"all"``).

        In the first, all blocks are frozen: the image network's prefix gives the class tokens, (B, L, W), and adapters
        stay in evaluation mode.

        Raises
        ------
        ValueError
            Another name.
        """
        check_choice("stage", which, get_args(Stage))
        self._stage = which
        parameters = dict(self.named_parameters())
        for name in self._adapters:
            parameters[name].requires_grad_(which == "all")
        self.image.split_at(self.cut if which == "all" else len(self.image.block_names))
        self.train(self.training)

    def note_adapters(self) -> None:
        """Take what is trainable inside the image network, and where it is cut, for what the second stage trains."""
        named = self.image.named_parameters(prefix="image")
        self._adapters = tuple(name for name, value in named if value.requires_grad)
        self.cut = self.image.start

    def train(self, mode: bool = True) -> Self:
        """Set the mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        if getattr(self, "_stage", "all") == "weights":
            self.image.eval()
        return self

    def adapter_parameters(self) -> dict[str, nn.Parameter]:
        """Return the parameters inside the image network that the second stage trains, by name."""
        parameters = dict(self.named_parameters())
        return {name: parameters[name] for name in self._adapters}

    def trained(self) -> dict[str, Tensor]:
        """Return copies of all that either stage trains, by name, on the CPU."""
        return copies_of(self._own())

    def load_trained(self, state: Mapping[str, Tensor], /) -> None:
        """Put what :meth:`trained` returned into a model of the same settings.

        Raises
        ------
        ValueError
            Names or shapes that do not fit; nothing is changed then.
        """
        put_into(self._own(), state)

    def _own(self) -> dict[str, nn.Parameter]:
        mixing = {f"mixing.{name}": value for name, value in self.mixing.named_parameters()}
        return {**mixing, **self.adapter_parameters()}

    # --- what it is made of

    def towers(self) -> Towers:
        """Return the image network as caches take it; all that decides its prefix is part of the identity."""
        assert self.backbone is not None  # set by what builds models
        digest = hashlib.sha256(weights_sha256(_Frozen(self.image.network)).encode())
        digest.update(repr((self.image.block_names, self.image.start)).encode())
        return Towers(
            image=self.image,
            text=None,
            model=self.backbone,
            tokenizer=None,
            log_scale=float(self.log_scale),
            paired=self.paired,
            identity={**self.identity, "tokens_of_blocks": digest.hexdigest()},
        )


class _Frozen(nn.Module):
    """The numbers of a network that are not trained."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        trained = {name for name, value in network.named_parameters() if value.requires_grad}
        self.kept = {name: value for name, value in network.state_dict().items() if name not in trained}

    def state_dict(self, *_args: Any, **_more: Any) -> dict[str, Any]:  # type: ignore[override]
        return self.kept


def _full_precision(x: Tensor) -> contextlib.AbstractContextManager[Any]:
    # networks that are only looked at lie on a device without numbers, which has no precision either
    return contextlib.nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)


def _shown(curve: Tensor) -> str:
    if bool(torch.isnan(curve).any()):
        return f"shape {tuple(curve.shape)} with NaN"
    return f"shape {tuple(curve.shape)}, from {float(curve.min()):g} to {float(curve.max()):g}"
