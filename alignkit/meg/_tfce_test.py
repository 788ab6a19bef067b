"""Threshold-free cluster enhancement: support from neighbouring times without a threshold to choose."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from alignkit._check import check_not_negative, check_positive
from alignkit._typing import FloatArray, RNGLike
from alignkit.meg._flip_test import flip_test
from alignkit.meg._neighbours import neighbour_lists, neighbours
from alignkit.meg._read_curves import adjacency_of
from alignkit.meg._time_test import TimeTest
from alignkit.rsa._sign_flips import Statistic, Tail, corrected_p

#: Steps that are summed one by one; from there on their sum is its expansion, exact to rounding.
_STEPS = 10_000


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class TfceTest(TimeTest):
    """Enhanced scores at every time, and how often the largest one of a sign flip exceeds them.

    A time's score has the support of its neighbours: that it is significant says that there is an effect around it,
    not that it starts there (Sassenhagen and Draschkow, 2019, doi:10.1111/psyp.13335).

    Attributes
    ----------
    statistic : ndarray, shape (..., time)
        t or mean over subjects; NaN where a subject is NaN or all are equal.
    p : ndarray, same shape
        Of each statistic by itself, by the same flips, not corrected.
    p_corrected : ndarray, same shape
        Of the enhanced score, corrected for all times.
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
        Largest score of every flip; None when read back from a file too small for it.
    note : str
        What to know about the numbers; otherwise empty.
    score : ndarray, same shape as ``statistic``
        Enhanced scores, with the sign of the statistic.
    e_power, h_power : float
        Powers of extent and height.
    step : float or None
        Step of the sum over heights; None for the integral.
    """

    score: np.ndarray[Any, np.dtype[np.float64]]
    e_power: float
    h_power: float
    step: float | None

    def _title(self) -> str:
        return "Threshold-free cluster enhancement"

    def _found(self) -> str:
        return " (supported by neighbours: says nothing about onsets or extents)"

    def _columns(self) -> Mapping[str, np.ndarray[Any, Any]]:
        return {"score": self.score}

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        how = "integrated over all heights" if self.step is None else f"summed in steps of {self.step:g}"
        return (
            f"{self._tested()}. Statistics were enhanced by the extent of their clusters (TFCE, E = {self.e_power:g}, "
            f"H = {self.h_power:g}, {how}; Smith and Nichols, 2009), and the largest score of every flip gave p-values "
            "corrected for multiple tests. They license no claim about when an effect starts or how far it extends "
            "(Sassenhagen and Draschkow, 2019)."
        )


def tfce_test(
    curves: object,
    /,
    *,
    popmean: float = 0.0,
    statistic: Statistic = "t",
    tail: Tail = "two-sided",
    e_power: float = 0.5,
    h_power: float = 2.0,
    step: float | None = None,
    n_permutations: int = 10_000,
    adjacency: object = None,
    times: object = None,
    model: str | int | None = None,
    alpha: float = 0.05,
    progress: bool = False,
    rng: RNGLike = None,
) -> TfceTest:
    r"""Test curves of subjects with threshold-free cluster enhancement under sign flips.

    A time's score adds up, over all heights below its statistic, how far the cluster around it extends at that height:
    low and wide effects and high and narrow ones are both found, and no threshold has to be chosen. It says nothing
    about onsets or extents.

    Parameters
    ----------
    curves : TimeCourse, TemporalGeneralization, Searchlight or array_like, shape (subjects, ..., times)
        One curve per subject, or a map (times by times, channels by times). To compare two conditions or models, pass
        the subjects' differences.
    popmean : float
        Value tested against (0.5 for accuracies of two classes).
    statistic : {"t", "mean"}
        What is computed over subjects.
    tail : {"two-sided", "greater", "less"}
        Which values are extreme.
    e_power, h_power : float
        Powers of extent (in samples) and height.
    step : float, optional
        Sum over heights in steps of this size, as other software does, in place of the exact integral.
    n_permutations : int
        Random sign flips; where there are no more patterns (two-sided half of 2 ** subjects), each is taken once and
        the test is exact.
    adjacency : array_like or sparse matrix, shape (channels, channels), optional
        Which channels touch, as for :func:`cluster_test` (a searchlight has its own); otherwise neighbours
        along every axis do.
    times : array_like, shape (times,), optional
        Seconds; a time course has its own.
    model : str or int, optional
        Which model of a time course or searchlight.
    alpha : float
        Level at which times are called significant.
    progress : bool
        Show a progress bar with the time left.
    rng : numpy Generator, int or None
        Seed of the flips.

    Returns
    -------
    TfceTest

    Raises
    ------
    ValueError
        Fewer than two subjects, a subject without values, infinite values, or options that do not fit.
    TypeError
        Values that are not real numbers.

    Notes
    -----
    .. math:: \mathrm{TFCE}(i) = \int_0^{T_i} e_i(h)^E\, h^H\, \mathrm{d}h

    with e_i(h) the number of samples in the cluster around i at threshold h. It is constant between two values of the
    map, so that the integral is a finite sum, taken in one pass from the highest sample down. With ``step`` it is
    :math:`\sum_k e_i(k\,s)^E (k\,s)^H s` over all k with k s < T_i, which is what MNE >= 1.13 computes from
    ``dict(start=0, step=s)`` (before, its extents were wrong for curves).

    References
    ----------
    Smith and Nichols (2009), doi:10.1016/j.neuroimage.2008.03.061; Phipson and Smyth (2010),
    doi:10.2202/1544-6115.1585.

    Examples
    --------
    >>> import numpy as np
    >>> curves = np.random.default_rng(0).normal(size=(10, 50))
    >>> curves[:, 20:30] += 3
    >>> np.flatnonzero(tfce_test(curves, tail="greater").significant)
    array([20, 21, 22, 23, 24, 25, 26, 27, 28, 29])
    """
    enhancement = _Enhancement(
        check_not_negative("e_power", e_power),
        check_not_negative("h_power", h_power),
        None if step is None else check_positive("step", step),
    )
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
    values = test.values
    lists = neighbour_lists(neighbours(test.curves.shape, adjacency), values.size, both=True)
    extents = np.arange(values.size + 1.0) ** enhancement.e_power

    def score(maps: FloatArray) -> FloatArray:
        from alignkit.meg._kernels_maps import enhance

        return enhance(maps, enhancement.heights(test.directed(maps)), extents, test.side, lists)

    own = np.where(np.isnan(values), np.nan, score(values[None])[0])
    flips = test.flip(own, lambda maps: score(maps).max(axis=1), progress=progress)
    signed = (own * np.sign(values)).reshape(test.curves.shape)
    corrected = corrected_p(own, flips.largest, exact=flips.exact)
    return TfceTest(**test.fields(flips, corrected), score=signed, **dataclasses.asdict(enhancement))


@dataclasses.dataclass(frozen=True, slots=True)
class _Enhancement:
    """The two powers and the step over heights."""

    e_power: float
    h_power: float
    step: float | None

    def heights(self, values: FloatArray) -> FloatArray:
        """Return the integral (or sum) of h ** H from 0 to each value; 0 for values that are not positive."""
        positive = np.where(values > 0, values, 0.0)
        power = self.h_power
        if self.step is None:
            return positive ** (power + 1) / (power + 1)
        # steps strictly below the value; infinite values have no number of steps
        finite = np.where(np.isfinite(positive), positive, 0.0)
        n_steps = np.maximum(np.ceil(finite / self.step) - 1, 0.0)
        table = np.cumsum(np.arange(min(n_steps.max(initial=0.0), _STEPS) + 1.0) ** power)
        table -= table[0] if power == 0 else 0.0
        total = table[np.minimum(n_steps, len(table) - 1).astype(np.int64)]
        beyond = n_steps > len(table) - 1
        total[beyond] += _sum_of_powers(n_steps[beyond], power) - _sum_of_powers(len(table) - 1.0, power)
        return np.where(np.isinf(positive), np.inf, total * self.step ** (power + 1))


def _sum_of_powers(k: Any, power: float) -> Any:
    """Return the sum of j ** power over j = 1..k but for a constant, by Euler and Maclaurin's formula."""
    return k ** (power + 1) / (power + 1) + k**power / 2 + power * k ** (power - 1) / 12
