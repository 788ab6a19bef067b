"""Handing a vision tower's weights over into a fresh CLIP: exactly those, all of them, and nothing else changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from alignkit._check import counted, join_names
from alignkit._result import Result
from alignkit.models._state_sha256 import state_sha256
from alignkit.models._weights import misfit

if TYPE_CHECKING:
    import pandas as pd

#: What a CLIP calls its vision tower, and the two numbers that belong to neither tower.
_VISION = "visual."
_SCALARS = ("logit_scale", "logit_bias")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HandOver(Result):
    """What a hand-over did, key by key.

    Parameters
    ----------
    copied : tuple of str
        The model's names of the weights and buffers that were handed over: all of its vision tower.
    fresh : tuple of str
        Its names of those that stayed as they were: the text tower, the scale and the bias of its scores.
    left : tuple of str
        What else the source held, which was not used.
    shapes : mapping of str to tuple of int
        Of ``copied`` and ``fresh``.
    vision_sha256 : str
        :func:`state_sha256` of the model's vision tower now.
    text_sha256 : str
        That of its text tower (without scale and bias), which is the same before and after.
    """

    copied: tuple[str, ...]
    fresh: tuple[str, ...]
    left: tuple[str, ...]
    shapes: dict[str, tuple[int, ...]]
    vision_sha256: str
    text_sha256: str

    def lines(self) -> list[str]:
        """Return what a log should say: the two hashes, then one line per key."""
        width = max(map(len, (*self.copied, *self.fresh, *self.left)))
        of_keys = [
            f"{what:<6}  {name:<{width}}  {self.shapes.get(name, '')}".rstrip() for name, what in self._fates().items()
        ]
        return [
            f"vision tower: {counted(len(self.copied), 'tensor')} copied, sha256 {self.vision_sha256}",
            f"text tower: unchanged, sha256 {self.text_sha256}",
            *of_keys,
        ]

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per key: its name, its shape, and whether it was copied, stayed fresh or was left behind."""
        import pandas as pd

        rows = [(name, "x".join(map(str, self.shapes.get(name, ()))), what) for name, what in self._fates().items()]
        return pd.DataFrame(rows, columns=["key", "shape", "fate"])

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        return (
            f"All {counted(len(self.copied), 'tensor')} of the vision tower (SHA-256 {self.vision_sha256[:12]}) were "
            f"handed over, the text tower (SHA-256 {self.text_sha256[:12]}) and the scale staying fresh."
        )

    def __repr__(self) -> str:
        return (
            f"HandOver({len(self.copied)} copied, {len(self.fresh)} fresh, {len(self.left)} left behind, "
            f"vision {self.vision_sha256[:12]}, text {self.text_sha256[:12]})"
        )

    def _fates(self) -> dict[str, str]:
        # the source may call what was left behind as the model calls its own
        left = dict.fromkeys((name for name in self.left if name not in self.shapes), "left")
        return dict.fromkeys(self.copied, "copied") | dict.fromkeys(self.fresh, "fresh") | left


def hand_over(source_state: Mapping[str, Tensor], model: nn.Module, /, *, prefix: str = _VISION) -> HandOver:
    """Copy a vision tower's weights into a CLIP model, in place, and leave all else as it is.

    The source must hold each weight and buffer of the model's vision tower, in the same shape (a number without axes
    may stand alone on an axis), and no other under ``prefix``. What it holds beside them is not used: the text tower,
    the scale and the bias of the scores stay fresh. Nothing is changed where anything does not fit.

    Parameters
    ----------
    source_state : mapping of str to Tensor
        A state dict: a whole CLIP's, or that of a vision tower alone.
    model : Module
        A CLIP as open_clip builds it: its vision tower is ``model.visual``.
    prefix : str
        What the source's names of the vision tower begin with; empty for that of a tower alone.

    Returns
    -------
    HandOver

    Raises
    ------
    TypeError
        A model without a vision tower.
    ValueError
        Missing, unexpected or differently shaped weights, numbers that the model's dtype cannot hold, weights that
        are not finite, or a model whose towers share weights.

    Examples
    --------
    >>> source, model = nn.Module(), nn.Module()
    >>> source.visual, model.visual, model.text = nn.Linear(3, 2), nn.Linear(3, 2), nn.Linear(2, 2)
    >>> report = hand_over(source.state_dict(), model)
    >>> report.copied, report.fresh
    (('visual.weight', 'visual.bias'), ('text.weight', 'text.bias'))
    >>> report.vision_sha256 == state_sha256(source.visual)
    True
    """
    own = model.state_dict()
    vision, text, scalars = _parts(own)
    if not vision:
        msg = f"model must be a CLIP with its vision tower as model.visual; {type(model).__name__} has none."
        raise TypeError(msg)
    given = {name.removeprefix(prefix): value for name, value in source_state.items() if name.startswith(prefix)}
    _check(source_state, given, vision, prefix)
    values = {name: given[name].reshape(value.shape) for name, value in vision.items()}
    before = state_sha256(text)
    backup = {name: value.clone() for name, value in vision.items()}
    _write(vision, values)
    if state_sha256(text) != before:
        _write(vision, backup)
        msg = "the model's towers share weights, so that handing over its vision tower would change its text tower."
        raise ValueError(msg)
    return HandOver(
        copied=tuple(_VISION + name for name in vision),
        fresh=(*text, *scalars),
        left=tuple(name for name in source_state if not name.startswith(prefix)),
        shapes={name: tuple(value.shape) for name, value in own.items()},
        vision_sha256=state_sha256(vision),
        text_sha256=before,
    )


def _parts(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Return the weights of the vision tower (by its own names), of the text tower, and the numbers beside them."""
    vision = {name.removeprefix(_VISION): value for name, value in state.items() if name.startswith(_VISION)}
    scalars = {name: value for name, value in state.items() if name in _SCALARS}
    text = {name: value for name, value in state.items() if not name.startswith(_VISION) and name not in scalars}
    return vision, text, scalars


def _write(targets: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(values[name])


def _check(source: Mapping[str, Tensor], given: dict[str, Tensor], vision: dict[str, Tensor], prefix: str) -> None:
    if not given:
        msg = f"the source has no weights that begin with {prefix!r}; its names are {join_names(source) or 'none'}."
        raise ValueError(msg)
    alike = {name: _as_shaped(value, vision.get(name)) for name, value in given.items()}
    problem = misfit(alike, vision)
    if problem:
        msg = f"the source's vision tower does not fit the model's ({problem}); nothing was handed over."
        raise ValueError(msg)
    for name, value in given.items():
        own = vision[name].dtype
        # bfloat16 into float32 loses nothing, float32 into float16 does
        if value.is_floating_point() != own.is_floating_point or torch.promote_types(value.dtype, own) != own:
            msg = f"the source's {prefix}{name} is {value.dtype}, which the model's {own} cannot hold exactly."
            raise ValueError(msg)
    broken = [prefix + name for name, value in given.items() if not bool(torch.isfinite(value).all())]
    if broken:
        msg = f"the source's weights are not finite numbers in {join_names(broken)}; was its training stable?"
        raise ValueError(msg)


def _as_shaped(value: Tensor, own: Tensor | None) -> Tensor:
    """Return a single number in the shape that the model has for it."""
    scalars = {(), (1,)}
    fits = own is not None and tuple(value.shape) in scalars and tuple(own.shape) in scalars
    return value.reshape(own.shape) if fits and own is not None else value
