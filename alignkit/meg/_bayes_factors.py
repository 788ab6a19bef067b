"""Bayes factors over time: evidence for an effect, and evidence for none."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_positive, counted, shown
from alignkit.meg._drawn import Drawn
from alignkit.meg._jzs import log_bayes_factor
from alignkit.meg._read_curves import as_popmean, read_curves, report_cells
from alignkit.rsa._axes import axis_columns
from alignkit.rsa._sign_flips import observed_statistic

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_MEDIUM = 0.707


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class BayesFactors(Drawn):
    """Bayes factors at every time: how much likelier the data is with an effect than without.

    Each time is by itself: Bayes factors are not corrected for their number, and their course is no test of onsets.

    Attributes
    ----------
    bf10 : ndarray, shape (..., time)
        Likelihood of the data with an effect over that without; 0.1 says that none is ten times as likely. Infinite
        where it exceeds what a float holds; NaN where a subject is NaN or all are equal.
    log10_bf10 : ndarray, same shape
        Its logarithm, always finite.
    t : ndarray, same shape
        One-sample t.
    times : ndarray, shape (time,)
        Seconds, or sample numbers where none were given.
    dims : tuple of str
        Names of the axes.
    coords : dict
        Coordinates of the axes other than time.
    popmean : float
        Value that stands for no effect.
    prior_scale : float
        Scale of the Cauchy prior of the effect size.
    interval : tuple of float
        Effect sizes that count as an effect.
    n_subjects : int
        Subjects.
    """

    bf10: np.ndarray[Any, np.dtype[np.float64]]
    log10_bf10: np.ndarray[Any, np.dtype[np.float64]]
    t: np.ndarray[Any, np.dtype[np.float64]]
    times: np.ndarray[Any, np.dtype[np.float64]]
    dims: tuple[str, ...]
    coords: dict[str, list[Any]]
    popmean: float
    prior_scale: float
    interval: tuple[float | None, float | None]
    n_subjects: int

    def __repr__(self) -> str:
        logs = self.log10_bf10[np.isfinite(self.log10_bf10)]
        n, half = logs.size, np.log10(3.0)
        strong, none = int((logs > half).sum()), int((logs < -half).sum())
        unit = "samples" if self.t.ndim == 1 else "cells"
        return (
            f"<BayesFactors of {counted(self.n_subjects, 'subject')}: of {n} {unit}, {strong} with bf10 > 3 and {none} "
            f"with bf10 < 1/3; {self._prior()}>"
        )

    def _prior(self) -> str:
        low, high = (("-inf", "inf")[k] if end is None else f"{end:g}" for k, end in enumerate(self.interval))
        return f"Cauchy prior of scale {self.prior_scale:g} on effect sizes from {low} to {high}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per time (or cell): where it is, t, bf10, log10_bf10."""
        import pandas as pd

        columns = axis_columns(self.dims, {**self.coords, "time": self.times}, self.t.shape)
        columns |= {name: getattr(self, name).ravel() for name in ("t", "bf10", "log10_bf10")}
        return pd.DataFrame(columns).assign(n_subjects=self.n_subjects)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        return (
            f"Bayes factors of an effect over none (values of {counted(self.n_subjects, 'subject')} equal to "
            f"{self.popmean:g}) were computed at each time from the one-sample t statistic with the JZS prior (Rouder "
            f"et al., 2009): a {self._prior()}."
        )

    def _title(self) -> str:
        return "Bayes factors"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the logarithms over time, with 1/3 and 3 marked."""
        from alignkit.meg._draw_time_test import plot_bayes_factors

        return plot_bayes_factors(self, ax)


def bayes_factors(
    curves: object,
    /,
    *,
    popmean: float = 0.0,
    prior_scale: float = _MEDIUM,
    interval: tuple[float | None, float | None] = (None, None),
    times: object = None,
    model: str | int | None = None,
) -> BayesFactors:
    r"""Weigh at every time how much likelier curves of subjects are with an effect than without: JZS Bayes factors.

    Unlike a p-value, a Bayes factor can say that there is no effect (well below 1), or that the data does not tell
    (about 1).

    Parameters
    ----------
    curves : TimeCourse or array_like, shape (subjects, ..., times)
        One curve per subject, or a map. To compare two conditions or models, pass the subjects' differences.
    popmean : float
        Value that stands for no effect (0.5 for accuracies of two classes).
    prior_scale : float
        Scale of the Cauchy prior of the effect size (mean over standard deviation); half of all prior effects are
        smaller than that.
    interval : pair of float or None
        Effect sizes that count as an effect; None for no bound. ``(0, None)`` is one-sided. ``(0.5, None)`` leaves out
        small ones, which noise in decoding makes, as Teichmann et al. propose; they are compared with none all the
        same.
    times : array_like, shape (times,), optional
        Seconds; a time course has its own.
    model : str or int, optional
        Which model of a time course.

    Returns
    -------
    BayesFactors

    Raises
    ------
    ValueError
        Fewer than two subjects, a subject without values, infinite values, or an interval that holds nothing.
    TypeError
        Values that are not real numbers.

    Notes
    -----
    .. math:: BF_{10} = \frac{\int_a^b p(t \mid \delta \sqrt n, \nu)\, \pi(\delta)\, \mathrm{d}\delta}
        {p(t \mid 0, \nu)\, \int_a^b \pi(\delta)\, \mathrm{d}\delta}

    with p the density of the noncentral t with n - 1 degrees of freedom and pi the Cauchy density. Without bounds it is
    the integral of Rouder et al. (2009), and ``ttestBF`` of the R package BayesFactor; with bounds, the first of the
    two that ``ttestBF(..., nullInterval=c(a, b))`` gives. Its integrals are Gauss quadratures, good to nine digits, or
    to seven where t is above a million.

    References
    ----------
    Rouder et al. (2009), doi:10.3758/PBR.16.2.225; Morey and Rouder (2011), doi:10.1037/a0024377; over time: Teichmann
    et al. (2022), doi:10.52294/82179f90-eeb9-4933-adbe-c2a454577289.

    Examples
    --------
    >>> import numpy as np
    >>> curves = np.random.default_rng(0).normal(size=(20, 3))
    >>> curves[:, 1] += 0.6
    >>> bayes_factors(curves).bf10.round(1)
    array([ 0.2, 18.8,  0.4])
    """
    scale = check_positive("prior_scale", prior_scale)
    low, high = _interval(interval)
    middle = as_popmean(popmean)
    read = read_curves(curves, popmean=middle, times=times, model=model)
    t, constant = observed_statistic(read.x, "t")
    report_cells(read, constant)
    log = np.full(t.shape, np.nan)
    defined = ~np.isnan(t)
    log[defined] = log_bayes_factor(t[defined], len(read.x), scale, low, high)
    with np.errstate(over="ignore"):
        bf10 = np.exp(log)
    return BayesFactors(
        bf10=bf10.reshape(read.shape),
        log10_bf10=(log / np.log(10.0)).reshape(read.shape),
        t=t.reshape(read.shape),
        times=read.times,
        dims=read.dims,
        coords=read.coords,
        popmean=middle,
        prior_scale=scale,
        interval=(low if np.isfinite(low) else None, high if np.isfinite(high) else None),
        n_subjects=len(read.x),
    )


def _interval(interval: object) -> tuple[float, float]:
    """Return both bounds as numbers, infinite where there is none."""
    given = tuple(interval) if isinstance(interval, tuple | list) else ()
    number = (int, float, np.integer, np.floating)
    fits = len(given) == 2 and all(
        one is None or (isinstance(one, number) and not isinstance(one, bool)) for one in given
    )
    low, high = (
        (-np.inf if given[0] is None else float(given[0]), np.inf if given[1] is None else float(given[1]))
        if fits
        else (np.nan, np.nan)
    )
    if not low < high:
        msg = f"interval must be two effect sizes, the lower one first, or None for no bound; got {shown(interval)}."
        raise ValueError(msg)
    return low, high
