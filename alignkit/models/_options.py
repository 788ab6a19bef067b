"""What :func:`alignkit.models.load` was asked for, as its loaders see it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from alignkit._check import join_names
from alignkit.models._preprocess import Preprocess

PreprocessLike = Preprocess | str | Mapping[str, Any] | Callable[[Any], Any] | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of one call of ``load``; see there."""

    name: str
    weights: Path | None = None
    img_size: int | None = None
    preprocess: PreprocessLike = None
    architecture: str | None = None
    seed: int = 0
    #: Only the network is wanted, to look at: its weights need not be there.
    untrained: bool = False

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other values."""
        return dataclasses.replace(self, **changes)

    def preprocess_or(self, default: Callable[[], Preprocess], size: int) -> Any:
        """Return the preprocessing asked for, as an object, or else the model's own.

        Raises
        ------
        TypeError
            Neither a preset's name, settings, a :class:`Preprocess` nor a callable.
        """
        asked: Any = self.preprocess
        if asked is None:
            return default()
        if isinstance(asked, str):
            return Preprocess.preset(asked, size=size)
        if isinstance(asked, Mapping):
            return Preprocess.from_dict(asked)
        if not callable(asked):
            got = type(asked).__name__
            msg = f"preprocess must be a preset's name, a Preprocess, its settings or a callable; got {got}."
            raise TypeError(msg)
        return asked

    def refuse(self, *names: str) -> None:
        """Raise when one of these options was given: the model asked for has no use for it."""
        given = [name for name in names if getattr(self, name) is not None]
        if given:
            msg = f"{self.name} does not take {join_names(given)}; leave it out."
            raise ValueError(msg)
