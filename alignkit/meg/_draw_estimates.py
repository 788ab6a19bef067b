"""Pictures of single numbers: each subject's as a dot, the group's with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alignkit._plot import new_axes
from alignkit._typing import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from alignkit.meg._auc import AreaUnderCurve
    from alignkit.meg._latency_result import Latency, LatencyDifference


def plot_latency(result: Latency, ax: Axes | None = None) -> Axes:
    """Draw each subject's latency in ms, and the group's with its interval."""
    ax = _draw(ax, 1000 * result.value, 1000 * result.interval, 1000 * result.per_subject)
    ax.set_xlabel(f"{result.measure} (ms)")
    return ax


def plot_difference(result: LatencyDifference, ax: Axes | None = None) -> Axes:
    """Draw each subject's difference in ms, and the group's with its interval, beside a line at 0."""
    ax = _draw(ax, 1000 * result.value, 1000 * result.interval, 1000 * result.per_subject)
    ax.axvline(0, color="0.5", linewidth=0.8, zorder=0)
    ax.set_xlabel(f"difference of {result.measure}s (ms): {result.names[0]} later →", parse_math=False)
    return ax


def plot_area(result: AreaUnderCurve, ax: Axes | None = None) -> Axes:
    """Draw each subject's mean height of the curve, and the group's with its interval, beside a line at 0."""
    ax = _draw(ax, result.mean, result.interval, result.per_subject)
    ax.axvline(0, color="0.5", linewidth=0.8, zorder=0)
    ax.set_xlabel(f"mean {result.unit} from {result.window[0]:g} to {result.window[1]:g} s", parse_math=False)
    return ax


def _draw(ax: Axes | None, value: float, interval: FloatArray, subjects: FloatArray) -> Axes:
    ax = new_axes(ax, figsize=(4.6, 1.7))
    there = subjects[np.isfinite(subjects)]
    rows = ["group"]
    if there.size:
        # equal latencies of samples lie side by side, in the order of the subjects
        offset = np.zeros(there.size)
        for one in np.unique(there):
            same = np.flatnonzero(there == one)
            offset[same] = (np.arange(same.size) - (same.size - 1) / 2) * min(0.12, 0.6 / same.size)
        ax.scatter(there, 1 + offset, s=20, color="0.45", linewidth=0, zorder=2)
        rows.append("subjects")
    if np.isfinite(interval).all():
        ax.plot(interval, [0, 0], color="black", linewidth=1.6, zorder=3)
    ax.plot([value], [0], "o", color="black", markersize=6, zorder=4)
    ax.set_yticks(range(len(rows)), rows)
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax
