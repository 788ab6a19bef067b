"""One forward pass on blank input: which layers run, in what order, and what they give."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from alignkit.models._run import collate, evaluating, first_tensor, hooked, is_out_of_memory, prepare, to_device

if TYPE_CHECKING:
    from alignkit.models._model import Model

#: Items in the blank batch: a first axis of another length is no batch axis.
_BATCH = 3
_BLOCK_LISTS = frozenset({"block", "blocks", "layer", "layers", "resblocks"})


@dataclasses.dataclass(frozen=True, slots=True)
class Probe:
    """What one forward pass showed.

    Parameters
    ----------
    shapes : dict of str to tuple of int
        Per extractable layer, in the order in which the layers finish: its output's shape without the batch axis.
    refused : dict of str to str
        Why the others cannot be extracted.
    blocks : list of str
        A transformer's blocks, first to last; empty for other networks.
    """

    shapes: dict[str, tuple[int, ...]]
    refused: dict[str, str]
    blocks: list[str]

    @property
    def n_tokens(self) -> int | None:
        """Tokens that the transformer's blocks carry, prefix included."""
        return self.shapes[self.blocks[0]][0] if self.blocks else None


def probe(model: Model) -> Probe:
    """Run the model once on blank input and record every layer.

    Raises
    ------
    ValueError
        The model cannot run on what its preprocessing gives.
    """
    shapes: dict[str, tuple[int, ...] | None] = {}
    calls: Counter[str] = Counter()

    def record(name: str, output: Any) -> None:
        tensor = first_tensor(output)
        calls[name] += 1
        fits = tensor is not None and tensor.ndim >= 2 and tensor.shape[0] == _BATCH
        shapes.setdefault(name, tuple(tensor.shape[1:]) if tensor is not None and fits else None)

    names = [name or "output" for name, _ in model.module.named_modules()]
    batch = _blank(model)
    try:
        with evaluating(model.module), hooked(model.module, names, record):
            model.module(to_device(batch, model.device))
    except Exception as error:
        if is_out_of_memory(error):
            msg = f"{model.name} does not fit the memory of {model.device}; free some, or choose another device."
            raise ValueError(msg) from error
        got = tuple(batch.shape[1:]) if hasattr(batch, "shape") else sorted(batch)
        msg = f"{model.name} cannot run on what its preprocessing gives ({got}): {error}"
        raise ValueError(msg) from error
    kept = {name: shape for name, shape in shapes.items() if shape is not None and calls[name] == 1}
    refused = {name: _reason(calls[name], shapes.get(name)) for name in names if name not in kept}
    return Probe(kept, refused, _blocks(kept))


def _blank(model: Model) -> Any:
    if model.kind == "text":
        return collate(model, ["word"] * _BATCH)
    from PIL import Image

    return collate(model, [prepare(model, Image.new("RGB", (256, 256), (127, 127, 127)))] * _BATCH)


def _reason(n_calls: int, shape: tuple[int, ...] | None) -> str:
    if n_calls == 0:
        return "does not run by itself in a forward pass"
    if shape is None:
        return "does not give a tensor with one row per item"
    return f"runs {n_calls} times per item, so its output is ambiguous"


def _blocks(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return the longest run of numbered layers that all give tokens of one shape: a transformer's blocks."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name, shape in shapes.items():
        parent, _, number = name.rpartition(".")
        if number.isdigit() and parent.rpartition(".")[2] in _BLOCK_LISTS and len(shape) == 2:
            groups[parent].append(name)
    same = [group for group in groups.values() if len({shapes[name] for name in group}) == 1 and len(group) > 1]
    longest = max(same, key=len, default=[])
    return sorted(longest, key=lambda name: int(name.rpartition(".")[2]))
