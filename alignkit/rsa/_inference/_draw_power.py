"""Pictures of power; matplotlib is imported by whoever asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._plot import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from alignkit.rsa._power_curve import PowerCurve

#: With more lines than this, bands hide each other.
_MOST_BANDS = 3
#: Longer names than this do not fit into the picture.
_MAX_INSIDE = 28
#: About the width of a letter of the key, in inches.
_LETTER = 0.075


def plot_power(result: PowerCurve, ax: Axes | None = None) -> Axes:
    """Draw power over the number of subjects, one line per test and number of items, with the pilot's band."""
    banded = len(result.tests) * len(result.n_items) <= _MOST_BANDS
    longest = max(map(len, result.tests)) + (0 if len(result.n_items) == 1 else len(f", {max(result.n_items)} items"))
    # beside the picture stands a key that would hide it
    beside = not banded or longest > _MAX_INSIDE
    ax = new_axes(ax, figsize=(5.0 + beside * (0.6 + _LETTER * longest), 3.6))
    order = np.argsort(result.n_subjects)
    where = np.array(result.n_subjects)[order]
    for k, name in enumerate(result.tests):
        for i, items in enumerate(result.n_items):
            label = name if len(result.n_items) == 1 else f"{name}, {items} items"
            (line,) = ax.plot(where, result.power[k, i, order], label=label)
            low, high = result.pilot_interval[:, k, i][:, order]
            if banded:
                ax.fill_between(where, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
            simulated = result.simulated[k, i, order]
            error = np.abs(result.simulated_interval[:, k, i][:, order] - simulated)
            if np.isfinite(simulated).any():
                ax.errorbar(where, simulated, error, fmt="o", color=line.get_color(), markersize=3, capsize=2)
    ax.axhline(result.target, color="0.5", linewidth=0.8, linestyle="--")
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel("subjects")
    ax.set_ylabel("power")
    place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if beside else {}
    ax.legend(fontsize=8, frameon=False, **place)
    return ax
