"""RDMs to and from xarray, pandas and rsatoolbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_choice, check_same_labels, require
from alignkit._typing import AnyArray
from alignkit.rsa._condensed import squareform

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from alignkit.rsa._container import RDM


def to_xarray(rdm: RDM) -> xr.DataArray:
    """Return a DataArray with dims (..., item, item_2)."""
    import xarray as xr

    names = list(rdm.labels) if rdm.labels is not None else list(range(rdm.n_items))
    coords: dict[str, Any] = {"item": names, "item_2": names}
    coords |= dict(rdm.coords)
    attrs = {"metric": rdm.metric, **rdm.provenance}
    return xr.DataArray(squareform(rdm.values), dims=(*rdm.dims, "item", "item_2"), coords=coords, attrs=attrs)


def from_xarray(array: xr.DataArray) -> dict[str, Any]:
    """Return the arguments of the RDM held by a DataArray whose last two dims are the items."""
    if array.ndim < 2:
        msg = f"the DataArray must end in two dims of items; got dims {array.dims}."
        raise ValueError(msg)
    *leading, rows, columns = map(str, array.dims)
    labels = _text(array.coords[rows].values) if rows in array.coords else None
    if labels is not None and columns in array.coords:
        others = _text(array.coords[columns].values)
        check_same_labels(rows, labels, columns, others)
        array = array.isel({columns: [others.index(label) for label in labels]})
    attrs = {str(name): value for name, value in array.attrs.items()}
    return {
        "values": array.values,
        "labels": labels,
        "dims": leading,
        "coords": {name: _plain(array.coords[name].values) for name in leading if name in array.coords},
        "metric": attrs.pop("metric", None),
        "provenance": attrs,
    }


def to_dataframe(rdm: RDM) -> pd.DataFrame:
    """Return one row per leading index and pair."""
    import pandas as pd

    names = np.array(rdm.labels) if rdm.labels is not None else np.arange(rdm.n_items)
    rows, columns = np.triu_indices(rdm.n_items, k=1)
    *leading, pair = np.indices(rdm.values.shape).reshape(rdm.values.ndim, -1)
    table: dict[str, AnyArray] = {
        name: rdm.coords[name][index] if name in rdm.coords else index
        for name, index in zip(rdm.dims, leading, strict=True)
    }
    return pd.DataFrame(
        {**table, "item_a": names[rows[pair]], "item_b": names[columns[pair]], "dissimilarity": rdm.values.ravel()}
    )


def from_dataframe(table: pd.DataFrame) -> dict[str, Any]:
    """Return the arguments of the RDM held by a long table or by a square table with labels on both sides."""
    if "dissimilarity" not in table.columns:
        labels, others = _text(table.index.to_numpy()), _text(table.columns.to_numpy())
        check_same_labels("the index", labels, "the columns", others)
        return {"values": table.iloc[:, [others.index(label) for label in labels]].to_numpy(), "labels": labels}
    for name in ("item_a", "item_b"):
        check_choice("a column", name, [str(column) for column in table.columns])
    dims = [str(name) for name in table.columns if name not in ("item_a", "item_b", "dissimilarity")]
    first, second = _text(table["item_a"].to_numpy()), _text(table["item_b"].to_numpy())
    labels = list(dict.fromkeys([*first, *second]))
    number = {label: i for i, label in enumerate(labels)}
    coords = {name: _plain(table[name].unique()) for name in dims}
    shape = (*(len(coords[name]) for name in dims), len(labels), len(labels))
    values = np.full(shape, np.nan)
    values[..., range(len(labels)), range(len(labels))] = 0.0
    where = [np.searchsorted(coords[n], table[n], sorter=np.argsort(coords[n])) for n in dims]
    leading = [np.argsort(coords[n])[w] for n, w in zip(dims, where, strict=True)]
    a, b = (np.array([number[label] for label in side], dtype=np.intp) for side in (first, second))
    values[(*leading, a, b)] = table["dissimilarity"].to_numpy()
    values[(*leading, b, a)] = table["dissimilarity"].to_numpy()
    return {"values": values, "labels": labels, "dims": dims, "coords": coords}


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
    patterns = dict(rdms.pattern_descriptors)
    if labels is None and "label" in patterns:
        labels = "label"
    if labels is not None:
        check_choice("labels", labels, tuple(patterns))
    descriptors = {k: np.asarray(v) for k, v in rdms.rdm_descriptors.items() if k != "index"}
    name = next(iter(descriptors)) if len(descriptors) == 1 else "rdm"
    coords = {name: _plain(descriptors[name])} if name in descriptors else {}
    return {
        "values": np.array(rdms.get_vectors(), dtype=np.float64),
        "labels": None if labels is None else _text(np.asarray(patterns[labels])),
        "dims": [name],
        "coords": coords,
        "metric": rdms.dissimilarity_measure,
    }


def _text(values: Any) -> list[str]:
    return [str(value) for value in values]


def _plain(values: Any) -> AnyArray:
    # pandas and xarray hold text as objects; our containers hold it as numpy text
    array = np.asarray(values)
    return array.astype(str) if array.dtype.hasobject or array.dtype.kind == "T" else array
