"""How much every layer counts at every time, as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_float_array, as_labels
from alignkit._plot import new_axes
from alignkit._typing import ArrayLike
from alignkit.meg._draw_matrix import _edges
from alignkit.meg._sample_unit import time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: More layers than this are named one in two, one in three ...
_MOST_NAMES = 26


def plot_weights(
    weights: ArrayLike,
    times: ArrayLike,
    layers: Sequence[str],
    ax: Axes | None = None,
    /,
    *,
    title: str = "",
    what: str = "layer",
    values: str = "weight",
) -> Axes:
    """Draw weights of layers over time: time to the right, layers upward, the first at the bottom.

    Parameters
    ----------
    weights : array_like, shape (times, layers)
        How much each layer counts at each time.
    times : array_like, shape (times,)
        Seconds.
    layers : sequence of str
        Names of the layers, in the network's order.
    ax : matplotlib Axes, optional
        Where to draw; by default, a new figure.
    title : str
        Above the picture.
    what, values : str
        What is drawn upward, and what colours stand for.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        Another number of times or names than of weights.
    """
    matrix, when = as_float_array("weights", weights, ndim=2), as_float_array("times", times, ndim=1)
    if len(when) != len(matrix):
        msg = f"weights must have a row per time, {len(when):,}; got shape {matrix.shape}."
        raise ValueError(msg)
    names = as_labels(f"the {what}s", layers, matrix.shape[1])
    ax = new_axes(ax, figsize=(6.0, 1.4 + 0.16 * min(len(names), 30)))
    scale, label = time_axis(when)
    low, high = float(np.nanmin(matrix, initial=0.0)), float(np.nanmax(matrix, initial=0.0))
    colours: dict[str, Any] = {"cmap": "magma", "vmin": 0.0, "vmax": high or 1.0}
    if low < 0:
        reach = max(-low, high)
        colours = {"cmap": "RdBu_r", "vmin": -reach, "vmax": reach}
    rows = np.arange(len(names) + 1) - 0.5
    mesh = ax.pcolormesh(_edges(scale * when), rows, matrix.T, rasterized=True, **colours)
    if when[0] < 0 < when[-1]:
        ax.axvline(0, color="0.7", linewidth=0.9, linestyle=(0, (4, 3)))
    step = -(-len(names) // _MOST_NAMES)
    ax.set_yticks(range(0, len(names), step), names[::step], fontsize=7, parse_math=False)
    ax.set_xlabel(label)
    ax.set_ylabel(what)
    ax.set_title(title, fontsize=9, loc="left", parse_math=False)
    assert ax.figure is not None
    bar = ax.figure.colorbar(mesh, ax=ax, shrink=0.9)
    bar.set_label(values)
    bar.outline.set_visible(False)
    return ax
