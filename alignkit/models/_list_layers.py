"""The layers of a model: names, shapes, blocks, and the one taken when none is named."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from alignkit._typing import PathLike
from alignkit.models._load import build
from alignkit.models._model import Model

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class LayerTable:
    """What one forward pass shows of a model.

    Parameters
    ----------
    model : str
        Its name.
    kind : {"image", "text"}
        What it takes.
    layers : tuple of str
        In the order in which they finish; the network's own result is ``"output"``.
    shapes : tuple of tuple of int
        Of each layer's output for one item: channels, tokens x channels, or channels x height x width.
    blocks : tuple of int or None
        The number of each transformer block, by which it can be asked for; None for other layers.
    default_layer : str
        The layer taken when none is named.
    n_prefix_tokens : int
        Tokens before the patches: class token, registers.
    class_token : bool
        Whether the first of them is a class token.
    n_parameters : int
    preprocess : mapping
        How an input is prepared.
    """

    model: str
    kind: str
    layers: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    blocks: tuple[int | None, ...]
    default_layer: str
    n_prefix_tokens: int
    class_token: bool
    n_parameters: int
    preprocess: Mapping[str, Any]

    def __len__(self) -> int:
        """Return the number of layers."""
        return len(self.layers)

    def __repr__(self) -> str:
        return f"<LayerTable {self.model!r}: {len(self)} layers, default {self.default_layer!r}>"

    def only_blocks(self) -> LayerTable:
        """Return the table of the transformer's blocks and the default layer."""
        rows = [
            i
            for i, (layer, block) in enumerate(zip(self.layers, self.blocks, strict=True))
            if block is not None or layer == self.default_layer
        ]
        return dataclasses.replace(
            self,
            layers=tuple(self.layers[i] for i in rows),
            shapes=tuple(self.shapes[i] for i in rows),
            blocks=tuple(self.blocks[i] for i in rows),
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per layer: layer, shape (as text), block and whether it is the default."""
        import pandas as pd

        return pd.DataFrame(
            {
                "layer": list(self.layers),
                "shape": [_shape(shape) for shape in self.shapes],
                "block": pd.array(list(self.blocks), dtype="Int64"),
                "default": [layer == self.default_layer for layer in self.layers],
            }
        )

    def to_text(self) -> str:
        """Return the page: what the model is and takes, and a line per layer."""
        settings = ", ".join(f"{name} {_plain(value)}" for name, value in self.preprocess.items())
        tokens = ["a class token"] * self.class_token
        n_others = self.n_prefix_tokens - self.class_token
        tokens += [f"{n_others} registers"] if n_others else []
        lines = [
            f"{self.model}: takes {self.kind}s, {self.n_parameters / 1e6:.1f} M parameters",
            *textwrap.wrap(f"preprocessing: {settings}", 80, subsequent_indent="  ", break_on_hyphens=False),
            *([f"before the patches: {' and '.join(tokens)}"] if tokens else []),
            "",
        ]
        wide = max(map(len, self.layers)) + 2
        shapes = [_shape(shape) for shape in self.shapes]
        middle = max(map(len, shapes)) + 2
        for layer, shape, block in zip(self.layers, shapes, self.blocks, strict=True):
            notes = [f"block {block}"] if block is not None else []
            notes += ["default"] if layer == self.default_layer else []
            lines.append(f"{layer:<{wide}}{shape:<{middle}}{', '.join(notes)}".rstrip())
        return "\n".join(lines)


def list_layers(
    model: Model | PathLike,
    /,
    *,
    architecture: str | None = None,
    weights: PathLike | None = None,
    img_size: int | None = None,
) -> LayerTable:
    """Return the layers that can be extracted from a model, with their shapes.

    Of a network by name (``timm:``, ``open_clip:``, ``hf:``) no weights are fetched: its layers do not depend on them.

    Parameters
    ----------
    model : Model, str or path-like
        A model, or its name as :func:`alignkit.models.load` takes it.
    architecture, weights, img_size
        As in :func:`alignkit.models.load`; only with a name.

    Returns
    -------
    LayerTable

    Raises
    ------
    ValueError
        An unknown name, or options for a model that is loaded already.
    FileNotFoundError
        A file that does not exist, or an ``hf:`` model whose configuration is neither cached nor downloadable.
    ImportError
        A library is missing; the message names the extra that brings it.
    TypeError
        Neither a model nor a name.

    Examples
    --------
    >>> table = list_layers("random:test_vit", img_size=32)
    >>> table.default_layer, table.layers[-1], table.shapes[-1]
    ('head_drop', 'output', (1000,))
    """
    if not isinstance(model, Model):
        model = build(model, architecture=architecture, weights=weights, img_size=img_size, untrained=weights is None)
    elif (architecture, weights, img_size) != (None, None, None):
        msg = f"{model.name} is loaded already; leave architecture, weights and img_size out."
        raise ValueError(msg)
    found = model.probe()
    number = {layer: i for i, layer in enumerate(found.blocks)}
    return LayerTable(
        model=model.name,
        kind=model.kind,
        layers=tuple(found.shapes),
        shapes=tuple(found.shapes.values()),
        blocks=tuple(number.get(layer) for layer in found.shapes),
        default_layer=model.default_layer,
        n_prefix_tokens=model.n_prefix_tokens,
        class_token=model.class_token,
        n_parameters=sum(parameter.numel() for parameter in model.module.parameters()),
        preprocess=model.describe()["preprocess"],
    )


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _plain(value: object) -> str:
    return " ".join(f"{part:g}" for part in value) if isinstance(value, list) else str(value)
