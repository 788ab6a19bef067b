"""What triplets and 2AFC trials share: becoming tables and files, and coming back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from alignkit._check import join_names
from alignkit._io import load_npz, save_npz
from alignkit._typing import AnyArray, IntArray, PathLike

if TYPE_CHECKING:
    import pandas as pd

_ITEMS = {"Triplets": ("similar_a", "similar_b", "odd_one"), "TwoAFC": ("reference", "left", "right")}


class Trials:
    """Base of the containers of human trials."""

    __slots__ = ()

    items: IntArray
    labels: tuple[str, ...] | None

    @property
    def n_items(self) -> int:
        """Number of items: that of the labels, else the largest number used plus one."""
        return len(self.labels) if self.labels is not None else int(self.items.max()) + 1

    def __len__(self) -> int:
        """Return the number of answers or trials."""
        return len(self.items)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per answer: its items by name (else number), then what else is known of it."""
        import pandas as pd

        heads = _ITEMS[type(self).__name__]
        names = None if self.labels is None else np.array(self.labels)
        cells = self.items if names is None else names[self.items]
        table = dict(zip(heads, cells.T, strict=True))
        for name, values in self._columns().items():
            if values.ndim == 1:
                table[name] = values
            else:
                suffixes = heads[-values.shape[1] :]
                table |= {f"{name}_{end}": column for end, column in zip(suffixes, values.T, strict=True)}
        return pd.DataFrame(table)

    def save(self, path: PathLike) -> None:
        """Write to ``.npz`` without pickle, atomically.

        Raises
        ------
        ValueError
            Another suffix.
        """
        kind = type(self).__name__
        if Path(path).suffix.lower() != ".npz":
            msg = f"{kind} are saved as .npz; got {str(path)!r}."
            raise ValueError(msg)
        arrays = {"items": self.items, **self._columns()}
        if self.labels is not None:
            arrays["labels"] = np.array(self.labels)
        save_npz(path, arrays, {"schema": _schema(kind)})

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read what :meth:`save` wrote. For other files see :func:`alignkit.data.read_triplets`.

        Raises
        ------
        ValueError
            A damaged file, or one that holds something else.
        """
        arrays, meta = load_npz(path)
        if meta.get("schema") != _schema(cls.__name__) or "items" not in arrays:
            msg = f"{path} does not hold {cls.__name__} saved by alignkit; it holds {join_names(arrays)}."
            raise ValueError(msg)
        labels = arrays.pop("labels", None)
        build: Callable[..., Self] = cls
        return build(**arrays, labels=None if labels is None else labels.tolist())

    def _columns(self) -> dict[str, AnyArray]:
        names = ("votes", "participant", "response_time", "repeat", "soft", "position")
        return {name: value for name in names if (value := getattr(self, name, None)) is not None}


def _schema(kind: str) -> str:
    return f"alignkit.{kind}/1"
