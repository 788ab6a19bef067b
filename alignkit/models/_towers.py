"""An image network and a text network, ready to be trained together: CLIP's own two, or a pair of strangers."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from alignkit._check import require, shown
from alignkit._typing import PathLike
from alignkit.models._factory import call_factory
from alignkit.models._model import Model, Tokenizer
from alignkit.models._open_clip import read_open_clip
from alignkit.models._options import Options, PreprocessLike

if TYPE_CHECKING:
    from alignkit.models._split_tower import SplitTower

#: ln 100: the limit that CLIP's training puts on its scale, which OpenAI's models have reached.
LN_100 = math.log(100.0)
_FACTORY = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Towers:
    """An image network and a text network, cut into prefix and suffix. :func:`load_towers` makes them by name.

    Parameters
    ----------
    image : SplitTower
        The image network.
    text : SplitTower or None
        The text network; none is needed where the prompts' features are known.
    model : Model
        The image network as :func:`alignkit.models.load` gives it.
    tokenizer : callable or None
        From a list of strings to what the text network takes.
    log_scale : float
        Logarithm of the factor on cosines.
    paired : bool
        Whether the two were trained apart, so that the image embedding needs a projection into the texts' space;
        a CLIP's share one.
    identity : dict
        What decides both networks, in JSON's own types: names, files, hashes, layer, size, preprocessing.
    """

    image: SplitTower
    text: SplitTower | None
    model: Model
    tokenizer: Callable[[Any], Any] | None
    log_scale: float = LN_100
    paired: bool = True
    identity: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def preprocess(self) -> Any:
        """The image network's preprocessing."""
        return self.model.preprocess

    @property
    def width_image(self) -> int:
        """Channels of the image embedding."""
        return self.image.width

    @property
    def width_text(self) -> int:
        """Channels of the text embedding (of the image embedding where there is no text network)."""
        return self.image.width if self.text is None else self.text.width

    def __repr__(self) -> str:
        kind = "pair" if self.paired else "CLIP"
        return f"<Towers {self.model.name!r} ({kind}), {self.width_image} and {self.width_text} channels>"

    @classmethod
    def from_models(
        cls,
        image: Model,
        text: Model | None,
        /,
        *,
        layer: str | int | None = None,
        log_scale: float = LN_100,
        paired: bool = True,
        identity: Mapping[str, Any] | None = None,
    ) -> Self:
        """Cut an image model and a text model.

        Parameters
        ----------
        image, text : Model
        layer : str or int, optional
            Of the image model (a name, or a block's number); by default its representation.
        log_scale, paired
            See the class.
        identity : mapping, optional
            More about where the models come from.

        Raises
        ------
        ValueError
            An unknown layer, or models of the wrong kind.
        """
        from alignkit.models._split_tower import SplitTower

        _check_kind(image, "image")
        if text is not None:
            _check_kind(text, "text")
        tower = SplitTower.from_model(image, layer)
        return cls(
            image=tower,
            text=None if text is None else SplitTower.from_model(text),
            model=image,
            tokenizer=None if text is None else text.preprocess,
            log_scale=log_scale,
            paired=paired,
            identity={
                **_described(image, tower),
                "text": None if text is None else text.name,
                "text_weights_sha256": None if text is None else text.weights_sha256,
                **(identity or {}),
            },
        )


def load_towers(
    backbone: PathLike,
    /,
    *,
    text: PathLike | None = None,
    weights: PathLike | None = None,
    layer: str | int | None = None,
    img_size: int | None = None,
    preprocess: PreprocessLike = "own",
) -> Towers:
    """Load an image network and a text network by name, on the CPU.

    Parameters
    ----------
    backbone : str or path-like
        An open_clip model, which has both; or any image model of :func:`alignkit.models.load`, with ``text``; or
        ``my_module:factory``, a function of yours that returns :class:`Towers`, or (image network, text network,
        tokenizer), the networks as :class:`Model` or ``nn.Module``.
    text : str or path-like, optional
        A text model of :func:`alignkit.models.load` that makes a pair with an image model (``minilm``).
    weights : path-like, optional
        A local file with the backbone's weights.
    layer : str or int, optional
        Layer of the image network that is taken: a name, or a block's number, counted from 0. Of a transformer's block
        it is the class token, without the final norm; blocks behind it are left out. By default the representation.
    img_size : int, optional
        Input size in pixels, where it is not the backbone's own.
    preprocess : str, Preprocess or mapping
        ``"own"``, or another's, as :func:`alignkit.models.load` takes it.

    Returns
    -------
    Towers

    Raises
    ------
    FileNotFoundError
        Weights that are neither at hand nor downloadable: the message names the file.
    ValueError
        An unknown name, options that do not apply, or an image model without a text model.
    ImportError
        A library is missing; the message names the extra that brings it.

    Examples
    --------
    >>> towers = load_towers("random:test_vit", text="minilm", layer=4, img_size=32)
    >>> towers
    <Towers 'random:test_vit' (pair), 64 and 384 channels>
    >>> towers.image.block_names[-1], towers.text.block_names[-1], towers.identity["layer"]
    ('blocks.4', '0.model.encoder.layer.5', 'blocks.4')
    """
    require("torch", "train")
    options = Options(
        name=os.fspath(backbone),
        weights=None if weights is None else Path(weights),
        img_size=img_size,
        preprocess=None if preprocess == "own" else preprocess,
    )
    prefix, _, rest = options.name.partition(":")
    if prefix == "run":
        msg = f"{options.name} is a trained model already; give the backbone that it was trained on."
        raise ValueError(msg)
    if prefix == "open_clip" and text is None:
        return _from_open_clip(rest, options, layer)
    factory = as_factory(options.name)
    if factory is not None:
        made = factory()
        if isinstance(made, Towers) or (isinstance(made, tuple) and len(made) == 3):
            return _from_factory(made, options, text, layer)
    if text is None:
        msg = f"{options.name} reads no texts; name a text encoder to pair with it (text='minilm' works offline)."
        raise ValueError(msg)
    from alignkit.models._load import build

    image = build(options.name, weights=options.weights, img_size=img_size, preprocess=options.preprocess)
    return Towers.from_models(image, build(text), layer=number(layer, image), identity=origin(options))


def as_factory(name: str) -> Callable[[], Any] | None:
    """Return the call that ``my_module:factory`` stands for, or None where the name is another's."""
    from alignkit.models._load import PREFIXED

    found = None if name.partition(":")[0] in PREFIXED else _FACTORY.fullmatch(name)
    return None if found is None else functools.partial(call_factory, found[1], found[2])


def number(layer: str | int | None, model: Model) -> str | int | None:
    """Return the number of a block that was written as text, as a command line gives it."""
    is_number = isinstance(layer, str) and layer.lstrip("-").isdecimal()
    return int(layer) if is_number and layer not in model.probe().shapes else layer  # type: ignore[arg-type]


def _from_open_clip(rest: str, options: Options, layer: str | int | None) -> Towers:
    from alignkit.models._clip_text import clip_text, clip_tokenizer

    clip, image = read_open_clip(rest, options)
    text = clip_text(clip, clip_tokenizer(rest.partition("/")[0]), name=options.name)
    layer = number(layer, image)
    return Towers.from_models(
        image,
        text,
        layer=layer,
        log_scale=clip.logit_scale.detach().double().mean().item(),
        # another layer than the embedding lies outside the space that the texts share
        paired=image.resolve(layer) != ("output",),
        identity=origin(options),
    )


def _from_factory(made: Any, options: Options, text: PathLike | None, layer: str | int | None) -> Towers:
    options.refuse("weights")
    if isinstance(made, Towers):
        options.refuse("img_size", "preprocess")
        unused = {"text": text, "layer": layer}
        given = [name for name, value in unused.items() if value is not None]
        if given:
            msg = f"{options.name} gives both towers; leave {' and '.join(given)} out."
            raise ValueError(msg)
        identity = {**_described(made.model, made.image), **made.identity, **origin(options)}
        return dataclasses.replace(made, identity=identity)
    if text is not None:
        msg = f"{options.name} brings a text network of its own; leave text out."
        raise ValueError(msg)
    network, reader, tokenizer = made
    image = as_image_model(network, options)
    return Towers.from_models(
        image, _as_text_model(reader, tokenizer, options.name), layer=number(layer, image), identity=origin(options)
    )


def as_image_model(network: Any, options: Options) -> Model:
    """Return a user's image network with its preprocessing."""
    if isinstance(network, Model):
        options.refuse("img_size", "preprocess")
        return network
    from alignkit.models._preprocess import Preprocess

    size = options.img_size or 224
    chosen = options.preprocess_or(lambda: Preprocess.clip(size), size)
    return Model.from_module(
        network,
        chosen,
        name=options.name,
        n_prefix_tokens=int(getattr(network, "num_prefix_tokens", hasattr(network, "class_embedding"))),
        class_token=hasattr(network, "class_embedding") or getattr(network, "cls_token", None) is not None,
    )


def _as_text_model(network: Any, tokenizer: Any, name: str) -> Model:
    if isinstance(network, Model):
        return network
    if not callable(tokenizer):
        msg = f"the tokenizer of {name} must be callable on a list of strings; got {shown(tokenizer)}."
        raise TypeError(msg)
    length = int(getattr(network, "context_length", 0) or getattr(tokenizer, "context_length", 0) or 77)
    return Model.from_module(network, Tokenizer(name, length, tokenizer), name=name, kind="text")


def _check_kind(model: Model, kind: str) -> None:
    if model.kind != kind:
        msg = f"{model.name} takes {model.kind}s, not {kind}s; name {'a text' if kind == 'text' else 'an image'} model."
        raise ValueError(msg)


def _described(image: Model, tower: SplitTower) -> dict[str, Any]:
    described = image.describe()
    return {
        "backbone": image.name,
        "weights_sha256": image.weights_sha256,
        "layer": tower.layer,
        "preprocess": described["preprocess"],
        "settings": described["settings"],
    }


def origin(options: Options, /) -> dict[str, Any]:
    """Return how to find the backbone again, from whatever folder."""
    file = Path(options.name)
    return {
        "backbone": str(file.resolve()) if file.is_file() else options.name,
        "weights": None if options.weights is None else str(options.weights.resolve()),
        "img_size": options.img_size,
    }
