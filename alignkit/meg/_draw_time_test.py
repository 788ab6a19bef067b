"""How tests over time are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alignkit._plot import new_axes
from alignkit.meg._sample_unit import UNTIMED, time_axis, time_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from alignkit.meg._bayes_factors import BayesFactors
    from alignkit.meg._label_test_result import LabelTest
    from alignkit.meg._time_test import TimeTest


def plot_time_test(result: TimeTest, ax: Axes | None = None) -> Axes:
    """Draw a statistic over time with its significant times marked, or a map of it with their outline.

    Raises
    ------
    ValueError
        A statistic with more than two axes.
    """
    if result.statistic.ndim > 2:
        msg = f"only curves and maps can be drawn; this has the axes {', '.join(result.dims)} (use to_dataframe())."
        raise ValueError(msg)
    ax = new_axes(ax, (6.0, 3.2) if result.statistic.ndim == 1 else (4.6, 4.0))
    return _curve(result, ax) if result.statistic.ndim == 1 else _map(result, ax)


def _curve(result: TimeTest, ax: Axes) -> Axes:
    scale, label = time_axis(result.times)
    ax.axhline(0.0, color="0.7", linewidth=0.8)
    ax.plot(scale * result.times, result.statistic, color="black")
    low = np.nanmin(result.statistic) if np.isfinite(result.statistic).any() else 0.0
    marked = np.where(result.significant, low - 0.08 * (np.ptp(np.nan_to_num(result.statistic)) or 1.0), np.nan)
    if result.significant.any():
        found = f"corrected p <= {result.alpha:g}"
        ax.plot(scale * result.times, marked, color="tab:red", linewidth=4, marker=".", label=found)
        ax.legend(frameon=False, fontsize=8)
    ax.set_xlabel(label)
    ax.set_ylabel(f"{result.test} over {result.n_subjects} subjects")
    return ax


def _map(result: TimeTest, ax: Axes) -> Axes:
    name = result.dims[0]
    places = np.asarray(result.coords[name])
    rows = places.astype(np.float64) if places.dtype.kind in "fiu" else np.arange(float(len(places)))
    scale, label = time_axis(result.times)
    title = name.replace("_", " ")
    if name.endswith("_time") and label != "sample":
        factor, unit = time_scale(rows)
        rows, title = factor * rows, f"{title} ({unit})"
    times = scale * result.times
    largest = float(np.nanmax(np.abs(result.statistic))) if np.isfinite(result.statistic).any() else 1.0
    image = ax.pcolormesh(times, rows, result.statistic, cmap="RdBu_r", vmin=-largest, vmax=largest, shading="nearest")
    if result.significant.any() and not result.significant.all() and min(result.statistic.shape) > 1:
        ax.contour(times, rows, result.significant.astype(float), levels=[0.5], colors="black", linewidths=1)
    ax.set_xlabel(label)
    ax.set_ylabel(title)
    ax.figure.colorbar(image, ax=ax, label=f"{result.test} over {result.n_subjects} subjects")
    return ax


def plot_label_test(result: LabelTest, ax: Axes | None = None) -> Axes:
    """Draw the number of participants that pass over time, and the number that chance would hardly reach."""
    from scipy.stats import binom

    ax = new_axes(ax, (6.0, 3.2))
    scale, label = time_axis(result.times, timed=UNTIMED not in result.note)
    for name, number in zip(result.models, result.n_significant, strict=True):
        ax.step(scale * result.times, number, where="mid", label=name)
    n = result.n_subjects
    enough = binom.isf(result.alpha, n, result.alpha) + 1
    if enough <= n:
        ax.axhline(enough, color="0.6", linestyle="--", linewidth=0.8, label=f"p <= {result.alpha:g}")
    ax.set_ylim(0, n + 0.5)
    ax.set_xlabel(label)
    ax.set_ylabel(f"significant participants (of {n})")
    ax.legend(frameon=False, fontsize=8)
    return ax


def plot_bayes_factors(result: BayesFactors, ax: Axes | None = None) -> Axes:
    """Draw log10 Bayes factors over time, with 1/3 and 3, between which the data does not tell, shaded.

    Raises
    ------
    ValueError
        More axes than time.
    """
    if result.t.ndim != 1:
        msg = f"only curves can be drawn; this has the axes {', '.join(result.dims)} (use to_dataframe())."
        raise ValueError(msg)
    ax = new_axes(ax, (6.0, 3.2))
    half = np.log10(3.0)
    ax.axhspan(-half, half, color="0.92")
    ax.axhline(0.0, color="0.7", linewidth=0.8)
    scale, label = time_axis(result.times)
    ax.plot(scale * result.times, result.log10_bf10, "o-", color="black", markersize=3)
    ax.set_xlabel(label)
    ax.set_ylabel("log10 Bayes factor")
    return ax
