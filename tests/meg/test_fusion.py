"""Fusion: mean RDMs of the side that is averaged, against each participant of the other; ceilings of both."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from alignkit.data import load_rsa92, simulate
from alignkit.meg import Fusion, fusion, onset, time_rdms, timecourse
from alignkit.rsa import RDM, noise_ceiling

TIMES = np.arange(6) / 10


@pytest.fixture
def meg(rng) -> RDM:
    return RDM(rng.random((4, 6, 15)), dims=["subject", "time"], coords={"time": TIMES}, labels=list("abcdef"))


@pytest.fixture
def fmri(rng) -> dict[str, RDM]:
    return {name: RDM(rng.random((5, 15)), dims=["subject"], labels=list("abcdef")) for name in ("V1", "IT")}


def test_over_meg_equals_a_loop_of_scipy(meg, fmri):
    found = fusion(meg, fmri, n_bootstrap=0)
    for k, region in enumerate(fmri.values()):
        mean = rankdata(region.values, axis=-1).sum(axis=0)
        for s, t in np.ndindex(4, 6):
            expected = spearmanr(mean, meg.values[s, t]).statistic
            assert found.course.similarity[k, s, t] == pytest.approx(expected, abs=1e-14)
        ceiling = noise_ceiling(region, n_bootstrap=0)
        assert (found.other_lower[k], found.other_upper[k]) == pytest.approx((ceiling.lower, ceiling.upper))
    np.testing.assert_array_equal(found.course.lower, timecourse(meg.isel(subject=0, time=0), meg).lower)
    assert found.n_other.tolist() == [5, 5]


def test_over_other_equals_a_loop_of_scipy(meg, fmri):
    found = fusion(meg, fmri, over="other", n_bootstrap=50, rng=0)
    mean = rankdata(meg.values, axis=-1).sum(axis=0)
    assert found.course.similarity.shape == (2, 5, 6)
    for k, region in enumerate(fmri.values()):
        for s, t in np.ndindex(5, 6):
            expected = spearmanr(mean[t], region.values[s]).statistic
            assert found.course.similarity[k, s, t] == pytest.approx(expected, abs=1e-14)
    np.testing.assert_allclose(found.course.mean, found.course.similarity.mean(axis=1))
    assert np.isfinite(found.course.interval).all()
    assert len(found.course.subjects) == 5
    assert np.isnan(found.course.lower).all()
    np.testing.assert_array_equal(found.course.times, TIMES)


@pytest.mark.parametrize("named", [False, True])
def test_over_both_compares_everybody_with_themselves(meg, rng, named):
    values = rng.random((4, 15))
    names, order = ["p", "q", "r", "s"], [2, 0, 3, 1] if named else [0, 1, 2, 3]
    coords = {"subject": np.array(names)[order]} if named else {}
    region = RDM(values[order], dims=["subject"], coords=coords, labels=list("abcdef"))
    people = dict(zip(names, [meg.isel(subject=i) for i in range(4)], strict=True)) if named else meg
    found = fusion(people, {"V1": region}, over="both", n_bootstrap=0)
    for s, t in np.ndindex(4, 6):
        expected = spearmanr(values[s], meg.values[s, t]).statistic
        assert found.course.similarity[0, s, t] == pytest.approx(expected, abs=1e-14)
    with pytest.raises(ValueError, match="same people in both"):
        fusion(people, {"V1": region.isel(subject=slice(0, 3))}, over="both")


@pytest.mark.parametrize("over", ["meg", "other"])
@pytest.mark.parametrize(("method", "pooling"), [("pearson", "rank"), ("cosine", "raw"), ("kendall-tau-a", "rank")])
def test_means_are_on_the_scale_of_the_method(meg, fmri, method, pooling, over):
    found = fusion(meg, {"V1": fmri["V1"]}, over=over, method=method, pooling=pooling, n_bootstrap=0)
    averaged = fmri["V1"].values if over == "meg" else np.moveaxis(meg.values, 1, 0)
    if method == "pearson":
        averaged = averaged - averaged.mean(axis=-1, keepdims=True)
        averaged = averaged / averaged.std(axis=-1, keepdims=True)
    elif method == "kendall-tau-a":
        averaged = rankdata(averaged, axis=-1)
    mean = RDM(averaged.mean(axis=-2), dims=["time"] if over == "other" else [], labels=list("abcdef"))
    if over == "meg":
        expected = timecourse(mean, meg, method=method, n_bootstrap=0).similarity
    else:
        expected = [timecourse(one, mean, method=method).similarity[0, 0] for one in fmri["V1"].values]
        expected = np.array(expected)[None]
    np.testing.assert_allclose(found.course.similarity, expected, rtol=0, atol=1e-12)


def test_single_rdms_are_taken_as_they_are(meg, rng):
    one = RDM(rng.random(15), labels=list("abcdef"))
    found = fusion(meg, one, n_bootstrap=0)
    np.testing.assert_array_equal(found.course.similarity, timecourse({"other": one}, meg, n_bootstrap=0).similarity)
    assert found.regions == ("other",)
    assert np.isnan(found.other_lower).all()


@pytest.mark.parametrize("where", ["meg", "other"])
@pytest.mark.parametrize("nan_policy", ["propagate", "omit"])
def test_what_is_undefined_in_the_same_people_is_said_once(meg, rng, where, nan_policy):
    brain, region = meg.values.copy(), rng.random((4, 15))
    constant, hole = ((brain, (1, 2)), (brain, (2, 3, 4))) if where == "meg" else ((region, 1), (region, (2, 4)))
    constant[0][constant[1]] = 1.0
    hole[0][hole[1]] = np.nan
    movie = RDM(brain, dims=meg.dims, coords=meg.coords, labels=meg.labels)
    other = RDM(region, dims=["subject"], labels=meg.labels)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = fusion(movie, other, over="both", nan_policy=nan_policy, n_bootstrap=0)
    said = [str(one.message) for one in caught if "either modality" in str(one.message)]
    assert len(said) == 1
    assert "or are all equal: 'subject 2 at 0" in said[0]
    assert len(caught) == 1 + (where == "other")  # the ceiling of these is undefined, too
    for s, t in np.ndindex(4, 6):
        there = ~np.isnan(brain[s, t] + region[s])
        whole = nan_policy == "omit" or there.all()
        flat = np.ptp(brain[s, t][there]) == 0 or np.ptp(region[s][there]) == 0
        expected = spearmanr(brain[s, t][there], region[s][there]).statistic if whole and not flat else np.nan
        np.testing.assert_allclose(found.course.similarity[0, s, t], expected, rtol=0, atol=1e-14)


def test_two_participants_of_the_other_modality_have_a_ceiling(meg, rng):
    two = RDM(rng.random((2, 15)), dims=["subject"], labels=list("abcdef"))
    found = fusion(meg, two, n_bootstrap=0)
    assert found.other_lower[0] == pytest.approx(spearmanr(*two.values).statistic, abs=1e-14)
    assert found.other_upper[0] == pytest.approx(float(noise_ceiling(two, n_bootstrap=0).upper), abs=1e-14)
    assert "ceiling of 2 participants" in repr(found)


def test_tables_files_and_words(meg, fmri, tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    for over in ("meg", "other"):
        found = fusion(meg, fmri, over=over, n_bootstrap=20, rng=0)
        table = found.to_dataframe()
        assert set(table.region) == {"V1", "IT"}
        assert table.other_lower[table.region == "IT"].iloc[0] == found.other_lower[1]
        assert found.to_xarray()["other_upper"].sel(region="V1") == found.other_upper[0]
        found.save(tmp_path / "found.json")
        again = Fusion.load(tmp_path / "found.json")
        assert repr(again) == repr(found)
        np.testing.assert_array_equal(again.course.similarity, found.course.similarity)
        assert "2 regions of another modality (5 participants)" in found.methods_text()
        assert found.plot().get_ylabel() == "similarity (spearman)"
    plt.close("all")


def test_what_cannot_be_done_is_said(meg, fmri):
    with pytest.raises(ValueError, match="other is empty"):
        fusion(meg, {})
    with pytest.raises(ValueError, match="the region 'V1' has the axes"):
        fusion(meg, {"V1": meg})
    with pytest.raises(ValueError, match="no mean RDM"):
        fusion(meg, fmri, method="bures")
    with pytest.raises(ValueError, match="have different"):
        fusion(meg, fmri | {"IT": fmri["IT"].isel(subject=slice(0, 3))}, over="other")
    with pytest.raises(ValueError, match="same items"):
        fusion(meg, {"V1": RDM(np.arange(15.0), labels=list("abcdeg"))})


def test_early_cortex_comes_first(shared_data):
    """Real fMRI RDMs of two regions; M/EEG that takes on the geometry of the first, then of the second."""
    folder = shared_data("rsa92").parent
    real = load_rsa92(folder)
    early, late = real.fmri_evc, real.fmri_it
    rng = np.random.default_rng(0)
    times = np.arange(-10, 40) / 100
    rise = [1 / (1 + np.exp(-(times - at) / 0.01)) for at in (0.08, 0.16)]
    spread = np.array([early.values.mean(axis=0).std(), late.values.mean(axis=0).std()])
    clean = (rise[0] - rise[1])[:, None] * early.values.mean(axis=0) / spread[0]
    clean = clean + rise[1][:, None] * late.values.mean(axis=0) / spread[1]
    noisy = clean + 3 * rng.normal(size=(10, *clean.shape))
    meg = RDM(noisy, dims=["subject", "time"], coords={"time": times}, labels=early.labels)
    found = fusion(meg, {"EVC": early, "IT": late}, n_bootstrap=0)
    first, second = (found.course.mean[k].argmax() for k in (0, 1))
    assert times[first] < 0.16 < times[second]
    assert found.other_lower[1] == pytest.approx(0.45253, abs=1e-5)
    assert found.other_upper[1] == pytest.approx(0.54219, abs=1e-5)
    start = onset(found.course, model="EVC", n_bootstrap=200, rng=0).value
    assert start == pytest.approx(0.07, abs=0.03)


def test_low_level_vision_comes_first_in_simulated_people():
    recorded = simulate(rng=0).meg(n_subjects=3, n_trials=4, n_times=30, snr=0.3)
    people = {
        name: time_rdms(
            patterns, by=[recorded.labels[i] for i in recorded.condition], folds=recorded.session, times=recorded.times
        )
        for name, patterns in zip(recorded.subjects, recorded.patterns, strict=True)
    }
    found = fusion(people, {"early": recorded.low, "late": recorded.high}, n_bootstrap=0)
    peaks = recorded.times[found.course.mean.argmax(axis=1)]
    assert peaks[0] < peaks[1]
