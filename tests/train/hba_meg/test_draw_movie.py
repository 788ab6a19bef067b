"""RDM movies as tiles and as animations show the RDMs of their times."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure as MplFigure
from matplotlib.text import Text
from PIL import Image

from alignkit.rsa import RDM
from alignkit.train.hba_meg._draw_movie import plot_movie, write_movie

LABELS = list("abcde")
TIMES = np.arange(12) / 100


def movie(rng, labels=LABELS, times=TIMES, **options):
    return RDM(rng.random((len(times), 10)), labels, dims=["time"], coords={"time": times}, **options)


@pytest.fixture
def movies(rng):
    return {"people": movie(rng, metric="crossnobis"), "$model$": movie(rng)}


def tiles(figure):
    return [[ax.images[0].get_array() for ax in figure.axes if ax.images][k] for k in range(len(figure.axes) - 2)]


def test_a_row_per_movie_and_a_column_per_time(movies):
    figure = plot_movie(movies, times=[0.001, 0.062, 0.11])
    assert [ax.get_title() for ax in figure.axes[:3]] == ["0 ms", "60 ms", "110 ms"]
    assert figure.axes[3].get_ylabel() == "$model$"
    shown = tiles(figure)
    for row, rdm in enumerate(movies.values()):
        for column, t in enumerate([0, 6, 11]):
            expected = rdm.isel(time=t).squareform()
            np.fill_diagonal(expected, np.nan)
            np.testing.assert_array_equal(np.ma.filled(shown[3 * row + column], np.nan), expected)
    low, high = figure.axes[0].images[0].get_clim()
    np.testing.assert_allclose([low, high], np.quantile(movies["people"].values, [0.02, 0.98]))
    assert figure.axes[-2].get_ylabel() == "crossnobis"
    figure.canvas.draw()
    plt.close(figure)


def test_text_is_large_enough_where_a_page_shows_the_picture(movies):
    figure = plot_movie(movies)
    # as pages have it: pictures of 160 dots per inch at most 736 dots wide
    shown = min(1.0, 736 / (160 * figure.get_figwidth()))
    texts = [*figure.findobj(Text)]
    sizes = {text.get_text(): text.get_fontsize() * 160 / 72 * shown for text in texts if text.get_text()}
    assert "crossnobis" in sizes
    assert min(sizes.values()) >= 12
    plt.close(figure)


def test_six_times_by_default_and_each_once(movies, rng):
    figure = plot_movie(movies)
    assert len(figure.axes) == 2 * 6 + 2
    plt.close(figure)
    figure = plot_movie({"one": movie(rng, times=TIMES[:1])})
    assert len(figure.axes) == 1 + 1
    plt.close(figure)
    figure = plot_movie(movies, times=[0.05, 0.051])
    assert len(figure.axes) == 2 + 2
    plt.close(figure)


def test_items_follow_the_first_movie(movies, rng):
    turned = {**movies, "turned": movies["people"].select(LABELS[::-1])}
    figure = plot_movie(turned, times=[0.05])
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), figure.axes[2].images[0].get_array())
    plt.close(figure)


def test_ranks_run_from_0_to_1_and_leave_gaps(movies):
    values = np.array(movies["people"].values)
    values[5, 3] = np.nan
    figure = plot_movie({"gap": movies["people"].replace(values)}, times=[0.05], colours="ranks")
    square = np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)
    there = np.sort(square[np.triu_indices(5, 1)])
    np.testing.assert_allclose(there[:9], (np.arange(9) + 0.5) / 9)
    assert np.isnan(there[9])
    assert figure.axes[0].images[0].get_clim() == (0, 1)
    plt.close(figure)


@pytest.mark.parametrize("value", [np.nan, 2.0])
def test_nothing_to_tell_apart_is_drawn_all_the_same(value):
    flat = RDM(np.full((3, 10), value), dims=["time"], coords={"time": TIMES[:3]})
    figure = plot_movie({"flat": flat})
    figure.canvas.draw()
    plt.close(figure)


def test_an_animation_has_a_frame_per_time(movies, tmp_path):
    others = plt.get_fignums()
    path = write_movie(tmp_path / "movie.gif", movies, frames_per_second=20, dpi=50)
    with Image.open(path) as image:
        assert image.n_frames == 12
        assert image.info["duration"] == 50
        assert image.info["loop"] == 0
        frames = []
        for t in (0, 11):
            image.seek(t)
            frames.append(np.asarray(image.convert("RGB")))
    assert frames[0].shape == (145, 300, 3)
    assert (frames[0] != frames[1]).any()
    assert [one.name for one in tmp_path.iterdir()] == ["movie.gif"]
    assert plt.get_fignums() == others


def test_animations_have_a_colour_bar_per_movie(movies, monkeypatch, tmp_path):
    bars = []
    kept = MplFigure.colorbar
    monkeypatch.setattr(MplFigure, "colorbar", lambda *args, **options: bars.append(kept(*args, **options)) or bars[-1])
    write_movie(tmp_path / "movie.gif", movies, dpi=20)
    assert [bar.ax.get_ylabel() for bar in bars] == ["crossnobis", "dissimilarity"]
    for bar, rdm in zip(bars, movies.values(), strict=True):
        np.testing.assert_allclose([bar.vmin, bar.vmax], np.quantile(rdm.values, [0.02, 0.98]))


def test_a_failed_animation_leaves_the_old_one(movies, tmp_path, monkeypatch):
    path = tmp_path / "movie.gif"
    path.write_bytes(b"old")

    def fail(*_args, **_kwargs):
        raise OSError(5, "the disk is gone")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        write_movie(path, movies, dpi=20)
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["movie.gif"]


def test_refusals(movies, rng, tmp_path):
    others = plt.get_fignums()
    first = movies["people"]
    cases = [
        ({}, {}, "movies is empty"),
        ({"all": RDM(rng.random((2, 3, 10)), dims=["subject", "time"])}, {}, r"a movie has \('time',\) alone"),
        ({"a": first, "b": movie(rng, times=TIMES + 1)}, {}, "'a' and 'b' have different times"),
        ({"a": first, "b": movie(rng, labels=list("abcdf"))}, {}, "'a' and 'b' hold different items"),
        ({"a": first, "b": RDM(rng.random((12, 3)), dims=["time"], coords={"time": TIMES})}, {}, "different items"),
        ({"a": first}, {"times": [0.5]}, "times must lie between 0 and 0.11 s; got '0.5'"),
        ({"a": first}, {"times": []}, "got none"),
        ({"a": first}, {"colours": "red"}, "colours"),
    ]
    for given, options, message in cases:
        with pytest.raises(ValueError, match=message):
            plot_movie(given, **options)
    assert plt.get_fignums() == others
    with pytest.raises(ValueError, match=r"written as .gif; got 'movie.mp4'"):
        write_movie("movie.mp4", movies)
    with pytest.raises(ValueError, match="at most 50; got 100"):
        write_movie(tmp_path / "movie.gif", movies, frames_per_second=100)
    with pytest.raises(ValueError, match="dpi"):
        write_movie(tmp_path / "movie.gif", movies, dpi=0)
