"""The largest statistic of all times: which times have an effect, by sign flips of subjects."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._typing import FloatArray, RNGLike
from alignkit.meg._flip_test import flip_test
from alignkit.meg._time_test import TimeTest
from alignkit.rsa._sign_flips import Statistic, Tail, corrected_p


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class MaxTest(TimeTest):
    """A statistic at every time, and how often the largest one of a sign flip exceeds it.

    Attributes
    ----------
    statistic : ndarray, shape (..., time)
        t or mean over subjects; NaN where a subject is NaN or all are equal.
    p : ndarray, same shape
        Of each time by itself, by the same flips, not corrected.
    p_corrected : ndarray, same shape
        Corrected for all times (family-wise error): each significant time is one by itself.
    significant : ndarray of bool, same shape
        Times with ``p_corrected`` <= ``alpha``.
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
        Largest statistic of every flip; None when read back from a file too small for it.
    note : str
        What to know about the numbers; otherwise empty.
    """

    def _title(self) -> str:
        return "Test of the largest statistic"

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        return (
            f"{self._tested()}; the largest statistic of all times in every flip gave p-values corrected for multiple "
            "tests (Nichols and Holmes, 2002)."
        )


def max_test(
    curves: object,
    /,
    *,
    popmean: float = 0.0,
    statistic: Statistic = "t",
    tail: Tail = "two-sided",
    n_permutations: int = 10_000,
    times: object = None,
    model: str | int | None = None,
    alpha: float = 0.05,
    progress: bool = False,
    rng: RNGLike = None,
) -> MaxTest:
    r"""Test curves of subjects at every time, corrected by the largest statistic under sign flips.

    Unlike a cluster, every time that this calls significant is so by itself, at a family-wise level of ``alpha``.

    Parameters
    ----------
    curves : TimeCourse, TemporalGeneralization, Searchlight or array_like, shape (subjects, ..., times)
        One curve per subject, or a map. To compare two conditions or models, pass the subjects' differences.
    popmean : float
        Value tested against (0.5 for accuracies of two classes).
    statistic : {"t", "mean"}
        What is computed over subjects.
    tail : {"two-sided", "greater", "less"}
        Which values are extreme.
    n_permutations : int
        Random sign flips; where there are no more patterns (two-sided half of 2 ** subjects), each is taken once and
        the test is exact.
    times : array_like, shape (times,), optional
        Seconds; a time course has its own.
    model : str or int, optional
        Which model of a time course.
    alpha : float
        Level at which times are called significant.
    progress : bool
        Show a progress bar with the time left.
    rng : numpy Generator, int or None
        Seed of the flips.

    Returns
    -------
    MaxTest

    Raises
    ------
    ValueError
        Fewer than two subjects, a subject without values, infinite values, or options that do not fit.
    TypeError
        Values that are not real numbers.

    Notes
    -----
    .. math:: p(t) = \frac{1 + \#\{\text{flips}: \max_s T_s \ge T_t\}}{m + 1}

    for m random flips; the plain share for all patterns, which hold the observed one. Two-sided it is
    ``mne.stats.permutation_t_test``; one-sided, MNE 1.13 still compares with the largest absolute value, which
    is stricter than it need be. Times at which a subject is NaN or all are equal are NaN (one warning names them).

    References
    ----------
    Nichols and Holmes (2002), doi:10.1002/hbm.1058; Phipson and Smyth (2010), doi:10.2202/1544-6115.1585.

    Examples
    --------
    >>> import numpy as np
    >>> curves = np.random.default_rng(0).normal(size=(10, 50))
    >>> curves[:, 20:22] += 3
    >>> np.flatnonzero(max_test(curves).significant)
    array([20, 21])
    """
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
    )
    tested = ~np.isnan(test.values)
    own = test.directed(test.values)

    def largest(maps: FloatArray) -> FloatArray:
        return test.directed(maps)[:, tested].max(axis=1, initial=-np.inf)

    flips = test.flip(own, largest, progress=progress)
    return MaxTest(**test.fields(flips, corrected_p(own, flips.largest, exact=flips.exact)))
