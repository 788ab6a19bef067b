"""Weights of layers over time are drawn where they belong."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt

from alignkit.train.hba_meg._draw_weights import plot_weights

TIMES = np.arange(-2, 5) / 10


def mesh_of(ax):
    return ax.collections[0]


def test_time_runs_to_the_right_and_layers_upward(readonly, rng):
    weights = readonly(rng.random((7, 3)))
    ax = plot_weights(weights, readonly(TIMES), ["first", "$mid$", "last"], title="a $ sign")
    mesh = mesh_of(ax)
    np.testing.assert_array_equal(mesh.get_array().reshape(3, 7), weights.T)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["first", "$mid$", "last"]
    assert ax.get_xlabel() == "time (ms)"
    assert ax.get_xlim() == pytest.approx((-250, 450))
    assert mesh.get_clim() == (0.0, weights.max())
    ax.figure.canvas.draw()
    plt.close(ax.figure)


def test_weights_of_both_signs_have_no_colour_at_zero():
    ax = plot_weights([[0.2, -0.5]] * 7, TIMES, ["a", "b"])
    assert mesh_of(ax).get_clim() == (-0.5, 0.5)
    plt.close(ax.figure)


def test_one_time_and_no_weight_at_all():
    ax = plot_weights(np.zeros((1, 4)), [0.0], list("abcd"))
    assert mesh_of(ax).get_clim() == (0.0, 1.0)
    plt.close(ax.figure)


def test_of_many_layers_some_are_named():
    ax = plot_weights(np.ones((7, 60)), TIMES, [f"block {i}" for i in range(60)])
    assert [text.get_text() for text in ax.get_yticklabels()][:2] == ["block 0", "block 3"]
    plt.close(ax.figure)


@pytest.mark.parametrize(
    ("weights", "names", "message"),
    [
        (np.ones((3, 2)), ["a", "b"], r"a row per time, 7; got shape \(3, 2\)"),
        (np.ones((7, 2)), ["a"], "the layers"),
        (np.ones((7, 2)), ["a", "a"], "the layers"),
        (np.ones(7), ["a"], "weights"),
    ],
)
def test_refusals(weights, names, message):
    with pytest.raises(ValueError, match=message):
        plot_weights(weights, TIMES, names)
