"""Which kernels do the work: numpy's for little of it, the compiled ones for much."""

from __future__ import annotations

import sys
from importlib import import_module, util
from types import ModuleType

_NUMBA = "alignkit.meg._kernels._numba"
#: Decisions beyond which the compiled kernel pays: before and after it has been imported.
_FIRST, _NEXT = 5e7, 1e6


def decision_kernels(n_decisions: float) -> ModuleType:
    """Return the kernel module for so many decisions."""
    if n_decisions > (_NEXT if _NUMBA in sys.modules else _FIRST) and util.find_spec("numba") is not None:
        return import_module(_NUMBA)
    return import_module("alignkit.meg._kernels._numpy")
