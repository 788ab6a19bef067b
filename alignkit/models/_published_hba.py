"""Published CLIP-HBA checkpoints, read in both of their layouts and brought into peft's form."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from alignkit._check import check_positive, join_names
from alignkit._typing import PathLike
from alignkit.models._adapters import adapted_layers
from alignkit.models._weights import read_weights

#: Whole models keep these over time; they belong to CLIP-HBA-MEG.
TABLES = ("weighting_matrix", "beta", "noise_level", "visual_scaler")
_PARTS = ("m", "delta_D_A", "delta_D_B")
_LAYER = re.compile(r"(?:visual\.)?transformer\.resblocks\.\d+\.attn\.out_proj")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PublishedAdapter:
    """The adapter of one projection: rows of length m, along W / |W| + alpha / rank * (B A)^T."""

    magnitude: Tensor
    """m, (n_out,): the length of each row."""
    a: Tensor
    """delta_D_A, (rank, n_out)."""
    b: Tensor
    """delta_D_B, (n_in, rank)."""
    weight: Tensor | None
    """The backbone's own weight W, (n_out, n_in), where the checkpoint holds it."""

    @property
    def rank(self) -> int:
        """Rank of the update."""
        return int(self.a.shape[0])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PublishedHBA:
    """What a published checkpoint holds beyond its CLIP."""

    adapters: dict[str, PublishedAdapter]
    """By the name of the adapted projection in open_clip's model."""
    tables: dict[str, Tensor]
    """Tables over time of CLIP-HBA-MEG; empty for CLIP-HBA."""

    def tower(self, name: str) -> dict[str, PublishedAdapter]:
        """Return the adapters of the ``"image"`` or the ``"text"`` tower, by their names within it."""
        visual = {path: value for path, value in self.adapters.items() if path.startswith("visual.")}
        if name == "image":
            return {path.removeprefix("visual."): value for path, value in visual.items()}
        return {path: value for path, value in self.adapters.items() if path not in visual}


def read_published_hba(path: PathLike, /) -> PublishedHBA:
    """Read a checkpoint of CLIP-HBA or CLIP-HBA-MEG: a whole model, or its adapters alone.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A damaged file, one with pickled objects, one without such adapters, or adapters whose shapes do not agree.
    """
    state = {name.removeprefix("clip_model."): value for name, value in read_weights(path).items()}
    names = [name.removesuffix(".delta_D_A") for name in state if name.endswith(".delta_D_A")]
    if not names:
        msg = f"{path} holds no adapters of CLIP-HBA (names that end in .delta_D_A); it has {join_names(state, 3)}."
        raise ValueError(msg)
    other = [name for name in names if not _LAYER.fullmatch(name)]
    if other:
        msg = f"{path} has adapters in places of its own, where CLIP-HBA has none: {join_names(other)}."
        raise ValueError(msg)
    return PublishedHBA(
        adapters={name: _adapter(path, name, state) for name in names},
        tables={name: state[name] for name in TABLES if name in state},
    )


def published_adapter_state(
    adapters: Mapping[str, PublishedAdapter], module: nn.Module, /, *, alpha: float = 16.0
) -> dict[str, Tensor]:
    """Return published adapters as :func:`load_adapter_state` takes them; the adapted weights agree to rounding.

    CLIP-HBA adds its update to rows of length 1, peft to the rows themselves, so B takes their lengths:
    ``lora_A = delta_D_B^T``, ``lora_B = diag(|W_i|) delta_D_A^T``.

    Parameters
    ----------
    adapters : mapping of str to PublishedAdapter
        By name within ``module``.
    module : nn.Module
        The backbone with DoRA adapters at the same places, of the same rank or a higher one.
    alpha : float
        What the published update was scaled by, over its own rank; checkpoints do not say it.

    Raises
    ------
    ValueError
        Adapters at other places, of a lower rank or shape, or a backbone that is not the checkpoint's.
    """
    check_positive("alpha", alpha)
    layers = adapted_layers(module)
    if set(layers) != set(adapters):
        msg = (
            f"the checkpoint has adapters of {join_names(sorted(adapters))}; the network has them on "
            f"{join_names(sorted(layers)) or 'nothing'}."
        )
        raise ValueError(msg)
    return {
        f"{path}.{name}": value
        for path, adapter in adapters.items()
        for name, value in _as_peft(path, adapter, layers[path], alpha).items()
    }


def _adapter(path: PathLike, name: str, state: Mapping[str, Tensor]) -> PublishedAdapter:
    missing = [part for part in _PARTS if f"{name}.{part}" not in state]
    if missing:
        msg = f"{path} lacks {join_names(f'{name}.{part}' for part in missing)}; the checkpoint is incomplete."
        raise ValueError(msg)
    m, a, b = (state[f"{name}.{part}"] for part in _PARTS)
    weight = state.get(f"{name}.original_layer.weight")
    fits = a.dim() == b.dim() == 2 and a.shape[0] == b.shape[1] > 0 and m.numel() == a.shape[1]
    if not fits or (weight is not None and weight.shape != (a.shape[1], b.shape[0])):
        shapes = f"m {tuple(m.shape)}, delta_D_A {tuple(a.shape)} and delta_D_B {tuple(b.shape)}"
        msg = f"the parts of {name} in {path} do not fit each other: {shapes}."
        raise ValueError(msg)
    return PublishedAdapter(magnitude=m.flatten(), a=a, b=b, weight=weight)


def _as_peft(path: str, adapter: PublishedAdapter, layer: Any, alpha: float) -> dict[str, Tensor]:
    weight = layer.get_base_layer().weight.detach().float().cpu()
    _check_weight(path, adapter, weight)
    (scale,) = layer.scaling.values()
    rank = int(next(iter(layer.lora_A.values())).weight.shape[0])
    if adapter.rank > rank:
        msg = f"the adapter of {path} has rank {adapter.rank}, the network's {rank}; make them of that rank at least."
        raise ValueError(msg)
    lengths = torch.linalg.vector_norm(weight, dim=1, keepdim=True)
    more = rank - adapter.rank  # further directions are left unused
    factor = alpha / adapter.rank / scale
    return {
        "lora_A.weight": nn.functional.pad(adapter.b.float().T, (0, 0, 0, more)),
        "lora_B.weight": nn.functional.pad(factor * lengths * adapter.a.float().T, (0, more)),
        "lora_magnitude_vector": adapter.magnitude.float(),
    }


def _check_weight(path: str, adapter: PublishedAdapter, weight: Tensor) -> None:
    if weight.shape != (adapter.a.shape[1], adapter.b.shape[0]):
        shape = (adapter.a.shape[1], adapter.b.shape[0])
        msg = f"the adapter of {path} is for weights of shape {shape}; the network's are {tuple(weight.shape)}."
        raise ValueError(msg)
    # weights of other precision agree to three digits; those of another network do not
    if adapter.weight is not None and not torch.allclose(adapter.weight.float(), weight, rtol=1e-2, atol=1e-3):
        msg = f"the checkpoint was made with other weights of {path} than this network has; take the same backbone."
        raise ValueError(msg)
