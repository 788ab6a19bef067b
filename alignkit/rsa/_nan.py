"""What happens when a dissimilarity or a correlation is undefined: one warning or one error, with names."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from alignkit._check import NanPolicy, join_names
from alignkit._typing import BoolArray


def report_undefined(reason: str, names: Iterable[Any], nan_policy: NanPolicy, *, stacklevel: int = 3) -> None:
    """Warn once, or raise under ``nan_policy="raise"``, when ``names`` is not empty."""
    report_all({reason: names}, nan_policy, stacklevel=stacklevel + 1)


def report_all(reasons: Mapping[str, Iterable[Any]], nan_policy: NanPolicy, *, stacklevel: int = 3) -> None:
    """Warn once about all reasons that have names, or raise under ``nan_policy="raise"``."""
    found = {reason: list(names) for reason, names in reasons.items()}
    message = "; ".join(f"{reason}: {join_names(names)}" for reason, names in found.items() if names)
    if not message:
        return
    if nan_policy == "raise":
        message += "."
        raise ValueError(message)
    warnings.warn(
        f"{message}. The values that depend on them are NaN: mend them, or leave them out.",
        RuntimeWarning,
        stacklevel=stacklevel,
    )


def report_note(note: str, *, stacklevel: int = 3) -> None:
    """Warn of what was done to reach the values, where there is anything to say."""
    if note:
        warnings.warn(f"{note}.", RuntimeWarning, stacklevel=stacklevel)


def name_items(labels: Sequence[str] | None, positions: Iterable[int]) -> list[str]:
    """Return the labels at ``positions``, or 'item 3' where there are none."""
    return [f"item {i}" if labels is None else labels[i] for i in positions]


def items_of_pairs(pairs: BoolArray, n_items: int) -> list[int]:
    """Return the items that explain the marked condensed pairs.

    An item all of whose pairs are marked explains them; the items of the remaining marked pairs come on top.
    """
    rows, columns = np.triu_indices(n_items, k=1)
    count = np.bincount(rows[pairs], minlength=n_items) + np.bincount(columns[pairs], minlength=n_items)
    whole = count == n_items - 1
    rest = pairs & ~whole[rows] & ~whole[columns]
    items: list[int] = np.unique(np.concatenate([np.flatnonzero(whole), rows[rest], columns[rest]])).tolist()
    return items


@contextmanager
def warnings_to_the_caller() -> Iterator[None]:
    """Let warnings, each once, point at the line that called the function this is used in."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for text, category in dict.fromkeys((str(one.message), one.category) for one in caught):
        warnings.warn(text, category, stacklevel=4)
