"""Functions of somebody's own that a run's settings name, which are not called just because a file says so."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from alignkit._check import join_names
from alignkit._typing import PathLike

#: Settings that name a model, and so perhaps a function.
_MODELS = ("backbone", "text")


def own_functions(config: Any, /) -> tuple[str, ...]:
    """Return the ``my_module:factory`` that a method's settings name."""
    from alignkit.models._towers import as_factory

    names = [getattr(config, field, None) for field in _MODELS]
    return tuple(os.fspath(name) for name in names if name is not None and as_factory(os.fspath(name)) is not None)


def check_own_functions(config: Any, trusted: str | Sequence[str] | None, /, *, run: PathLike) -> None:
    """Raise where settings that were read from a run's folder name a function that the caller does not.

    Parameters
    ----------
    config : dataclass
        Settings of a method, from the folder.
    trusted : str, sequence of str, or None
        Functions that may be called.
    run : path
        The folder, for the message.

    Raises
    ------
    ValueError
        Another function.
    """
    known = {trusted} if isinstance(trusted, str) else set(trusted or ())
    foreign = [name for name in own_functions(config) if name not in known]
    if foreign:
        msg = (
            f"the settings of the run {run} name {join_names(foreign)}, a function of somebody's own, which is not "
            f"called just because a file says so; pass architecture={foreign[0]!r} if you trust it."
        )
        raise ValueError(msg)
