"""Matrices over two axes of time: what lies where, in which colour, and what is outlined."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.meg._draw_matrix import draw_matrix

plt = pytest.importorskip("matplotlib.pyplot")
TIMES = np.array([-0.1, 0.0, 0.1, 0.2])
LABELS = ("test", "train", "accuracy")


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_cells_lie_around_their_times_and_colours_around_chance():
    values = 0.5 + np.arange(12).reshape(3, 4) / 40
    ax = draw_matrix(values, TIMES[:3], TIMES, centre=0.5, labels=LABELS)
    mesh = ax.collections[0]
    assert mesh.get_clim() == pytest.approx((0.225, 0.775))
    corners = mesh.get_coordinates()
    np.testing.assert_allclose(corners[0, :, 0], [-150, -50, 50, 150, 250])
    np.testing.assert_allclose(corners[:, 0, 1], [-150, -50, 50, 150])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("test (ms)", "train (ms)")


def test_marked_cells_are_outlined_along_their_edges():
    mask = np.zeros((4, 4), dtype=bool)
    mask[1, 1:3] = True
    ax = draw_matrix(np.zeros((4, 4)), TIMES, TIMES, centre=0.0, labels=LABELS, significance=mask)
    segments = np.array(ax.collections[1].get_segments()).reshape(-1, 4)
    assert len(segments) == 6
    assert segments[:, [0, 2]].min() == -50
    assert segments[:, [0, 2]].max() == 150
    assert segments[:, [1, 3]].min() == -50
    assert segments[:, [1, 3]].max() == 50


def test_one_cell_and_no_values():
    draw_matrix(np.full((1, 1), np.nan), TIMES[:1], TIMES[:1], centre=0.0, labels=LABELS)
    with pytest.raises(ValueError, match="got float64 of shape"):
        draw_matrix(np.zeros((1, 1)), TIMES[:1], TIMES[:1], centre=0.0, labels=LABELS, significance=np.zeros((1, 1)))
