"""What every result can do: become a table, a JSON or CSV file, and come back from JSON."""

from __future__ import annotations

import dataclasses
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_type_hints

import numpy as np

from alignkit._io import atomic_write, read_json
from alignkit._typing import PathLike

if TYPE_CHECKING:
    import pandas as pd


def jsonable(value: Any) -> Any:
    """Return ``value`` in JSON's own types; NaN and infinities become null."""
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, np.generic):
        return jsonable(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


class Result(ABC):
    """Base of the frozen result dataclasses."""

    __slots__ = ()

    @abstractmethod
    def to_dataframe(self) -> pd.DataFrame:
        """Return the result as a tidy table, one row per value."""

    @abstractmethod
    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""

    def to_dict(self) -> dict[str, Any]:
        """Return every field in JSON's own types, with the result's kind."""
        return {"kind": type(self).__name__, **jsonable(self)}

    def save(self, path: PathLike) -> None:
        """Write the result to ``path`` (``.json``: every field; ``.csv``: the table), atomically.

        Raises
        ------
        ValueError
            Another suffix.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in {".json", ".csv"}:
            msg = f"results are saved as .json or .csv; got {str(path)!r}."
            raise ValueError(msg)
        with atomic_write(path, "w") as file:
            if suffix == ".csv":
                self.to_dataframe().to_csv(file, index=False)
            else:
                json.dump(self.to_dict(), file, indent=1, ensure_ascii=False, allow_nan=False)
                file.write("\n")

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read a result that :meth:`save` wrote as ``.json``."""
        content = read_json(path)
        if not isinstance(content, dict) or content.pop("kind", None) != cls.__name__:
            msg = f"{path} does not hold a {cls.__name__}."
            raise ValueError(msg)
        hints = get_type_hints(cls)
        return cls(**{name: _restore(hints.get(name), value) for name, value in content.items()})


def _restore(hint: Any, value: Any) -> Any:
    text = str(hint)
    if value is None:
        return None if "None" in text else float("nan")
    if isinstance(value, list) and "tuple" in text:
        return tuple(_restore(None, item) if not isinstance(item, list) else tuple(item) for item in value)
    if isinstance(value, list) and "ndarray" in text:
        integers = "int" in text
        return np.array(value, dtype=np.int64 if integers else np.float64)
    return value
