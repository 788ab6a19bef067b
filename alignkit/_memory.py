"""How much memory a computation may take, as its user says it."""

from __future__ import annotations

import re

from alignkit._check import shown

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}


def as_bytes(memory: object) -> int:
    """Return a number of bytes from one, or from a text such as ``"1 GB"`` or ``"500 MB"``.

    Raises
    ------
    ValueError
        A text that is no size, or less than a megabyte.
    TypeError
        Neither a number nor a text.
    """
    if isinstance(memory, bool) or not isinstance(memory, int | float | str):
        msg = f"memory must be a number of bytes or a text such as '1 GB'; got {shown(memory)}."
        raise TypeError(msg)
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([KMGT]?I?B)?\s*", str(memory).upper())
    size = float(found[1]) * _UNITS[found[2] or "B"] if found else float("nan")
    if not 10**6 <= size < float("inf"):
        msg = f"memory must be a number of bytes or a text such as '1 GB', at least '1 MB'; got {shown(memory)}."
        raise ValueError(msg)
    return int(size)


def in_bytes(size: float) -> str:
    """Return a number of bytes to two digits, in the unit in which it is read at a glance: 240 B, 1.9 GB."""
    units = ("B", "kB", "MB", "GB")
    power = 0
    while float(f"{size:.2g}") >= 1000 and power < len(units) - 1:
        size, power = size / 1000, power + 1
    return f"{float(f'{size:.2g}'):,g} {units[power]}"
