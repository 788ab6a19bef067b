import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import flip_tests as reference
from reference.courses import make_course
from scipy.stats import binom

from alignkit.meg import MaxTest, max_test


@pytest.mark.parametrize("tail", ["two-sided", "greater", "less"])
def test_equals_a_loop_over_all_patterns(rng, tail):
    x = rng.normal(0.3, 1, size=(7, 12))
    found = max_test(x, tail=tail)
    p, corrected = reference.max_test(x, tail)
    assert_allclose(found.p, p, atol=1e-12)
    assert_allclose(found.p_corrected, corrected, atol=1e-12)
    assert found.exact


def test_two_sided_it_is_that_of_mne(rng):
    mne = pytest.importorskip("mne")
    mne.set_log_level("error")
    x = rng.normal(0.3, 1, size=(10, 90))
    found = max_test(x)
    t, p, _ = mne.stats.permutation_t_test(x, n_permutations=10_000)
    assert_allclose(found.statistic, t, rtol=1e-12)
    assert_array_equal(found.p_corrected, p)
    # one-sided, mne compares with the largest absolute value
    _, p, _ = mne.stats.permutation_t_test(x, n_permutations=10_000, tail=1)
    assert (max_test(x, tail="greater").p_corrected <= p).all()


def test_p_of_one_time_is_that_of_scipy(rng):
    from scipy.stats import permutation_test

    x = rng.normal(0.5, 1, size=(8, 3))
    for tail in ("two-sided", "greater", "less"):
        found = max_test(x, statistic="mean", tail=tail)
        scipys = permutation_test(
            (x,), np.mean, permutation_type="samples", alternative=tail, n_resamples=np.inf, axis=0, vectorized=True
        )
        assert_allclose(found.p, scipys.pvalue, atol=1e-12)


def test_noise_is_called_significant_as_often_as_said():
    rng = np.random.default_rng(11)
    hits = sum(max_test(rng.normal(size=(12, 30)), n_permutations=199, rng=rng).significant.any() for _ in range(400))
    assert binom.ppf(0.001, 400, 0.05) <= hits <= binom.ppf(0.999, 400, 0.05)


def test_a_planted_time_is_found_by_itself(rng):
    x = rng.normal(size=(12, 40))
    x[:, 17] += 3
    found = max_test(x, tail="greater", rng=0, times=np.arange(40) / 100)
    assert_array_equal(np.flatnonzero(found.significant), [17])
    assert (found.p_corrected >= found.p).all()
    assert not max_test(x, tail="less", rng=0).significant[17]


def test_maps_and_undefined_times(rng):
    x = rng.normal(size=(8, 4, 5))
    x[0, 1, 2] = np.nan
    with pytest.warns(RuntimeWarning, match="'subject 1' at: 'axis_1 1, time 2'"):
        found = max_test(x)
    assert np.isnan(found.p_corrected[1, 2])
    assert np.isfinite(found.p_corrected).sum() == 19
    rest = np.delete(x.reshape(8, 20), 7, axis=1)
    assert_allclose(np.delete(found.p_corrected.ravel(), 7), max_test(rest).p_corrected)
    table = found.to_dataframe()
    assert list(table)[:3] == ["axis_1", "time", "statistic"]


def test_nothing_but_constants_gives_nan(rng):
    with pytest.warns(RuntimeWarning, match="all subjects are equal at"):
        found = max_test(np.ones((6, 3)))
    assert np.isnan(found.p_corrected).all()
    assert "0 of 0 samples" in repr(found)


def test_whose_curves_are_equal_is_said():
    values = np.random.default_rng(0).normal(size=(2, 6, 3))
    values[1, :, 2] = 0.25
    course = make_course(values, np.arange(3) / 10, models=("alexnet", "clip"))
    with pytest.warns(RuntimeWarning, match="all subjects are equal with 'clip' at: 'time 0.2'"):
        max_test(course, model="clip")
    values[0, 1, 0] = np.nan
    with pytest.warns(RuntimeWarning, match="NaN in the curves of '.*' with 'alexnet' at: 'time 0'"):
        max_test(make_course(values, np.arange(3) / 10, models=("alexnet", "clip")), model=0)


def test_result_comes_back(rng, tmp_path):
    found = max_test(rng.normal(size=(6, 9)))
    found.save(tmp_path / "a.json")
    back = MaxTest.load(tmp_path / "a.json")
    assert repr(back) == repr(found)
    assert_array_equal(back.null, found.null)
    assert "Nichols and Holmes" in found.methods_text()
    found.save(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().startswith("time,statistic,p,p_corrected")


@pytest.mark.parametrize("tail", ["two-sided", "greater"])
def test_sums_that_only_rounding_tells_apart_are_ties(tail):
    # .1 + .2 is as much as .3, and to the computer it is not
    tenths = np.random.default_rng(0).integers(-9, 10, size=(7, 60))
    found = max_test(tenths / 10, tail=tail, statistic="mean")
    sums = np.array(
        [reference.directed(float(s), tail) for signs in reference.flips(7, "greater") for s in signs @ tenths]
    )
    own = [reference.directed(float(s), tail) for s in tenths.sum(axis=0)]
    assert_allclose(found.p, np.mean(sums.reshape(-1, 60) >= own, axis=0))
