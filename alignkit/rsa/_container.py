"""The RDM container: labelled dissimilarities that cannot be compared in the wrong order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from alignkit._check import as_labels, check_choice, check_n_items, check_same_labels, join_names
from alignkit._typing import AnyArray, FloatArray, PathLike
from alignkit.rsa._condensed import as_condensed, n_items_of, squareform

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

OnMismatch = Literal["raise", "intersect"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class RDM:
    """Representational dissimilarity matrices, condensed, with labels and named leading axes.

    Parameters
    ----------
    values : array_like, shape (..., pairs) or (..., items, items)
        Dissimilarities; stored condensed (upper triangle, row-major) as read-only float64.
    labels : sequence of str, shape (items,), optional
        One unique name per item. Two labelled RDMs are aligned by label before any comparison.
    dims : sequence of str, optional
        Names of the leading axes (``"subject"``, ``"session"``, ``"time"``, ``"model"`` ...).
        By default a single leading axis is ``"rdm"``, several are ``"axis_0"``, ``"axis_1"`` ...
    coords : mapping of str to array_like, optional
        Coordinates of leading axes, for example ``{"subject": ["s1", "s2"]}``.
    metric : str, optional
        What the dissimilarities are (``"correlation"``, ``"crossnobis"`` ...).
    provenance : mapping, optional
        Where they come from: plain JSON values.

    Raises
    ------
    ValueError
        A shape that is neither condensed nor square, an asymmetric matrix, a non-zero diagonal, fewer
        than three items, duplicate or missing labels, or names and coordinates that do not fit the axes.
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
        array = as_condensed("values", values).view()
        if np.isinf(array).any():
            msg = "values holds infinities; a dissimilarity is finite, or NaN where it is missing."
            raise ValueError(msg)
        array.flags.writeable = False
        n = n_items_of(array.shape[-1])
        leading = array.shape[:-1]
        names = _as_dims(dims, len(leading))
        put = object.__setattr__
        put(self, "values", array)
        put(self, "labels", None if labels is None else as_labels("labels", labels, n))
        put(self, "dims", names)
        put(self, "coords", _as_coords(coords or {}, names, leading))
        put(self, "metric", metric)
        put(self, "provenance", dict(provenance or {}))

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
        return self.values.shape[:-1]

    def __len__(self) -> int:
        """Return the size of the first leading axis."""
        if not self.shape:
            msg = "a single RDM has no length; it has n_items and n_pairs."
            raise TypeError(msg)
        return self.shape[0]

    def __repr__(self) -> str:
        axes = ", ".join(f"{name}: {size}" for name, size in zip(self.dims, self.shape, strict=True))
        shown = "unlabelled" if self.labels is None else ", ".join([*self.labels[:3], "..."][: len(self.labels)])
        n_nan = int(np.isnan(self.values).sum())
        nan = f", {n_nan} NaN" if n_nan else ""
        return f"<RDM {self.n_items} items ({shown}){', ' + axes if axes else ''}, metric: {self.metric}{nan}>"

    def squareform(self) -> FloatArray:
        """Return the RDMs as square matrices, shape (..., items, items)."""
        return squareform(self.values)

    def replace(self, values: object, **changes: Any) -> RDM:
        """Return a copy with new values (and any other field), checked anew."""
        fields = {name: getattr(self, name) for name in ("labels", "dims", "coords", "metric", "provenance")}
        return RDM(values, **{**fields, **changes})

    def select(self, labels: Iterable[Any]) -> RDM:
        """Return the RDM of the named items, in the order given.

        Raises
        ------
        ValueError
            An unlabelled RDM, fewer than three items, or labels it does not hold.
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
        """Return the RDM of the items at these positions (each at most once), in the order given."""
        index = np.asarray(items, dtype=np.intp)
        check_n_items("the selection", index.size)
        labels = None if self.labels is None else [self.labels[i] for i in index]
        if labels is None and len(set(index.tolist())) != index.size:
            msg = "items are repeated in the selection; an RDM holds each item once."
            raise ValueError(msg)
        rows, columns = np.triu_indices(index.size, k=1)
        pairs = pair_index(index[rows], index[columns], self.n_items)
        return self.replace(self.values[..., pairs], labels=labels)

    def isel(self, **positions: int | slice | Sequence[int] | AnyArray) -> RDM:
        """Return part of the leading axes by position: ``rdms.isel(subject=0)``."""
        values, dims, coords = self.values, list(self.dims), dict(self.coords)
        for name, where in positions.items():
            check_choice("the axis", name, self.dims)
            axis = dims.index(name)
            values = values[(slice(None),) * axis + (where,)]
            kept = coords.pop(name, None)
            if isinstance(where, int | np.integer):
                dims.remove(name)
            elif kept is not None:
                coords[name] = kept[where]
        return self.replace(values, dims=dims, coords=coords)

    def sel(self, **names: Any) -> RDM:
        """Return part of the leading axes by coordinate: ``rdms.sel(subject="s1")``."""
        positions: dict[str, Any] = {}
        for name, wanted in names.items():
            check_choice("the axis", name, tuple(self.coords))
            known = self.coords[name].tolist()
            many = isinstance(wanted, list | tuple | np.ndarray)
            for value in wanted if many else [wanted]:
                check_choice(name, str(value), [str(k) for k in known])
            texts = [str(k) for k in known]
            positions[name] = [texts.index(str(v)) for v in wanted] if many else texts.index(str(wanted))
        return self.isel(**positions)

    def mean(self, dim: str) -> RDM:
        """Return the mean over one leading axis (raw values; NaN stays NaN)."""
        check_choice("dim", dim, self.dims)
        dims = [name for name in self.dims if name != dim]
        coords = {name: value for name, value in self.coords.items() if name != dim}
        return self.replace(self.values.mean(axis=self.dims.index(dim)), dims=dims, coords=coords)

    def to_xarray(self) -> xr.DataArray:
        """Return a DataArray with dims (..., item, item_2) holding the square matrices."""
        from alignkit.rsa._convert import to_xarray

        return to_xarray(self)

    @classmethod
    def from_xarray(cls, array: xr.DataArray) -> Self:
        """Build from a DataArray whose last two dims are the items (labels from the first's coordinate)."""
        from alignkit.rsa._convert import from_xarray

        return cls(**from_xarray(array))

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per pair and leading index: the leading axes, item_a, item_b, dissimilarity."""
        from alignkit.rsa._convert import to_dataframe

        return to_dataframe(self)

    @classmethod
    def from_dataframe(cls, table: pd.DataFrame) -> Self:
        """Build from what :meth:`to_dataframe` returns, or from a square table with labels on both sides."""
        from alignkit.rsa._convert import from_dataframe

        return cls(**from_dataframe(table))

    def to_rsatoolbox(self) -> Any:
        """Return an ``rsatoolbox.rdm.RDMs``; the leading axes become RDM descriptors."""
        from alignkit.rsa._convert import to_rsatoolbox

        return to_rsatoolbox(self)

    @classmethod
    def from_rsatoolbox(cls, rdms: Any, *, labels: str | None = None) -> Self:
        """Build from an ``rsatoolbox.rdm.RDMs``; ``labels`` names the pattern descriptor that holds them."""
        from alignkit.rsa._convert import from_rsatoolbox

        return cls(**from_rsatoolbox(rdms, labels=labels))

    def save(self, path: PathLike) -> None:
        """Write to ``.npz`` (one file, no pickle) or ``.zarr`` (a folder), atomically."""
        from alignkit.rsa._storage import save

        save(self, path)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read what :meth:`save` wrote; any single-array ``.npy``, ``.npz``, ``.mat`` or text file also loads."""
        from alignkit.rsa._storage import load

        return cls(**load(path))

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw one RDM as a heat map; select from a stack first, or its mean is drawn (and the title says so)."""
        from alignkit.rsa._draw import plot_rdm

        return plot_rdm(self, ax, **options)


def pair_index(i: AnyArray, j: AnyArray, n: int) -> AnyArray:
    """Return the condensed positions of pairs (i, j), i != j, among ``n`` items."""
    low, high = np.minimum(i, j), np.maximum(i, j)
    if (low == high).any():
        msg = "items are repeated in the selection; an RDM holds each item once."
        raise ValueError(msg)
    return low * (2 * n - low - 1) // 2 + high - low - 1


def as_rdm(name: str, x: object) -> RDM:
    """Return ``x`` as an RDM, whether it is one already or a bare condensed or square array."""
    if isinstance(x, RDM):
        return x
    try:
        return RDM(x)
    except (ValueError, TypeError) as error:
        raise type(error)(str(error).replace("values", name, 1)) from error


def align(a: RDM, b: RDM, *, on_mismatch: OnMismatch = "raise") -> tuple[RDM, RDM]:
    """Return both RDMs over the same items in the same order (that of ``a``).

    Two labelled RDMs are matched by label; where one is unlabelled the rows are matched by position and
    the numbers of items must agree.
    """
    check_choice("on_mismatch", on_mismatch, ("raise", "intersect"))
    if a.labels is None or b.labels is None:
        if a.n_items != b.n_items:
            msg = (
                f"the RDMs have {a.n_items} and {b.n_items} items; give both of them labels to compare "
                "the items they share."
            )
            raise ValueError(msg)
        return a, b
    if a.labels == b.labels:
        return a, b
    if on_mismatch == "raise":
        check_same_labels("the first RDM", a.labels, "the second RDM", b.labels)
        return a, b.select(a.labels)
    held = set(b.labels)
    shared = [label for label in a.labels if label in held]
    check_n_items("the set of shared items", len(shared))
    return a.select(shared), b.select(shared)


def _as_dims(dims: Sequence[str] | None, n: int) -> tuple[str, ...]:
    if dims is None:
        return ("rdm",) if n == 1 else tuple(f"axis_{i}" for i in range(n))
    names = (dims,) if isinstance(dims, str) else tuple(map(str, dims))
    if len(names) != n or len(set(names)) != n or "pair" in names:
        msg = f"dims must give {n} different names for the leading axes (not 'pair'); got {names}."
        raise ValueError(msg)
    return names


def _as_coords(coords: Mapping[str, Any], dims: tuple[str, ...], shape: tuple[int, ...]) -> dict[str, AnyArray]:
    result = {}
    for name, values in coords.items():
        check_choice("a coordinate's axis", name, dims)
        array = np.asarray(values)
        size = shape[dims.index(name)]
        if array.shape != (size,) or array.dtype.hasobject:
            msg = f"the coordinate {name!r} must hold {size} texts or numbers; got shape {array.shape}, {array.dtype}."
            raise ValueError(msg)
        result[name] = array
    return result
