"""Which kernels sum and count over tiles."""

from __future__ import annotations

from importlib import import_module, util
from typing import Any

from alignkit._check import check_choice
from alignkit.rsa._dispatch import BACKENDS, Backend

#: Pairs beyond which compiling pays.
_WORTH = 1_000_000


def choose(backend: Backend, n_pairs: int, device: str | None = None) -> str:
    """Return ``"numpy"``, ``"numba"`` or, where tiles are tensors on a device, ``"torch"``.

    Raises
    ------
    ValueError
        An unknown backend, or one beside a device.
    """
    check_choice("backend", backend, BACKENDS)
    if device is not None and backend != "auto":
        msg = f"backend={backend!r} is for arrays, and device={device!r} for torch; leave one of them out."
        raise ValueError(msg)
    if device is not None and not device.startswith("mps"):
        return "torch"
    if backend != "auto":
        return backend
    return "numba" if n_pairs > _WORTH and util.find_spec("numba") is not None else "numpy"


def kernels(chosen: str) -> Any:
    """Return the module of that name."""
    return import_module(f"alignkit.rsa._tiles._kernels_{chosen}")
