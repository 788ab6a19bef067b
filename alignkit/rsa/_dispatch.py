"""Which kernels do the work: chosen by the option ``backend``, else by the size of the task."""

from __future__ import annotations

from importlib import import_module, util
from types import ModuleType
from typing import Literal

from alignkit._check import check_choice

Backend = Literal["auto", "numpy", "numba"]
BACKENDS = ("auto", "numpy", "numba")


def kernels(backend: Backend, work: float) -> ModuleType:
    """Return the kernel module; ``work`` is the number of elementary steps of the plain numpy kernel.

    Importing numba costs a fifth of a second and a first compilation more, so that ``auto`` turns to it
    only for work that takes numpy longer than that.
    """
    check_choice("backend", backend, BACKENDS)
    if backend == "numba" or (backend == "auto" and work > 2e7 and util.find_spec("numba") is not None):
        return import_module("alignkit.rsa._kernels._numba")
    return import_module("alignkit.rsa._kernels._numpy")
