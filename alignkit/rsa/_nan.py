"""What happens when a dissimilarity or a correlation is undefined: one warning or one error, with names."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from alignkit._check import NanPolicy, join_names


def report_undefined(reason: str, names: Iterable[Any], nan_policy: NanPolicy, *, stacklevel: int = 3) -> None:
    """Warn once, or raise under ``nan_policy="raise"``, when ``names`` is not empty."""
    names = list(names)
    if not names:
        return
    message = f"{reason}: {join_names(names)}."
    if nan_policy == "raise":
        raise ValueError(message)
    warnings.warn(f"{message} The values that depend on them are NaN.", RuntimeWarning, stacklevel=stacklevel)


def name_items(labels: Sequence[str] | None, positions: Iterable[int]) -> list[str]:
    """Return the labels at ``positions``, or 'item 3' where there are none."""
    return [f"item {i}" if labels is None else labels[i] for i in positions]
