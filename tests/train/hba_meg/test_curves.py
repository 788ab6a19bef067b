from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit.train._time_losses import generalization_curve
from alignkit.train.hba_meg._curves import mean_curves, mean_of_numbers, noise_level, person_curves, unit_range


def curves_of(values, n_bytes=10**9):
    return person_curves(lambda start, stop: values[start:stop], *values.shape, n_bytes=n_bytes)


def loop_generalization(values):
    """The mean of numpy's correlations, one pair of times after the other."""
    n = len(values)
    found = np.zeros(n)
    for i in range(n):
        rs = []
        for j in range(n):
            used = ~(np.isnan(values[i]) | np.isnan(values[j]))
            rs.append(np.corrcoef(values[i, used], values[j, used])[0, 1])
        found[i] = np.mean(rs)
    return found


def loop_published(rdms, times):
    """What CLIP-HBA-MEG's description says, one person and one time after the other, on square matrices."""

    def scaled(curve):
        return (curve - curve.min()) / (curve.max() - curve.min())

    n_people, n_times = rdms.shape[:2]
    richness = np.array([[np.mean(rdms[s, t]) for t in range(n_times)] for s in range(n_people)]).mean(axis=0)
    upper = np.triu_indices(rdms.shape[-1], k=1)
    alike = []
    for s in range(n_people):
        rows = np.array([rdms[s, t][upper] for t in range(n_times)])
        alike.append(scaled(loop_generalization(rows)))
    richness, alike = scaled(richness), np.mean(alike, axis=0)
    richness[times <= 0] = 0
    alike[times <= 0] = 0
    return richness, alike


def squares(rng, n_people=3, n_times=9, n=8):
    x = rng.random((n_people, n_times, n, n))
    x = x + x.swapaxes(-1, -2)
    x[..., np.arange(n), np.arange(n)] = 0  # a diagonal of zeros counts to the published mean
    return x


def test_curves_are_the_published_ones(rng):
    rdms, times = squares(rng), np.arange(9) / 10 - 0.2
    upper = np.triu_indices(8, k=1)
    both = [curves_of(one[:, *upper]) for one in rdms]
    rich, alike = (np.stack(one) for one in zip(*both, strict=True))
    found = mean_curves(rich, alike, times, published=True)
    richness, generalization = loop_published(rdms, times)
    assert found.richness == pytest.approx(richness, abs=1e-6)
    assert found.generalization == pytest.approx(generalization, abs=1e-6)
    assert not found.richness[:3].any()
    later = mean_curves(rich, alike, times, published=False)
    assert later.richness[:3].any()
    assert later.richness[3:] == pytest.approx(found.richness[3:])


@pytest.mark.parametrize("n_bytes", [1, 40 * 45 * 2, 10**9])
def test_generalization_does_not_depend_on_the_memory(rng, n_bytes):
    values = rng.random((7, 45))
    richness, found = curves_of(values, n_bytes)
    assert richness == pytest.approx(values.mean(axis=1))
    assert found == pytest.approx(loop_generalization(values), abs=1e-6)


@pytest.mark.parametrize("n_bytes", [1, 10**9])
def test_pairs_without_numbers_do_not_count(rng, n_bytes):
    values = rng.random((6, 45)) + rng.random(45)
    values[rng.random(values.shape) < 0.2] = np.nan
    richness, found = curves_of(values, n_bytes)
    assert richness == pytest.approx(np.nanmean(values, axis=1))
    assert found == pytest.approx(loop_generalization(values), abs=1e-5)


def test_generalization_is_that_of_the_loss(rng):
    values = rng.random((6, 45))
    values[2, :7] = np.nan
    expected = generalization_curve(torch.from_numpy(values)).numpy()
    assert curves_of(values)[1] == pytest.approx(expected, abs=1e-5)


def test_large_offsets_do_not_drown_a_correlation(rng):
    values = rng.random((5, 200))
    assert curves_of(values + 1e4)[1] == pytest.approx(curves_of(values)[1], abs=1e-5)


def test_a_time_of_one_value_has_no_correlation(rng):
    values = rng.random((4, 45))
    values[1] = 0.1
    values[2] = np.nan
    richness, found = curves_of(values)
    assert np.isnan(found).tolist() == [False, True, True, False]
    assert np.isnan(richness).tolist() == [False, False, True, False]
    assert found[[0, 3]] == pytest.approx(loop_generalization(values[[0, 3]]), abs=1e-6)


def test_one_time_has_curves_of_one_and_no_noise(rng):
    richness, found = curves_of(rng.random((1, 45)))
    assert found == pytest.approx([1.0])
    for published in (False, True):
        curves = mean_curves(richness[None], found[None], np.zeros(1), published=published)
        assert curves.richness.tolist() == curves.generalization.tolist() == [1.0]
        assert curves.noise_level().tolist() == [0.0]


def test_a_curve_that_does_not_vary_is_one_and_a_missing_value_zero():
    rich = np.array([[2.0, 2.0, np.nan, 2.0]])
    curves = mean_curves(rich, np.array([[0.1, 0.3, np.nan, 0.2]]), np.arange(4.0), published=False)
    assert curves.richness.tolist() == [1.0, 1.0, 0.0, 1.0]
    assert curves.generalization == pytest.approx([0.0, 1.0, 0.0, 0.5])
    assert np.isnan(unit_range(np.full(3, np.nan))).all()
    assert unit_range(np.array([0.1 + 0.2, 0.3])).tolist() == [1.0, 1.0]


def test_noise_is_one_minus_the_curve_smoothed_and_brought_to_one(rng):
    curve = rng.random(40)
    reach = np.arange(-12, 13)
    kernel = np.exp(-0.5 * (reach / 3.0) ** 2)
    kernel /= kernel.sum()
    mirrored = np.pad(1 - curve, 12, mode="symmetric")
    smooth = np.array([(mirrored[t : t + 25] * kernel).sum() for t in range(40)])
    expected = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    assert noise_level(curve) == pytest.approx(expected)
    assert noise_level(np.full(5, 0.3)).tolist() == [0.0] * 5


def test_means_leave_out_what_is_missing():
    values = np.array([[1.0, np.nan], [3.0, np.nan]], dtype=np.float32)
    found = mean_of_numbers(values)
    assert found.dtype == np.float64
    assert found[0] == 2.0
    assert np.isnan(found[1])
