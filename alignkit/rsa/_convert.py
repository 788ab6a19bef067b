"""RDMs to and from xarray, pandas and rsatoolbox."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_labels, check_choice, check_same_labels, join_names, require, shown
from alignkit._result import jsonable
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.rsa._axes import RESERVED, plain
from alignkit.rsa._condensed import squareform

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from alignkit.rsa._container import RDM

_SIDES = ("item_a", "item_b")


def to_xarray(rdm: RDM) -> xr.DataArray:
    """Return a DataArray with dims (..., item, item_2); its attributes are texts, as netCDF wants them."""
    import xarray as xr

    coords: dict[str, Any] = dict(rdm.coords)
    if rdm.labels is not None:
        coords |= {"item": list(rdm.labels), "item_2": list(rdm.labels)}
    attrs = {} if rdm.metric is None else {"metric": rdm.metric}
    if rdm.provenance:
        attrs["provenance"] = json.dumps(rdm.provenance, ensure_ascii=False)
    return xr.DataArray(squareform(rdm.values), dims=(*rdm.dims, "item", "item_2"), coords=coords, attrs=attrs)


def from_xarray(array: xr.DataArray) -> dict[str, Any]:
    """Return the arguments of the RDM held by a DataArray whose last two dims are the items."""
    _check_kind(array, "xarray", "DataArray")
    if array.ndim < 2:
        msg = f"the DataArray must end in two dims of items; got dims {array.dims}."
        raise ValueError(msg)
    if array.shape[-1] != array.shape[-2]:
        msg = f"the DataArray must be square in its last two dims; got sizes {dict(array.sizes)}."
        raise ValueError(msg)
    *leading, rows, columns = map(str, array.dims)
    labels = _text(array.coords[rows].values) if rows in array.coords else None
    if labels is not None and columns in array.coords:
        array = array.isel({columns: _matching(rows, labels, columns, _text(array.coords[columns].values))})
    attrs = {str(name): value for name, value in array.attrs.items()}
    return {
        "values": array.values,
        "labels": labels,
        "dims": leading,
        "coords": {name: plain(array.coords[name].values) for name in leading if name in array.coords},
        "metric": _as_metric(attrs.pop("metric", None)),
        "provenance": _as_provenance(attrs),
    }


def _check_kind(value: object, package: str, kind: str) -> None:
    # by name: the package need not be there to tell that something else came
    kinds = {(base.__module__.partition(".")[0], base.__name__) for base in type(value).__mro__}
    if (package, kind) not in kinds:
        msg = f"{package}'s {kind} is needed; got {shown(value)}."
        raise TypeError(msg)


def _as_metric(value: object) -> str | None:
    return None if value is None else str(value)


def _as_provenance(attrs: dict[str, Any]) -> dict[str, Any]:
    try:
        ours = json.loads(attrs["provenance"])
    except (KeyError, TypeError, ValueError):
        return attrs
    if not isinstance(ours, dict):
        return attrs
    return {**ours, **{name: value for name, value in attrs.items() if name != "provenance"}}


def to_dataframe(rdm: RDM) -> pd.DataFrame:
    """Return one row per leading index and pair; unlabelled items are numbered from 0."""
    import pandas as pd

    names = np.array(rdm.labels) if rdm.labels is not None else np.arange(rdm.n_items)
    rows, columns = np.triu_indices(rdm.n_items, k=1)
    *leading, pair = np.indices(rdm.values.shape).reshape(rdm.values.ndim, -1)
    columns_of_axes: dict[str, AnyArray] = {
        name: rdm.coords[name][index] if name in rdm.coords else index
        for name, index in zip(rdm.dims, leading, strict=True)
    }
    sides = {"item_a": names[rows[pair]], "item_b": names[columns[pair]]}
    table = pd.DataFrame({**columns_of_axes, **sides, "dissimilarity": rdm.values.ravel()})
    table.attrs = {"metric": rdm.metric, "provenance": jsonable(dict(rdm.provenance))}
    return table


def from_dataframe(table: pd.DataFrame) -> dict[str, Any]:
    """Return the arguments of the RDM held by a long table or by a square table with labels on both sides.

    Items and texts keep the order of their first appearance, numbers on leading axes are sorted. Items that are
    the numbers 0 ... n - 1 stay unlabelled, in that order. Pairs that the table leaves out become NaN.
    """
    _check_kind(table, "pandas", "DataFrame")
    context: dict[str, Any] = {
        "metric": _as_metric(table.attrs.get("metric")),
        "provenance": table.attrs.get("provenance"),
    }
    if "dissimilarity" not in table.columns:
        return {**_from_square_table(table), **context}
    for name in _SIDES:
        check_choice("a column", name, [str(column) for column in table.columns])
    items, first, second = _number_items(table)
    axes = [name for name in table.columns if name not in (*_SIDES, "dissimilarity")]
    dims = [str(name) for name in axes]
    coords, leading = {}, []
    for name in axes:
        if table[name].isna().any():
            msg = f"the column {name!r} has missing values; drop those rows or fill them in."
            raise ValueError(msg)
        coords[str(name)], index = _number_axis(plain(table[name].to_numpy()))
        leading.append(index)
    n = int(max(first.max(), second.max())) + 1
    values = np.full((*(len(coords[name]) for name in dims), n, n), np.nan)
    values[..., range(n), range(n)] = 0.0
    low, high = np.minimum(first, second), np.maximum(first, second)
    _check_once(np.ravel_multi_index((*leading, low, high), values.shape), table, [*axes, *_SIDES])
    values[(*leading, low, high)] = values[(*leading, high, low)] = _dissimilarities(table)
    return {"values": values, "labels": items, "dims": dims, "coords": coords, **context}


def _from_square_table(table: pd.DataFrame) -> dict[str, Any]:
    if table.shape[0] != table.shape[1]:
        msg = (
            "the table must have the columns item_a, item_b and dissimilarity, or be square with the items on "
            f"both sides; got columns {join_names(table.columns)} and {table.shape[0]} rows."
        )
        raise ValueError(msg)
    labels, others = _text(table.index.to_numpy()), _text(table.columns.to_numpy())
    return {"values": table.iloc[:, _matching("the index", labels, "the columns", others)].to_numpy(), "labels": labels}


def _matching(name_a: str, labels: list[str], name_b: str, others: list[str]) -> list[int]:
    """Return where ``others`` holds each of ``labels``."""
    as_labels(name_a, labels)
    as_labels(name_b, others)
    check_same_labels(name_a, labels, name_b, others)
    position = {label: i for i, label in enumerate(others)}
    return [position[label] for label in labels]


def _number_items(table: pd.DataFrame) -> tuple[list[str] | None, IntArray, IntArray]:
    """Return the labels (None where the items are just numbered) and each row's two item numbers."""
    import pandas as pd

    if not len(table):
        msg = "the table is empty: it holds no pair of items."
        raise ValueError(msg)
    sides = [table[name].to_numpy() for name in _SIDES]
    numbers = np.unique(np.concatenate(sides)) if all(side.dtype.kind in "iu" for side in sides) else None
    if numbers is not None and np.array_equal(numbers, np.arange(len(numbers))):
        return None, sides[0].astype(np.int64), sides[1].astype(np.int64)
    codes, items = pd.factorize(np.concatenate(sides), use_na_sentinel=False)
    first, second = np.split(codes, 2)
    return list(as_labels("item_a and item_b", items.tolist())), first, second


def _dissimilarities(table: pd.DataFrame) -> FloatArray:
    try:
        return table["dissimilarity"].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        msg = f"the column dissimilarity must hold numbers ({error})."
        raise TypeError(msg) from error


def _number_axis(values: AnyArray) -> tuple[AnyArray, IntArray]:
    """Return an axis's coordinates and each row's position on it."""
    distinct, first_row, position = np.unique(values, return_index=True, return_inverse=True)
    if values.dtype.kind != "U":
        return distinct, position
    order = np.argsort(first_row)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return distinct[order], place[position]


def _check_once(cells: IntArray, table: pd.DataFrame, columns: list[Any]) -> None:
    distinct, first_row, count = np.unique(cells, return_index=True, return_counts=True)
    if len(distinct) < len(cells):
        row = table.iloc[int(first_row[np.argmax(count > 1)])]
        where = ", ".join(f"{name} {row[name]}" for name in columns)
        msg = f"the table holds more than one dissimilarity for {where}; keep one row per pair."
        raise ValueError(msg)


def to_rsatoolbox(rdm: RDM) -> Any:
    """Return an ``rsatoolbox.rdm.RDMs``."""
    rsatoolbox = require("rsatoolbox.rdm", "test")
    leading: list[AnyArray] = list(np.indices(rdm.shape).reshape(len(rdm.dims), -1)) if rdm.dims else []
    descriptors = {
        name: (rdm.coords[name][index] if name in rdm.coords else index).tolist()
        for name, index in zip(rdm.dims, leading, strict=True)
    }
    return rsatoolbox.RDMs(
        np.array(rdm.values).reshape(-1, rdm.n_pairs),
        dissimilarity_measure=rdm.metric,
        rdm_descriptors=descriptors,
        pattern_descriptors=None if rdm.labels is None else {"label": list(rdm.labels)},
    )


def from_rsatoolbox(rdms: Any, *, labels: str | None = None) -> dict[str, Any]:
    """Return the arguments of the RDM stack held by an ``rsatoolbox.rdm.RDMs``."""
    _check_kind(rdms, "rsatoolbox", "RDMs")
    patterns = dict(rdms.pattern_descriptors)
    if labels is None and "label" in patterns:
        labels = "label"
    if labels is not None:
        check_choice("labels", labels, tuple(patterns))
    dims, shape, coords = _unfold({str(k): plain(v) for k, v in rdms.rdm_descriptors.items()}, rdms.n_rdm)
    values = np.array(rdms.get_vectors(), dtype=np.float64)
    return {
        "values": values.reshape(*shape, values.shape[-1]),
        "labels": None if labels is None else _text(np.asarray(patterns[labels])),
        "dims": dims,
        "coords": coords,
        "metric": _as_metric(rdms.dissimilarity_measure),
    }


def _unfold(descriptors: dict[str, AnyArray], n_rdms: int) -> tuple[list[str], tuple[int, ...], dict[str, AnyArray]]:
    """Return the leading axes that RDM descriptors describe: one each where every combination occurs once, in order."""
    usable = {k: v for k, v in descriptors.items() if k != "index" and k not in RESERVED and v.shape == (n_rdms,)}
    if len(usable) == 1:
        return list(usable), (n_rdms,), usable
    axes = {name: _number_axis(values) for name, values in usable.items()}
    shape = tuple(len(distinct) for distinct, _ in axes.values())
    if axes and np.prod(shape) == n_rdms:
        cells = np.ravel_multi_index(tuple(position for _, position in axes.values()), shape)
        if np.array_equal(cells, np.arange(n_rdms)):
            return list(axes), shape, {name: distinct for name, (distinct, _) in axes.items()}
    return ["rdm"], (n_rdms,), {}


def _text(values: Any) -> list[str]:
    return [str(value) for value in plain(values)]
