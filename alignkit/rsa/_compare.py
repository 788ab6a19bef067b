"""RDM-to-RDM comparison: all pairs of two stacks in one pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import NanPolicy, check_choice, check_nan_policy
from alignkit._result import Result
from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._container import RDM, OnMismatch, align, as_rdm
from alignkit.rsa._dispatch import Backend
from alignkit.rsa._nan import name_items, report_undefined
from alignkit.rsa._similarity_methods import METHODS, UNDEFINED_IF_CONSTANT, Method, constant_rows, similarity

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
        Item pairs that each value rests on.
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

        index = np.indices(self.values.shape).reshape(len(self.dims), -1)
        columns = {
            name: [self.coords[name][i] if name in self.coords else int(i) for i in positions]
            for name, positions in zip(self.dims, index, strict=True)
        }
        table = pd.DataFrame(columns, index=range(self.values.size))
        return table.assign(similarity=self.values.ravel(), n_pairs=self.n_pairs.ravel(), method=self.method)

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        names = {
            "spearman": "Spearman's rank correlation (average ranks for ties)",
            "pearson": "Pearson's correlation",
            "cosine": "cosine similarity",
            "rho-a": "rho-a, the expected Spearman correlation under random tie breaking",
            "kendall-tau-a": "Kendall's tau-a",
            "kendall-tau-b": "Kendall's tau-b",
        }
        return (
            f"RDMs of {self.n_items} items were compared by {names[self.method]} over the upper triangle "
            f"({int(self.n_pairs.min())} to {int(self.n_pairs.max())} item pairs), rows matched by {self.aligned_by}."
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
    _report_nan(first, second, nan_policy)
    values, n_pairs = compare_rows(rows_a, rows_b, method, nan_policy, backend)
    _report_constant(rows_a, rows_b, method, nan_policy)
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
            if nan_policy == "propagate" and not valid.all():
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


def _report_nan(a: RDM, b: RDM, nan_policy: NanPolicy) -> None:
    if nan_policy == "omit":
        return
    for name, x in (("the first RDM", a), ("the second RDM", b)):
        pairs = np.isnan(x.values).reshape(-1, x.n_pairs).any(axis=0)
        if pairs.any():
            rows, columns = np.triu_indices(x.n_items, k=1)
            items = np.unique(np.r_[rows[pairs], columns[pairs]])
            reason = f"{name} holds NaN (nan_policy='omit' leaves those pairs out) for"
            report_undefined(reason, name_items(x.labels, items.tolist()), nan_policy, stacklevel=4)


def _report_constant(a: FloatArray, b: FloatArray, method: str, nan_policy: NanPolicy) -> None:
    for name, rows in (("first", a), ("second", b)):
        if method in UNDEFINED_IF_CONSTANT:
            with_nan = np.asarray(np.isnan(rows).any(axis=1))
            bad = constant_rows(np.where(with_nan[:, None], np.arange(rows.shape[1]), rows))
        elif method == "cosine":
            bad = np.asarray(~rows.any(axis=1))
        else:
            return
        reason = f"{method} is undefined for RDMs whose values are all equal; in the {name} stack"
        report_undefined(reason, [f"RDM {i}" for i in np.flatnonzero(bad)], nan_policy, stacklevel=4)


def _joint_axes(a: RDM, b: RDM) -> tuple[tuple[str, ...], dict[str, list[Any]]]:
    dims = list(a.dims)
    coords: dict[str, list[Any]] = {name: values.tolist() for name, values in a.coords.items()}
    renamed: Mapping[str, str] = {name: f"{name}_2" if name in dims else name for name in b.dims}
    dims += [renamed[name] for name in b.dims]
    coords |= {renamed[name]: values.tolist() for name, values in b.coords.items()}
    return tuple(dims), coords
