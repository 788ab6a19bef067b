"""Noise ceilings: how well any model could do, given how far people agree."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from alignkit._check import NanPolicy, check_choice, check_count, check_fraction, check_nan_policy
from alignkit._random import spawn
from alignkit._result import Result
from alignkit._typing import BoolArray, FloatArray, IntArray, RNGLike
from alignkit.rsa._align import as_rdm
from alignkit.rsa._compare import as_list, name_rdms
from alignkit.rsa._container import RDM, condensed_rdm
from alignkit.rsa._nan import items_of_pairs, name_items, report_all
from alignkit.rsa._rank import midranks
from alignkit.rsa._rescale import rescale
from alignkit.rsa._similarity_methods import METHODS, RANK_METHODS, SENTENCE, Method, standardise, undefined_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Pooling = Literal["rank", "raw"]
_NOTES = {
    1: "One subject: there is nobody to compare with, so that no ceiling is defined.",
    2: "Two subjects: the lower bound is their one similarity, and the upper bound is loose (each is half the mean); "
    "no interval.",
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class NoiseCeiling(Result):
    """Lower and upper noise ceilings with their subjects, intervals and definition.

    Attributes
    ----------
    lower, upper : float or ndarray, shape (...)
        Means over subjects; arrays when the RDMs have further axes (time).
    lower_per_subject, upper_per_subject : ndarray, shape (subject, ...)
        Similarity of each subject to the mean of the others (lower) and of all (upper).
    lower_interval, upper_interval : ndarray, shape (2, ...)
        Bootstrap over subjects: the percentiles of the resamples around their mean, moved to the bound (a resample
        holds fewer different subjects, which shifts both bounds); NaN where it was not computed. Copies of one subject
        leave together, and count once in the mean over subjects.
    dims : tuple of str
        Names of the axes of ``lower_per_subject``, subjects first.
    coords : dict
        Coordinates of those axes, as lists.
    method, pooling : str
        How RDMs are compared, and how subjects are averaged.
    n_subjects, n_items, n_pairs : int
        What it rests on; the smallest number of item pairs where it differs along further axes.
    confidence : float
        Level of the intervals.
    n_bootstrap : int
        Resamples drawn.
    note : str
        What to know about one or two subjects; otherwise empty.
    """

    lower: float | np.ndarray[Any, np.dtype[np.float64]]
    upper: float | np.ndarray[Any, np.dtype[np.float64]]
    lower_per_subject: np.ndarray[Any, np.dtype[np.float64]]
    upper_per_subject: np.ndarray[Any, np.dtype[np.float64]]
    lower_interval: np.ndarray[Any, np.dtype[np.float64]]
    upper_interval: np.ndarray[Any, np.dtype[np.float64]]
    dims: tuple[str, ...]
    coords: dict[str, list[Any]]
    method: str
    pooling: str
    n_subjects: int
    n_items: int
    n_pairs: int
    confidence: float
    n_bootstrap: int
    note: str

    def __post_init__(self) -> None:
        # JSON brings arrays back as lists
        for name in ("lower", "upper"):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, value if value.ndim else float(value))

    def __repr__(self) -> str:
        bounds = ", ".join(
            _show(name, getattr(self, name), getattr(self, f"{name}_interval")) for name in ("lower", "upper")
        )
        note = f"; {self.note}" if self.note else ""
        return f"<NoiseCeiling {bounds}; {self.method}, {self.pooling} pooling, {self.n_subjects} subject(s){note}>"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per subject (and further index): the axes, lower, upper, method, pooling."""
        import pandas as pd

        index = np.indices(self.lower_per_subject.shape).reshape(self.lower_per_subject.ndim, -1)
        columns: dict[str, Any] = {
            name: [self.coords[name][i] if name in self.coords else int(i) for i in positions]
            for name, positions in zip(self.dims, index, strict=True)
        }
        return pd.DataFrame(
            {**columns, "lower": self.lower_per_subject.ravel(), "upper": self.upper_per_subject.ravel()}
        ).assign(method=self.method, pooling=self.pooling)

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        pooled = (
            f"averaged on the scale of the comparison ({_SCALE[self.method]})"
            if self.pooling == "rank"
            else "averaged as they are"
        )
        interval = (
            f"; {self.confidence:.0%} intervals by bootstrap over subjects ({self.n_bootstrap:,} resamples)"
            if self.n_bootstrap
            else ""
        )
        return (
            f"Noise ceilings ({self.n_subjects} subjects, {SENTENCE[self.method]}): subjects' RDMs were {pooled}; the "
            "upper bound is the mean similarity of each subject to the average of all, the lower bound to that of all "
            f"others (Nili et al., 2014){interval}."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the band between the bounds: across the axes, or along one further axis (time)."""
        from alignkit.rsa._draw import plot_ceiling

        return plot_ceiling(self, ax)


def _show(name: str, value: float | FloatArray, interval: FloatArray) -> str:
    if np.ndim(value):
        finite = np.asarray(value)[np.isfinite(value)]
        return f"{name} {finite.min():.4f} to {finite.max():.4f}" if finite.size else f"{name} all NaN"
    low, high = interval
    return f"{name} {float(value):.4f}" + (f" [{low:.4f}, {high:.4f}]" if np.isfinite(low) else "")


_SCALE = {
    **dict.fromkeys(RANK_METHODS, "ranks"),
    "pearson": "z-scores",
    "cosine": "unit root mean square",
}


def noise_ceiling(
    rdms: object,
    /,
    *,
    method: Method = "spearman",
    pooling: Pooling = "rank",
    dim: str | None = None,
    nan_policy: NanPolicy = "propagate",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    rng: RNGLike = None,
) -> NoiseCeiling:
    """Compute the lower and upper noise ceiling of subjects' RDMs.

    Upper: mean over subjects of the similarity to the mean RDM of **all** subjects. Lower: to the mean of all
    **other** subjects. No model of these RDMs can be expected to score above the upper bound; one within the band
    explains what is explainable.

    Parameters
    ----------
    rdms : RDM or array_like, shape (subject, ..., pairs) or (subject, ..., items, items)
        One RDM per subject; further axes (time) give one ceiling each.
    method : str
        Any method of :func:`compare`.
    pooling : {"rank", "raw"}
        How subjects are averaged. ``"rank"``: on the scale that the method sees, as rsatoolbox does: mean ranks
        (and ranked again) for rank methods, z-scores for pearson, unit root mean square for cosine. ``"raw"``: the
        plain mean, as in Net2Brain and brain-score (both bounds come out a little lower).
    dim : str, optional
        Name of the subjects' axis; by default ``"subject"``, else the only leading axis.
    nan_policy : {"propagate", "omit", "raise"}
        NaN in any subject: give NaN (and one warning), leave those item pairs out for all, or raise. Subjects whose
        RDM is constant (cosine: zero), or who cancel out, give NaN or raise.
    n_bootstrap : int
        Resamples of subjects for the intervals; 0 for none. Resamples of one subject alone have no bounds and are
        left out.
    confidence : float
        Level of the percentile intervals.
    rng : numpy Generator, int or None
        Seed of the bootstrap.

    Returns
    -------
    NoiseCeiling

    Raises
    ------
    ValueError
        No subjects' axis, or one that cannot be told; unknown options; NaN under ``nan_policy="raise"``.
    TypeError
        Values that are not real numbers.

    References
    ----------
    Nili et al. (2014), doi:10.1371/journal.pcbi.1003553.

    Examples
    --------
    >>> import numpy as np
    >>> people = np.array([[1.0, 2, 3, 4, 5, 6], [2.0, 1, 3, 4, 5, 6], [1.0, 2, 3, 5, 4, 6]])
    >>> ceiling = noise_ceiling(people, n_bootstrap=0)
    >>> round(ceiling.lower, 3), round(ceiling.upper, 3)
    (0.942, 0.962)
    """
    check_choice("method", method, tuple(METHODS))
    check_choice("pooling", pooling, ("rank", "raw"))
    check_nan_policy(nan_policy)
    check_count("n_bootstrap", n_bootstrap)
    check_fraction("confidence", confidence)
    stack = _subjects_first(as_rdm("rdms", rdms), dim)
    n_subjects, *others = stack.shape
    rows = stack.values.reshape(n_subjects, -1, stack.n_pairs)
    cells = [_usable(rows[:, k], nan_policy) for k in range(rows.shape[1])]
    ceilings = [
        _ceiling(cell, method, pooling, n_bootstrap, confidence, generator)
        for cell, generator in zip(cells, spawn(rng, len(cells)), strict=True)
    ]
    bounds = np.stack([c[0] for c in ceilings], axis=-1)
    report_all(_reasons(stack, cells, bounds, method, nan_policy), nan_policy)
    intervals = np.stack([c[1] for c in ceilings], axis=-1).reshape(2, 2, *others)
    lower, upper = bounds.reshape(2, n_subjects, *others)
    return NoiseCeiling(
        lower=lower.mean(axis=0),
        upper=upper.mean(axis=0),
        lower_per_subject=lower,
        upper_per_subject=upper,
        lower_interval=intervals[0],
        upper_interval=intervals[1],
        dims=stack.dims,
        coords={name: as_list(values) for name, values in stack.coords.items()},
        method=method,
        pooling=pooling,
        n_subjects=n_subjects,
        n_items=stack.n_items,
        n_pairs=min(cell.shape[1] for cell in cells),
        confidence=confidence,
        n_bootstrap=n_bootstrap if n_subjects > 2 else 0,
        note=_NOTES.get(n_subjects, ""),
    )


def _subjects_first(stack: RDM, dim: str | None) -> RDM:
    axis = _subject_axis(stack, dim)
    dims = [stack.dims[axis], *stack.dims[:axis], *stack.dims[axis + 1 :]]
    # the one leading axis of a bare array holds subjects here
    dims = ["subject"] if dims == ["rdm"] else dims
    coords = {} if dims == ["subject"] and stack.dims == ("rdm",) else stack.coords
    return condensed_rdm(np.moveaxis(stack.values, axis, 0), stack.labels, dims=dims, coords=coords)


def _subject_axis(stack: RDM, dim: str | None) -> int:
    if dim is not None:
        check_choice("dim", dim, stack.dims)
        return stack.dims.index(dim)
    if "subject" in stack.dims:
        return stack.dims.index("subject")
    if len(stack.dims) == 1:
        return 0
    if not stack.dims:
        msg = "rdms holds a single RDM; a noise ceiling needs a leading axis of subjects."
        raise ValueError(msg)
    msg = f"rdms has the leading axes {stack.dims}; name that of the subjects with dim=."
    raise ValueError(msg)


def _usable(cell: FloatArray, nan_policy: NanPolicy) -> FloatArray:
    if nan_policy != "omit":
        return cell
    return cell[:, ~np.isnan(cell).any(axis=0)]


def _reasons(
    stack: RDM, cells: list[FloatArray], bounds: FloatArray, method: str, nan_policy: NanPolicy
) -> dict[str, list[str]]:
    """Return why bounds, shape (2, subject, cell), are NaN, with the names of the items, subjects or cells at fault."""
    n_subjects = len(bounds[0])
    missing = np.isnan(stack.values).reshape(n_subjects, -1, stack.n_pairs)
    pairs = np.asarray(missing.any(axis=(0, 1)))
    reasons: dict[str, list[str]] = {}
    if nan_policy != "omit":
        reason = "rdms holds NaN (nan_policy='omit' leaves those pairs out) for"
        reasons[reason] = name_items(stack.labels, items_of_pairs(pairs, stack.n_items))
    if n_subjects == 1:
        return reasons
    few = np.array([cell.shape[1] < 2 for cell in cells])
    bad = np.stack([undefined_rows(cell, method) if cell.shape[1] else few[[0] * n_subjects] for cell in cells], axis=1)
    bad = bad & ~few
    kind = "zero" if method == "cosine" else "equal"
    reasons[f"{method} is undefined for RDMs whose values are all {kind}"] = name_rdms(stack, np.flatnonzero(bad))
    explained = bad.any(axis=0) | few
    if nan_policy != "omit":
        explained |= missing.any(axis=(0, 2))
    opposed = np.isnan(bounds).any(axis=(0, 1)) & ~explained
    reasons["fewer than two item pairs are free of NaN in all subjects"] = _name_cells(stack, few)
    reasons["subjects cancel out, so that their mean is constant"] = _name_cells(stack, opposed)
    return reasons


def _name_cells(stack: RDM, which: BoolArray) -> list[str]:
    return name_rdms(stack.isel(**{stack.dims[0]: 0}), np.flatnonzero(which))


def _ceiling(
    rows: FloatArray, method: str, pooling: str, n_bootstrap: int, confidence: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return (lower, upper) per subject, shape (2, subject), and their intervals, shape (2, 2)."""
    n = len(rows)
    unknown = np.full((2, 2), np.nan)
    if n == 1 or rows.shape[1] < 2 or np.isnan(rows).any():
        return np.full((2, n), np.nan), unknown
    scaled = _to_scale(rows, method, pooling)
    prepared = METHODS[method].prepare(rows, "auto")
    bounds = _bounds(scaled, prepared, np.ones(n, dtype=np.int64), method)
    if n_bootstrap == 0 or n == 2 or np.isnan(bounds).any():
        return bounds, unknown
    draws = np.full((n_bootstrap, 2), np.nan)
    for draw in draws:
        multiplicity = np.bincount(rng.integers(n, size=n), minlength=n)
        drawn = np.flatnonzero(multiplicity)
        if len(drawn) > 1:
            draw[:] = _bounds(scaled[drawn], prepared[drawn], multiplicity[drawn], method).mean(axis=1)
    if not np.isfinite(draws).any(axis=0).all():
        return bounds, unknown
    tail = (1 - confidence) / 2
    # a resample holds fewer different subjects, which lowers one bound and raises the other: that shift is taken out
    shift = bounds.mean(axis=1) - np.nanmean(draws, axis=0)
    return bounds, (np.nanquantile(draws, [tail, 1 - tail], axis=0) + shift).T


def _to_scale(rows: FloatArray, method: str, pooling: str) -> FloatArray:
    if pooling == "raw":
        return rescale(rows, (-2, -1))[0]  # sums over subjects then stay within range
    return midranks(rows) if method in RANK_METHODS else standardise(rows, centred=method == "pearson")


def _bounds(scaled: FloatArray, prepared: FloatArray, multiplicity: IntArray, method: str) -> FloatArray:
    """Return the (2, subject) bounds of different subjects that were drawn ``multiplicity`` times each."""
    weights = multiplicity.astype(np.float64)
    total = weights @ scaled
    # copies of one subject leave together
    pooled = np.vstack([total, total - weights[:, None] * scaled])
    _flatten_rounding(pooled, weights @ np.abs(scaled).max(axis=-1), method)
    kind = METHODS[method]
    everyone, *others = kind.prepare(pooled, "auto")
    lower = [kind.product(rest[None], own[None], "auto")[0, 0] for rest, own in zip(others, prepared, strict=True)]
    return np.stack([np.array(lower), kind.product(everyone[None], prepared, "auto")[0]])


def _flatten_rounding(pooled: FloatArray, magnitude: float, method: str) -> None:
    # subjects that cancel out leave nothing but rounding, which has ranks and a direction, but no meaning
    limit = 4 * np.finfo(np.float64).eps * magnitude
    if method == "cosine":
        pooled[np.abs(pooled).max(axis=-1) <= limit] = 0.0
    else:
        pooled[pooled.max(axis=-1) - pooled.min(axis=-1) <= limit] = 0.0
