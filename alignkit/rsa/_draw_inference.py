"""Pictures of reliabilities and permutation tests; matplotlib is imported by whoever asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._plot import new_axes
from alignkit._typing import AnyArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from alignkit.rsa._permutation_result import PermutationTest
    from alignkit.rsa._split_half import SplitHalf

#: Above this many comparisons their names overlap and say nothing.
_MAX_TICKS = 40
#: More names than this run into each other unless they stand upright.
_MAX_SLANTED = 12


def plot_split_half(result: SplitHalf, ax: Axes | None = None) -> Axes:
    """Draw the corrected values of all splits: a histogram, or their band along one further axis."""
    further = result.dims[1:]
    if len(further) > 1:
        msg = f"reliabilities over the axes {further} have no single curve; select from the RDMs until one is left."
        raise ValueError(msg)
    ax = new_axes(ax)
    label = f"reliability ({result.method})"
    if not further:
        values = result.to_dataframe().corrected.to_numpy()
        ax.hist(values[np.isfinite(values)], bins=30, color="0.75", label="single splits")
        ax.axvline(float(result.reliability), color="black", label="corrected mean of all")
        ax.set_xlabel(label)
        ax.set_ylabel("splits")
        _legend_above(ax)
        return ax
    where = _positions(result.coords.get(further[0]), np.size(result.reliability))
    ax.fill_between(
        where, *result.interval, color="0.75", alpha=0.6, linewidth=0, label=f"{result.confidence:.0%} of splits"
    )
    ax.plot(where, result.reliability, color="black", label="reliability")
    ax.axhline(0, color="0.5", linewidth=0.8)
    ax.set_xlabel(further[0])
    ax.set_ylabel(label)
    _legend_above(ax)
    return ax


def _legend_above(ax: Axes) -> None:
    """Put the legend where it hides nothing."""
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.2}
    ax.legend(ncols=3, fontsize=8, frameon=False, columnspacing=1.0, handletextpad=0.5, **place)


def _positions(coordinate: list[Any] | None, size: int) -> AnyArray:
    where = np.asarray(range(size) if coordinate is None else coordinate)
    return where if where.dtype.kind in "iuf" else np.arange(size)


def plot_permutation_test(result: PermutationTest, ax: Axes | None = None) -> Axes:
    """Draw the null distribution with the statistic; for several comparisons, statistics over null intervals."""
    if np.ndim(result.statistic):
        return _plot_many(result, new_axes(ax, figsize=(max(6.0, min(9.0, 0.25 * np.size(result.statistic))), 3.6)))
    if result.null is None:
        msg = "the null distribution was too large to be saved with this result; run the test again to draw it."
        raise ValueError(msg)
    ax = new_axes(ax)
    values = result.null[np.isfinite(result.null)]
    ax.hist(values, bins=min(50, max(1, len(np.unique(values)))), color="0.75", label="permuted labels")
    ax.axvline(float(result.statistic), color="black", label=f"observed (p = {result.p:.3g})")
    ax.set_xlabel(result.method)
    ax.set_ylabel("permutations")
    _legend_above(ax)
    return ax


def _plot_many(result: PermutationTest, ax: Axes) -> Axes:
    statistic = np.ravel(result.statistic)
    where = np.arange(statistic.size)
    quantiles = result.null_quantiles.reshape(len(result.null_quantiles), -1)
    ax.vlines(where, quantiles[0], quantiles[-1], color="0.75", linewidth=6, label="95% of permutations")
    found = np.ravel(result.p_corrected) <= 0.05
    for which, fill, label in ((~found, "none", "corrected p > 0.05"), (found, "full", "corrected p <= 0.05")):
        if which.any():
            ax.plot(where[which], statistic[which], "o", color="black", fillstyle=fill, label=label)
    if statistic.size <= _MAX_TICKS:
        table = result.to_dataframe()
        names = [", ".join(map(str, row)) for row in table[list(result.dims)].itertuples(index=False)]
        crowded = len(names) > _MAX_SLANTED
        style: dict[str, Any] = {"rotation": 90, "fontsize": 7} if crowded else {"rotation": 45, "ha": "right"}
        ax.set_xticks(where, names, parse_math=False, **style)
    else:
        ax.set_xlabel(" x ".join(result.dims))
    ax.set_ylabel(result.method)
    _legend_above(ax)
    return ax
