"""RDMs over time as tiles, and as an animation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from alignkit._check import check_choice, check_positive, join_names, shown
from alignkit._io import atomic_write
from alignkit._typing import AnyArray, FloatArray, PathLike
from alignkit.meg._sample_unit import time_scale
from alignkit.rsa import RDM, squareform

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Colours = Literal["values", "ranks"]
#: Shares of all values between which colours run, so that single pairs do not set the scale.
_FROM, _TO = 0.02, 0.98
#: Tiles of a row, so that they and their text are large enough on a page.
_TILES = 6
#: Points of the text.
_TEXT = 10
#: GIFs hold whole hundredths of a second, and viewers slow down what is faster than 50 frames a second.
_FASTEST = 50.0


def plot_movie(
    movies: Mapping[str, RDM], /, *, times: Sequence[float] | None = None, colours: Colours = "values"
) -> Figure:
    """Draw RDMs at some times as tiles: a row per movie, a column per time.

    Parameters
    ----------
    movies : mapping of str to RDM
        RDMs over ``("time",)``, of the same items and times: people's beside a model's. Items are drawn in the order of
        the first; select() puts it in another.
    times : sequence of float, optional
        Seconds, the nearest sample of each is drawn; by default six from first to last, which fill a page's width.
    colours : {"values", "ranks"}
        Colours run over the values of a movie at all its times, or over the ranks of each RDM, which show its structure
        where values are low.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        No movies, axes other than time, other items or times, or times that lie outside.
    """
    from matplotlib import pyplot as plt

    rdms, when = _checked(movies, colours)
    chosen = _nearest(when, times)
    figure, axes = plt.subplots(
        len(rdms),
        len(chosen),
        figsize=(1.2 + 1.0 * len(chosen), 0.4 + 1.1 * len(rdms)),
        squeeze=False,
        layout="compressed",
    )
    for row, (name, rdm) in zip(axes, rdms.items(), strict=True):
        limits = _limits(rdm, colours)
        images = [_draw(ax, _square(rdm, t, colours), limits) for ax, t in zip(row, chosen, strict=True)]
        _add_bar(figure, images[-1], row.tolist(), rdm, colours)
        row[0].set_ylabel(name, fontsize=_TEXT, parse_math=False)
    for ax, t in zip(axes[0], chosen, strict=True):
        ax.set_title(_when(when, t), fontsize=_TEXT)
    return figure


def write_movie(
    path: PathLike,
    movies: Mapping[str, RDM],
    /,
    *,
    frames_per_second: float = 10.0,
    colours: Colours = "values",
    dpi: float = 100.0,
) -> Path:
    """Write RDMs over time as an animated ``.gif``, the movies side by side, a frame per time.

    Parameters
    ----------
    path : path
        Where to; what is there is replaced once the new file is whole.
    movies : mapping of str to RDM
        As :func:`plot_movie` takes them.
    frames_per_second : float
        At most 50.
    colours : {"values", "ranks"}
        As :func:`plot_movie` takes it.
    dpi : float
        Dots per inch; each movie is three inches wide, with its colour bar.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        Another suffix, more frames a second than viewers show, or movies that :func:`plot_movie` refuses.
    """
    target = Path(path)
    if target.suffix.lower() != ".gif":
        msg = f"movies are written as .gif; got {shown(str(path))}."
        raise ValueError(msg)
    check_positive("dpi", dpi)
    if check_positive("frames_per_second", frames_per_second) > _FASTEST:
        msg = f"frames_per_second must be at most {_FASTEST:g}; got {frames_per_second:g}."
        raise ValueError(msg)
    rdms, when = _checked(movies, colours)
    frames = list(_frames(rdms, when, colours, dpi))
    with atomic_write(target, "wb") as file:
        duration = 10 * round(100 / frames_per_second)
        frames[0].save(file, format="GIF", save_all=True, append_images=frames[1:], duration=duration, loop=0)
    return target


def _frames(rdms: Mapping[str, RDM], when: FloatArray, colours: Colours, dpi: float) -> Iterator[Any]:
    """Yield a picture per time, in 256 colours of its own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(3.0 * len(rdms), 2.9), dpi=dpi, layout="constrained")
    canvas: Any = FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(rdms), squeeze=False)[0]
    images = []
    for ax, (name, rdm) in zip(axes, rdms.items(), strict=True):
        images.append(_draw(ax, _square(rdm, 0, colours), _limits(rdm, colours)))
        _add_bar(figure, images[-1], ax, rdm, colours)
        ax.set_xlabel(name, fontsize=_TEXT, parse_math=False)
    title = figure.suptitle(_when(when, 0), fontsize=_TEXT + 1)
    for t in range(len(when)):
        for image, rdm in zip(images, rdms.values(), strict=True):
            image.set_data(_square(rdm, t, colours))
        title.set_text(_when(when, t))
        canvas.draw()
        yield Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy()).quantize(256)


def _checked(movies: Mapping[str, RDM], colours: str) -> tuple[dict[str, RDM], FloatArray]:
    """Return the movies with their items in one order, and their times."""
    check_choice("colours", colours, ("values", "ranks"))
    if not movies:
        msg = "movies is empty; give at least one RDM over time."
        raise ValueError(msg)
    for name, one in movies.items():
        if one.dims != ("time",):
            msg = f"{name!r} has the axes {one.dims}; a movie has ('time',) alone (choose or average with isel, mean)."
            raise ValueError(msg)
    (first_name, first), *others = movies.items()
    when = _times(first)
    rdms = {first_name: first}
    for name, other in others:
        own = _times(other)
        if own.shape != when.shape or not np.allclose(own, when, rtol=0, atol=1e-6):
            msg = f"{first_name!r} and {name!r} have different times; choose those that both have with sel(time=...)."
            raise ValueError(msg)
        rdms[name] = _aligned(first_name, first, name, other)
    return rdms, when


def _aligned(first_name: str, first: RDM, name: str, other: RDM) -> RDM:
    if first.labels is None or other.labels is None:
        same = first.n_items == other.n_items
    else:
        same = set(first.labels) == set(other.labels)
    if not same:
        msg = f"{first_name!r} and {name!r} hold different items; select() those that both have."
        raise ValueError(msg)
    return other if first.labels is None or other.labels is None else other.select(first.labels)


def _times(rdm: RDM) -> FloatArray:
    values = rdm.coords["time"] if "time" in rdm.coords else np.arange(len(rdm))
    return np.asarray(values, dtype=np.float64)


def _nearest(when: FloatArray, times: Sequence[float] | None) -> list[int]:
    """Return the samples nearest to the times, each once."""
    if times is None:
        return sorted({int(k) for k in np.linspace(0, len(when) - 1, _TILES).round()})
    half = float(np.diff(when).max(initial=0.0)) / 2 + 1e-9
    away = [time for time in times if not when[0] - half <= time <= when[-1] + half]
    if away or not len(times):
        told = join_names(f"{time:g}" for time in away) or "none"
        msg = f"times must lie between {when[0]:g} and {when[-1]:g} s; got {told}."
        raise ValueError(msg)
    return list(dict.fromkeys(int(np.abs(when - time).argmin()) for time in times))


def _square(rdm: RDM, t: int, colours: Colours) -> AnyArray:
    """Return one RDM as a square without its diagonal: values, or ranks from 0 to 1."""
    values = np.asarray(rdm.values[t], dtype=np.float64)
    if colours == "ranks":
        values = _ranked(values)
    square = np.array(squareform(values))
    np.fill_diagonal(square, np.nan)
    return square


def _ranked(values: FloatArray) -> FloatArray:
    from scipy.stats import rankdata

    there = np.isfinite(values)
    ranks = np.full(len(values), np.nan)
    ranks[there] = (rankdata(values[there]) - 0.5) / max(int(there.sum()), 1)
    return ranks


def _limits(rdm: RDM, colours: Colours) -> tuple[float, float]:
    if colours == "ranks":
        return 0.0, 1.0
    values = np.asarray(rdm.values, dtype=np.float64)
    if not np.isfinite(values).any():
        return 0.0, 1.0
    low, high = np.nanquantile(np.where(np.isfinite(values), values, np.nan), [_FROM, _TO])
    return float(low), float(high if high > low else low + 1.0)


def _draw(ax: Any, square: AnyArray, limits: tuple[float, float]) -> AxesImage:
    image: AxesImage = ax.imshow(square, cmap="viridis", vmin=limits[0], vmax=limits[1], interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    return image


def _add_bar(figure: Figure, image: AxesImage, axes: Any, rdm: RDM, colours: Colours) -> None:
    """Draw what colours stand for; pointed ends say that single pairs lie beyond."""
    shape: dict[str, Any] = {"fraction": 0.03, "pad": 0.02} if isinstance(axes, list) else {"shrink": 0.9, "pad": 0.03}
    beyond = "neither" if colours == "ranks" else "both"
    bar = figure.colorbar(image, ax=axes, extend=beyond, **shape)
    name = "rank, 0 to 1" if colours == "ranks" else rdm.metric or "dissimilarity"
    bar.ax.set_ylabel(name, fontsize=_TEXT, parse_math=False)
    bar.ax.tick_params(labelsize=_TEXT - 1)
    bar.ax.locator_params(nbins=4)


def _when(when: FloatArray, t: int) -> str:
    scale, unit = time_scale(when)
    return f"{scale * when[t]:.4g} {unit}"
