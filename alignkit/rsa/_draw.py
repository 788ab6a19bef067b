"""Pictures of RDMs and comparisons; matplotlib is imported by whoever asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from alignkit._plot import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from alignkit.rsa._ceiling import NoiseCeiling
    from alignkit.rsa._comparison import Comparison
    from alignkit.rsa._container import RDM
    from alignkit.rsa._feature_similarity import FeatureSimilarity

    Compared: TypeAlias = Comparison | FeatureSimilarity

#: Above this many items tick labels overlap and say nothing.
_MAX_TICKS = 40


def plot_rdm(
    rdm: RDM, ax: Axes | None = None, *, cmap: str = "viridis", title: str | None = None, colorbar: bool = True
) -> Axes:
    """Draw one RDM as a heat map; of a stack, the mean."""
    ax = new_axes(ax, figsize=(4.6, 4.0))
    square = rdm.squareform()
    mean = square.reshape(-1, rdm.n_items, rdm.n_items).mean(axis=0)
    np.fill_diagonal(mean, np.nan)
    image = ax.imshow(mean, cmap=cmap, interpolation="nearest")
    if colorbar:
        assert ax.figure is not None
        ax.figure.colorbar(image, ax=ax, fraction=0.046, pad=0.04, label=rdm.metric or "dissimilarity")
    _label_items(ax, rdm)
    n_rdms = int(np.prod(rdm.shape))
    ax.set_title(title or ("" if n_rdms == 1 else f"mean of {n_rdms} RDMs"))
    return ax


def _label_items(ax: Axes, rdm: RDM) -> None:
    if rdm.labels is None or rdm.n_items > _MAX_TICKS:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_xlabel(f"{rdm.n_items} items")
        return
    size = max(4, min(9, 200 // rdm.n_items))
    # names are names, not formulas: "$" stays a dollar sign
    ax.set_xticks(range(rdm.n_items), rdm.labels, rotation=90, fontsize=size, parse_math=False)
    ax.set_yticks(range(rdm.n_items), rdm.labels, fontsize=size, parse_math=False)


def plot_comparison(comparison: Compared, ax: Axes | None = None) -> Axes:
    """Draw similarities: bars for one axis, a heat map for two, a histogram for more."""
    ax = new_axes(ax)
    values = comparison.values
    if values.ndim <= 1:
        _bars(ax, comparison, np.atleast_1d(values))
    elif values.ndim == 2:
        _matrix(ax, comparison)
    else:
        ax.hist(values[np.isfinite(values)], bins=30)
        ax.set_xlabel(comparison.method)
        ax.set_ylabel("comparisons")
    return ax


def _bars(ax: Axes, comparison: Compared, values: Any) -> None:
    names = _names(comparison, 0) if comparison.dims else [""]
    ax.bar(range(len(values)), values)
    style: dict[str, Any] = {"rotation": 45, "ha": "right"} if len(names) > 4 else {}
    ax.set_xticks(range(len(values)), names, parse_math=False, **style)
    ax.axhline(0, color="0.5", linewidth=0.8)
    ax.set_xlabel(comparison.dims[0] if comparison.dims else "")
    ax.set_ylabel(comparison.method)


def _matrix(ax: Axes, comparison: Compared) -> None:
    image = ax.imshow(comparison.values, cmap="viridis", aspect="auto")  # few rows of many columns stay readable
    assert ax.figure is not None
    ax.figure.colorbar(image, ax=ax, label=comparison.method)
    for axis, setter, label in ((0, ax.set_yticks, ax.set_ylabel), (1, ax.set_xticks, ax.set_xlabel)):
        names = _names(comparison, axis)
        label(comparison.dims[axis])
        if len(names) <= _MAX_TICKS:
            setter(range(len(names)), names, parse_math=False)
    ax.tick_params(axis="x", labelrotation=90)


def _names(comparison: Compared, axis: int) -> list[str]:
    name = comparison.dims[axis]
    return [str(v) for v in comparison.coords.get(name, range(comparison.values.shape[axis]))]


def plot_ceiling(ceiling: NoiseCeiling, ax: Axes | None = None) -> Axes:
    """Draw the band between the bounds: across the axes, or along one further axis."""
    further = ceiling.dims[1:]
    if len(further) > 1:
        msg = f"a ceiling over the axes {further} has no single curve; select from the RDMs until one is left."
        raise ValueError(msg)
    alone = ax is None
    ax = new_axes(ax)
    style: dict[str, Any] = {"color": "0.75", "alpha": 0.6, "linewidth": 0, "label": "noise ceiling"}
    if not further:
        ax.axhspan(float(ceiling.lower), float(ceiling.upper), **style)
        if alone:  # a band alone says nothing: show what it is made of
            _draw_subjects(ax, ceiling)
    else:
        where = np.asarray(ceiling.coords.get(further[0], range(np.size(ceiling.lower))))
        if where.dtype.kind not in "iuf":
            where = np.arange(len(where))
        ax.fill_between(where, ceiling.lower, ceiling.upper, **style)
        ax.set_xlabel(further[0])
        if alone:
            _title(ax, ceiling)
    ax.set_ylabel(ceiling.method)
    return ax


def _title(ax: Axes, ceiling: NoiseCeiling) -> None:
    who = f"{ceiling.n_subjects} subject{'' if ceiling.n_subjects == 1 else 's'}"
    ax.set_title(f"noise ceiling, {who}{'' if ceiling.n_subjects > 1 else ': not defined'}", fontsize=10)


def _draw_subjects(ax: Axes, ceiling: NoiseCeiling) -> None:
    """Draw every subject's similarity to the others' and to everyone's mean, both bounds and their intervals."""
    bounds = {
        "to the others' mean\n(lower bound)": (ceiling.lower, ceiling.lower_per_subject, ceiling.lower_interval),
        "to everyone's mean\n(upper bound)": (ceiling.upper, ceiling.upper_per_subject, ceiling.upper_interval),
    }
    for place, (bound, subjects, interval) in enumerate(bounds.values()):
        spread = np.linspace(-0.12, 0.12, len(subjects)) if len(subjects) > 1 else np.zeros(1)
        ax.scatter(place + spread, subjects, s=18, color="0.45", linewidth=0, zorder=2)
        ax.plot([place - 0.28, place + 0.28], [float(bound)] * 2, color="black", linewidth=1.6, zorder=3)
        ax.plot([place + 0.28] * 2, interval, color="black", linewidth=1.2, zorder=3)
    ax.set_xticks(range(len(bounds)), list(bounds))
    ax.set_xlim(-0.6, 1.6)
    _title(ax, ceiling)
    ax.spines[["top", "right"]].set_visible(False)
