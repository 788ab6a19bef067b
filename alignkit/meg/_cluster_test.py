"""Cluster mass over time: whether there is an effect somewhere, by sign flips of subjects."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_positive, counted
from alignkit._typing import FloatArray, IntArray, RNGLike
from alignkit.meg._flip_test import flip_test
from alignkit.meg._neighbours import components, neighbour_lists, neighbours
from alignkit.meg._read_curves import adjacency_of
from alignkit.meg._time_test import TimeTest
from alignkit.rsa._sign_flips import Statistic, Tail, corrected_p

if TYPE_CHECKING:
    import pandas as pd

#: Share of samples beyond the threshold where there is nothing, for ``threshold=None``.
_FORMING = 0.05


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class ClusterTest(TimeTest):
    """Clusters of neighbouring samples beyond a threshold, and how often sign flips make heavier ones.

    What is tested is whether there is an effect at all. When it starts, how long it lasts and which sensors show it are
    not: a significant cluster does not say that each of its samples is (Sassenhagen and Draschkow, 2019,
    doi:10.1111/psyp.13335). For onsets see :func:`onset`; for single samples :func:`max_test`.

    Attributes
    ----------
    statistic : ndarray, shape (..., time)
        t or mean over subjects; NaN where a subject is NaN or all are equal.
    p : ndarray, same shape
        Of each sample by itself, by the same flips, not corrected.
    p_corrected : ndarray, same shape
        That of the sample's cluster, 1 outside clusters: corrected for all clusters, not for samples.
    significant : ndarray of bool, same shape
        Samples in clusters with p <= ``alpha``.
    times : ndarray, shape (time,)
        Seconds, or sample numbers where none were given.
    dims : tuple of str
        Names of the axes of ``statistic``.
    coords : dict
        Coordinates of the axes other than time.
    test : {"t", "mean"}
        What the statistic is.
    tail : {"two-sided", "greater", "less"}
        Which values are extreme.
    popmean : float
        Value tested against.
    alpha : float
        Level of ``significant``.
    n_subjects : int
        Subjects.
    n_permutations : int
        Sign flips taken.
    exact : bool
        Whether these are all that there are.
    null : ndarray, shape (n_permutations,), or None
        Mass of the heaviest cluster of every flip; None when read back from a file too small for it.
    note : str
        What to know about the numbers; otherwise empty.
    labels : ndarray of int, same shape as ``statistic``
        Number of the cluster that a sample is in, from 1; 0 for none.
    mass : ndarray, shape (clusters,)
        Sum of the statistic over each cluster.
    p_cluster : ndarray, shape (clusters,)
        Share of the flips whose heaviest cluster is at least as heavy.
    threshold : float
        What the statistic has to exceed, in size, to be in a cluster.
    """

    labels: np.ndarray[Any, np.dtype[np.int64]]
    mass: np.ndarray[Any, np.dtype[np.float64]]
    p_cluster: np.ndarray[Any, np.dtype[np.float64]]
    threshold: float

    def _title(self) -> str:
        return "Cluster test"

    def _found(self) -> str:
        n, found = len(self.mass), int((self.p_cluster <= self.alpha).sum())
        return (
            f", {found} of {counted(n, 'cluster')} significant ({self._statistic()} beyond {self.threshold:.4g}; "
            "says nothing about onsets or extents)"
        )

    def _columns(self) -> Mapping[str, np.ndarray[Any, Any]]:
        return {"cluster": self.labels}

    def clusters(self) -> pd.DataFrame:
        """Return one row per cluster: mass, p, samples, first and last time, and where the statistic is largest.

        The times describe the cluster. They are no estimates of when an effect starts or ends.
        """
        import pandas as pd

        rows = []
        for k, (mass, p) in enumerate(zip(self.mass, self.p_cluster, strict=True), start=1):
            inside = self.labels == k
            within = self.times[np.nonzero(inside)[-1]]
            peak = np.nanargmax(np.where(inside, np.abs(self.statistic), np.nan))
            at = self.times[np.unravel_index(peak, self.labels.shape)[-1]]
            rows.append((k, mass, p, p <= self.alpha, int(inside.sum()), within.min(), within.max(), at))
        names = ["cluster", "mass", "p", "significant", "n_samples", "first_time", "last_time", "peak_time"]
        return pd.DataFrame(rows, columns=names)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        form = (
            f"Neighbouring samples with {'|' if self.tail == 'two-sided' else ''}{self._statistic()}"
            f"{'|' if self.tail == 'two-sided' else ''} {'below -' if self.tail == 'less' else 'above '}"
            f"{self.threshold:.4g} formed clusters, whose mass is the sum of the statistic; the heaviest cluster of "
            "every flip gave p-values corrected for multiple tests (Maris and Oostenveld, 2007)"
        )
        caveat = "Clusters license no claim about when an effect starts or how far it extends"
        return f"{self._tested()}. {form}. {caveat} (Sassenhagen and Draschkow, 2019)."


def cluster_test(
    curves: object,
    /,
    *,
    popmean: float = 0.0,
    statistic: Statistic = "t",
    threshold: float | None = None,
    tail: Tail = "two-sided",
    n_permutations: int = 10_000,
    adjacency: object = None,
    times: object = None,
    model: str | int | None = None,
    alpha: float = 0.05,
    progress: bool = False,
    rng: RNGLike = None,
) -> ClusterTest:
    r"""Test curves of subjects for an effect at any time: cluster mass under sign flips.

    Samples beyond the threshold that touch, and have one sign, are a cluster; its mass is the sum of their statistics.
    Where there is nothing, each subject's curve might as well have the opposite sign: the heaviest cluster of every
    flip is what chance makes. It says nothing about onsets or extents: see :class:`ClusterTest`.

    Parameters
    ----------
    curves : TimeCourse, TemporalGeneralization, Searchlight or array_like, shape (subjects, ..., times)
        One curve per subject, or a map (times by times, channels by times). To compare two conditions or models, pass
        the subjects' differences.
    popmean : float
        Value tested against (0.5 for accuracies of two classes).
    statistic : {"t", "mean"}
        What is computed over subjects.
    threshold : float, optional
        What the statistic has to exceed, in the tail's direction; a positive number. By default the t with p = .05
        (two-sided: .05 in both tails together).
    tail : {"two-sided", "greater", "less"}
        Which values are extreme.
    n_permutations : int
        Random sign flips; where there are no more patterns (two-sided half of 2 ** subjects), each is taken once and
        the test is exact.
    adjacency : array_like or sparse matrix, shape (channels, channels), optional
        Which channels touch, for curves of shape (subjects, channels, times), as ``mne.channels.find_ch_adjacency``
        gives it (a searchlight has its own); or, of shape (cells, cells), which cells do. Otherwise neighbours along
        every axis touch.
    times : array_like, shape (times,), optional
        Seconds; a time course has its own.
    model : str or int, optional
        Which model of a time course or searchlight.
    alpha : float
        Level at which clusters are called significant.
    progress : bool
        Show a progress bar with the time left.
    rng : numpy Generator, int or None
        Seed of the flips.

    Returns
    -------
    ClusterTest

    Raises
    ------
    ValueError
        Fewer than two subjects, a subject without values, infinite values, no threshold for means, or options that do
        not fit.
    TypeError
        Values that are not real numbers.

    Notes
    -----
    .. math:: p = \frac{b + 1}{m + 1}

    for b of m random flips whose heaviest cluster is at least as heavy; b / m for all patterns, which hold the observed
    one. Times at which a subject is NaN or all are equal are in no cluster (one warning names them). Five subjects have
    16 two-sided patterns, so that no p is below .0625: a warning says so.

    Clusters and masses are those of ``mne.stats.permutation_cluster_1samp_test``, and so are two-sided exact p-values.
    One-sided, MNE 1.13 counts the observed pattern twice and leaves out the one that flips everybody, so that its
    exact p may differ by one pattern. The numbers are the same for any number of threads.

    References
    ----------
    Maris and Oostenveld (2007), doi:10.1016/j.jneumeth.2007.03.024; Phipson and Smyth (2010),
    doi:10.2202/1544-6115.1585; what clusters do not say: Sassenhagen and Draschkow (2019), doi:10.1111/psyp.13335.

    Examples
    --------
    >>> import numpy as np
    >>> curves = np.random.default_rng(0).normal(size=(10, 50))
    >>> curves[:, 20:30] += 2
    >>> found = cluster_test(curves, tail="greater")
    >>> found.exact, float(found.p_cluster.min())
    (True, 0.0009765625)
    """
    adjacency = adjacency_of(curves, adjacency)
    test = flip_test(
        curves,
        popmean=popmean,
        statistic=statistic,
        tail=tail,
        n_permutations=n_permutations,
        times=times,
        model=model,
        alpha=alpha,
        rng=rng,
        channels=adjacency is not None,
    )
    values, side = test.values, test.side
    limit = _threshold(threshold, statistic, tail, len(test.curves.x))
    pairs = neighbours(test.curves.shape, adjacency)
    labels = components(_beyond(values, limit, side), pairs)
    mass = np.bincount(labels, weights=values)[1:].astype(np.float64)
    own = test.directed(mass)
    line = len(test.curves.shape) == 1 and adjacency is None
    lists = None if line else neighbour_lists(pairs, values.size, both=False)

    def largest(maps: FloatArray) -> FloatArray:
        from alignkit.meg._kernels_maps import largest_mass

        return largest_mass(maps, limit, side, lists)

    flips = test.flip(own, largest, progress=progress)
    p = corrected_p(own, flips.largest, exact=flips.exact)
    corrected = np.concatenate([[1.0], p])[labels]
    corrected[np.isnan(values)] = np.nan
    labels = labels.reshape(test.curves.shape)
    return ClusterTest(**test.fields(flips, corrected), labels=labels, mass=mass, p_cluster=p, threshold=limit)


def _threshold(threshold: float | None, statistic: Statistic, tail: Tail, n_subjects: int) -> float:
    if threshold is not None:
        return check_positive("threshold", threshold)
    if statistic == "mean":
        msg = "a mean has no threshold of its own; pass threshold= (in the curves' units), or use statistic='t'."
        raise ValueError(msg)
    from scipy.stats import t as student

    return float(student.isf(_FORMING / (2 if tail == "two-sided" else 1), n_subjects - 1))


def _beyond(values: FloatArray, threshold: float, side: int) -> IntArray:
    """Return 1 where values exceed the threshold, -1 where they are below its negative, as the side asks; else 0."""
    return (values > threshold).astype(np.int64) * (side >= 0) - (values < -threshold).astype(np.int64) * (side <= 0)
