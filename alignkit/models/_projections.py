"""Where a block's attention keeps its projections, whichever library it comes from."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence

from torch import nn

from alignkit._check import join_names
from alignkit.models._adapter_config import Projection
from alignkit.models._attention import SeparateQKV, separate_attention

#: Names that libraries give the projections to queries, keys and values.
_IN_NAMES = (("q_proj", "k_proj", "v_proj"), ("query", "key", "value"), ("q_lin", "k_lin", "v_lin"), ("q", "k", "v"))
#: Names beside them of the projection of the attended values.
_OUT_NAMES = ("out_proj", "o_proj", "proj", "out_lin", "o")
#: Where BERT and its kind keep that projection, seen from the module around queries, keys and values.
_BERT_OUT = ("output", "dense")


def separate_projections(module: nn.Module, block: str, projections: Sequence[Projection]) -> list[str]:
    """Separate the attention in a block, in place, and return the names of its projections that are asked for.

    Raises
    ------
    ValueError
        An unknown block, a block without attention, a projection that it has not, or one that is never called, so that
        nothing put in its place would act.
    """
    part = _block(module, block)
    separate_attention(part, unknown="leave")
    attentions = list(_attentions(part))
    if not attentions:
        msg = f"block {block!r} (a {type(part).__qualname__}) has no attention that alignkit can put adapters on."
        raise ValueError(msg)
    names = []
    for layers in attentions:
        for projection in projections:
            _check_projection(part, block, projection, layers)
            names.append(f"{block}.{layers[projection]}")
    return names


def _block(module: nn.Module, block: str) -> nn.Module:
    names = [name for name, _ in module.named_modules() if name]
    if block in names:
        return module.get_submodule(block)
    near = [name for name in names if name.rpartition(".")[2] == block.rpartition(".")[2]]
    msg = f"the network has no block {block!r}; choose from {join_names(near or names, 12)}."
    raise ValueError(msg)


def _attentions(part: nn.Module) -> Iterator[dict[Projection, str]]:
    """Give the projections of each attention by what they are for, named as seen from the block."""
    for name, child in part.named_modules():
        layers = _in_layers(name, child) | _out_layer(part, name, child)
        # pooling and MLPs have layers of such names too, but never both kinds
        if "out" in layers and ("q" in layers or "qkv" in child._modules):
            yield layers


def _in_layers(name: str, child: nn.Module) -> dict[Projection, str]:
    qkv = child._modules.get("qkv")
    owner, inner = (qkv, f"{name}.qkv") if isinstance(qkv, SeparateQKV) else (child, name)
    for names in _IN_NAMES:
        if all(isinstance(owner._modules.get(layer), nn.Linear) for layer in names):
            q, k, v = (f"{inner}.{layer}".lstrip(".") for layer in names)
            return {"q": q, "k": k, "v": v}
    return {}


def _out_layer(part: nn.Module, name: str, child: nn.Module) -> dict[Projection, str]:
    for layer in _OUT_NAMES:
        if isinstance(child._modules.get(layer), nn.Linear):
            return {"out": f"{name}.{layer}".lstrip(".")}
    around = name.rpartition(".")[0]
    output = part.get_submodule(around)._modules.get(_BERT_OUT[0])
    if name and output is not None and isinstance(output._modules.get(_BERT_OUT[1]), nn.Linear):
        return {"out": ".".join((around, *_BERT_OUT)).lstrip(".")}
    return {}


def _check_projection(part: nn.Module, block: str, projection: Projection, layers: dict[Projection, str]) -> None:
    if projection not in layers:
        msg = (
            f"the attention in {block!r} (a {type(part).__qualname__}) has no {projection} projection of its own, and "
            f"cannot be separated; take projections={' '.join(layers)}."
        )
        raise ValueError(msg)
    path, _, layer = layers[projection].rpartition(".")
    owner = type(part.get_submodule(path))
    if not _calls(owner, layer):
        msg = (
            f"{block}.{layers[projection]} is not called as a module by {owner.__qualname__} ({owner.__module__}), as "
            "far as can be seen, so an adapter in its place would never be trained; choose other blocks."
        )
        raise ValueError(msg)


def _calls(owner: type[nn.Module], layer: str) -> bool:
    """Return whether a class's code calls a layer; reading its weight alone passes an adapter by."""
    for base in owner.__mro__:
        if base is nn.Module:
            return False
        try:
            if f"self.{layer}(" in inspect.getsource(base):
                return True
        except (OSError, TypeError):  # no source at hand
            continue
    return False
