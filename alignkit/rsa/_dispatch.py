"""Which kernels do the work: chosen by what the values are and the option ``backend``, else by the size of the task."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from importlib import import_module, util
from types import ModuleType
from typing import Any, Literal

from alignkit._check import check_choice, is_tensor

Backend = Literal["auto", "numpy", "numba"]
BACKENDS = ("auto", "numpy", "numba")
_NUMBA = "alignkit.rsa._kernels._numba"
#: Elementary steps of the plain numpy kernel beyond which numba pays: before and after it has been imported.
_FIRST, _NEXT = 2e7, 1e5


def kernels(backend: Backend, work: float, *values: object) -> ModuleType:
    """Return the kernel module; ``work`` is the number of elementary steps of the plain numpy kernel.

    Importing numba costs a fifth of a second and a first compilation more, so that ``auto`` turns to it
    only for work that takes numpy longer than that, or for less once it is there. Where any of ``values`` is a torch
    tensor, the kernels are torch's.

    Raises
    ------
    ValueError
        An unknown backend, or one that takes no tensors.
    """
    check_choice("backend", backend, BACKENDS)
    if any(map(is_tensor, values)):
        if backend != "auto":
            msg = f"backend={backend!r} takes no tensors; pass arrays, or leave backend='auto'."
            raise ValueError(msg)
        return import_module("alignkit.rsa._kernels._torch")
    worth = work > (_NEXT if _NUMBA in sys.modules else _FIRST)
    if backend == "numba" or (backend == "auto" and worth and util.find_spec("numba") is not None):
        return import_module(_NUMBA)
    return import_module("alignkit.rsa._kernels._numpy")


def on_host(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` of arrays for tensors in the CPU's memory too, which they share; others go as they are.

    The kernels for arrays rank an order of magnitude faster than torch does on a CPU. Nothing keeps a gradient.
    """

    @functools.wraps(function)
    def call(*values: Any) -> Any:
        devices = {value.device.type for value in values if is_tensor(value)}
        if devices != {"cpu"}:
            return function(*values)
        import torch

        arrays = (value.detach().numpy() if is_tensor(value) else value for value in values)
        return torch.from_numpy(function(*arrays))

    return call
