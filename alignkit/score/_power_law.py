"""Power laws of errors against samples seen, fitted to learning curves."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_float_array, check_count, check_finite
from alignkit._plot import new_axes
from alignkit._result import Result
from alignkit._typing import FloatArray
from alignkit.rsa._intervals import check_bootstrap, percentile_bounds

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Less spread of log samples than this, in a resample, is rounding: it has one point only.
_NO_SPREAD = 1e-12


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class PowerLaw(Result):
    """The law ``error = a * samples ** -b``.

    Attributes
    ----------
    a, b : float
        Error at one sample, as far as the law goes, and the exponent: positive where errors fall.
    a_low, a_high, b_low, b_high : float
        Their bootstrap intervals.
    r2 : float
        Share of the variance of log errors (of their means over runs) that the law explains; NaN where they are all
        the same.
    over : str
        What was drawn again: ``"runs"`` or ``"points"``.
    n_points, n_runs : int
        Points of a curve, and curves.
    n_bootstrap : int
        Resamples behind the intervals.
    confidence : float
        Their level.
    samples, error : ndarray, shape (points,)
        What was fitted: samples seen, and errors (geometric means over runs).
    """

    a: float
    a_low: float
    a_high: float
    b: float
    b_low: float
    b_high: float
    r2: float
    over: str
    n_points: int
    n_runs: int
    n_bootstrap: int
    confidence: float
    samples: FloatArray
    error: FloatArray

    def __repr__(self) -> str:
        return (
            f"<PowerLaw error = {self.a:.4g} * samples ** -{self.b:.4f} [{self.b_low:.4f}, {self.b_high:.4f}], "
            f"R2 {self.r2:.4f}, {self.n_points} points, {self.n_runs} run(s), interval over {self.over}>"
        )

    def predict(self, samples: object) -> FloatArray:
        """Return the law's error at any numbers of samples above 0."""
        n = _as_positive("samples", samples)
        return np.asarray(self.a * n**-self.b)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per parameter: value, low, high."""
        import pandas as pd

        rows = [("a", self.a, self.a_low, self.a_high), ("b", self.b, self.b_low, self.b_high)]
        return pd.DataFrame(rows, columns=["parameter", "value", "low", "high"])

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        return (
            f"A power law, error = a * samples ** -b, was fitted by least squares in logarithms to {self.n_points} "
            f"points of {self.n_runs} run(s); {self.confidence:.0%} intervals are percentiles of "
            f"{self.n_bootstrap:,} bootstrap samples over {self.over}."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the points and the law on logarithmic axes."""
        ax = new_axes(ax)
        (points,) = ax.plot(self.samples, self.error, "o", markersize=4)
        grid = np.geomspace(self.samples.min(), self.samples.max(), 64)
        ax.plot(grid, self.predict(grid), color=points.get_color(), label=f"b = {self.b:.3f}")
        ax.set(xscale="log", yscale="log", xlabel="Samples seen", ylabel="Error")
        ax.legend(frameon=False)
        return ax


def fit_power_law(
    samples: object,
    error: object,
    /,
    *,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> PowerLaw:
    r"""Fit :math:`error = a \, n^{-b}` to errors at numbers of samples seen, by least squares in logarithms.

    .. math:: \min_{a, b} \sum_i (\log e_i - \log a + b \log n_i)^2

    Parameters
    ----------
    samples : array_like, shape (points,)
        Samples seen, above 0, at least two different numbers.
    error : array_like, shape (points,) or (runs, points)
        Errors above 0 (one less accuracy) of one run, or of several at the same points.
    n_bootstrap : int
        Resamples, of runs where there are several and else of points; 0 for no interval.
    confidence : float
        Level of the intervals.
    seed : int
        Seed of the resamples.

    Returns
    -------
    PowerLaw

    Raises
    ------
    ValueError
        Samples or errors that are not above 0, of other lengths, or one number of samples only.
    TypeError
        Samples or errors that are no numbers.

    Notes
    -----
    Checkpoints of one run are no independent points: an interval over them is too narrow. That over runs is right,
    given enough of them. The law has no floor; where errors approach one, fit the points before that.

    References
    ----------
    Kaplan et al. (2020), https://doi.org/10.48550/arXiv.2001.08361

    Examples
    --------
    >>> law = fit_power_law([1e3, 1e4, 1e5], [0.8, 0.4, 0.2], n_bootstrap=0)
    >>> round(law.b, 4), round(float(law.predict(1e6)), 4)
    (0.301, 0.1)
    """
    check_bootstrap(n_bootstrap, confidence)
    seed = check_count("seed", seed)
    n, e = _as_positive("samples", samples), _as_positive("error", error)
    if n.ndim != 1 or e.ndim not in (1, 2) or e.shape[-1:] != n.shape or len(np.unique(n)) < 2:
        msg = "samples and error must have one number for each point, at two or more different numbers of samples; got "
        msg += f"shapes {n.shape} and {e.shape}."
        raise ValueError(msg)
    x, y = np.log(n), np.atleast_2d(np.log(e))
    mean = y.mean(axis=0)
    intercept, slope = (float(one[0]) for one in _lines(x, mean[None], np.ones((1, len(x)))))
    drawn = _draw(x, y, n_bootstrap, np.random.default_rng(seed))
    (log_a_low, slope_low), (log_a_high, slope_high) = percentile_bounds(drawn, confidence)
    spread = ((mean - mean.mean()) ** 2).sum()
    left = ((mean - intercept - slope * x) ** 2).sum()
    return PowerLaw(
        a=float(np.exp(intercept)),
        a_low=float(np.exp(log_a_low)),
        a_high=float(np.exp(log_a_high)),
        b=-slope,
        b_low=-float(slope_high),
        b_high=-float(slope_low),
        r2=float(1 - left / spread) if spread > 0 else float("nan"),
        over="runs" if len(y) > 1 else "points",
        n_points=len(x),
        n_runs=len(y),
        n_bootstrap=n_bootstrap,
        confidence=confidence,
        samples=n,
        error=np.exp(mean),
    )


def _as_positive(name: str, values: object) -> FloatArray:
    array = np.array(as_float_array(name, values))
    check_finite(name, array)
    if not array.size or (array <= 0).any():
        msg = f"{name} must be numbers above 0; " + (
            f"the smallest is {array.min():g}." if array.size else "none came."
        )
        raise ValueError(msg)
    return array


def _draw(x: FloatArray, y: FloatArray, n_bootstrap: int, rng: np.random.Generator) -> FloatArray:
    """Return intercept and slope of each resample, shape (n_bootstrap, 2)."""
    n = len(y) if len(y) > 1 else len(x)
    times: Any = rng.multinomial(n, np.full(n, 1 / n), size=n_bootstrap).astype(np.float64)
    if len(y) > 1:  # at the same points, the line through mean errors is the mean of the runs' lines
        return times @ np.column_stack(_lines(x, y, np.ones((1, len(x))))) / n
    return np.column_stack(_lines(x, y, times))


def _lines(x: FloatArray, y: FloatArray, times: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return intercepts and slopes of least-squares lines through points counted ``times``; NaN through one point."""
    total = times.sum(axis=1)
    mean_x, mean_y = times @ x / total, (times * y).sum(axis=1) / total
    gap_x = x - mean_x[:, None]
    spread = (times * gap_x**2).sum(axis=1)
    product = (times * gap_x * (y - mean_y[:, None])).sum(axis=1)
    defined = spread > _NO_SPREAD
    slope = np.divide(
        product, spread, out=np.full(product.shape, np.nan), where=np.broadcast_to(defined, product.shape)
    )
    return mean_y - slope * mean_x, slope
