"""The picture of an evaluation; matplotlib is imported by whoever asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from alignkit._check import check_choice
from alignkit._plot import new_axes
from alignkit._typing import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from alignkit.rsa._evaluation import Evaluation

Correction = Literal["max", "fdr", "none"]
#: With more models lines between pairs are a thicket; with more names than this they stand upright.
_MOST_LINES, _MAX_SLANTED = 16, 12
#: About the width of a letter in inches, and names for which there is always room.
_LETTER, _SHORT = 0.085, 12
_LABELS = {"max": "family-wise", "fdr": "FDR", "none": "uncorrected"}
_STARS = {"greater": "above 0", "less": "below 0", "two-sided": "not 0"}
_OVER = {"subjects": "new subjects", "items": "new items", "both": "new subjects and items"}


def plot_evaluation(result: Evaluation, ax: Axes | None, correction: Correction) -> Axes:
    """Draw scores as bars with intervals, subjects, the ceiling and marks of significance."""
    check_choice("correction", correction, get_args(Correction))
    n = len(result.models)
    # slanted names reach down and, before the first bar, to the left
    reach = _LETTER * max(0, max(map(len, result.models)) - _SHORT) if n > 1 else 0.0
    ax = new_axes(ax, figsize=(max(4.4, min(12.0, 1.6 + 0.62 * n)) + 0.87 * reach, 4.6 + 0.5 * reach))
    where = np.arange(n, dtype=np.float64)
    _draw_ceiling(ax, result)
    ax.bar(where, result.score, width=0.62, color="#8fb3d1", edgecolor="none", zorder=1)
    _draw_subjects(ax, result, where)
    _draw_intervals(ax, result, where)
    ax.axhline(0, color="0.3", linewidth=0.8, zorder=1)
    low, high = _extent(result)
    step = 0.055 * (high - low)
    top = _draw_marks(ax, result, where, high, step, correction)
    top = _draw_lines(ax, result, top, step, correction)
    ax.set_ylim(low - step, top + 0.6 * step)
    ax.set_xlim(-0.7, n - 0.3)
    crowded = n > _MAX_SLANTED
    style: dict[str, Any] = {"rotation": 90, "fontsize": 7} if crowded else {"rotation": 30, "ha": "right"}
    ax.set_xticks(where, list(result.models), parse_math=False, **(style if n > 1 else {}))
    ax.set_ylabel(f"{result.method}, mean over subjects")
    ax.set_title(
        f"{result.confidence:.0%} intervals for {_OVER[result.generalize]}\n{_key(result, correction)}", fontsize=8
    )
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _key(result: Evaluation, correction: Correction) -> str:
    """Return what the marks mean, and which tests there are none of, in lines."""
    families = {
        f"* {_STARS[result.alternative]}": (result.why_zero, "against 0"),
        "● better than ticks": (tuple(result.pairs().why_pairwise), "between models"),
        "▼ below the ceiling": (result.why_ceiling, "against the ceiling"),
    }
    tested = [mark for mark, (why, _) in families.items() if len(why) and not all(why)]
    untested = [name for why, name in families.values() if len(why) and all(why)]
    level = f"marks: {_LABELS[correction]} p ≤ {result.alpha:g}" if tested else ""
    lines = [", ".join(tested), level, f"no tests {', '.join(untested)}" if untested else ""]
    return "\n".join(filter(None, lines))


def p_values_of(result: Evaluation, what: str, correction: Correction) -> FloatArray:
    """Return the p-values that marks stand for."""
    suffix = "" if correction == "none" else f"_{correction}"
    return np.asarray(getattr(result, f"p_{what}{suffix}"))


def _draw_ceiling(ax: Axes, result: Evaluation) -> None:
    if not np.isfinite([result.ceiling_lower, result.ceiling_upper]).all():
        return
    ax.axhspan(result.ceiling_lower, result.ceiling_upper, color="0.72", alpha=0.55, linewidth=0, zorder=0)
    low, high = result.ceiling_interval[0]
    if np.isfinite([low, high]).all():  # of the bound that models are tested against
        end = len(result.models) - 0.42
        ax.plot([end, end], [low, high], color="0.45", linewidth=1.4, zorder=2)
    name = "noise ceiling"
    ax.text(-0.66, result.ceiling_upper, name, fontsize=7, color="0.35", va="bottom", ha="left")


def _draw_subjects(ax: Axes, result: Evaluation, where: FloatArray) -> None:
    n = result.n_subjects
    if n == 1:
        return
    spread = np.linspace(-0.2, 0.2, n)
    for place, scores in zip(where, result.per_subject, strict=True):
        ax.scatter(place + spread, scores, s=max(3.0, 14.0 - 0.2 * n), color="0.35", alpha=0.7, linewidth=0, zorder=2)


def _draw_intervals(ax: Axes, result: Evaluation, where: FloatArray) -> None:
    drawn = np.isfinite(result.interval).all(axis=0)
    ax.vlines(where[drawn], *result.interval[:, drawn], color="black", linewidth=1.8, zorder=3)


def _extent(result: Evaluation) -> tuple[float, float]:
    """Return the lowest and highest value that is drawn."""
    values = np.concatenate(
        [result.score, result.per_subject.ravel(), result.interval.ravel(), result.ceiling_interval[0]]
    )
    values = np.append(values, [0.0, result.ceiling_lower, result.ceiling_upper])
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _draw_marks(
    ax: Axes, result: Evaluation, where: FloatArray, high: float, step: float, correction: Correction
) -> float:
    """Mark models above zero by a star, and those that miss the ceiling by a triangle; return how high that reaches."""
    beyond = p_values_of(result, "zero", correction) <= result.alpha
    misses = (p_values_of(result, "ceiling", correction) <= result.alpha) & (result.ceiling_difference < 0)
    height = high + 0.8 * step
    for place in np.flatnonzero(beyond):
        ax.text(where[place] - 0.1 * misses[place], height, "*", ha="center", va="center_baseline", fontsize=12)
    for place in np.flatnonzero(misses):
        ax.plot(where[place] + 0.14 * beyond[place], height, "v", color="0.35", markersize=5)
    return height + 0.4 * step if beyond.any() or misses.any() else high


def _draw_lines(ax: Axes, result: Evaluation, top: float, step: float, correction: Correction) -> float:
    """Draw a line for each model that beats others: a dot at itself, ticks at them; return how high that reaches."""
    n = len(result.models)
    better = (p_values_of(result, "pairwise", correction) <= result.alpha) & (result.difference > 0)
    if n > _MOST_LINES or not better.any():
        return top
    height = top
    for row in np.argsort(np.where(np.isnan(result.score), -np.inf, result.score), kind="stable"):
        beaten = np.flatnonzero(better[row])
        if not beaten.size:
            continue
        height += 0.75 * step
        ends = [min(row, beaten.min()), max(row, beaten.max())]
        ax.plot(ends, [height] * 2, color="black", linewidth=0.9)
        ax.plot(row, height, "o", color="black", markersize=4)
        ax.vlines(beaten, height - 0.35 * step, height, color="black", linewidth=0.9)
    return height
