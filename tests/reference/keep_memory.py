"""Let the C library keep what networks free, which is most of what they take: arrays are faulted in anew otherwise."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

#: Settings of mallopt: sizes from which on memory is asked of the system, and given back to it.
_TRIM, _MAP = -1, -3
#: What glibc comes to by itself, at most.
_USUAL = {_MAP: 1 << 25, _TRIM: 1 << 26}


@contextlib.contextmanager
def keep_memory(n_bytes: int = 1 << 28) -> Iterator[None]:
    """Keep freed memory for arrays of up to so many bytes; without glibc, do nothing."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    for name, usual in _USUAL.items() if set_option else ():
        set_option(name, max(n_bytes, usual))
    try:
        yield
    finally:
        for name, usual in _USUAL.items() if set_option else ():
            set_option(name, usual)
        if set_option:
            ctypes.CDLL(None).malloc_trim(0)
