"""Behaviour over the models' time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_choice
from alignkit._plot import new_axes
from alignkit.meg._same_curves import hidden_curves
from alignkit.meg._sample_unit import time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from alignkit.train.hba_meg._behaviour import BehaviourCurve
    from alignkit.train.hba_meg._scores import HBAMEGScores

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def plot_behaviour(scores: HBAMEGScores, ax: Axes | None = None, *, measure: str = "") -> Axes:
    """Draw how well each model predicts behaviour at each of its times; a level where it does not unfold.

    Raises
    ------
    ValueError
        No such measure, or none at all.
    """
    measures = list(dict.fromkeys(one.measure for one in scores.behaviour))
    if not measures:
        msg = "these scores hold no behaviour: the data has no RDM48 and no answers about these items."
        raise ValueError(msg)
    if measure:
        check_choice("measure", measure, measures)
    curves = [one for one in scores.behaviour if one.measure == (measure or measures[0])]
    ax = new_axes(ax, figsize=(6.4, 3.4))
    times = scores.times
    scale, label = time_axis(times)
    names = [one.model for one in curves]
    hidden = hidden_curves([one.values if _unfolds(one) else np.full(len(times), one.mean) for one in curves])
    for k, (one, below) in enumerate(zip(curves, hidden, strict=True)):
        look: dict[str, Any] = {"color": _COLOURS[k % len(_COLOURS)], "label": below.label(one.model, names)}
        if _unfolds(one):
            ax.plot(scale * np.asarray(one.times), one.values, linewidth=1.6, **look | below.dashes)
        else:
            ax.axhline(one.mean, linewidth=1.4, **look | ({"linestyle": "--"} | below.dashes))
    first = curves[0]
    if np.isfinite(first.ceiling):
        ax.axhline(first.ceiling, color="0.3", linewidth=0.9, label="people")
    ax.axhline(first.chance, color="0.6", linewidth=0.9, linestyle=":", label="chance")
    if times[0] < 0 < times[-1]:
        ax.axvline(0, color="0.5", linewidth=0.8, linestyle=(0, (4, 3)))
    if len(times) > 1:
        ax.set_xlim(scale * times[0], scale * times[-1])
    ax.set_xlabel(label)
    ax.set_ylabel(first.measure)
    ax.set_title(f"{first.n_items:,} {first.items}, n = {first.n:,}", fontsize=9, loc="left")
    ax.spines[["top", "right"]].set_visible(False)
    legend = ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8)
    for entry in legend.get_texts():
        entry.set_parse_math(False)
    return ax


def _unfolds(one: BehaviourCurve) -> bool:
    return one.times is not None and len(one.times) > 1
