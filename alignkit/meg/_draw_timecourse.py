"""The picture of a time course: curves with intervals, the ceiling's band, what is significant, onsets and peaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from alignkit._check import as_array, check_choice, join_names, shown
from alignkit._plot import new_axes
from alignkit._typing import ArrayLike, FloatArray
from alignkit.meg._latency_result import Latency
from alignkit.meg._same_curves import hidden_curves
from alignkit.meg._sample_unit import UNTIMED, time_axis
from alignkit.meg._time_test import TimeTest
from alignkit.meg._timecourse_result import TimeCourse
from alignkit.rsa._comparison import name_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Tested: TypeAlias = "TimeTest | ArrayLike"
Given = TypeVar("Given")

#: Okabe and Ito's colours, which people with colour-blindness tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", ":", "-.")
#: Height of a row of marks below the curves, as a share of theirs.
_ROW = 0.055
#: Marks that are no further apart, as a share of that height, hide one another.
_NEAR = 0.03


def plot_timecourse(
    result: TimeCourse,
    ax: Axes | None = None,
    *,
    models: str | Sequence[str] | None = None,
    significance: Tested | Sequence[Tested] | Mapping[str, Tested] | None = None,
    onset: Latency | Sequence[Latency] | Mapping[str, Latency] | None = None,
    peak: Latency | Sequence[Latency] | Mapping[str, Latency] | None = None,
    ceiling: bool = True,
    subjects: bool = False,
) -> Axes:
    """Draw a time course of models.

    Each model's mean curve has its interval around it, and the noise ceiling is a grey band. Below the curves each
    model has a row, with bars where it is significant and a mark, with its interval, where it begins to rise; peaks
    are marked in the curves. A curve that lies on an earlier one is dashed, so that both are seen; the legend says
    which curves are equal. Models with a time axis of their own are drawn one at a time, as a map.

    Parameters
    ----------
    result : TimeCourse
        What :func:`timecourse` gives.
    ax : matplotlib Axes, optional
        Where to draw; by default, a new figure.
    models : str or sequence of str, optional
        Which models; by default, all.
    significance : test over time or array_like, shape (time,); or one for each model, optional
        A test or a mask of True and False; for several models a sequence in their order, or a mapping by their names.
    onset, peak : Latency, or one for each model, optional
        What :func:`onset` and :func:`peak` give; those of time courses know their model.
    ceiling : bool
        Draw the noise ceiling, where there is one.
    subjects : bool
        Draw each subject's curve, faintly.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        No such model, more or fewer tests or latencies than models, masks of another length, or a map of several.
    """
    names = _chosen(result, models)
    if result.model_times is not None:
        return _draw_map(result, names, ax)
    tests = _by_model(significance, names, "significance")
    onsets, peaks = _by_model(onset, names, "onset"), _by_model(peak, names, "peak")
    spans = {name: _spans(test, result.times) for name, test in tests.items()}
    ax = new_axes(ax, figsize=(7.0, 3.8))
    scale, label = time_axis(result.times, timed=UNTIMED not in result.note)
    if ceiling and np.isfinite(result.lower).any():
        band: dict[str, Any] = {"color": "0.82", "linewidth": 0, "label": "noise ceiling", "zorder": 0}
        ax.fill_between(scale * result.times, result.lower, result.upper, **band)
    styles = dict(zip(names, _line_styles(), strict=False))
    hidden = hidden_curves([result.mean[result.models.index(name)] for name in names])
    for name, below in zip(names, hidden, strict=True):
        look = styles[name] | below.dashes | {"label": below.label(name, names)}
        _draw_curve(ax, result, name, scale, look, subjects=subjects)
    for (name, found), size in zip(peaks.items(), _sizes(list(peaks.values()), ax), strict=True):
        _mark(ax, found, scale, found.amplitude, styles[name]["color"], marker="v", size=size)
    _draw_rows(ax, names, spans, onsets, scale, styles)
    _finish(ax, result, label, has=(any(spans.values()), bool(onsets), bool(peaks)))
    return ax


def _chosen(result: TimeCourse, models: object) -> list[str]:
    if models is None:
        return list(result.models)
    names = [models] if isinstance(models, str) else list(models) if isinstance(models, Sequence) else []
    if not names:
        msg = f"models must be a name or a sequence of names; got {shown(models)}."
        raise ValueError(msg)
    for name in names:
        check_choice("models", name, result.models)
    return names


def _by_model(given: Any, names: list[str], what: str) -> dict[str, Any]:
    """Return what belongs to which model: by name, by the name a latency knows, or in their order."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in names]
        if unknown:
            msg = f"{what} names {join_names(unknown)}, which is not drawn; the models are {join_names(names)}."
            raise ValueError(msg)
        return dict(given)
    several = isinstance(given, list | tuple) and len(given) > 0 and not np.isscalar(given[0])
    items = list(given) if several else [given]
    if what != "significance":
        if not all(isinstance(item, Latency) and item.measure == what for item in items):
            msg = f"{what} must be what {what}() gives, or one for each model; got {shown(given)}."
            raise ValueError(msg)
        if all(item.name in names for item in items):
            return {item.name: item for item in items}
    if len(items) != len(names):
        msg = f"{what} must hold one for each of {len(names)} models; got {len(items)}. A mapping names some of them."
        raise ValueError(msg)
    return dict(zip(names, items, strict=True))


def _spans(test: Any, times: FloatArray) -> list[tuple[float, float]]:
    """Return from when to when a test is significant, half a sample to either side included."""
    if isinstance(test, TimeTest):
        mask, times = np.asarray(test.significant), test.times
    else:
        mask = as_array("significance", test)
    if mask.dtype != np.bool_ or mask.shape != times.shape:
        msg = (
            f"significance must hold True or False for each of {len(times)} samples; got {mask.dtype} of shape "
            f"{mask.shape}. Compare p-values with a level first."
        )
        raise ValueError(msg)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    half = float(np.median(np.diff(times))) / 2
    return [(times[a] - half, times[b - 1] + half) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _line_styles() -> Iterator[dict[str, Any]]:
    for style in _STYLES:
        for colour in _COLOURS:
            yield {"color": colour, "linestyle": style}


def _draw_curve(ax: Axes, result: TimeCourse, name: str, scale: float, look: dict[str, Any], *, subjects: bool) -> None:
    k, times = result.models.index(name), scale * result.times
    if subjects:
        ax.plot(times, result.similarity[k].T, color=look["color"], linewidth=0.6, alpha=0.3, zorder=1)
    if np.isfinite(result.interval[:, k]).any():
        ax.fill_between(times, *result.interval[:, k], color=look["color"], alpha=0.2, linewidth=0, zorder=2)
    ax.plot(times, result.mean[k], linewidth=1.6, zorder=3, **look)


def _sizes(peaks: Sequence[Latency], ax: Axes) -> list[float]:
    """Return how large each mark is: larger for each later one in the same place, so that all are seen."""
    low, high = ax.get_ylim()
    near = _NEAR * (high - low)
    return [
        6.0 + 4.0 * sum(other.value == one.value and abs(other.amplitude - one.amplitude) <= near for other in later)
        for k, one in enumerate(peaks)
        for later in [peaks[k + 1 :]]
    ]


def _mark(
    ax: Axes, found: Latency, scale: float, height: float, colour: str, *, marker: str, size: float = 6.0
) -> None:
    """Draw a latency with its interval as a horizontal bar."""
    if np.isfinite(found.interval).all():
        ax.plot(scale * found.interval, [height, height], color="black", linewidth=1.2, zorder=5)
    style: dict[str, Any] = {"markersize": size, "markeredgecolor": "black", "markeredgewidth": 0.8}
    ax.plot([scale * found.value], [height], marker, color=colour, zorder=6, **style)


def _draw_rows(
    ax: Axes,
    names: list[str],
    spans: dict[str, list[tuple[float, float]]],
    onsets: dict[str, Latency],
    scale: float,
    styles: dict[str, dict[str, Any]],
) -> None:
    """Draw a row for each model that is tested or has an onset, below all curves."""
    rows = [name for name in names if name in spans or name in onsets]
    low, high = ax.get_ylim()
    step = _ROW * (high - low)
    for place, name in enumerate(rows):
        height = low - (place + 0.4) * step
        for start, stop in spans.get(name, []):
            bar: dict[str, Any] = {"color": styles[name]["color"], "linewidth": 3.5, "solid_capstyle": "butt"}
            ax.plot([scale * start, scale * stop], [height, height], zorder=4, **bar)
        if name in onsets:
            _mark(ax, onsets[name], scale, height, styles[name]["color"], marker="^")
    if rows:
        ax.set_yticks([tick for tick in ax.get_yticks() if low <= tick <= high])  # rows have no height
        ax.set_ylim(low - (len(rows) + 0.3) * step, high)


def _finish(ax: Axes, result: TimeCourse, label: str, *, has: tuple[bool, bool, bool]) -> None:
    from matplotlib.lines import Line2D

    line: dict[str, Any] = {"color": "0.5", "linewidth": 0.8, "zorder": 1}
    ax.axhline(0, **line)
    if result.times[0] <= 0 <= result.times[-1]:
        ax.axvline(0, linestyle=(0, (4, 3)), **line)
    ax.margins(x=0)
    ax.set_xlabel(label)
    ax.set_ylabel(f"{result.quantity} ({name_of(result.method, result.partial)})")
    ax.spines[["top", "right"]].set_visible(False)
    handles, texts = ax.get_legend_handles_labels()
    grey: dict[str, Any] = {"color": "0.6", "markeredgecolor": "black", "markeredgewidth": 0.8, "markersize": 6}
    for there, text, handle in zip(
        has,
        ("significant", "onset", "peak"),
        (
            Line2D([], [], color="0.6", linewidth=3.5),
            Line2D([], [], marker="^", linestyle="", **grey),
            Line2D([], [], marker="v", linestyle="", **grey),
        ),
        strict=True,
    ):
        if there:
            handles.append(handle)
            texts.append(text)
    legend = ax.legend(handles, texts, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8)
    for entry in legend.get_texts():
        entry.set_parse_math(False)  # names are names, not formulas


def _draw_map(result: TimeCourse, names: list[str], ax: Axes | None) -> Axes:
    """Draw the mean of one model whose own time stands on the other axis."""
    if len(names) != 1:
        msg = f"a map shows one model; choose one of {join_names(names)} with models=."
        raise ValueError(msg)
    assert result.model_times is not None
    ax = new_axes(ax, figsize=(5.0, 4.0))
    scale, label = time_axis(result.times, timed=UNTIMED not in result.note)
    mean = result.mean[result.models.index(names[0])]
    reach = float(np.nanmax(np.abs(mean), initial=0.0)) or 1.0
    mesh = ax.pcolormesh(
        scale * result.times, scale * result.model_times, mean, cmap="RdBu_r", vmin=-reach, vmax=reach, rasterized=True
    )
    assert ax.figure is not None
    ax.figure.colorbar(mesh, ax=ax, label=f"{result.quantity} ({name_of(result.method, result.partial)})")
    ax.set_xlabel(label)
    ax.set_ylabel(f"{names[0]}: {label}", parse_math=False)
    return ax
