from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from alignkit.rsa._rescale import centre, rescale


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
