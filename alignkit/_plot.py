"""The one place that opens matplotlib figures: late, and without a display."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def new_axes(ax: Axes | None, figsize: tuple[float, float] = (5.0, 3.6)) -> Axes:
    """Return ``ax``, or the axes of a new figure.

    The figure belongs to no window manager: nothing leaks when many are made, and ``fig.savefig`` works anywhere.
    """
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.subplots(figsize=figsize, layout="constrained")[1]
