"""The one figure of Perceptual Initialization: zero-shot accuracy and agreement with people against pairs seen."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import counted
from alignkit.train.pi._seed_mean import seed_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from alignkit.train.pi._pi_result import PIArms

#: Of the arms, whichever of them are there.
_COLOURS = {
    "web-only": "#555555",
    "pi": "#d1495b",
    "post-hoc": "#edae49",
    "shuffled-triplets": "#30638e",
    "imagenet-triplets": "#00798c",
}
#: Samples that lie further apart than this are shown on a logarithmic axis.
_WIDE = 30


def draw_arms(found: PIArms, /) -> Figure:
    """Draw a panel for zero-shot scores and one for each data set of people.

    Raises
    ------
    ValueError
        Neither zero-shot scores nor people's.
    """
    from matplotlib import pyplot as plt

    panels = [name for name in ("zero_shot", *found.human) if _has(found, name)]
    if not panels:
        msg = f"{found.path} has no zero-shot scores and none of people yet; give zero_shot or human, and train."
        raise ValueError(msg)
    figure, axes = plt.subplots(1, len(panels), figsize=(4.6 * len(panels), 3.8), layout="compressed", squeeze=False)
    for ax, name in zip(axes[0], panels, strict=True):
        _panel(ax, found, name)
    return figure


def _panel(ax: Axes, found: PIArms, name: str) -> None:
    guessed = found.chance.get(name)
    if guessed is not None:
        ax.axhline(guessed, color="0.7", lw=0.8, ls=":", label="chance")
    points = [_line(ax, found, arm, name) for arm in found.arms]
    seen = [n for own in points for n in own if n > 0]
    if seen and max(seen) > _WIDE * min(seen):
        ax.set_xscale("log")
    learned = any(found.is_in_sample(arm, name) for arm in found.arms)
    title = f"zero-shot, mean of {counted(len(found.zero_shot), 'set')}"
    if name != "zero_shot":
        title = textwrap.fill(name.replace("_", " "), 44)
    ax.set_title(f"{title}\n(in-sample where marked)" if learned else title, fontsize=9)
    ax.set(xlabel="pairs seen", ylabel="score")
    ax.legend(frameon=False, fontsize=8)


def _line(ax: Axes, found: PIArms, arm: str, name: str) -> list[float]:
    """Draw an arm and return where its points are."""
    rows: dict[float, list[float]] = {}
    for curve in found.curves:
        if curve.arm == arm and name in curve.values:
            for n, value in zip(curve.samples, curve.values[name], strict=True):
                rows.setdefault(float(n), []).append(float(value))
    most = max((len(values) for values in rows.values()), default=0)
    # a point that some seeds lack would bend the mean
    kept = sorted(n for n, values in rows.items() if len(values) == most and all(map(math.isfinite, values)))
    if not kept:
        return []
    means = [seed_mean(rows[n]) for n in kept]
    label = f"{arm} ({'in-sample' if found.is_in_sample(arm, name) else f'n = {most}'})"
    style = "--" if found.is_in_sample(arm, name) else "-"
    colour = _COLOURS.get(arm, "k")
    marker = {"marker": "D", "markersize": 5} if len(kept) == 1 else {"marker": "o", "markersize": 3}
    ax.plot(kept, [one.mean for one in means], style, color=colour, lw=1.4, label=label, **marker)  # type: ignore[arg-type]
    low, high = np.array([one.low for one in means]), np.array([one.high for one in means])
    if np.isfinite(low).all():
        if len(kept) == 1:
            ax.vlines(kept, low, high, color=colour, lw=1.2)
        else:
            ax.fill_between(kept, low, high, color=colour, alpha=0.18, linewidth=0)
    return kept


def _has(found: PIArms, name: str) -> bool:
    return any(name in one.values and np.isfinite(one.values[name]).any() for one in found.curves)
