"""Pictures of two groups; matplotlib is imported by whoever asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._plot import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from alignkit.rsa._group_comparison import GroupComparison

_COLORS = ("tab:blue", "tab:orange")
#: With more models their names stand slanted.
_MOST_UPRIGHT = 4
#: About the width of a letter, in inches.
_LETTER = 0.085
_LEGEND: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "frameon": False, "fontsize": 8}


def plot_groups(result: GroupComparison, ax: Axes | None = None) -> Axes:
    """Draw every subject's scores and both groups' means per model; without models, the null distribution."""
    if not result.models:
        return _plot_null(result, ax)
    longest = _LETTER * max(map(len, result.models)) if len(result.models) > _MOST_UPRIGHT else 0.0
    key = _LETTER * max(map(len, result.groups)) + 3.0
    width = max(key, min(9.0, 0.9 * len(result.models)) + 0.7 * longest)
    ax = new_axes(ax, figsize=(width, 3.6 + 0.7 * max(0.0, longest - 0.5)))
    cut = result.n_subjects[0]
    for g, (name, color) in enumerate(zip(result.groups, _COLORS, strict=True)):
        part = result.scores[:, :cut] if g == 0 else result.scores[:, cut:]
        x = np.arange(len(part)) + (-0.18, 0.18)[g]
        spread = np.linspace(-0.08, 0.08, part.shape[1])
        ax.plot((x[:, None] + spread).T, part.T, ".", color=color, alpha=0.5, markersize=4)
        error = part.std(axis=1, ddof=1) / np.sqrt(part.shape[1])
        label = f"{name} ({part.shape[1]}): mean and standard error"
        ax.errorbar(x, part.mean(axis=1), error, fmt="_", color="black", markersize=14, capsize=3)
        ax.plot([], [], "o", color=color, label=label)
    top = np.nanmax(result.scores, axis=1)
    height = 0.03 * (np.nanmax(result.scores) - np.nanmin(result.scores))
    for j in np.flatnonzero(result.p_model_corrected <= result.alpha).tolist():
        ax.text(j, float(top[j] + height), "*", ha="center", va="bottom", fontsize=14)
    ax.margins(y=0.12)
    slanted: dict[str, Any] = {"rotation": 45, "ha": "right"} if len(result.models) > _MOST_UPRIGHT else {}
    ax.set_xticks(range(len(result.models)), result.models, parse_math=False, **slanted)
    ax.axhline(0, color="0.5", linewidth=0.8)
    ax.set_ylabel(result.method)
    ax.legend(ncols=1, **_LEGEND)
    return ax


def _plot_null(result: GroupComparison, ax: Axes | None) -> Axes:
    if result.null is None:
        msg = "the null distribution was too large to be saved with this result; run the comparison again to draw it."
        raise ValueError(msg)
    ax = new_axes(ax)
    ax.hist(result.null, bins=min(50, max(1, len(np.unique(result.null)))), color="0.75", label="other divisions")
    ax.axvline(result.difference, color="black", label=f"observed (p = {result.p:.3g})")
    ax.update_datalim([(result.difference, 0.0)])
    ax.autoscale_view()
    ax.set_xlabel(f"difference of groups ({result.method}, {result.statistic})")
    ax.set_ylabel("divisions")
    ax.legend(ncols=2, **_LEGEND)
    return ax
