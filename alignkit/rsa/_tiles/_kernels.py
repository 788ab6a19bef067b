"""Which kernels sum and count over tiles."""

from __future__ import annotations

from importlib import import_module, util
from typing import Any

from alignkit._check import check_choice
from alignkit.rsa._dispatch import BACKENDS, Backend

#: Pairs beyond which compiling pays.
_WORTH = 1_000_000


def choose(backend: Backend, n_pairs: int) -> str:
    """Return ``"numpy"`` or ``"numba"``."""
    check_choice("backend", backend, BACKENDS)
    if backend != "auto":
        return backend
    return "numba" if n_pairs > _WORTH and util.find_spec("numba") is not None else "numpy"


def kernels(chosen: str) -> Any:
    """Return the module of that name."""
    return import_module(f"alignkit.rsa._tiles._kernels_{chosen}")
