"""A model as alignkit uses it: a network, its preprocessing, its layers in execution order, and its identity."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, Self

from alignkit._check import check_choice, join_names
from alignkit.models._preprocess import Preprocess
from alignkit.models._probe import Probe, probe

if TYPE_CHECKING:
    import torch
    from torch import nn

Kind = Literal["image", "text"]
Layer = str | int
Layers = Layer | Sequence[Layer] | None
_LISTED = "Model.layers() and `alignkit models show` list"


@dataclasses.dataclass(frozen=True, slots=True)
class Tokenizer:
    """How a text becomes a text model's input; part of the model's identity as :class:`Preprocess` is.

    Parameters
    ----------
    name : str
        Which vocabulary.
    max_length : int
        Tokens kept; longer texts are cut.
    tokenize : callable
        Takes a list of strings and returns a mapping of tensors, with ``attention_mask`` 1 at real tokens.
    count : callable, optional
        Takes a list of strings and returns how many tokens each has before it is cut.

    Examples
    --------
    >>> letters = Tokenizer("letters", 2, lambda texts: {"n": [len(text[:2]) for text in texts]})
    >>> letters(["cat", "a"]), letters.to_dict()
    ({'n': [2, 1]}, {'tokenizer': 'letters', 'max_length': 2})
    """

    name: str
    max_length: int
    tokenize: Callable[[list[str]], Mapping[str, Any]] = dataclasses.field(repr=False, compare=False)
    count: Callable[[list[str]], Sequence[int]] | None = dataclasses.field(default=None, repr=False, compare=False)

    def __call__(self, texts: list[str]) -> Mapping[str, Any]:
        """Return the padded tokens of a batch of texts."""
        return self.tokenize(texts)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings in JSON's own types."""
        return {"tokenizer": self.name, "max_length": self.max_length}


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Model:
    """A network with everything that decides its features. :func:`alignkit.models.load` makes one by name.

    Parameters
    ----------
    name : str
        What it was loaded as.
    module : torch.nn.Module
        The network (for CLIP, its image tower).
    preprocess : Preprocess, Tokenizer or callable
        From a PIL image to a (3, height, width) array or tensor; for text models, from strings to tokens.
    kind : {"image", "text"}
        What it takes.
    weights_sha256 : str
        Of the parameters and buffers as they are used, whatever file they came from.
    settings : mapping
        What else decides the features (architecture, input size, seed, weights file), in JSON's own types.
    default_layer : str
        The layer taken when none is named: the representation before the classifier, or the embedding.
    n_prefix_tokens : int
        Leading tokens of a transformer that are not image patches (class token, registers).
    class_token : bool
        Whether the first of them is a class token.
    main_layers : tuple of str
        Layers that ``"all"`` means, where these are not the blocks: the times of a model that unfolds.

    Examples
    --------
    >>> from torch import nn
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> model = Model.from_module(net, Preprocess.clip(size=32), name="mine")
    >>> model.layers()
    ['0', '1', '2', '3', 'output']
    """

    name: str
    module: nn.Module
    preprocess: Preprocess | Tokenizer | Callable[[Any], Any]
    kind: Kind = "image"
    weights_sha256: str
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    default_layer: str = "output"
    n_prefix_tokens: int = 0
    class_token: bool = False
    main_layers: tuple[str, ...] = ()
    _probed: dict[str, Probe] = dataclasses.field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, ("image", "text"))

    @classmethod
    def from_module(cls, module: Any, preprocess: Any, /, *, name: str, **fields: Any) -> Self:
        """Wrap a network of your own.

        Parameters
        ----------
        module : torch.nn.Module
        preprocess : Preprocess or callable
        name : str
        **fields
            Any other field of the class. ``weights_sha256`` is computed.

        Raises
        ------
        TypeError
            ``module`` is no ``nn.Module`` or ``preprocess`` cannot be called.
        """
        from torch import nn

        if not isinstance(module, nn.Module):
            msg = f"{name} must give a torch.nn.Module; got {type(module).__name__}."
            raise TypeError(msg)
        if not callable(preprocess):
            msg = f"the preprocessing of {name} must be a Preprocess or a callable; got {type(preprocess).__name__}."
            raise TypeError(msg)
        module.eval()
        return cls(name=name, module=module, preprocess=preprocess, weights_sha256=weights_sha256(module), **fields)

    @property
    def device(self) -> torch.device:
        """Where the network's weights are (the CPU for a network without any)."""
        import torch

        tensors = [*self.module.parameters(), *self.module.buffers()][:1]
        return tensors[0].device if tensors else torch.device("cpu")

    def __repr__(self) -> str:
        return f"<Model {self.name!r} ({self.kind}), weights {self.weights_sha256[:12]}, on {self.device}>"

    def probe(self) -> Probe:
        """Return what one forward pass shows of every layer; the pass is run once."""
        if "probe" not in self._probed:
            self._probed["probe"] = probe(self)
        return self._probed["probe"]

    def layers(self) -> list[str]:
        """Return the names of all layers that can be extracted, in the order in which they finish.

        A layer can be extracted when it runs exactly once per input and gives one tensor with a row per item.
        The network's own result is ``"output"``.
        """
        return list(self.probe().shapes)

    def resolve(self, layers: Layers = None, /) -> tuple[str, ...]:
        """Return the names of the layers meant.

        Parameters
        ----------
        layers : str, int, sequence of both, or None
            A name, or a number: among the transformer's blocks where there are any, else among :meth:`layers`;
            negative numbers count from the end. ``"all"`` means all blocks, or all layers where there are no blocks
            (of a model that unfolds over time, all times); ``None`` means :attr:`default_layer`.

        Raises
        ------
        ValueError
            An unknown layer, one that runs several times, a number out of range, or a layer named twice.
        TypeError
            Neither names nor numbers.
        """
        if layers is None:
            layers = self.default_layer
        if layers in ("all", ["all"], ("all",)) and "all" not in self.probe().shapes:
            return self.main_layers or tuple(self.probe().blocks or self.probe().shapes)
        wanted = [layers] if isinstance(layers, str | int) else list(layers)
        names = tuple(self._by_number(layer) if isinstance(layer, int) else self._by_name(layer) for layer in wanted)
        if not names:
            msg = f"layers is empty; name at least one ({_LISTED} them)."
            raise ValueError(msg)
        if len(set(names)) != len(names):
            msg = f"layers must differ; {join_names(wanted)} name the layers {join_names(names)}."
            raise ValueError(msg)
        return names

    def _by_number(self, number: int) -> str:
        found = self.probe()
        among, what = (found.blocks, "blocks") if found.blocks else (list(found.shapes), "layers")
        if isinstance(number, bool) or not -len(among) <= number < len(among):
            msg = f"{self.name} has {len(among)} {what}, numbered 0 to {len(among) - 1}; got {number}."
            raise ValueError(msg)
        return among[number]

    def _by_name(self, name: object) -> str:
        if not isinstance(name, str):
            msg = f"a layer is a name or a number; got {type(name).__name__}."
            raise TypeError(msg)
        found = self.probe()
        if name in found.shapes:
            return name
        if name in found.refused:
            msg = f"the layer {name!r} of {self.name} {found.refused[name]}; choose another ({_LISTED} them)."
            raise ValueError(msg)
        near = get_close_matches(name, found.shapes, n=3, cutoff=0.5)
        hint = f"did you mean {join_names(near)}? " if near else ""
        msg = f"{self.name} has no layer {name!r}; {hint}{_LISTED} all {len(found.shapes)}."
        raise ValueError(msg)

    def with_default_layer(self, layer: str, /) -> Self:
        """Return a copy that takes ``layer`` when none is named."""
        copy = dataclasses.replace(self, default_layer=layer)
        copy._probed.update(self._probed)
        return copy

    def describe(self) -> dict[str, Any]:
        """Return the model's identity in JSON's own types: name, kind, weights, preprocessing and settings."""
        return {
            "name": self.name,
            "kind": self.kind,
            "weights_sha256": self.weights_sha256,
            "preprocess": describe_preprocess(self.preprocess),
            "settings": dict(self.settings),
        }


def describe_preprocess(preprocess: object) -> dict[str, Any]:
    """Return the identity of any preprocessing, as far as it can be told from outside."""
    if isinstance(preprocess, Preprocess | Tokenizer):
        return preprocess.to_dict()
    named = preprocess if hasattr(preprocess, "__qualname__") else type(preprocess)
    name = f"{named.__module__}.{named.__qualname__}"
    text = repr(preprocess)
    # a default repr holds a memory address, which is no identity; torchvision's lists its steps
    return {"callable": name} if " at 0x" in text else {"callable": name, "repr": text}


def weights_sha256(module: nn.Module) -> str:
    """Return one SHA-256 over the names, dtypes, shapes and bytes of all parameters and buffers."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        if isinstance(tensor, torch.Tensor):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            if not tensor.is_meta:
                flat = tensor.detach().cpu().contiguous().reshape(-1)
                digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
