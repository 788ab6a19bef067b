"""The one place that opens matplotlib figures, so that matplotlib is imported late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alignkit._check import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def new_axes(ax: Axes | None, figsize: tuple[float, float] = (5.0, 3.6)) -> Axes:
    """Return ``ax``, or the axes of a new pyplot figure, which notebooks show and who makes many must close.

    Raises
    ------
    TypeError
        Anything else than axes.
    """
    if ax is not None:
        if not hasattr(ax, "get_xlim"):
            msg = f"ax must be matplotlib axes, such as plt.subplots() gives, or None; got {shown(ax)}."
            raise TypeError(msg)
        return ax
    from matplotlib import pyplot as plt

    # unlike "constrained", it leaves room for the labels of images that keep their proportions
    return plt.subplots(figsize=figsize, layout="compressed")[1]
