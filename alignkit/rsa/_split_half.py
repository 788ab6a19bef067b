"""Split-half reliability of RDMs, corrected to all subjects by Spearman and Brown."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import NanPolicy, check_count, check_fraction, check_nan_policy
from alignkit._random import as_rng
from alignkit._result import Result, as_float_or_array
from alignkit._typing import BoolArray, FloatArray, RNGLike
from alignkit.rsa._axes import axis_columns
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
from alignkit.rsa._pools import Pool, in_parts
from alignkit.rsa._similarity_methods import RANK_METHODS
from alignkit.rsa._subjects import each_pool, stack_of, undefined_subjects, valid_pairs, why_undefined

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class SplitHalf(Result):
    """How alike the mean RDMs of two halves are, and what follows for the mean of all.

    Attributes
    ----------
    reliability : float or ndarray, shape (...)
        ``similarity``, corrected to the size of all by Spearman and Brown; an array when the RDMs have further axes
        (time).
    similarity : float or ndarray, shape (...)
        Mean over splits of the similarity of the two halves, uncorrected.
    interval : ndarray, shape (2, ...)
        Corrected percentiles over splits: how much the choice of the halves matters, not how much other subjects
        would differ.
    similarities : ndarray, shape (split, ...)
        Similarity of the two halves of every split, uncorrected.
    n_negative : int
        Largest number of splits, over further axes, whose halves are less alike than chance: the correction has no
        meaning there, and leaves [-1, 1] below -1/3.
    dims : tuple of str
        Names of the axes of ``similarities``: splits, and further ones.
    coords : dict
        Coordinates of the further axes, as lists.
    over : str
        Name of the axis that was halved.
    sizes : tuple of int
        RDMs in each half.
    method, pooling : str
        How RDMs are compared, and how those of a half are averaged.
    n_splits : int
        Splits used.
    exact : bool
        Whether these are all that there are.
    n_items, n_pairs : int
        What it rests on; the smallest number of item pairs where it differs along further axes.
    confidence : float
        Level of ``interval``.
    note : str
        What to know about the numbers; otherwise empty.
    sigma_k : {"", "identity", "variances", "covariance"}
        What the whitened methods took the errors of the items to be.
    """

    reliability: float | np.ndarray[Any, np.dtype[np.float64]]
    similarity: float | np.ndarray[Any, np.dtype[np.float64]]
    interval: np.ndarray[Any, np.dtype[np.float64]]
    similarities: np.ndarray[Any, np.dtype[np.float64]]
    n_negative: int
    dims: tuple[str, ...]
    coords: dict[str, list[Any]]
    over: str
    sizes: tuple[int, int]
    method: str
    pooling: str
    n_splits: int
    exact: bool
    n_items: int
    n_pairs: int
    confidence: float
    note: str
    sigma_k: str = ""

    def __post_init__(self) -> None:
        as_float_or_array(self, "reliability", "similarity")

    def __repr__(self) -> str:
        note = f"; {self.note}" if self.note else ""
        return (
            f"<SplitHalf reliability {_show(self.reliability, self.interval)} (halves {_show(self.similarity)}); "
            f"{self.method}, {self.pooling} pooling, {self.n_splits} {'' if self.exact else 'random '}split(s) of "
            f"{sum(self.sizes)} {self.over}(s){note}>"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per split (and further index): the axes, similarity, corrected, method, pooling."""
        import pandas as pd

        columns = axis_columns(self.dims, self.coords, self.similarities.shape)
        values = self.similarities.ravel()
        return pd.DataFrame({**columns, "similarity": values, "corrected": corrected(values, self.sizes)}).assign(
            method=self.method, pooling=self.pooling
        )

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        which = f"all {self.n_splits:,} splits" if self.exact else f"{self.n_splits:,} random splits"
        formula = (
            "the Spearman-Brown formula"
            if self.sizes[0] == self.sizes[1]
            else "Horst's (1951) form of the Spearman-Brown formula for unequal halves"
        )
        convention = (
            ", which is derived for product-moment correlations and a convention for ranks"
            if self.method in RANK_METHODS
            else ""
        )
        return (
            f"Split-half reliability: over {which} of {sum(self.sizes)} {self.over}s into {self.sizes[0]} and "
            f"{self.sizes[1]}, RDMs of each half were {describe_pooling(self.method, self.pooling)}, the two means "
            f"compared by {SENTENCES[self.method]}, and the mean over splits was corrected by {formula}{convention}."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the corrected values of all splits: a histogram, or their band along one further axis (time)."""
        from alignkit.rsa._draw_inference import plot_split_half

        return plot_split_half(self, ax)


def _show(value: float | FloatArray, interval: FloatArray | None = None) -> str:
    if np.ndim(value):
        finite = np.asarray(value)[np.isfinite(value)]
        return f"{finite.min():.4f} to {finite.max():.4f}" if finite.size else "all NaN"
    shown = f"{float(value):.4f}"
    return shown if interval is None else f"{shown} [{float(interval[0]):.4f}, {float(interval[1]):.4f}]"


def split_half(
    rdms: object,
    /,
    *,
    method: PoolingMethod = "spearman",
    pooling: Pooling = "rank",
    sigma_k: object = None,
    dim: str | None = None,
    nan_policy: NanPolicy = "propagate",
    n_splits: int = 1000,
    confidence: float = 0.95,
    progress: bool = False,
    rng: RNGLike = None,
) -> SplitHalf:
    r"""Estimate the split-half reliability of the mean RDM of subjects, or of sessions.

    Subjects are halved, the RDMs of each half are averaged, and the two means are compared. The mean r over splits is
    corrected to the reliability of the mean of all: :math:`2r/(1+r)`.

    Parameters
    ----------
    rdms : RDM or array_like, shape (subject, ..., pairs) or (subject, ..., items, items)
        One RDM per subject (session, run); further axes (time) give one reliability each, over the same splits.
    method : str
        Any method of :func:`compare` but the Bures ones, whose mean RDM has no closed form.
    pooling : {"rank", "raw", "rsatoolbox"}
        How the RDMs of a half are averaged, as in :func:`noise_ceiling`.
    sigma_k : array_like, shape (items,) or (items, items), optional
        Variances or covariance of the items' pattern estimates for the whitened methods, as in :func:`compare`.
    dim : str, optional
        Name of the axis that is halved; by default ``"subject"``, else the only leading axis.
    nan_policy : {"propagate", "omit", "raise"}
        NaN in any subject: give NaN (and one warning), leave those item pairs out for all, or raise. Subjects whose
        RDM is constant (cosine methods: zero), or who cancel out, give NaN or raise.
    n_splits : int
        Random splits; where there are no more than that, each is taken once and the result is exact.
    confidence : float
        Level of the percentile interval over splits.
    progress : bool
        Show a progress bar with the time left.
    rng : numpy Generator, int or None
        Seed of the splits.

    Returns
    -------
    SplitHalf

    Raises
    ------
    ValueError
        No subjects' axis, or one that cannot be told; unknown options; a method without a mean RDM; NaN under
        ``nan_policy="raise"``.
    TypeError
        Values that are not real numbers.

    Notes
    -----
    An odd number of subjects gives halves that differ by one, with the shares p and q of all; the correction is then
    Horst's, :math:`2r/(\sqrt{r^2+4pq(1-r^2)}+r)`, which for equal halves is the formula above.

    The formula is derived for product-moment correlations of means; for rank methods it is a convention. It has no
    meaning for r < 0: such values are given as the formula has them, counted and noted. brain-score corrects every
    split and averages the corrected values, which comes out a little lower: ``result.to_dataframe().corrected.mean()``
    (with ``pooling="raw"``).

    References
    ----------
    Spearman (1910), doi:10.1111/j.2044-8295.1910.tb00206.x; Brown (1910), doi:10.1111/j.2044-8295.1910.tb00207.x;
    Horst (1951), Educational and Psychological Measurement 11, 368-371.

    Examples
    --------
    >>> people = [[1.0, 2, 3, 4, 5, 6], [2.0, 1, 3, 4, 5, 6], [1.0, 2, 3, 5, 4, 6], [1.0, 2, 4, 3, 5, 6]]
    >>> result = split_half(people)
    >>> round(result.similarity, 3), round(result.reliability, 3), result.n_splits, result.exact
    (0.955, 0.977, 3, True)
    """
    from tqdm import tqdm

    check_pooling(method, pooling)
    check_nan_policy(nan_policy)
    check_count("n_splits", n_splits, 1)
    check_fraction("confidence", confidence)
    generator = as_rng(rng)
    stack = stack_of(rdms, dim, "a split into halves")
    sigma, sigma_kind = checked_sigma_k(sigma_k, method, stack.n_items)
    n, *others = stack.shape
    rows = stack.values.reshape(n, -1, stack.n_pairs)
    valid = valid_pairs(rows, nan_policy)
    first, exact = splits(n, n_splits, generator)
    values = np.full((len(first), len(valid)), np.nan)

    def compare_halves(cell: int, pool: Pool) -> None:
        values[:, cell] = in_parts(pool.halves, first, pool, bar.update)

    with tqdm(total=values.size, desc="splits", disable=not (progress and n > 1)) as bar:
        if n > 1:
            each_pool(rows, valid, method, pooling, sigma, compare_halves)
    # the mean of a half may have ranks although one of its subjects has none
    values[:, undefined_subjects(rows, valid, method).any(axis=0)] = np.nan
    report_all(why_undefined(stack, valid, np.isnan(values).any(axis=0), method, nan_policy), nan_policy)
    values = values.reshape(-1, *others)
    sizes = (n // 2, n - n // 2)
    tail = (1 - confidence) / 2
    n_negative = int((values < 0).reshape(len(values), -1).sum(axis=0).max())
    return SplitHalf(
        reliability=corrected(values.mean(axis=0), sizes),
        similarity=values.mean(axis=0),
        interval=corrected(np.quantile(values, [tail, 1 - tail], axis=0), sizes),
        similarities=values,
        n_negative=n_negative,
        dims=("split", *stack.dims[1:]),
        coords={name: as_list(x) for name, x in stack.coords.items() if name != stack.dims[0]},
        over=stack.dims[0],
        sizes=sizes,
        method=method,
        pooling=pooling,
        n_splits=len(first),
        exact=exact,
        n_items=stack.n_items,
        n_pairs=int(valid.sum(axis=1).min()),
        confidence=confidence,
        note=" ".join(filter(None, [*_notes(n, n_negative, len(first)), pooling_note(method, pooling)])),
        sigma_k=sigma_kind,
    )


def splits(n: int, n_splits: int, rng: np.random.Generator) -> tuple[BoolArray, bool]:
    """Return which of ``n`` are in the smaller half of each split, shape (splits, n), and whether that is all of them.

    Halves of equal size are told apart by who is in them: the first subject is always in the second.
    """
    size, even = n // 2, n % 2 == 0
    if math.comb(n, size) // (1 + even) <= n_splits:
        members = np.array(list(itertools.combinations(range(int(even), n), size)), dtype=np.int64)
    else:
        members = rng.random((n_splits, n)).argsort(axis=1, kind="stable")[:, :size]
    first = np.zeros((len(members), n), dtype=bool)
    np.put_along_axis(first, members.reshape(len(members), size), True, axis=1)
    return first, math.comb(n, size) // (1 + even) <= n_splits


def corrected(similarity: FloatArray, sizes: tuple[int, int]) -> FloatArray:
    """Return the reliability of the mean of both parts, given how alike the means of parts of these sizes are."""
    share = np.array(sizes) / sum(sizes)
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(similarity**2 + 4 * share.prod() * (1 - similarity**2))
        corrected = 2 * similarity / (root + similarity)
    # halves that are opposite
    return np.asarray(np.where(np.isinf(corrected), np.nan, corrected))


def _notes(n: int, n_negative: int, n_splits: int) -> list[str]:
    notes = []
    if n == 1:
        notes.append("There is nothing to halve.")
    if n_negative:
        notes.append(f"Up to {n_negative} of {n_splits} splits are negative, where the correction has no meaning.")
    return notes
