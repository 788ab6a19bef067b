"""How matrices of time by time are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_array
from alignkit._plot import new_axes
from alignkit._typing import BoolArray, FloatArray
from alignkit.meg._sample_unit import time_scale
from alignkit.meg._time_test import TimeTest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINE: dict[str, Any] = {"color": "0.35", "linewidth": 0.8}


def draw_matrix(
    values: FloatArray,
    rows: FloatArray,
    columns: FloatArray,
    ax: Axes | None = None,
    *,
    centre: float,
    labels: tuple[str, str, str],
    reach: float | None = None,
    significance: object = None,
) -> Axes:
    """Draw a matrix over two axes of time, its colours centred at chance, with the diagonal and the time zero.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
    rows, columns : ndarray
        Seconds; rows run upward.
    ax : matplotlib Axes, optional
        By default, those of a new figure.
    centre : float
        Value that has no colour.
    labels : tuple of str
        Of the columns, the rows, and the values.
    reach : float, optional
        Distance from the centre at which colours end; by default, the largest.
    significance : test over time or array_like of bool, shape (rows, columns), optional
        Cells to be outlined.

    Raises
    ------
    ValueError
        Significance of another shape or kind.
    """
    mask = None if significance is None else _mask(significance, values.shape)
    ax = new_axes(ax, figsize=(4.8, 4.0))
    scale, unit = time_scale(np.concatenate([rows, columns]))
    if reach is None:
        reach = float(np.nanmax(np.abs(values - centre), initial=0.0))
    reach = reach or 1.0
    horizontal, vertical = _edges(scale * columns), _edges(scale * rows)
    mesh = ax.pcolormesh(
        horizontal, vertical, values, cmap="RdBu_r", vmin=centre - reach, vmax=centre + reach, rasterized=True
    )
    if mask is not None:
        _outline(ax, mask, horizontal, vertical)
    low, high = max(horizontal[0], vertical[0]), min(horizontal[-1], vertical[-1])
    if low < high:
        ax.plot([low, high], [low, high], linestyle=(0, (4, 3)), **_LINE)
    if horizontal[0] < 0 < horizontal[-1]:
        ax.axvline(0, **_LINE)
    if vertical[0] < 0 < vertical[-1]:
        ax.axhline(0, **_LINE)
    if np.allclose(np.ptp(horizontal), np.ptp(vertical)):
        ax.set_box_aspect(1)
    assert ax.figure is not None
    bar = ax.figure.colorbar(mesh, ax=ax, shrink=0.8)
    bar.set_label(labels[2])
    bar.outline.set_visible(False)
    ax.set_xlabel(f"{labels[0]} ({unit})")
    ax.set_ylabel(f"{labels[1]} ({unit})")
    return ax


def _mask(significance: object, shape: tuple[int, ...]) -> BoolArray:
    given = significance.significant if isinstance(significance, TimeTest) else significance
    mask = as_array("significance", given)
    if mask.dtype != np.bool_ or mask.shape != shape:
        msg = (
            f"significance must hold True or False for each cell, shape {shape}; got {mask.dtype} of shape "
            f"{mask.shape}. Compare p-values with a level first."
        )
        raise ValueError(msg)
    return mask


def _edges(centres: FloatArray) -> FloatArray:
    """Return where cells around the times begin and end."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    first, last = centres[0] - (middle[0] - centres[0]), centres[-1] + (centres[-1] - middle[-1])
    return np.concatenate([[first], middle, [last]])


def _outline(ax: Axes, mask: BoolArray, horizontal: FloatArray, vertical: FloatArray) -> None:
    """Draw the border of the marked cells along the edges of the cells."""
    from matplotlib.collections import LineCollection

    padded = np.pad(mask, 1)
    beside = padded[1:-1, 1:] != padded[1:-1, :-1]
    above = padded[1:, 1:-1] != padded[:-1, 1:-1]
    segments = [[(horizontal[j], vertical[i]), (horizontal[j], vertical[i + 1])] for i, j in np.argwhere(beside)]
    segments += [[(horizontal[j], vertical[i]), (horizontal[j + 1], vertical[i])] for i, j in np.argwhere(above)]
    border = LineCollection(segments, colors="black", linewidths=1.0)
    border.set_in_layout(False)  # it lies within the axes
    ax.add_collection(border, autolim=False)
