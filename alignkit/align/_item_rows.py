"""Features and embeddings as rows of numbers, found by their labels where they have them."""

from __future__ import annotations

import numpy as np

from alignkit._check import check_finite, join_names
from alignkit._typing import FloatArray, IntArray
from alignkit.models import Features
from alignkit.models._features import as_rows


def as_item_rows(name: str, values: object, /) -> tuple[FloatArray, tuple[str, ...] | None]:
    """Return features as float64, shape (items, channels), and their labels where they have any.

    Raises
    ------
    TypeError
        Not real numbers.
    ValueError
        No items, one axis only, several layers, NaN or infinities.
    """
    labels = values.labels if isinstance(values, Features) else None
    array = values.array() if isinstance(values, Features) else as_rows(name, values)
    rows = np.asarray(array, dtype=np.float64)
    check_finite(name, rows)
    return rows, labels


def rows_of(
    wanted: tuple[str, ...] | None, n_wanted: int, name: str, labels: tuple[str, ...] | None, n_rows: int, whose: str
) -> IntArray:
    """Return where each wanted item stands among rows: by label where both have them, else as it is numbered.

    Raises
    ------
    ValueError
        Rows that lack an item, or another number of rows where one of the two has no labels.
    """
    if wanted is None or labels is None:
        if n_wanted != n_rows:
            msg = (
                f"{name} has {n_rows} rows where {whose} has {n_wanted} items; label both (Features.from_array) to "
                "match them by name, or give one row per item."
            )
            raise ValueError(msg)
        return np.arange(n_rows)
    number = {label: i for i, label in enumerate(labels)}
    missing = [label for label in wanted if label not in number]
    if missing:
        msg = f"{name} has no row for {join_names(missing)} of {whose}."
        raise ValueError(msg)
    return np.array([number[label] for label in wanted], dtype=np.int64)
