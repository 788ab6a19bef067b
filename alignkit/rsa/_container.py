"""The RDM container: labelled dissimilarities that cannot be compared in the wrong order."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from alignkit._check import as_labels, check_n_items, is_tensor, join_names, shown
from alignkit._html import box, facts, table
from alignkit._result import jsonable
from alignkit._threads import each
from alignkit._typing import AnyArray, FloatArray, PathLike
from alignkit.rsa._axes import as_coords, as_dims, as_names, check_axis, find, find_range
from alignkit.rsa._condensed import as_condensed, as_host, n_items_of, squareform
from alignkit.rsa._positions import as_many_positions, as_positions

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

#: Values that one thread reads at a time.
_STRETCH = 1 << 21
#: Items of an RDM that a notebook shows.
_SHOWN = 8


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class RDM:
    """Representational dissimilarity matrices, condensed, with labels and named leading axes.

    Two items make one pair, whose dissimilarity over time is worth a look (is a face told from a house?); comparisons
    of RDMs need three items at least.

    Parameters
    ----------
    values : array_like, shape (..., pairs) or (..., items, items)
        Dissimilarities; stored condensed (upper triangle, row-major) as read-only float64. float32 stays float32: a
        choice of storage, statistics are computed in float64. A writeable array is copied, so that later changes to
        it do not reach the RDM. A torch tensor stays the tensor it is, with its device and its gradient.
    labels : sequence of str, shape (items,), optional
        One unique name per item. Two labelled RDMs are aligned by label before any comparison.
    dims : sequence of str, optional
        Names of the leading axes (``"subject"``, ``"session"``, ``"time"``, ``"model"`` ...).
        By default a single leading axis is ``"rdm"``, several are ``"axis_0"``, ``"axis_1"`` ... They also tell a
        stack from a square where the shape alone does not (6 RDMs of 4 items have shape (6, 6)).
    coords : mapping of str to array_like, optional
        Coordinates of leading axes, for example ``{"subject": ["s1", "s2"]}``.
    metric : str, optional
        What the dissimilarities are (``"correlation"``, ``"crossnobis"`` ...).
    provenance : mapping, optional
        Where they come from: JSON values; anything else is kept as its text.

    Raises
    ------
    ValueError
        A shape that is neither condensed nor square, an asymmetric matrix, a non-zero diagonal, fewer
        than two items, duplicate or missing labels, or names and coordinates that do not fit the axes.
    TypeError
        Values that are not real numbers.

    Examples
    --------
    >>> a = RDM([1.0, 2.0, 3.0], labels=["cat", "dog", "car"])
    >>> a.squareform()
    array([[0., 1., 2.],
           [1., 0., 3.],
           [2., 3., 0.]])
    >>> a.select(["car", "cat", "dog"]).values
    array([2., 3., 1.])
    """

    values: FloatArray
    labels: tuple[str, ...] | None = None
    dims: tuple[str, ...] = ()
    coords: Mapping[str, AnyArray] = dataclasses.field(default_factory=dict)
    metric: str | None = None
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __init__(
        self,
        values: object,
        labels: Iterable[Any] | None = None,
        *,
        dims: Sequence[str] | None = None,
        coords: Mapping[str, Any] | None = None,
        metric: str | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        names = None if dims is None else as_names(dims)
        array = as_condensed("values", values, None if names is None else len(names))
        if not is_tensor(array) and array.flags.writeable and (array is values or not array.flags.owndata):
            array = array.copy()
        _fill(self, array, labels, names, {} if coords is None else coords, metric, provenance)

    @property
    def n_items(self) -> int:
        """Number of items (conditions, stimuli)."""
        return n_items_of(self.values.shape[-1])

    @property
    def n_pairs(self) -> int:
        """Number of pairs, n(n-1)/2."""
        return self.values.shape[-1]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the leading axes."""
        return tuple(self.values.shape[:-1])

    def __reduce__(self) -> tuple[Any, ...]:
        # copies and what comes out of a pickle are as read-only as the original
        return _again, (self.values, self._context())

    def __len__(self) -> int:
        """Return the size of the first leading axis."""
        if not self.shape:
            msg = "a single RDM has no length; it has n_items and n_pairs."
            raise TypeError(msg)
        return self.shape[0]

    def __repr__(self) -> str:
        axes = ", ".join(f"{name}: {size}" for name, size in zip(self.dims, self.shape, strict=True))
        first = [_cut(label) for label in (self.labels or ())[:3]]
        shown = "unlabelled" if self.labels is None else ", ".join([*first, "..."][: len(self.labels)])
        n_nan = int((self.values != self.values).sum())
        nan = f", {n_nan} NaN" if n_nan else ""
        return f"<RDM {self.n_items} items ({shown}){', ' + axes if axes else ''}, metric: {self.metric}{nan}>"

    def _repr_html_(self) -> str:
        """Return what notebooks show: what the RDM is, and its first items with shades by value."""
        first = self.isel(**dict.fromkeys(self.dims, 0)).take(range(min(self.n_items, _SHOWN)))
        square = np.asarray(first.numpy().squareform(), dtype=np.float64)
        names = first.labels or tuple(map(str, range(len(square))))
        cells = [[name, *row] for name, row in zip(names, square.tolist(), strict=True)]
        shades = [[math.nan, *row] for row in _shades(square).tolist()]
        return box("RDM", facts(self._facts()), table(["", *names], cells, shades))

    def _facts(self) -> dict[str, object]:
        axes = ", ".join(f"{name}: {size}" for name, size in zip(self.dims, self.shape, strict=True))
        n_nan = int((self.values != self.values).sum())
        first = f"of the first of {axes}" if axes else None
        return {
            "items": f"{self.n_items:,}{'' if self.labels else ' (unlabelled)'}",
            "pairs": f"{self.n_pairs:,}",
            "axes": axes or None,
            "metric": self.metric or "not named",
            "numbers": str(self.values.dtype).removeprefix("torch."),
            "NaN": f"{n_nan:,}" if n_nan else None,
            "shown": first if self.n_items <= _SHOWN else f"the first {_SHOWN} items{f', {first}' if first else ''}",
        }

    def squareform(self) -> FloatArray:
        """Return the RDMs as square matrices, shape (..., items, items)."""
        square: FloatArray = squareform(self.values)
        return square

    def numpy(self) -> RDM:
        """Return the same RDM with its values in a numpy array: detached, on the CPU, of the same precision."""
        return self._part(as_host(self.values)) if is_tensor(self.values) else self

    def replace(self, values: object, **changes: Any) -> RDM:
        """Return a copy with new values (and any other field), checked anew."""
        return RDM(values, **{**self._context(), **changes})

    def _context(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("labels", "dims", "coords", "metric", "provenance")}

    def _part(self, values: FloatArray, **changes: Any) -> RDM:
        return condensed_rdm(values, **{**self._context(), **changes})

    def select(self, labels: Iterable[Any]) -> RDM:
        """Return the RDM of the named items, in the order given.

        Raises
        ------
        ValueError
            An unlabelled RDM, fewer than two items, or labels that it does not hold.
        """
        if self.labels is None:
            msg = "this RDM has no labels; build it with labels=... to select items by name."
            raise ValueError(msg)
        wanted = as_labels("labels", labels)
        position = {label: i for i, label in enumerate(self.labels)}
        missing = [label for label in wanted if label not in position]
        if missing:
            msg = f"the RDM does not hold {join_names(missing)}."
            raise ValueError(msg)
        return self.take([position[label] for label in wanted])

    def take(self, items: Sequence[int] | AnyArray) -> RDM:
        """Return the RDM of the items at these positions (each at most once), in the order given.

        Negative positions count from the end; a boolean mask has one entry per item.

        Raises
        ------
        ValueError
            Positions beyond the items, repeated positions, or fewer than two.
        TypeError
            Positions that are not whole numbers.
        """
        index = _as_items(items, self.n_items)
        check_n_items("the selection", index.size, 2)
        rows, columns = np.triu_indices(index.size, k=1)
        pairs = pair_index(index[rows], index[columns], self.n_items)
        labels = None if self.labels is None else [self.labels[i] for i in index]
        return self._part(self.values[..., pairs], labels=labels)

    def isel(self, **positions: int | slice | Sequence[int] | AnyArray) -> RDM:
        """Return part of the leading axes by position: ``rdms.isel(subject=0)``."""
        values, dims, coords = self.values, list(self.dims), dict(self.coords)
        for name, wanted in positions.items():
            check_axis(name, dims)
            axis = dims.index(name)
            where = _as_where(name, wanted, values.shape[axis])
            values = values[(slice(None),) * axis + (where,)]
            kept = coords.pop(name, None)
            if isinstance(where, int):
                dims.remove(name)
            elif kept is not None:
                coords[name] = kept[where]
        return self._part(values, dims=dims, coords=coords)

    def sel(self, *, tolerance: float | None = None, **names: Any) -> RDM:
        """Return part of the leading axes by coordinate: ``rdms.sel(subject="s1", time=slice(0, 0.2))``.

        Parameters
        ----------
        tolerance : float, optional
            Take the nearest coordinate to a number, if it lies no further away than this (in the coordinate's unit,
            such as seconds); by default the coordinate itself must be given. An axis of this name takes :meth:`isel`.
        **names : text, number, slice, or list of texts or numbers
            For each axis one coordinate (the axis goes), several, or a slice of numbers, both ends included.

        Raises
        ------
        ValueError
            No such axis or coordinate, an axis without coordinates, a slice that holds none or is no range of numbers,
            or a negative tolerance.

        Examples
        --------
        >>> rdms = RDM([[1.0], [2.0], [3.0]], dims=["time"], coords={"time": [0.0, 0.1015625, 0.203125]})
        >>> rdms.sel(time=0.1, tolerance=0.005).values
        array([2.])
        >>> rdms.sel(time=slice(0.1, None)).values
        array([[2.],
               [3.]])
        """
        positions: dict[str, Any] = {}
        for name, wanted in names.items():
            check_axis(name, self.dims)
            if name not in self.coords:
                msg = f"the axis {name!r} has no coordinates; use isel({name}=...)."
                raise ValueError(msg)
            if isinstance(wanted, slice):
                positions[name] = find_range(name, self.coords[name], wanted)
                continue
            many = isinstance(wanted, list | tuple | np.ndarray)
            found = [find(name, self.coords[name], value, tolerance) for value in (wanted if many else [wanted])]
            positions[name] = found if many else found[0]
        return self.isel(**positions)

    def mean(self, dim: str) -> RDM:
        """Return the mean over one leading axis (raw values, in float64 unless a tensor; NaN stays NaN)."""
        check_axis(dim, self.dims)
        dims = [name for name in self.dims if name != dim]
        coords = {name: value for name, value in self.coords.items() if name != dim}
        exact: dict[str, Any] = {} if is_tensor(self.values) else {"dtype": np.float64}
        values: FloatArray = self.values.mean(axis=self.dims.index(dim), **exact)
        return self._part(values, dims=dims, coords=coords)

    def to_xarray(self) -> xr.DataArray:
        """Return a DataArray with dims (..., item, item_2) holding the square matrices."""
        from alignkit.rsa._convert import to_xarray

        return to_xarray(self.numpy())

    @classmethod
    def from_xarray(cls, array: xr.DataArray) -> Self:
        """Build from a DataArray whose last two dims are the items (labels from the first's coordinate)."""
        from alignkit.rsa._convert import from_xarray

        return cls(**from_xarray(array))

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per pair and leading index: the leading axes, item_a, item_b, dissimilarity."""
        from alignkit.rsa._convert import to_dataframe

        return to_dataframe(self.numpy())

    @classmethod
    def from_dataframe(cls, table: pd.DataFrame) -> Self:
        """Build from what :meth:`to_dataframe` returns, or from a square table with labels on both sides."""
        from alignkit.rsa._convert import from_dataframe

        return cls(**from_dataframe(table))

    def to_rsatoolbox(self) -> Any:
        """Return an ``rsatoolbox.rdm.RDMs``; the leading axes become RDM descriptors."""
        from alignkit.rsa._convert import to_rsatoolbox

        return to_rsatoolbox(self.numpy())

    @classmethod
    def from_rsatoolbox(cls, rdms: Any, *, labels: str | None = None) -> Self:
        """Build from an ``rsatoolbox.rdm.RDMs``; ``labels`` names the pattern descriptor that holds them."""
        from alignkit.rsa._convert import from_rsatoolbox

        return cls(**from_rsatoolbox(rdms, labels=labels))

    def save(self, path: PathLike) -> None:
        """Write to ``.npz`` (one file, no pickle) or ``.zarr`` (a folder), atomically."""
        from alignkit.rsa._storage import save

        save(self.numpy(), path)

    @classmethod
    def load(cls, path: PathLike) -> RDM:
        """Read what :meth:`save` wrote; any single-array ``.npy``, ``.npz``, ``.mat`` or text file also loads."""
        from alignkit.rsa._storage import load

        return load(path)

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw one RDM as a heat map; select from a stack first, or its mean is drawn (and the title says so)."""
        from alignkit.rsa._draw import plot_rdm

        return plot_rdm(self.numpy(), ax, **options)


def condensed_rdm(
    values: FloatArray,
    labels: Iterable[Any] | None = None,
    *,
    dims: Sequence[str] | None = None,
    coords: Mapping[str, Any] | None = None,
    metric: str | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> RDM:
    """Return the RDM of values that are known to be condensed, without guessing and without a copy."""
    rdm = object.__new__(RDM)
    _fill(rdm, values, labels, dims, {} if coords is None else coords, metric, provenance)
    return rdm


def _again(values: FloatArray, context: dict[str, Any]) -> RDM:
    return condensed_rdm(values, **context)


def _cut(label: str, limit: int = 24) -> str:
    return label if len(label) <= limit else f"{label[: limit - 3]}..."


def _as_where(name: str, wanted: Any, n: int) -> Any:
    # tensors take no slice that runs backwards
    if isinstance(wanted, slice):
        return wanted if wanted.step is None or wanted.step > 0 else list(range(n))[wanted]
    return as_positions(name, wanted, n)


def _fill(
    rdm: RDM,
    values: FloatArray,
    labels: Iterable[Any] | None,
    dims: Sequence[str] | None,
    coords: Mapping[str, Any],
    metric: str | None,
    provenance: Mapping[str, Any] | None,
) -> None:
    if values.ndim == 0 or 0 in values.shape:
        msg = f"values is empty; got shape {tuple(values.shape)}."
        raise ValueError(msg)
    n_items = n_items_of(values.shape[-1], "values")
    check_n_items("values", n_items, 2)
    if _has_infinity(values):
        msg = "values holds infinities; a dissimilarity is finite, or NaN where it is missing."
        raise ValueError(msg)
    array = values if is_tensor(values) else _read_only(values)
    leading = tuple(array.shape[:-1])
    names = as_dims(dims, len(leading))
    fields = {
        "values": array,
        "labels": None if labels is None else as_labels("labels", labels, n_items),
        "dims": names,
        "coords": as_coords(coords, names, leading),
        "metric": _as_metric(metric),
        "provenance": _as_provenance(provenance),
    }
    for name, value in fields.items():
        object.__setattr__(rdm, name, value)


def _has_infinity(values: Any) -> bool:
    if is_tensor(values):
        return bool(values.isinf().any())
    # a sum is finite unless a value is not, and needs no mask as long as the values; it may overflow by itself.
    # einsum adds in half the time, less exactly
    with np.errstate(over="ignore", invalid="ignore"):
        total = _quick_sum(values.reshape(-1)) if values.flags.c_contiguous else values.sum()
    return not np.isfinite(total) and bool(np.isinf(values).any())


def _quick_sum(values: AnyArray) -> float:
    def part(start: int) -> float:
        return float(np.einsum("i->", values[start : start + _STRETCH]))

    starts = range(0, values.size, _STRETCH)
    return sum(each(part, starts) if len(starts) > 1 else map(part, starts))


def _read_only(values: AnyArray) -> AnyArray:
    array = values.view()
    array.flags.writeable = False
    return array


def _as_metric(metric: object) -> str | None:
    if metric is not None and not isinstance(metric, str):
        msg = f"metric must be a text that says what the dissimilarities are; got {shown(metric)}."
        raise TypeError(msg)
    return metric


def _as_provenance(provenance: object) -> dict[str, Any]:
    if provenance is None:
        return {}
    if not isinstance(provenance, Mapping):
        msg = f"provenance must be a mapping of names to values; got {shown(provenance)}."
        raise TypeError(msg)
    result: dict[str, Any] = json.loads(json.dumps(jsonable(provenance), default=str))
    return result


def pair_index(i: AnyArray, j: AnyArray, n: int) -> AnyArray:
    """Return the condensed positions of pairs (i, j), i != j, 0 <= i, j < ``n``."""
    low, high = np.minimum(i, j), np.maximum(i, j)
    return low * (2 * n - low - 1) // 2 + high - low - 1


def _as_items(items: object, n: int) -> AnyArray:
    index = as_many_positions("items", items, n)
    if len(set(index.tolist())) != index.size:
        msg = "items are repeated in the selection; an RDM holds each item once."
        raise ValueError(msg)
    return index


def _shades(square: FloatArray) -> FloatArray:
    """Return values between 0 (the smallest) and 1 (the largest), NaN where they are missing."""
    low, high = np.nanmin(square), np.nanmax(square)  # the diagonal is never NaN
    return (square - low) / (high - low if high > low else 1.0)
