"""Noise ceilings: how well any model could do, given how far people agree."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from alignkit._check import NanPolicy, check_choice, check_count, check_fraction, check_nan_policy
from alignkit._random import as_rng
from alignkit._result import Result
from alignkit._typing import FloatArray, IntArray, RNGLike
from alignkit.rsa._container import RDM, as_rdm
from alignkit.rsa._nan import name_items, report_undefined
from alignkit.rsa._rank import midranks
from alignkit.rsa._similarity_methods import METHODS, RANK_METHODS, Method, standardise

if TYPE_CHECKING:
    import pandas as pd

Pooling = Literal["rank", "raw"]
_NOTES = {
    1: "One subject: there is nobody to compare with, so that no ceiling is defined.",
    2: "Two subjects: the lower bound is their one similarity, and the upper bound is loose (each is half the mean).",
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
        Percentile bootstrap over subjects; NaN where it was not computed. Copies of one subject leave together.
    method, pooling : str
        How RDMs are compared, and how subjects are averaged.
    n_subjects, n_items, n_pairs : int
        What it rests on.
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
    method: str
    pooling: str
    n_subjects: int
    n_items: int
    n_pairs: int
    confidence: float
    n_bootstrap: int
    note: str

    def __repr__(self) -> str:
        def show(name: str, value: Any, interval: FloatArray) -> str:
            if np.ndim(value):
                return f"{name} {np.nanmin(value):.4f} to {np.nanmax(value):.4f}"
            low, high = interval
            return f"{name} {float(value):.4f}" + (f" [{low:.4f}, {high:.4f}]" if np.isfinite(low) else "")

        bounds = f"{show('lower', self.lower, self.lower_interval)}, {show('upper', self.upper, self.upper_interval)}"
        note = f"; {self.note}" if self.note else ""
        return f"<NoiseCeiling {bounds}; {self.method}, {self.pooling} pooling, {self.n_subjects} subjects{note}>"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per subject (and further index): subject, lower, upper."""
        import pandas as pd

        subjects, *others = np.indices(self.lower_per_subject.shape).reshape(self.lower_per_subject.ndim, -1)
        columns: dict[str, Any] = {"subject": subjects, **{f"axis_{k}": index for k, index in enumerate(others)}}
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
        return (
            f"Noise ceilings ({self.n_subjects} subjects, {self.method}): subjects' RDMs were {pooled}; the upper "
            "bound is the mean similarity of each subject to the average of all, the lower bound to that of all others "
            f"(Nili et al., 2014); {self.confidence:.0%} intervals by bootstrap over subjects "
            f"({self.n_bootstrap} resamples)."
        )


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
        ``"omit"`` leaves out the item pairs that are NaN in any subject.
    n_bootstrap : int
        Resamples of subjects for the intervals; 0 for none.
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
    (0.914, 0.962)
    """
    check_choice("method", method, tuple(METHODS))
    check_choice("pooling", pooling, ("rank", "raw"))
    check_nan_policy(nan_policy)
    check_count("n_bootstrap", n_bootstrap)
    check_fraction("confidence", confidence)
    stack = as_rdm("rdms", rdms)
    axis = _subject_axis(stack, dim)
    values = np.moveaxis(stack.values, axis, 0)
    n_subjects, others = values.shape[0], values.shape[1:-1]
    cells = np.moveaxis(values.reshape(n_subjects, -1, stack.n_pairs), 1, 0)
    _report_nan(stack, nan_policy)
    generators = as_rng(rng).spawn(len(cells))
    ceilings = [
        _ceiling(_usable(cell, nan_policy), method, pooling, n_bootstrap, confidence, generator)
        for cell, generator in zip(cells, generators, strict=True)
    ]
    per_subject = np.stack([c[0] for c in ceilings], axis=-1).reshape(2, n_subjects, *others)
    intervals = np.stack([c[1] for c in ceilings], axis=-1).reshape(2, 2, *others)
    lower, upper = per_subject.mean(axis=1)
    return NoiseCeiling(
        lower=lower if others else float(lower),
        upper=upper if others else float(upper),
        lower_per_subject=per_subject[0],
        upper_per_subject=per_subject[1],
        lower_interval=intervals[0],
        upper_interval=intervals[1],
        method=method,
        pooling=pooling,
        n_subjects=n_subjects,
        n_items=stack.n_items,
        n_pairs=min(_usable(cell, nan_policy).shape[1] for cell in cells),
        confidence=confidence,
        n_bootstrap=n_bootstrap if n_subjects > 2 else 0,
        note=_NOTES.get(n_subjects, ""),
    )


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


def _report_nan(stack: RDM, nan_policy: NanPolicy) -> None:
    pairs = np.isnan(stack.values).reshape(-1, stack.n_pairs).any(axis=0)
    if pairs.any() and nan_policy != "omit":
        rows, columns = np.triu_indices(stack.n_items, k=1)
        items = np.unique(np.r_[rows[pairs], columns[pairs]])
        reason = "rdms holds NaN (nan_policy='omit' leaves those pairs out) for"
        report_undefined(reason, name_items(stack.labels, items.tolist()), nan_policy, stacklevel=4)


def _usable(cell: FloatArray, nan_policy: NanPolicy) -> FloatArray:
    if nan_policy != "omit":
        return cell
    return cell[:, ~np.isnan(cell).any(axis=0)]


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
    if n_bootstrap == 0 or n == 2:
        return bounds, unknown
    draws = np.full((n_bootstrap, 2), np.nan)
    for draw in draws:
        multiplicity = np.bincount(rng.integers(n, size=n), minlength=n)
        if np.count_nonzero(multiplicity) > 1:
            draw[:] = (_bounds(scaled, prepared, multiplicity, method) * multiplicity).sum(axis=1) / n
    tail = (1 - confidence) / 2
    return bounds, np.nanquantile(draws, [tail, 1 - tail], axis=0).T


def _to_scale(rows: FloatArray, method: str, pooling: str) -> FloatArray:
    if pooling == "raw":
        return rows
    return midranks(rows) if method in RANK_METHODS else standardise(rows, centre=method == "pearson")


def _bounds(scaled: FloatArray, prepared: FloatArray, multiplicity: IntArray, method: str) -> FloatArray:
    """Return the (2, subject) bounds for subjects drawn ``multiplicity`` times (0 for the undrawn)."""
    drawn = np.flatnonzero(multiplicity)
    weights = multiplicity[drawn].astype(np.float64)
    total = weights @ scaled[drawn]
    # copies of one subject leave together
    pooled = np.vstack([total, total - weights[:, None] * scaled[drawn]])
    kind = METHODS[method]
    everyone, *others = kind.prepare(pooled, "auto")
    bounds = np.zeros((2, len(prepared)))
    bounds[1, drawn] = kind.product(everyone[None], prepared[drawn], "auto")[0]
    for subject, rest in zip(drawn, others, strict=True):
        bounds[0, subject] = kind.product(rest[None], prepared[subject][None], "auto")[0, 0]
    return bounds
