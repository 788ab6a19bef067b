"""An image network by name, cut where it can be trained, without any text network beside it."""

from __future__ import annotations

import os
from pathlib import Path

from alignkit._check import require
from alignkit._typing import PathLike
from alignkit.models._options import Options, PreprocessLike
from alignkit.models._towers import Towers, as_factory, as_image_model, number, origin


def load_image_tower(
    backbone: PathLike,
    /,
    *,
    weights: PathLike | None = None,
    layer: str | int | None = None,
    img_size: int | None = None,
    preprocess: PreprocessLike = "own",
) -> Towers:
    """Load an image network by name, on the CPU; ``text`` of what is returned is None.

    Parameters
    ----------
    backbone : str or path-like
        An image model of :func:`alignkit.models.load`; or ``my_module:factory``, a function of yours that returns
        :class:`Towers`, a :class:`Model` or an ``nn.Module``.
    weights, layer, img_size, preprocess
        As :func:`load_towers` takes them.

    Returns
    -------
    Towers

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        As :func:`load_towers`.

    Examples
    --------
    >>> load_image_tower("random:test_vit", layer=4, img_size=32).image.block_names[-1]
    'blocks.4'
    """
    require("torch", "train")
    options = Options(
        name=os.fspath(backbone),
        weights=None if weights is None else Path(weights),
        img_size=img_size,
        preprocess=None if preprocess == "own" else preprocess,
    )
    if options.name.startswith("run:"):
        msg = f"{options.name} is a trained model already; give the backbone that it was trained on."
        raise ValueError(msg)
    factory = as_factory(options.name)
    if factory is not None:
        return _from_factory(factory(), options, layer)
    from alignkit.models._load import build

    image = build(options.name, weights=options.weights, img_size=img_size, preprocess=options.preprocess)
    return Towers.from_models(image, None, layer=number(layer, image), identity=origin(options))


def _from_factory(made: object, options: Options, layer: str | int | None) -> Towers:
    options.refuse("weights")
    if isinstance(made, Towers):
        options.refuse("img_size", "preprocess")
        image = made.model
        layer = made.image.layer if layer is None else layer
    else:
        image = as_image_model(made[0] if isinstance(made, tuple) else made, options)
    return Towers.from_models(image, None, layer=number(layer, image), identity=origin(options))
