import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from reference import flip_tests as reference
from scipy.stats import binom

from alignkit.meg import TfceTest, tfce_test

TAILS = ("two-sided", "greater", "less")


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("step", [None, 0.2])
@pytest.mark.parametrize("shape", [(7, 30), (6, 6, 7)])
def test_scores_equal_a_loop_over_heights(rng, tail, step, shape):
    x = rng.normal(0.4, 1, size=shape)
    found = tfce_test(x, tail=tail, step=step, n_permutations=100)
    expected = reference.tfce(found.statistic, tail, step)
    assert_allclose(np.abs(found.score), expected, rtol=1e-10, atol=1e-12)
    assert_array_equal(np.sign(found.score[expected > 0]), np.sign(found.statistic[expected > 0]))


@given(st.integers(0, 2**32), st.floats(0.1, 2), st.floats(0, 3))
def test_scores_equal_a_loop_for_any_powers_and_ties(seed, e_power, h_power):
    x = np.random.default_rng(seed).integers(-3, 4, size=(6, 14)) + 0.25
    found = tfce_test(x, statistic="mean", e_power=e_power, h_power=h_power, n_permutations=32)
    defined = np.nan_to_num(found.statistic)
    expected = reference.tfce(defined, "two-sided", None, e_power, h_power)
    assert_allclose(np.abs(np.nan_to_num(found.score)), expected, rtol=1e-9, atol=1e-12)


def test_p_equals_a_loop_over_all_patterns(rng):
    x = rng.normal(0.4, 1, size=(6, 15))
    for tail in TAILS:
        found = tfce_test(x, tail=tail, alpha=0.1)
        own = reference.tfce(reference.t_values(x), tail)
        null = [reference.tfce(reference.t_values(x * s[:, None]), tail).max() for s in reference.flips(6, tail)]
        assert_allclose(found.p_corrected, np.mean([m >= own - 1e-9 for m in null], axis=0), atol=1e-12)


@pytest.mark.parametrize("shape", [(8, 70), (7, 8, 9)])
def test_equals_mne_at_the_same_step(rng, shape):
    mne = pytest.importorskip("mne", minversion="1.13")
    mne.set_log_level("error")
    x = rng.normal(0.3, 1, size=shape)
    found = tfce_test(x, step=0.2)
    score, _, p, _ = mne.stats.permutation_cluster_1samp_test(
        x, threshold={"start": 0, "step": 0.2}, n_permutations=1000
    )
    assert_allclose(found.score, score, rtol=1e-10, atol=1e-12)
    assert_array_equal(found.p_corrected.ravel(), p)


def test_long_effects_have_more_support_than_short_ones_of_equal_height(rng):
    # in mne before 1.13 both had the score of a single sample
    signs = np.array([1.0, -1.0] * 6)
    curves = np.zeros((12, 60)) + 0.001 * signs[:, None]
    curves[:, 10:14] = curves[:, 30:39] = (1.0 + 0.5 * signs)[:, None]
    found = tfce_test(curves, n_permutations=100, rng=0, tail="greater")
    t = found.statistic[10]
    assert_allclose(found.statistic[30], t)
    assert_allclose(found.score[10:14], t**3 / 3 * 2, rtol=1e-9)
    assert_allclose(found.score[30:39], t**3 / 3 * 3, rtol=1e-9)
    assert_allclose(found.score[:10], 0)


def test_small_steps_approach_the_integral(rng):
    x = rng.normal(0.4, 1, size=(8, 40))
    exact = tfce_test(x, n_permutations=20, rng=0, alpha=0.2)
    for step in (0.01, 1e-4, 1e-5):  # the last one has more steps than are summed one by one
        coarse = tfce_test(x, n_permutations=20, rng=0, step=step, alpha=0.2)
        assert_allclose(coarse.score, exact.score, rtol=0.02, atol=5 * step * 40**0.5 * 10)
    assert_allclose(coarse.score, exact.score, rtol=1e-3, atol=1e-3)


def test_many_steps_are_summed_without_error():
    from alignkit.meg._tfce_test import _Enhancement

    for power in (0.0, 1.0, 2.0, 2.5):
        heights = _Enhancement(0.5, power, 1e-3).heights(np.array([0.0, 9.0005, 25.0005]))
        sums = [0.0, *(sum((k * 1e-3) ** power * 1e-3 for k in range(1, n + 1)) for n in (9000, 25000))]
        assert_allclose(heights, sums, rtol=1e-11)


def test_noise_is_called_significant_as_often_as_said():
    rng = np.random.default_rng(13)
    hits = sum(tfce_test(rng.normal(size=(12, 25)), n_permutations=199, rng=rng).significant.any() for _ in range(400))
    assert binom.ppf(0.001, 400, 0.05) <= hits <= binom.ppf(0.999, 400, 0.05)


def test_undefined_times_break_the_support(rng):
    x = rng.normal(2, 0.5, size=(8, 11))
    x[2, 5] = np.nan
    with pytest.warns(RuntimeWarning, match="'subject 3' at: 'time 5'"):
        found = tfce_test(x)
    assert np.isnan(found.score[5])
    assert_allclose(found.score[:5], tfce_test(x[:, :5]).score, rtol=1e-9)


def test_result_comes_back(rng, tmp_path):
    found = tfce_test(rng.normal(size=(6, 9)))
    found.save(tmp_path / "a.json")
    back = TfceTest.load(tmp_path / "a.json")
    assert repr(back) == repr(found)
    assert back.step is None
    assert_array_equal(back.score, found.score)
    assert "nothing about onsets" in repr(found)
    assert "E = 0.5, H = 2, integrated" in found.methods_text()
    assert "score" in found.to_dataframe()


@pytest.mark.parametrize("options", [{"step": 0.0}, {"e_power": -1}, {"h_power": "2"}, {"tail": "both"}])
def test_options_that_do_not_fit_are_refused(rng, options):
    with pytest.raises((ValueError, TypeError), match="must be"):
        tfce_test(rng.normal(size=(8, 20)), **options)


def test_flips_that_leave_no_variance_support_one_another():
    # flipping the second subject makes both samples constant: two infinite values side by side
    x = np.array([[1.0, 2.0, 0.3], [-1.0, -2.0, 0.1], [1.0, 2.0, -0.2], [1.0, 2.0, 0.4]])
    found = tfce_test(x, tail="greater", alpha=0.5)
    null = [reference.t_values(x[:, 2:] * s[:, None]) for s in reference.flips(4, "greater")]
    assert len(null) == found.n_permutations == 16
    assert np.isinf(found.null).sum() == 1
    assert not np.isnan(found.null).any()
    assert (found.p_corrected >= 1 / 16).all()
