"""Every error sentence for bad input: what is wrong, what is allowed, what came, what to do."""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from importlib import import_module, util
from pathlib import PurePath
from types import ModuleType
from typing import Any, Literal, get_args

import numpy as np

from alignkit._typing import AnyArray, FloatArray

NanPolicy = Literal["propagate", "omit", "raise"]

#: Beyond it a network's tokens outgrow any machine; a file from elsewhere may name any size.
_MAX_IMG_SIZE = 8192


def join_names(names: Iterable[Any], limit: int = 5) -> str:
    """Return up to ``limit`` quoted names and how many more there are."""
    names = list(names)
    shown = ", ".join(repr(str(name)) for name in names[:limit])
    more = len(names) - limit
    return f"{shown} and {more} more" if more > 0 else shown


def counted(n: int, noun: str) -> str:
    """Return ``n`` with its noun in the singular or the plural."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def shown(value: object, limit: int = 80) -> str:
    """Return ``repr(value)`` on one line of at most ``limit`` characters: errors are sentences, not dumps."""
    text = " ".join(repr(value).split())
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def check_choice(name: str, value: object, allowed: Collection[str]) -> None:
    """Raise unless ``value`` is one of ``allowed``; a near miss is told which one it may have meant."""
    if not isinstance(value, str) or value not in allowed:
        msg = f"{name} must be one of {', '.join(map(repr, allowed))}; got {shown(value)}{meant(value, allowed)}"
        raise ValueError(msg)


def meant(value: object, allowed: Collection[str]) -> str:
    """Return "; did you mean X?" where a word is close to one that is allowed, else a full stop."""
    close = difflib.get_close_matches(str(value), allowed, n=1, cutoff=0.7) if isinstance(value, str) else []
    return f"; did you mean {close[0]}?" if close else "."


def check_nan_policy(value: object) -> None:
    """Raise unless ``value`` is one of scipy's three words."""
    check_choice("nan_policy", value, get_args(NanPolicy))


def as_flag(name: str, value: object) -> bool:
    """Return a bool, or raise where it is something else."""
    if not isinstance(value, bool | np.bool_):
        msg = f"{name} must be True or False; got {shown(value)}."
        raise TypeError(msg)
    return bool(value)


def check_count(name: str, value: object, minimum: int = 0) -> int:
    """Return ``value`` as an int, or raise when it is not a whole number >= ``minimum``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        msg = f"{name} must be a whole number; got {shown(value)}."
        raise TypeError(msg)
    if value < minimum:
        msg = f"{name} must be at least {minimum}; got {value}."
        raise ValueError(msg)
    return int(value)


def check_img_size(value: object) -> int:
    """Return a model's input size in pixels, or raise when no image has it."""
    size = check_count("img_size", value, 1)
    if size > _MAX_IMG_SIZE:
        msg = f"img_size must be at most {_MAX_IMG_SIZE:,} pixels; got {size:,}."
        raise ValueError(msg)
    return size


def check_fraction(name: str, value: float) -> float:
    """Return ``value``, or raise when it does not lie strictly between 0 and 1."""
    number = _as_number(name, value)
    if not 0.0 < number < 1.0:
        msg = f"{name} must lie between 0 and 1 (exclusive); got {shown(value)}."
        raise ValueError(msg)
    return number


def check_number(name: str, value: object) -> float:
    """Return ``value``, or raise when it is not a finite number."""
    number = _as_number(name, value)
    if not -float("inf") < number < float("inf"):
        msg = f"{name} must be a finite number; got {shown(value)}."
        raise ValueError(msg)
    return number


def check_positive(name: str, value: float) -> float:
    """Return ``value``, or raise when it is not a finite number above 0."""
    number = _as_number(name, value)
    if not 0.0 < number < float("inf"):
        msg = f"{name} must be a finite number above 0; got {shown(value)}."
        raise ValueError(msg)
    return number


def _as_number(name: str, value: object) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        msg = f"{name} must be a number; got {shown(value)}."
        raise TypeError(msg)
    return float(value)


def is_tensor(x: object) -> bool:
    """Return whether ``x`` is a torch tensor, without importing torch."""
    return any(base.__module__ == "torch" and base.__name__ == "Tensor" for base in type(x).__mro__)


def as_floats(name: str, x: Any) -> Any:
    """Return ``x`` as float64, or as float32 where it is that already; a torch tensor stays one.

    Raises
    ------
    TypeError
        As :func:`as_float_array`, and tensors that are neither float32 nor float64.
    """
    if is_tensor(x):
        check_dense(name, x)
        if str(x.dtype) not in ("torch.float32", "torch.float64"):
            msg = f"{name} must be a float32 or float64 tensor; got {x.dtype} (convert it with .float())."
            raise TypeError(msg)
        return x
    if isinstance(x, np.ndarray) and x.dtype == np.float32 and not isinstance(x, np.ma.MaskedArray):
        return x
    return as_float_array(name, x)


def check_dense(name: str, tensor: Any) -> None:
    """Raise TypeError unless a tensor holds its numbers, one by one."""
    if str(tensor.layout) != "torch.strided" or tensor.is_meta:
        kind = "has no values (its device is 'meta')" if tensor.is_meta else "is sparse; convert it with .to_dense()"
        msg = f"{name} must be a dense tensor; it {kind}."
        raise TypeError(msg)


def as_float_array(name: str, x: object, *, ndim: int | None = None) -> FloatArray:
    """Return ``x`` as float64 without copying float64 input; refuse what is not numeric.

    Masked entries of a masked array become NaN: they are missing, and numpy would bring their old values back.

    Raises
    ------
    TypeError
        Object, string, complex or mixed dtypes, a ragged nested list, or a tensor that numpy cannot read.
    ValueError
        Wrong number of axes, or float16 that already overflowed to infinity.
    """
    array = as_array(name, x)
    if array.dtype.kind not in "fiub":
        msg = (
            f"{name} must hold real numbers of one dtype; got dtype {array.dtype} "
            "(convert mixed, text or object columns to floats first)."
        )
        raise TypeError(msg)
    if array.dtype == np.float16 and np.isinf(array).any():
        msg = (
            f"{name} is float16 and holds infinities: values above 65504 overflowed when it was "
            "saved; export it again as float32."
        )
        raise ValueError(msg)
    if ndim is not None and array.ndim != ndim:
        msg = f"{name} must have {ndim} axes; got shape {array.shape}."
        raise ValueError(msg)
    return array.astype(np.float64, copy=False)


def as_array(name: str, x: object) -> AnyArray:
    """Return ``x`` as an ndarray of whatever dtype; masked numbers become NaN, bfloat16 tensors float32.

    Raises
    ------
    TypeError
        A ragged nested list, or a tensor that numpy cannot read.
    """
    if isinstance(x, np.ma.MaskedArray) and x.dtype.kind in "fiub":
        return np.ma.filled(x.astype(np.float64), np.nan)
    try:
        return np.asarray(x)
    except ValueError as error:
        msg = f"{name} must be a rectangular numeric array; its rows have different lengths."
        raise TypeError(msg) from error
    except (RuntimeError, TypeError) as error:  # tensors on a device or in a graph
        if "unsupported ScalarType" in str(error) and hasattr(x, "float"):
            return as_array(name, x.float())  # float32 holds every bfloat16 and float8
        msg = f"{name} cannot be read as an array ({str(error).rstrip('.')})."
        raise TypeError(msg) from error


def check_n_items(name: str, n: int, minimum: int = 3) -> None:
    """Raise when there are too few items for the measure to mean anything."""
    if n < minimum:
        msg = f"{name} has {n} item(s); at least {minimum} are needed."
        raise ValueError(msg)


def as_labels(name: str, labels: Iterable[Any], n: int | None = None, *, unique: bool = True) -> tuple[str, ...]:
    """Return labels as NFC-normalised strings, so that 'é' equals 'é' however it was typed.

    Raises
    ------
    TypeError
        A single string or a set (which has no order) in place of a sequence of labels, or lists in place of labels.
    ValueError
        A wrong number of labels, an empty or missing (None, NaN) label, or duplicates where ``unique``.
    """
    single = isinstance(labels, str | bytes)
    scalar = isinstance(labels, np.ndarray) and labels.ndim == 0
    if single or scalar or isinstance(labels, set | frozenset) or not isinstance(labels, Iterable):
        what = "the single string " if single else ""
        msg = f"{name} must be a sequence of labels, one per item; got {what}{shown(labels)}."
        raise TypeError(msg)
    if is_tensor(labels):
        labels = labels.tolist()  # type: ignore[attr-defined]
    elif type(labels).__module__.partition(".")[0] == "xarray":
        labels = labels.values  # type: ignore[attr-defined]
    result = tuple(_as_label(name, i, label) for i, label in enumerate(labels))
    if n is not None and len(result) != n:
        msg = f"{name} must hold one label per item: expected {n}, got {len(result)}."
        raise ValueError(msg)
    if any(not label for label in result):
        msg = f"{name} holds an empty label at position {result.index('')}; name every item."
        raise ValueError(msg)
    if unique and len(set(result)) != len(result):
        repeated = [label for label, count in Counter(result).items() if count > 1]
        msg = f"{name} must be unique; repeated: {join_names(repeated)}."
        raise ValueError(msg)
    return result


def _as_label(name: str, position: int, label: object) -> str:
    # nothing to look for in most names and whole numbers, of which there may be a million
    if type(label) is int or (type(label) in (str, np.str_) and label.isascii()):  # type: ignore[attr-defined]
        return str(label)
    missing = label is None or type(label).__name__ in ("NAType", "MaskedConstant")
    if missing or (isinstance(label, float) and label != label):  # a missing cell of a table
        msg = f"{name} holds a missing label ({label!r}) at position {position}; name every item."
        raise ValueError(msg)
    if isinstance(label, list | tuple | dict | set) or np.ndim(label) > 0:  # type: ignore[arg-type]
        msg = f"{name} must be a flat sequence of labels; position {position} holds {shown(label)}."
        raise TypeError(msg)
    if is_tensor(label):
        label = label.item()  # type: ignore[attr-defined]
    # HDF5 and MATLAB readers give bytes
    text = label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)
    if not text.isascii() and any("\ud800" <= mark <= "\udfff" for mark in text):
        msg = f"{name} holds {text!r} at position {position}, a name that is not valid UTF-8; rename it."
        raise ValueError(msg)
    return unicodedata.normalize("NFC", text)


def check_same_labels(
    name_a: str,
    a: Sequence[str],
    name_b: str,
    b: Sequence[str],
    remedy: str = "Select the shared items, or pass on_mismatch='intersect'.",
) -> None:
    """Raise, naming the items and the remedy, when two sets of labels differ."""
    in_a, in_b = set(a), set(b)
    only_a = [label for label in a if label not in in_b]
    only_b = [label for label in b if label not in in_a]
    if only_a or only_b:
        parts = [f"only in {name}: {join_names(only)}" for name, only in ((name_a, only_a), (name_b, only_b)) if only]
        if {PurePath(label).stem for label in a} == {PurePath(label).stem for label in b}:
            remedy = "They agree without folders and file endings: label both with Path(label).stem."
        msg = f"{name_a} and {name_b} do not hold the same items ({'; '.join(parts)}). {remedy}"
        raise ValueError(msg)


def check_square(name: str, x: AnyArray, *, rtol: float = 1e-6) -> None:
    """Raise unless the last two axes are square, symmetric and have a zero (or NaN) diagonal.

    ``rtol`` is relative to the largest finite absolute entry of each matrix: files written in float32 pass.
    """
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        msg = f"{name} must be square in its last two axes; got shape {x.shape}."
        raise ValueError(msg)
    tolerance = rtol * np.max(np.abs(x), axis=(-2, -1), keepdims=True, where=np.isfinite(x), initial=0.0)
    transposed = np.swapaxes(x, -1, -2)
    with np.errstate(invalid="ignore"):  # infinity minus itself is NaN, and equal
        differs = np.abs(x - transposed) > tolerance
    differs |= np.isnan(x) != np.isnan(transposed)
    if differs.any():
        *_, i, j = np.argwhere(differs)[0]
        msg = (
            f"{name} is not symmetric: entries ({i}, {j}) and ({j}, {i}) differ. "
            "Average it with its transpose first if the two directions are meant to be one."
        )
        raise ValueError(msg)
    diagonal = np.diagonal(x, axis1=-2, axis2=-1)
    if (np.abs(diagonal) > tolerance[..., 0]).any():
        msg = (
            f"{name} must be a dissimilarity matrix with a zero diagonal; its largest diagonal entry is "
            f"{np.nanmax(np.abs(diagonal)):.4g}. For similarities, convert first (for example 1 - x)."
        )
        raise ValueError(msg)


def check_finite(name: str, x: FloatArray) -> None:
    """Raise, with the first position, when ``x`` holds NaN or infinity."""
    bad = ~np.isfinite(x)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        msg = f"{name} holds {int(bad.sum())} NaN or infinite value(s), the first at index {where}."
        raise ValueError(msg)


def require(module: str, extra: str) -> ModuleType:
    """Import and return ``module``, or raise an ImportError naming the extra that brings it."""
    root = module.partition(".")[0]
    if util.find_spec(root) is None:
        msg = f"this needs the package {root!r}; install it with: pip install 'alignkit[{extra}]'"
        raise ImportError(msg)
    return import_module(module)


def check_probability(name: str, value: float) -> float:
    """Return ``value``, or raise when it does not lie between 0 and 1 (both allowed)."""
    number = _as_number(name, value)
    if not 0.0 <= number <= 1.0:
        msg = f"{name} must lie between 0 and 1; got {shown(value)}."
        raise ValueError(msg)
    return number


def check_not_negative(name: str, value: float) -> float:
    """Return ``value``, or raise when it is not a finite number of at least 0."""
    number = _as_number(name, value)
    if not 0.0 <= number < float("inf"):
        msg = f"{name} must be a finite number of at least 0; got {shown(value)}."
        raise ValueError(msg)
    return number
