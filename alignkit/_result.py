"""What every result can do: become a table, a JSON or CSV file, and come back from JSON."""

from __future__ import annotations

import dataclasses
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from alignkit._check import counted, shown
from alignkit._html import box, folded, preformatted, table
from alignkit._io import atomic_write, read_json
from alignkit._typing import PathLike
from alignkit._versions import versions

if TYPE_CHECKING:
    import pandas as pd

D = TypeVar("D")
#: Rows of a result's table that a notebook shows.
_ROWS = 12


def jsonable(value: Any) -> Any:
    """Return ``value`` in JSON's own types; NaN and infinities become null."""
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, np.generic):
        return jsonable(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


def as_float_or_array(result: Any, *names: str) -> None:
    """Make the named fields of a frozen result a float or a float64 array; JSON brings arrays back as lists."""
    for name in names:
        value = np.asarray(getattr(result, name), dtype=np.float64)
        object.__setattr__(result, name, value if value.ndim else float(value))


class Result(ABC):
    """Base of the frozen result dataclasses."""

    __slots__ = ()

    @abstractmethod
    def to_dataframe(self) -> pd.DataFrame:
        """Return the result as a tidy table, one row per value."""

    @abstractmethod
    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""

    def _repr_html_(self) -> str:
        """Return what notebooks show: the summary, the first rows of the table, the sentence for Methods."""
        rows = self.to_dataframe()
        n_shown = min(len(rows), _ROWS)
        more = "" if len(rows) == n_shown else f" (the first {n_shown}; all of them: .to_dataframe())"
        cells = table(list(rows.columns), rows.head(n_shown).itertuples(index=False))
        return box(
            type(self).__name__,
            preformatted(repr(self)),
            folded(f"{counted(len(rows), 'row')}{more}", cells),
            folded("Methods", preformatted(self.methods_text())),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return every field in JSON's own types, with the result's kind and the versions it was made with."""
        return {"kind": type(self).__name__, "made_with": versions(), **jsonable(self)}

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
        """Read a result that :meth:`save` wrote as ``.json``; infinities come back as NaN.

        Raises
        ------
        ValueError
            A file that is no JSON, or that holds another kind of result or one of another version.
        """
        content = read_json(path)
        if not isinstance(content, dict) or content.pop("kind", None) != cls.__name__:
            msg = f"{path} does not hold a {cls.__name__}."
            raise ValueError(msg)
        content.pop("made_with", None)
        try:
            return _build(cls, content)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            msg = f"{path} does not hold a {cls.__name__} of this version of alignkit ({error})."
            raise ValueError(msg) from error


def _build(cls: type[D], content: Mapping[str, Any]) -> D:
    hints = get_type_hints(cls)
    return cls(**{name: restore(hints.get(name, Any), value) for name, value in content.items()})


def restore(hint: Any, value: Any) -> Any:
    """Return what JSON kept of a field as the type that the field's annotation names."""
    choices = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if value is None and (NoneType in choices or Any in choices):
        return None
    named = (_spelled_out(choice) for choice in choices if choice is not NoneType)
    kinds = [(get_origin(choice) or choice, choice) for choice in named]
    # one number or an array of them: the value says which of the two it is
    fitting = [pair for pair in kinds if (pair[0] in (np.ndarray, list, tuple)) == isinstance(value, list)]
    kind, hint = (fitting or kinds)[0]
    args = get_args(hint)
    if kind is np.ndarray:
        return np.array(value, dtype=_dtype(args))
    if kind in (bool, int, float, str):
        return _plain(kind, value)
    if kind is Path:
        return Path(value)
    if value is None:  # JSON has no NaN
        return float("nan")
    if isinstance(value, dict):
        return _restore_mapping(kind, args, value)
    if isinstance(value, list):
        return _restore_sequence(kind, args, value)
    if dataclasses.is_dataclass(kind) or kind in (tuple, list):
        msg = f"a {kind.__name__} is expected where it holds {shown(value)}"
        raise TypeError(msg)
    return value


def _spelled_out(hint: Any) -> Any:
    """Return what an alias with a name of its own stands for, as ``NDArray[np.float64]`` is one since numpy 2.5."""
    meaning = getattr(get_origin(hint), "__value__", None)
    return hint if meaning is None else meaning[get_args(hint)]


def _plain(kind: type, value: Any) -> Any:
    """Return a number or text, or raise where another one stands; a float may stand as null (NaN) or as an int."""
    if kind is float and (value is None or type(value) is int):
        return float("nan") if value is None else float(value)
    if type(value) is not kind:
        msg = f"a {kind.__name__} is expected where it holds {shown(value)}"
        raise TypeError(msg)
    return value


def _dtype(args: tuple[Any, ...]) -> Any:
    """Return the dtype that ``np.ndarray[shape, np.dtype[scalar]]`` names; None, numpy's choice, for text."""
    scalar = next(iter(get_args(args[1])), None) if len(args) == 2 else None
    numeric = isinstance(scalar, type) and issubclass(scalar, np.number | np.bool_)
    return scalar if numeric else None


def _restore_mapping(kind: Any, args: tuple[Any, ...], value: dict[str, Any]) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _build(kind, value)
    key_hint, item_hint = args if len(args) == 2 else (str, Any)
    to_key = key_hint if key_hint in (int, float) else str
    return {to_key(key): restore(item_hint, item) for key, item in value.items()}


def _restore_sequence(kind: Any, args: tuple[Any, ...], value: list[Any]) -> Any:
    if kind is not tuple:
        return [restore(args[0] if args else Any, item) for item in value]
    hints = args if args and Ellipsis not in args else (args[0] if args else Any,) * len(value)
    return tuple(restore(hint, item) for hint, item in zip(hints, value, strict=True))
