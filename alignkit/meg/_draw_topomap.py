"""How a searchlight is drawn: over the head at some times, and over time at every sensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_array, as_float_array, check_choice, check_finite, require
from alignkit._plot import new_axes
from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.meg._sample_unit import time_axis, time_scale
from alignkit.meg._time_test import TimeTest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from alignkit.meg._searchlight_result import Searchlight

_N_TIMES = 5


def plot_topomap(
    result: Searchlight,
    times: Any,
    *,
    model: str | None,
    subject: str | None,
    ch_type: str | None,
    significance: object,
    axes: Any,
) -> Figure:
    """Draw maps over the head; see :meth:`Searchlight.plot_topomap`."""
    mne = require("mne", "meg")
    kind = _kind(result, ch_type)
    samples = _samples(result.times, times)
    values = _values(result, model, subject)
    marked = None if significance is None else _marked(significance, values.shape)
    sites = result.sensors.sites(kind)
    shown = np.stack([values[site][:, samples].mean(axis=0) for site in sites])
    reach = float(np.nanmax(np.abs(shown), initial=0.0)) or 1.0
    info = _info_of_sites(result, sites)
    axes = _axes(axes, len(samples))
    scale, unit = time_scale(result.times)
    image = None
    for ax, column, sample in zip(axes, shown.T, samples, strict=True):
        there = None if marked is None else np.array([marked[site, sample].any() for site in sites])
        image, _ = mne.viz.plot_topomap(
            column, info, axes=ax, show=False, cmap="RdBu_r", vlim=(-reach, reach), contours=4, mask=there
        )
        ax.set_title(f"{scale * result.times[sample]:.4g} {unit}", fontsize=10)
    figure = axes[0].figure.canvas.figure
    bar = figure.colorbar(image, ax=list(axes), shrink=0.7, aspect=15)
    bar.set_label(f"{result.quantity} ({result.method})")
    bar.outline.set_visible(False)
    return figure


def plot_sensors(result: Searchlight, ax: Axes | None, *, model: str | None) -> Axes:
    """Draw a model's mean over time, one line for each sensor."""
    mean = result.mean[result.position(model)]
    ax = new_axes(ax, figsize=(7.0, 3.8))
    scale, label = time_axis(result.times)
    times = scale * result.times
    ax.plot(times, mean.T, color="0.6", linewidth=0.4, alpha=0.5)
    if np.isfinite(mean).any():
        worst = np.nanargmin(mean) if result.quantity == "distance" else np.nanargmax(mean)
        best = int(np.unravel_index(worst, mean.shape)[0])
        ax.plot(times, mean[best], color="#0072B2", linewidth=1.6, label=result.sensors.names[best])
        ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    line: dict[str, Any] = {"color": "0.4", "linewidth": 0.8}
    ax.axhline(0, **line)
    if times[0] < 0 < times[-1]:
        ax.axvline(0, linestyle=(0, (4, 3)), **line)
    ax.margins(x=0)
    ax.set_xlabel(label)
    ax.set_ylabel(f"{result.quantity} ({result.method})")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _kind(result: Searchlight, ch_type: str | None) -> str:
    if ch_type is not None:
        check_choice("ch_type", ch_type, result.sensors.kinds)
    return ch_type or result.sensors.kinds[0]


def _samples(axis: FloatArray, times: Any) -> IntArray:
    """Return the samples nearest to some times."""
    if times is None:
        first = max(0.0, axis[0]) if axis[-1] > 0 else axis[0]
        spread = np.linspace(first, axis[-1], min(_N_TIMES, len(axis)))
        return np.unique(np.abs(axis[:, None] - spread).argmin(axis=0))  # few samples: each is drawn once
    wanted = np.atleast_1d(as_float_array("times", times))
    check_finite("times", wanted)
    half = float(np.diff(axis).max(initial=0.0)) / 2 or np.inf
    nearest = np.abs(axis[:, None] - wanted).argmin(axis=0) if wanted.ndim == 1 and wanted.size else np.zeros(0, int)
    if not nearest.size or (np.abs(axis[nearest] - wanted) > half + 1e-9).any():
        msg = f"times must lie between {axis[0]:g} and {axis[-1]:g} s; got {wanted.tolist()}."
        raise ValueError(msg)
    return nearest


def _values(result: Searchlight, model: str | None, subject: str | None) -> FloatArray:
    k = result.position(model)
    if subject is None:
        return result.mean[k]
    check_choice("subject", subject, result.subjects)
    return result.similarity[k, result.subjects.index(subject)]


def _marked(significance: object, shape: tuple[int, ...]) -> BoolArray:
    given = significance.significant if isinstance(significance, TimeTest) else significance
    mask = as_array("significance", given)
    if mask.dtype != np.bool_ or mask.shape != shape:
        msg = (
            f"significance must hold True or False for each sensor and time, shape {shape}; got {mask.dtype} of shape "
            f"{mask.shape}."
        )
        raise ValueError(msg)
    return mask


def _info_of_sites(result: Searchlight, sites: list[IntArray]) -> Any:
    """Return mne's description of one sensor for each site; pairs of gradiometers are shown as one."""
    mne = require("mne", "meg")
    info = mne.pick_info(result.sensors.info(), [int(site[0]) for site in sites])
    if any(len(site) > 1 for site in sites):  # mne would look for the other of each pair
        for ch in info["chs"]:
            ch["coil_type"], ch["unit"] = mne.io.constants.FIFF.FIFFV_COIL_VV_MAG_T3, mne.io.constants.FIFF.FIFF_UNIT_T
    return info


def _axes(axes: Any, n: int) -> list[Any]:
    if axes is None:
        from matplotlib import pyplot as plt

        _, made = plt.subplots(1, n, figsize=(1.7 * n + 1.0, 2.0), layout="constrained", squeeze=False)
        return list(made[0])
    given = list(np.atleast_1d(axes).ravel())
    if len(given) != n:
        msg = f"axes must hold one for each of {n} times; got {len(given)}."
        raise ValueError(msg)
    return given
