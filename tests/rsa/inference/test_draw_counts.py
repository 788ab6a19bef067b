from __future__ import annotations

import numpy as np

from alignkit.rsa._inference._draw_counts import draw_counts


def test_rows_sum_to_n_and_a_longer_draw_begins_with_the_shorter_one():
    long = draw_counts(7, 600, 3)
    assert (long.sum(axis=1) == 7).all()
    for n in (1, 255, 256, 300):
        np.testing.assert_array_equal(draw_counts(7, n, 3), long[:n])
    assert (draw_counts(7, 10, 4) != long[:10]).any()


def test_every_thing_is_drawn_as_often_as_chance_has_it():
    counts = draw_counts(10, 4000, 0)
    # Poisson-like: mean 1, variance 1 - 1/n
    assert np.abs(counts.mean(axis=0) - 1).max() < 0.07
    assert np.abs(counts.var(axis=0) - 0.9).max() < 0.12
