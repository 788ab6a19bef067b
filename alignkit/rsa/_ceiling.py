"""Noise ceilings: how well any model could do, given how far people agree."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import NanPolicy, check_count, check_fraction, check_nan_policy
from alignkit._random import spawn
from alignkit._result import Result, as_float_or_array
from alignkit._typing import FloatArray, RNGLike
from alignkit.rsa._axes import axis_columns
from alignkit.rsa._ceiling_bootstrap import bootstrap_bounds, shifted_intervals
from alignkit.rsa._compare import as_list
from alignkit.rsa._matrix_methods import SENTENCES
from alignkit.rsa._nan import report_all
from alignkit.rsa._pooling import (
    Pooling,
    PoolingMethod,
    check_pooling,
    checked_sigma_k,
    describe_pooling,
    pooling_note,
)
from alignkit.rsa._pools import Pool
from alignkit.rsa._subjects import each_pool, stack_of, valid_pairs, why_undefined

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_FEW = {
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
        What to know about one or two subjects, or about a mean RDM that is a heuristic; otherwise empty.
    sigma_k : {"", "identity", "variances", "covariance"}
        What the whitened methods took the errors of the items to be.
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
    sigma_k: str = ""

    def __post_init__(self) -> None:
        as_float_or_array(self, "lower", "upper")

    def __repr__(self) -> str:
        bounds = ", ".join(
            _show(name, getattr(self, name), getattr(self, f"{name}_interval")) for name in ("lower", "upper")
        )
        note = f"; {self.note}" if self.note else ""
        return f"<NoiseCeiling {bounds}; {self.method}, {self.pooling} pooling, {self.n_subjects} subject(s){note}>"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per subject (and further index): the axes, lower, upper, method, pooling."""
        import pandas as pd

        columns = axis_columns(self.dims, self.coords, self.lower_per_subject.shape)
        return pd.DataFrame(
            {**columns, "lower": self.lower_per_subject.ravel(), "upper": self.upper_per_subject.ravel()}
        ).assign(method=self.method, pooling=self.pooling)

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        interval = (
            f"; {self.confidence:.0%} intervals by bootstrap over subjects ({self.n_bootstrap:,} resamples)"
            if self.n_bootstrap
            else ""
        )
        return (
            f"Noise ceilings ({self.n_subjects} subjects, {SENTENCES[self.method]}): subjects' RDMs were "
            f"{describe_pooling(self.method, self.pooling)}; the "
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


def noise_ceiling(
    rdms: object,
    /,
    *,
    method: PoolingMethod = "spearman",
    pooling: Pooling = "rank",
    sigma_k: object = None,
    dim: str | None = None,
    nan_policy: NanPolicy = "propagate",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    progress: bool = False,
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
        Any method of :func:`compare` but the Bures ones, whose mean RDM has no closed form (rsatoolbox refuses them as
        well).
    pooling : {"rank", "raw", "rsatoolbox"}
        How subjects are averaged. ``"rank"``: on the scale that the method sees: mean ranks (and ranked again) for rank
        methods, z-scores for pearson, unit root mean square for cosine, unit length after whitening for the whitened
        methods. No other RDM has a larger mean similarity to the subjects (for spearman and rho-a but for the ties of
        the mean; for Kendall's tau it is a heuristic). ``"rsatoolbox"``: the same, but the whitened methods average
        without whitening, as its inference module does; the upper bound is then a little lower. ``"raw"``: the plain
        mean, as in Net2Brain and brain-score (both bounds come out a little lower).
    sigma_k : array_like, shape (items,) or (items, items), optional
        Variances or covariance of the items' pattern estimates for the whitened methods, as in :func:`compare`.
    dim : str, optional
        Name of the subjects' axis; by default ``"subject"``, else the only leading axis.
    nan_policy : {"propagate", "omit", "raise"}
        NaN in any subject: give NaN (and one warning), leave those item pairs out for all, or raise. Subjects whose
        RDM is constant (cosine methods: zero), or who cancel out, give NaN or raise.
    n_bootstrap : int
        Resamples of subjects for the intervals; 0 for none. Resamples of one subject alone have no bounds and are
        left out.
    confidence : float
        Level of the percentile intervals.
    progress : bool
        Show a progress bar with the time left while resampling.
    rng : numpy Generator, int or None
        Seed of the bootstrap.

    Returns
    -------
    NoiseCeiling

    Raises
    ------
    ValueError
        No subjects' axis, or one that cannot be told; unknown options; a method without a mean RDM; NaN under
        ``nan_policy="raise"``.
    TypeError
        Values that are not real numbers.

    Notes
    -----
    For the pearson and cosine methods, whitened or not, everything follows from the products of the subjects' RDMs, so
    that a resample costs nothing that grows with the items; rank methods rank one mean RDM per subject and resample.
    The numbers are the same for any number of threads.

    Other ceilings: Net2Brain squares every subject's similarity first, which loses its sign:
    ``np.mean(ceiling.lower_per_subject ** 2)`` with ``pooling="raw"``. brain-score divides scores by the upper bound
    with ``pooling="raw"``; its split-half ceilings are those of :func:`split_half`.

    References
    ----------
    Nili et al. (2014), doi:10.1371/journal.pcbi.1003553; whitening: Diedrichsen et al. (2020), arXiv:2007.02789.

    Examples
    --------
    >>> import numpy as np
    >>> people = np.array([[1.0, 2, 3, 4, 5, 6], [2.0, 1, 3, 4, 5, 6], [1.0, 2, 3, 5, 4, 6]])
    >>> ceiling = noise_ceiling(people, n_bootstrap=0)
    >>> round(ceiling.lower, 3), round(ceiling.upper, 3)
    (0.942, 0.962)
    """
    from tqdm import tqdm

    check_pooling(method, pooling)
    check_nan_policy(nan_policy)
    check_count("n_bootstrap", n_bootstrap)
    check_fraction("confidence", confidence)
    stack = stack_of(rdms, dim, "a noise ceiling")
    sigma, sigma_kind = checked_sigma_k(sigma_k, method, stack.n_items)
    n_subjects, *others = stack.shape
    rows = stack.values.reshape(n_subjects, -1, stack.n_pairs)
    valid = valid_pairs(rows, nan_policy)
    bounds = np.full((2, n_subjects, len(valid)), np.nan)
    intervals = np.full((2, 2, len(valid)), np.nan)
    generators = spawn(rng, len(valid))
    n_drawn = n_bootstrap if n_subjects > 2 else 0

    def ceiling(cell: int, pool: Pool) -> None:
        own = pool.bounds(np.ones((1, n_subjects)))[0]
        bounds[..., cell] = own
        if n_drawn and not np.isnan(own).any():
            means = bootstrap_bounds(pool, n_subjects, n_drawn, generators[cell], bar.update)
            intervals[..., cell] = shifted_intervals(means, own.mean(axis=1), confidence)

    with tqdm(total=n_drawn * len(valid), desc="resamples", disable=not (progress and n_drawn)) as bar:
        if n_subjects > 1:
            each_pool(rows, valid, method, pooling, sigma, ceiling)
    undefined = np.isnan(bounds).any(axis=(0, 1))
    report_all(why_undefined(stack, valid, undefined, method, nan_policy), nan_policy)
    lower, upper = bounds.reshape(2, n_subjects, *others)
    intervals = intervals.reshape(2, 2, *others)
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
        n_pairs=int(valid.sum(axis=1).min()),
        confidence=confidence,
        n_bootstrap=n_drawn,
        note=" ".join(filter(None, [_FEW.get(n_subjects, ""), pooling_note(method, pooling)])),
        sigma_k=sigma_kind,
    )
