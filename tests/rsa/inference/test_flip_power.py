from __future__ import annotations

import itertools

import numpy as np
import pytest
from reference import power as plain

from alignkit.rsa._inference._flip_power import every_sign, flip_power
from alignkit.rsa._inference._t_power import t_power


@pytest.mark.parametrize("two_sided", [False, True])
def test_equals_a_plain_loop_over_other_samples(two_sided, rng):
    for n, effect in ((5, 1.5), (6, 0.9), (7, -0.4)):
        samples = effect + rng.normal(size=(400, n))
        share = np.mean([plain.flips_reject(x, 0.05, two_sided=two_sided) for x in samples])
        found = flip_power(effect, n, 0.05, two_sided=two_sided)
        assert abs(found - share) < 4 * np.sqrt(max(share, 0.01) * (1 - min(share, 0.99)) / 400) + 0.01


def test_all_positive_is_what_five_subjects_need():
    # the only pattern of 32 with p <= 0.05 is that of five positive scores
    chance = 0.8413447460685429**5
    assert flip_power(1.0, 5, 0.05, two_sided=False) == pytest.approx(chance, abs=0.03)
    assert flip_power(0.0, 5, 0.05, two_sided=False) == pytest.approx(1 / 32, abs=0.012)
    assert flip_power([9.0, np.nan], 4, 0.05, two_sided=False).tolist()[0] == 0
    assert flip_power(9.0, 5, 0.05, two_sided=True) == 0
    assert np.isnan(flip_power(np.nan, 6, 0.05, two_sided=True))


def test_it_nears_that_of_the_t_test():
    gaps = []
    for n in (6, 8, 10):
        effect = np.linspace(0, 2, 9)
        gaps.append(
            np.abs(
                flip_power(effect, n, 0.05, two_sided=False)
                - t_power(effect * np.sqrt(n), n - 1, 0.05, two_sided=False)
            ).max()
        )
    assert gaps[0] > gaps[2]
    assert gaps[2] < 0.03


def test_every_sign_is_there_once():
    assert sorted(map(tuple, every_sign(3).T)) == sorted(itertools.product((1.0, -1.0), repeat=3))
    assert (every_sign(4)[:, 0] == 1).all()
