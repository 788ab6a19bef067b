"""Triplets and 2AFC trials as tables and as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_choice, join_names
from alignkit._io import load_npz, save_npz
from alignkit._typing import AnyArray, PathLike

if TYPE_CHECKING:
    import pandas as pd

    from alignkit.rsa._triplets import Triplets, TwoAFC

_ITEMS = {"Triplets": ("similar_a", "similar_b", "odd_one"), "TwoAFC": ("reference", "left", "right")}
_COLUMNS = {"Triplets": ("participant", "response_time", "repeat"), "TwoAFC": ()}


def to_dataframe(trials: Triplets | TwoAFC) -> pd.DataFrame:
    """Return one row per answer: the items by name (else number), then what is known of it."""
    import pandas as pd

    kind = type(trials).__name__
    names = np.arange(trials.n_items) if trials.labels is None else np.array(trials.labels)
    table: dict[str, Any] = {head: names[column] for head, column in zip(_ITEMS[kind], trials.items.T, strict=True)}
    table |= {name: getattr(trials, name) for name in _COLUMNS[kind] if getattr(trials, name) is not None}
    if kind == "TwoAFC":
        table |= dict(zip(("votes_left", "votes_right"), trials.votes.T, strict=True))  # type: ignore[union-attr]
    elif (soft := getattr(trials, "soft", None)) is not None:
        table |= {f"p_{head}": column for head, column in zip(_ITEMS[kind], soft.T, strict=True)}
    return pd.DataFrame(table)


def save(trials: Triplets | TwoAFC, path: PathLike) -> None:
    """Write every field to one ``.npz`` without pickle, atomically."""
    if Path(path).suffix.lower() != ".npz":
        msg = f"{type(trials).__name__} are saved as .npz; got {str(path)!r}."
        raise ValueError(msg)
    arrays: dict[str, AnyArray] = {"items": trials.items}
    for name in ("participant", "response_time", "repeat", "soft", "votes"):
        values = getattr(trials, name, None)
        if values is not None:
            arrays[name] = values
    if trials.labels is not None:
        arrays["labels"] = np.array(trials.labels)
    save_npz(path, arrays, {"schema": _schema(type(trials).__name__)})


def load(path: PathLike, kind: str) -> dict[str, Any]:
    """Return the arguments of the ``kind`` that ``path`` holds."""
    check_choice("kind", kind, tuple(_ITEMS))
    arrays, meta = load_npz(path)
    if meta.get("schema") != _schema(kind) or "items" not in arrays:
        msg = f"{path} does not hold {kind} saved by alignkit; it holds {join_names(arrays)}."
        raise ValueError(msg)
    labels = arrays.pop("labels", None)
    return {**arrays, "labels": None if labels is None else labels.tolist()}


def _schema(kind: str) -> str:
    return f"alignkit.{kind}/1"
