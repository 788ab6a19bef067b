import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import false_discovery_control

from alignkit.meg import fdr


def step_up(p, factor):
    n = len(p)
    order = np.argsort(p)
    return np.array(
        [
            min(min(1.0, factor * n / (j + 1) * p[order[j]]) for j in range(np.where(order == i)[0][0], n))
            for i in range(n)
        ]
    )


def test_equals_the_definition_scipy_and_mne(rng):
    p = rng.random(30) ** 3
    assert_allclose(fdr(p), step_up(p, 1.0))
    assert_allclose(fdr(p, method="by"), step_up(p, sum(1 / k for k in range(1, 31))))
    assert_array_equal(fdr(p), false_discovery_control(p))
    mne = pytest.importorskip("mne")
    assert_allclose(fdr(p), np.minimum(mne.stats.fdr_correction(p)[1], 1))


def test_nan_are_left_out_and_maps_keep_their_shape(rng, readonly):
    p = rng.random((4, 5))
    p[1, 2] = np.nan
    found = fdr(readonly(p))
    assert np.isnan(found[1, 2])
    assert_array_equal(found[~np.isnan(p)], false_discovery_control(p[~np.isnan(p)]))
    assert np.isnan(fdr([np.nan, np.nan])).all()


@pytest.mark.parametrize("p", [[1.5], [-0.1, 0.2], [], 0.3])
def test_what_is_no_p_value_is_refused(p):
    with pytest.raises(ValueError, match="p must"):
        fdr(p)
    with pytest.raises(ValueError, match="method must be one of"):
        fdr([0.1], method="holm")
