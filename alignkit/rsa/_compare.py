"""RDM-to-RDM comparison: all pairs of two stacks in one pass."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import NanPolicy, check_choice, check_nan_policy
from alignkit._result import Result
from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray
from alignkit.rsa._align import OnMismatch, align, as_rdm
from alignkit.rsa._container import RDM
from alignkit.rsa._dispatch import Backend
from alignkit.rsa._nan import items_of_pairs, name_items, report_all
from alignkit.rsa._similarity_methods import METHODS, SENTENCE, Method, similarity, undefined_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparison(Result):
    """Similarities of RDMs and how they were computed.

    Attributes
    ----------
    values : ndarray, shape (*a.shape, *b.shape)
        One similarity per pair of RDMs; a single pair gives a 0-d array (use ``float(result)``).
    n_pairs : ndarray of int, same shape
        Item pairs that each value rests on (0 where NaN was propagated).
    method, nan_policy : str
        As asked for.
    dims : tuple of str
        Names of the axes of ``values``; an axis that both stacks have is called ``name`` and ``name_2``.
    coords : dict
        Coordinates of those axes, as lists.
    n_items : int
        Items compared.
    aligned_by : {"label", "position"}
        How the rows were matched.
    """

    values: np.ndarray[Any, np.dtype[np.float64]]
    n_pairs: np.ndarray[Any, np.dtype[np.int64]]
    method: str
    nan_policy: str
    dims: tuple[str, ...]
    coords: dict[str, list[Any]]
    n_items: int
    aligned_by: str

    def __float__(self) -> float:
        """Return the one value of a single comparison."""
        if self.values.size != 1:
            msg = f"this comparison holds {self.values.size} values; index .values."
            raise TypeError(msg)
        return float(self.values.reshape(())[()])

    def __repr__(self) -> str:
        if self.values.size == 1:
            return f"<Comparison {self.method} = {float(self):.4f}, {self.n_items} items>"
        axes = ", ".join(f"{name}: {size}" for name, size in zip(self.dims, self.values.shape, strict=True))
        finite = self.values[np.isfinite(self.values)]
        spread = f"{finite.min():.4f} to {finite.max():.4f}, mean {finite.mean():.4f}" if finite.size else "all NaN"
        return f"<Comparison {self.method}, {axes}: {spread}, {self.n_items} items>"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per pair of RDMs: the axes, ``similarity``, ``n_pairs`` and ``method``."""
        import pandas as pd

        index = np.indices(self.values.shape).reshape(len(self.dims), self.values.size)
        columns = {
            name: [self.coords[name][i] if name in self.coords else int(i) for i in positions]
            for name, positions in zip(self.dims, index, strict=True)
        }
        table = pd.DataFrame(columns, index=range(self.values.size))
        return table.assign(similarity=self.values.ravel(), n_pairs=self.n_pairs.ravel(), method=self.method)

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        low, high = int(self.n_pairs.min()), int(self.n_pairs.max())
        pairs = f"{high:,} item pairs" if low == high else f"{low:,} to {high:,} item pairs"
        left_out = ", those without a value in either RDM left out" if self.nan_policy == "omit" else ""
        return (
            f"RDMs of {self.n_items} items were compared by {SENTENCE[self.method]} over the upper triangle "
            f"({pairs}{left_out}), rows matched by {self.aligned_by}."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the similarities: bars for one axis, a heat map for two."""
        from alignkit.rsa._draw import plot_comparison

        return plot_comparison(self, ax)


def compare(
    a: object,
    b: object,
    /,
    *,
    method: Method = "spearman",
    nan_policy: NanPolicy = "propagate",
    on_mismatch: OnMismatch = "raise",
    backend: Backend = "auto",
) -> Comparison:
    r"""Compare every RDM of one stack with every RDM of another.

    Parameters
    ----------
    a, b : RDM or array_like, shape (..., pairs) or (..., items, items)
        Labelled RDMs are aligned by label first; bare arrays are taken in the order they have.
    method : {"spearman", "pearson", "cosine", "rho-a", "kendall-tau-a", "kendall-tau-b"}
        With P item pairs, ranks R (ties share their mean) and C - D concordant minus discordant pairs of pairs:
        spearman is the Pearson correlation of ranks; rho-a is :math:`12\sum(R_a-\bar R)(R_b-\bar R)/(P^3-P)`;
        tau-a is :math:`(C-D)/(P(P-1)/2)`; tau-b divides by :math:`\sqrt{(N-T_a)(N-T_b)}` with the tied pairs T
        taken out. With tied (categorical) models prefer rho-a: Spearman favours them.
    nan_policy : {"propagate", "omit", "raise"}
        NaN in either of two RDMs: give NaN, leave those item pairs out of that comparison alone, or raise.
        Undefined values (RDMs that are constant or, for cosine, zero; fewer than two pairs left) are NaN or raise.
        One warning names all that is NaN.
    on_mismatch : {"raise", "intersect"}
        What to do when two labelled RDMs hold different items.
    backend : {"auto", "numpy", "numba"}
        Which kernels rank and count; the numbers are the same.

    Returns
    -------
    Comparison
        Values of shape (*a.shape, *b.shape) with the number of pairs used in each.

    Raises
    ------
    ValueError
        Different labels or sizes, an unknown option, malformed RDMs, or undefined values under
        ``nan_policy="raise"``.
    TypeError
        Values that are not real numbers.

    References
    ----------
    Nili et al. (2014), doi:10.1371/journal.pcbi.1003553; rho-a: Schuett et al. (2023), doi:10.7554/eLife.82566.

    Examples
    --------
    >>> a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    >>> b = [1.0, 3.0, 2.0, 4.0, 6.0, 5.0]
    >>> compare(a, b, method="spearman")
    <Comparison spearman = 0.8857, 4 items>
    """
    check_choice("method", method, tuple(METHODS))
    check_nan_policy(nan_policy)
    first, second = align(as_rdm("the first RDM", a), as_rdm("the second RDM", b), on_mismatch=on_mismatch)
    rows_a, rows_b = (x.values.reshape(-1, x.n_pairs) for x in (first, second))
    values, n_pairs = compare_rows(rows_a, rows_b, method, nan_policy, backend)
    report_all(_reasons(first, second, values, n_pairs, method, nan_policy), nan_policy)
    shape = first.shape + second.shape
    dims, coords = _joint_axes(first, second)
    return Comparison(
        values=values.reshape(shape),
        n_pairs=n_pairs.reshape(shape),
        method=method,
        nan_policy=nan_policy,
        dims=dims,
        coords=coords,
        n_items=first.n_items,
        aligned_by="position" if first.labels is None or second.labels is None else "label",
    )


def compare_rows(
    a: FloatArray, b: FloatArray, method: str, nan_policy: NanPolicy, backend: Backend = "auto"
) -> tuple[FloatArray, IntArray]:
    """Return the similarities of every row of ``a`` with every row of ``b`` and the pairs each used."""
    values = np.full((len(a), len(b)), np.nan)
    n_pairs = np.zeros((len(a), len(b)), dtype=np.int64)
    # rows with one pattern of NaN are compared together: usually there is a single pattern, none
    for mask_a, rows_a in _by_mask(a):
        for mask_b, rows_b in _by_mask(b):
            valid = mask_a & mask_b
            block = np.ix_(rows_a, rows_b)
            if nan_policy != "omit" and not valid.all():
                continue
            n_pairs[block] = valid.sum()
            if valid.sum() >= 2:
                values[block] = similarity(_columns(a[rows_a], valid), _columns(b[rows_b], valid), method, backend)
    return values, n_pairs


def _by_mask(x: FloatArray) -> list[tuple[BoolArray, IntArray]]:
    masks = ~np.isnan(x)
    if masks.all():
        return [(masks[0], np.arange(len(x)))]
    groups: dict[bytes, list[int]] = {}
    for i, mask in enumerate(masks):
        groups.setdefault(mask.tobytes(), []).append(i)
    return [(masks[rows[0]], np.array(rows)) for rows in groups.values()]


def _columns(x: FloatArray, valid: BoolArray) -> FloatArray:
    return x if valid.all() else x[:, valid]


def _reasons(
    a: RDM, b: RDM, values: FloatArray, n_pairs: IntArray, method: str, nan_policy: NanPolicy
) -> dict[str, list[str]]:
    """Return why values are NaN, with the names of the items or RDMs at fault."""
    undefined = np.isnan(values)
    unexplained = undefined.copy()
    if not undefined.any():
        return {}
    kind = "zero" if method == "cosine" else "equal"
    reasons: dict[str, list[str]] = {}
    for which, rdm, axis in (("first", a, 1), ("second", b, 0)):
        rows = rdm.values.reshape(-1, rdm.n_pairs)
        missing = np.isnan(rows)
        if nan_policy != "omit":
            reason = f"the {which} RDM holds NaN (nan_policy='omit' leaves those pairs out) for"
            items = items_of_pairs(np.asarray(missing.any(axis=0)), rdm.n_items)
            reasons[reason] = name_items(rdm.labels, items)
            unexplained &= ~np.expand_dims(missing.any(axis=1), axis)
        bad = undefined_rows(rows, method) & undefined.any(axis=axis)
        reason = f"{method} is undefined for RDMs whose values are all {kind}; in the {which} stack"
        reasons[reason] = name_rdms(rdm, np.flatnonzero(bad))
        unexplained &= ~np.expand_dims(bad, axis)
    few, constant = unexplained & (n_pairs < 2), unexplained & (n_pairs >= 2)
    reasons["fewer than two item pairs are without NaN in both"] = _name_both(a, b, few)
    reasons[f"{method} is undefined on the item pairs that are left of"] = _name_both(a, b, constant)
    return reasons


def _name_both(a: RDM, b: RDM, cells: BoolArray) -> list[str]:
    rows, columns = np.nonzero(cells)
    pairs = zip(name_rdms(a, rows), name_rdms(b, columns), strict=True)
    return [f"{name_a} of the first and {name_b} of the second stack" for name_a, name_b in pairs]


def name_rdms(rdm: RDM, positions: IntArray) -> list[str]:
    """Return what to call the RDMs at flat ``positions`` of a stack: by coordinate where there is one."""
    if not rdm.dims:
        return ["the only RDM" for _ in positions]
    coordinates = [rdm.coords.get(name, np.arange(size)) for name, size in zip(rdm.dims, rdm.shape, strict=True)]
    return [
        ", ".join(f"{name} {values[i]}" for name, values, i in zip(rdm.dims, coordinates, where, strict=True))
        for where in zip(*np.unravel_index(positions, rdm.shape), strict=True)
    ]


def _joint_axes(a: RDM, b: RDM) -> tuple[tuple[str, ...], dict[str, list[Any]]]:
    dims = list(a.dims)
    coords = {name: as_list(values) for name, values in a.coords.items()}
    for name in b.dims:
        new = next(new for new in _variants(name) if new not in dims)
        dims.append(new)
        if name in b.coords:
            coords[new] = as_list(b.coords[name])
    return tuple(dims), coords


def _variants(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{k}" for k in itertools.count(2))


def as_list(coordinate: AnyArray) -> list[Any]:
    """Return a coordinate as values that JSON knows; dates become text."""
    values: list[Any] = (coordinate.astype(str) if coordinate.dtype.kind in "mM" else coordinate).tolist()
    return values
