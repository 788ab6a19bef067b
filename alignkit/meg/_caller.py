"""Where the user's own line is, for warnings to point at."""

from __future__ import annotations

import sys


def caller_level() -> int:
    """Return the ``stacklevel`` by which a warning of the calling function points outside of this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "alignkit":
        level, frame = level + 1, frame.f_back
    return level
