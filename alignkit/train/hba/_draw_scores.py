"""Dimensions before and after training, and the curves that the epoch was chosen by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alignkit._plot import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from alignkit.train.hba._scores import HBAScores

_BEFORE, _AFTER, _OTHER = "#9a9a9a", "#2a6f97", "#c2703d"
_LONGEST = 34


def plot_dimensions(scores: HBAScores, ax: Axes | None = None) -> Axes:
    """Draw each dimension's correlation over held-out objects: grey before, blue after, lines are intervals."""
    if not scores.dimensions:
        msg = f"no dimension of {scores.model} was scored: there are too few held-out objects ({scores.n_held_out})."
        raise ValueError(msg)
    # undefined ones last
    rows = sorted(scores.dimensions, key=lambda row: (not np.isfinite(row.after), -row.after))
    places = np.arange(len(rows))[::-1]
    ax = new_axes(ax, figsize=(6.4, 1.0 + 0.17 * len(rows)))
    ax.axvline(0, color="0.75", linewidth=0.8, zorder=0)
    for name, colour, shift, label in (
        ("before", _BEFORE, 0.18, "before training"),
        ("after", _AFTER, -0.18, "after training"),
    ):
        value, low, high = (np.array([getattr(row, name + end) for row in rows]) for end in ("", "_low", "_high"))
        ax.hlines(places + shift, low, high, color=colour, linewidth=1, alpha=0.6)
        ax.plot(value, places + shift, "o", color=colour, markersize=3.2, label=label)
    ax.set_yticks(places, [_short(row.dimension) for row in rows], fontsize=6.5)
    ax.set_ylim(-1, len(rows))
    ax.set_xlabel(f"Pearson correlation with the target, {scores.n_held_out} held-out objects")
    ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def plot_curves(scores: HBAScores, ax: Axes | None = None) -> Axes:
    """Draw both selection criteria: the RDM's correlation on the left axis, the squared error on the right."""
    curves = scores.curves
    ax = new_axes(ax, figsize=(5.6, 3.2))
    ax.plot(curves.steps, curves.rdm_spearman, "o-", color=_AFTER, markersize=3, label="RDM (Spearman)")
    ax.set(xlabel="optimiser step", ylabel="validation RDM, Spearman")
    ax.locator_params("x", integer=True)
    beside = ax.twinx()
    beside.plot(curves.steps, curves.mse, "s-", color=_OTHER, markersize=3, label="squared error")
    beside.set_ylabel("validation squared error")
    for values, best, colour, on in (
        (curves.rdm_spearman, np.nanargmax, _AFTER, ax),
        (curves.mse, np.nanargmin, _OTHER, beside),
    ):
        if np.isfinite(values).any():
            place = int(best(values))
            on.plot(curves.steps[place], values[place], "o", color=colour, markersize=9, fillstyle="none")
    ax.axvline(curves.best_step, color="0.3", linewidth=0.8, linestyle=":", label=f"kept (by {curves.monitor})")
    handles = [*ax.get_legend_handles_labels()[0], *beside.get_legend_handles_labels()[0]]
    ax.legend(handles=handles, frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return ax


def _short(name: str) -> str:
    text = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}..."
    return text.replace("$", r"\$")
