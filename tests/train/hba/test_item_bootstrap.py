from __future__ import annotations

import numpy as np
import pytest
from reference import item_bootstrap as reference

from alignkit.rsa import squareform
from alignkit.train.hba._item_bootstrap import draw_items, resampled_columns, resampled_rdms, weighted_pearson

N, B = 9, 20


@pytest.fixture
def rdms(rng):
    """Two models and people, condensed; small whole numbers, so that ranks are tied."""
    return rng.integers(0, 6, size=(3, N * (N - 1) // 2)).astype(float)


@pytest.mark.parametrize("ranks", [True, False])
def test_rdms_are_compared_as_with_every_resample_written_out(rdms, ranks):
    draws = draw_items(N, B, 1)
    found = resampled_rdms(rdms[:2], rdms[2], draws, ranks=ranks)
    square = [squareform(row) for row in rdms]
    expected = [[reference.resampled_rdm(m, square[2], times, ranks) for m in square[:2]] for times in draws]
    assert found == pytest.approx(np.array(expected), abs=1e-12, nan_ok=True)


def test_columns_are_correlated_as_with_every_resample_written_out(rng, readonly):
    x, y = (readonly(rng.integers(0, 4, size=(N, 5)).astype(float)) for _ in range(2))
    draws = draw_items(N, B, 2)
    expected = [reference.resampled_columns(x, y, times) for times in draws]
    assert resampled_columns(x, y, draws) == pytest.approx(np.array(expected), abs=1e-12, nan_ok=True)


def test_resamples_have_as_many_objects_and_come_again():
    draws = draw_items(N, B, 3)
    assert draws.shape == (B, N)
    assert (draws.sum(axis=1) == N).all()
    assert (draws == draw_items(N, B, 3)).all()
    assert (draws != draw_items(N, B, 4)).any()


def test_every_object_once_is_the_plain_correlation(rdms):
    from scipy.stats import spearmanr

    found = resampled_rdms(rdms[:2], rdms[2], np.ones((1, N)), ranks=True)
    assert found[0] == pytest.approx([spearmanr(row, rdms[2])[0] for row in rdms[:2]], abs=1e-12)


def test_nan_stays_with_its_model(rdms):
    rdms[0, 3] = np.nan
    draws = draw_items(N, B, 1)
    for ranks in (True, False):
        found = resampled_rdms(rdms[:2], rdms[2], draws, ranks=ranks)
        assert np.isnan(found[:, 0]).all()
        assert found[:, 1] == pytest.approx(resampled_rdms(rdms[1:2], rdms[2], draws, ranks=ranks)[:, 0], nan_ok=True)
        assert np.isnan(resampled_rdms(rdms[1:2], rdms[0], draws, ranks=ranks)).all()


def test_what_is_constant_is_undefined():
    x = np.array([[0.1, 0.1, 0.1], [1.0, 2.0, 4.0]])
    y = np.array([[3.0, 1.0, 2.0]])
    assert np.isnan(weighted_pearson(x, y, np.ones(3))).tolist() == [True, False]
    assert np.isnan(weighted_pearson(x, y, np.array([2.0, 0.0, 0.0]))).all()
    assert np.isnan(weighted_pearson(x, y, np.zeros(3))).all()


def test_no_resamples_give_nothing(rdms):
    assert resampled_rdms(rdms[:2], rdms[2], draw_items(N, 0, 1), ranks=True).shape == (0, 2)
    assert resampled_columns(np.ones((N, 4)), np.ones((N, 4)), draw_items(N, 0, 1)).shape == (0, 4)
