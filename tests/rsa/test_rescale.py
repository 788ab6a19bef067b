from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from alignkit.rsa import rdm
from alignkit.rsa._rescale import centre, rescale, scale


@pytest.mark.parametrize("scale", [5e-324, 1e-308, 1e-20, 1.0, 1e20, 1.7e308])
def test_rescaling_is_exact(scale):
    x = np.array([[0.5, -1.0, 0.25, 0.0]]) * scale
    scaled, exponent = rescale(x, -1)
    assert 0.5 <= np.abs(scaled).max() < 1
    assert np.array_equal(np.ldexp(scaled, exponent), x)


def test_zero_stays_zero():
    assert np.array_equal(rescale(np.zeros((2, 3)), -1)[0], np.zeros((2, 3)))


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e8])
def test_centring_is_exact_to_the_last_digits(offset, rng):
    row = offset + rng.normal(size=9)
    exact = [Fraction(v) - sum(map(Fraction, row)) / 9 for v in row]
    assert np.allclose(centre(row), np.array(exact, dtype=float), rtol=1e-14, atol=1e-15)
    row = np.where(np.arange(9) == 0, np.nextafter(offset, np.inf), offset)
    exact = [Fraction(v) - sum(map(Fraction, row)) / 9 for v in row]
    assert np.allclose(centre(row), np.array(exact, dtype=float), rtol=1e-14, atol=0)


def test_each_of_a_batch_has_a_unit_of_its_own():
    # the largest number of the first is in range as it is
    x = np.array([[[0.75, 0.5], [0.25, -0.5]], [[3e200, 1e200], [2e200, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    rescaled, exponent = rescale(x, (-2, -1))
    assert exponent.ravel().tolist()[::2] == [0, 0]
    assert 0.5 <= np.abs(rescaled[1]).max() < 1
    assert np.array_equal(scale(rescaled, exponent), x)
    three = np.concatenate([x[:2], x[:2, :1] / 4], axis=1)
    distances = rdm(three, metric="euclidean").values
    assert np.allclose(distances[1] / 1e200, rdm(three[1] / 1e200, metric="euclidean").values, rtol=1e-13)
