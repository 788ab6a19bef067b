"""From what users hand to :func:`rdm` to patterns: arrays, tensors, tables or features, averaged by label."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from alignkit._check import as_float_array, check_choice, check_dense, check_n_items, is_tensor, join_names
from alignkit._typing import IntArray
from alignkit.rsa._arrays import Array, Precision, cast, floats_like, has_double, precision_of
from alignkit.rsa._axes import RESERVED, plain
from alignkit.rsa._container import RDM
from alignkit.rsa._namespace import namespace
from alignkit.rsa._patterns import Folds, MetricOptions, Patterns
from alignkit.rsa._repeats import average_repeats, average_within_folds, row_names


def unwrap(x: Any, labels: Iterable[Any] | None) -> tuple[Any, Iterable[Any] | None]:
    """Return the array in ``x`` and the names of its rows: those given, else those that ``x`` comes with."""
    if isinstance(x, RDM) or (isinstance(x, list | tuple) and any(isinstance(one, RDM) for one in x)):
        msg = (
            "x must hold patterns, one row per item, and not RDMs; compare(a, b) takes two RDMs as they are, and "
            "stack([a, b]) makes one of several."
        )
        raise TypeError(msg)
    if callable(getattr(x, "array", None)) and hasattr(x, "layers"):  # features, which this package does not know
        if len(x.layers) != 1:
            msg = f"x holds the layers {join_names(x.layers)}; pass one of them: rdm(x.array(layer), labels=x.labels)."
            raise ValueError(msg)
        return x.array(), x.labels if labels is None else labels
    return _plain_table(x), row_names(x) if labels is None else labels


def _plain_table(x: Any) -> Any:
    # pandas' own numbers, which may hold NA, come out of it as objects
    if type(x).__module__.partition(".")[0] != "pandas" or getattr(x, "ndim", 0) != 2:
        return x
    from pandas.api.types import is_extension_array_dtype, is_numeric_dtype

    own = any(is_extension_array_dtype(kind) for kind in x.dtypes)
    return x.to_numpy(np.float64, na_value=np.nan) if own and all(map(is_numeric_dtype, x.dtypes)) else x


def leading_axes(x: Any, dims: Any, coords: Any) -> tuple[Any, Any]:
    """Return names and coordinates of the leading axes: those given, else those that an xarray comes with."""
    is_xarray = type(x).__module__.partition(".")[0] == "xarray" and getattr(x, "ndim", 0) > 2
    names = tuple(map(str, x.dims[:-2])) if is_xarray else ()
    if dims is not None or coords is not None or not names or not RESERVED.isdisjoint(names):
        return dims, coords
    known = {name: plain(x.coords[name].values) for name in names if name in x.coords}
    return names, {name: values for name, values in known.items() if values.dtype.kind in "fiubU"}


def read_patterns(
    x: object,
    metric: str,
    labels: Iterable[Any] | None,
    folds: Iterable[Any] | None,
    options: MetricOptions,
    *,
    dtype: str | None,
    omit: bool,
) -> tuple[Patterns, tuple[str, ...] | None]:
    """Return patterns with one row per item (and fold), and the items' names."""
    array, precision = _as_numbers(x, dtype)
    if array.ndim < 2 or 0 in array.shape:
        msg = f"x must have shape (..., items, channels) with at least one channel; got {tuple(array.shape)}."
        raise ValueError(msg)
    if metric in ("correlation", "cosine", "correlation_cv", "cosine_cv") and array.shape[-1] == 1:
        msg = f"metric={metric!r} is undefined for a single channel; use metric='euclidean'."
        raise ValueError(msg)
    names, found = None, None
    if folds is not None and labels is not None:
        incomplete = options.cv in ("fold-pairs", "observation-pairs")
        array, names, counts, fold_names = average_within_folds(array, labels, folds, incomplete=incomplete)
        found = Folds(counts, fold_names, _origin(array, counts))
    elif labels is not None:
        array, names = average_repeats(array, labels, omit=omit)
    check_n_items("x", array.shape[-2], 2)
    return Patterns(array, precision, found, options=options), names


def _as_numbers(x: Any, dtype: str | None) -> tuple[Array, Precision]:
    """Return ``x`` as an array or tensor of floats, and the precision to compute in."""
    if dtype is not None:
        check_choice("dtype", dtype, ("float64", "float32"))
    if not is_tensor(x):
        keep = dtype == "float32" and isinstance(x, np.ndarray) and x.dtype == np.float32
        plain = keep and not isinstance(x, np.ma.MaskedArray)
        return (x if plain else as_float_array("x", x)), dtype or "float64"  # type: ignore[return-value]
    torch = namespace(x)
    check_dense("x", x)
    if x.dtype.is_complex:
        msg = f"x must hold real numbers of one dtype; got dtype {x.dtype}."
        raise TypeError(msg)
    if not x.dtype.is_floating_point:
        x = x.to(torch.float64 if has_double(x) else torch.float32)
    elif x.dtype not in (torch.float32, torch.float64):
        x = x.to(torch.float32)  # half precision holds no dissimilarity
    precision: Any = dtype or precision_of(x)
    if precision == "float64" and not has_double(x):
        msg = f"dtype='float64' is not to be had on the device {x.device}; use 'float32'."
        raise ValueError(msg)
    return cast(x, "float64") if precision == "float64" else x, precision


def _origin(x: Array, counts: IntArray) -> Array:
    """Return the mean over items of all their rows, shape (..., 1, 1, channels); of the finite ones."""
    xp = namespace(x)
    weights = (counts / counts.sum(axis=0) / counts.shape[1]).reshape(1, -1)
    each = floats_like(weights, x)
    rows = x.reshape(*x.shape[:-3], -1, x.shape[-1])
    found = each @ rows
    if not xp.isfinite(found).all():
        found = each @ xp.where(xp.isfinite(rows), rows, 0.0)
    return found[..., None, :, :]
