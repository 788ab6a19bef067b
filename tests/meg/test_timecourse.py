"""One pass over time equals plain loops over times, participants and models."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import compare as reference_compare
from reference import rsa as reference
from scipy.stats import kendalltau, norm, pearsonr, rankdata, spearmanr
from scipy.stats import t as student
from threadpoolctl import threadpool_limits

from alignkit.meg import RDMStore, TimeCourse, timecourse
from alignkit.rsa import RDM, compare, noise_ceiling, rank
from alignkit.rsa._matrix_methods import COMPARISON_METHODS
from alignkit.rsa._pooling import POOLING_METHODS

SCIPY = {
    "spearman": lambda x, y: spearmanr(x, y).statistic,
    "pearson": lambda x, y: pearsonr(x, y).statistic,
    "kendall-tau-b": lambda x, y: kendalltau(x, y).statistic,
    "cosine": lambda x, y: x @ y / np.sqrt((x @ x) * (y @ y)),
}
LABELS = ["dog", "cat", "car", "cup", "hat", "owl"]
TIMES = [-0.1, 0.0, 0.1, 0.2]


def movie(rng, n_subjects: int = 4, n_items: int = 6, n_times: int = 4, levels: int | None = None) -> np.ndarray:
    """Return distances over time of items at random places, shape (subject, time, pairs), ties where ``levels``."""
    places = rng.normal(size=(n_subjects, n_times, n_items, 3)) + 2 * rng.normal(size=(n_items, 3))
    first, second = np.triu_indices(n_items, k=1)
    x = np.square(places[..., first, :] - places[..., second, :]).sum(axis=-1)
    return x if levels is None else np.ceil(levels * x / x.max())


def stacked(values: np.ndarray, **options: Any) -> RDM:
    times = options.pop("times", np.arange(values.shape[1]) / 10)
    return RDM(values, dims=["subject", "time"], coords={"time": times}, **options)


@pytest.fixture
def data(rng) -> np.ndarray:
    return movie(rng)


@pytest.fixture
def models(rng) -> np.ndarray:
    return movie(rng, 1, n_times=3)[0]


def quiet(*args: Any, **options: Any) -> TimeCourse:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return timecourse(*args, **options)


# ---- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [None, 3])
@pytest.mark.parametrize("method", SCIPY)
def test_equals_a_loop_of_scipy(method, levels, rng):
    x, y = movie(rng, levels=levels), movie(rng, 1, n_times=3, levels=levels)[0]
    result = timecourse(RDM(y, dims=["model"]), stacked(x), method=method, n_bootstrap=0)
    assert result.similarity.shape == (3, 4, 4)
    for m, s, t in np.ndindex(3, 4, 4):
        assert result.similarity[m, s, t] == pytest.approx(SCIPY[method](y[m], x[s, t]), abs=1e-14)
    assert np.allclose(result.mean, result.similarity.mean(axis=1), rtol=0, atol=1e-15)


@pytest.mark.parametrize("method", COMPARISON_METHODS)
@pytest.mark.parametrize("levels", [None, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_compare_at_each_time(method, levels, dtype, rng, readonly):
    x, y = readonly(movie(rng, levels=levels).astype(dtype)), readonly(movie(rng, 1, n_times=3, levels=levels)[0])
    result = quiet(RDM(y, dims=["model"]), stacked(x), method=method, n_bootstrap=0)
    for t in range(x.shape[1]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = compare(RDM(y, dims=["model"]), RDM(x[:, t], dims=["subject"]), method=method).values
        assert np.allclose(result.similarity[..., t], expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("method", POOLING_METHODS)
@pytest.mark.parametrize("pooling", ["rank", "raw", "rsatoolbox"])
@pytest.mark.parametrize("levels", [None, 3])
def test_ceilings_equal_those_of_each_time(method, pooling, levels, rng):
    x = movie(rng, levels=levels)
    result = timecourse(x[0, 0], stacked(x), method=method, pooling=pooling, n_bootstrap=0)
    for t in range(x.shape[1]):
        expected = noise_ceiling(RDM(x[:, t], dims=["subject"]), method=method, pooling=pooling, n_bootstrap=0)
        assert np.allclose(result.lower_per_subject[:, t], expected.lower_per_subject, rtol=0, atol=1e-13)
        assert np.allclose(result.upper_per_subject[:, t], expected.upper_per_subject, rtol=0, atol=1e-13)
        assert result.lower[t] == pytest.approx(expected.lower, abs=1e-13)
        assert result.upper[t] == pytest.approx(expected.upper, abs=1e-13)
    assert result.pooling == pooling


@pytest.mark.parametrize("levels", [None, 3])
def test_ceilings_of_spearman_equal_a_loop_of_scipy(levels, rng):
    x = movie(rng, levels=levels)
    result = timecourse(x[0, 0], stacked(x), n_bootstrap=0)
    ranks = rankdata(x, axis=-1)
    for s, t in np.ndindex(x.shape[:2]):
        others = np.delete(ranks[:, t], s, axis=0).mean(axis=0)
        assert result.lower_per_subject[s, t] == pytest.approx(spearmanr(others, x[s, t]).statistic, abs=1e-14)
        everybody = ranks[:, t].mean(axis=0)
        assert result.upper_per_subject[s, t] == pytest.approx(spearmanr(everybody, x[s, t]).statistic, abs=1e-14)


@pytest.mark.parametrize("levels", [None, 3])
def test_normalized_ranks_are_averaged_and_compared_as_they_are(levels, rng):
    x = movie(rng, levels=levels)
    result = timecourse(x[0, 0], stacked(x), pooling="normalized-rank", n_bootstrap=0)
    ranks = rankdata(x, axis=-1)
    unit = ranks - ranks.mean(axis=-1, keepdims=True)
    unit /= np.linalg.norm(unit, axis=-1, keepdims=True)
    for s, t in np.ndindex(x.shape[:2]):
        others = np.delete(unit[:, t], s, axis=0).mean(axis=0)
        assert result.lower_per_subject[s, t] == pytest.approx(pearsonr(others, unit[s, t]).statistic, abs=1e-13)
        everybody = unit[:, t].mean(axis=0)
        assert result.upper_per_subject[s, t] == pytest.approx(pearsonr(everybody, unit[s, t]).statistic, abs=1e-13)
    # those of z-scored ranks, which have that length
    expected = noise_ceiling(RDM(rank(x), dims=["subject", "time"]), method="pearson", n_bootstrap=0)
    assert np.allclose(result.lower, expected.lower, rtol=0, atol=1e-13)


def test_participants_who_cancel_out_in_normalized_ranks(rng):
    up = np.arange(10.0)
    x = np.stack([up, -up, up, up])[:, None]
    result = timecourse(up, stacked(x), pooling="normalized-rank", n_bootstrap=0)
    assert result.upper_per_subject[:, 0] == pytest.approx([1, -1, 1, 1])
    assert result.lower_per_subject[1, 0] == pytest.approx(-1)
    with pytest.warns(RuntimeWarning, match=r"cancel out .* undefined, at: '0.3 s'\. The values"):
        result = timecourse(up, stacked(x[:2], times=[0.3]), pooling="normalized-rank", n_bootstrap=0)
    assert np.isnan(result.upper).all()


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("partial", ["both", "models", "data"])
def test_partial_correlations_equal_a_loop(method, partial, data, models, rng):
    controls = rng.normal(size=(2, 15)).round(1)
    side = {"both": "both", "models": "first", "data": "second"}[partial]
    result = timecourse(
        RDM(models, dims=["model"]),
        stacked(data),
        method=method,
        controls=RDM(controls, dims=["control"]),
        partial=partial,
        n_bootstrap=0,
    )
    for m, s, t in np.ndindex(*result.similarity.shape):
        expected = reference_compare.partial(models[m], data[s, t], controls, method, side)
        assert result.similarity[m, s, t] == pytest.approx(expected, abs=1e-13)
    assert result.controls == ("control 0", "control 1")
    assert result.partial == partial
    assert "2 control RDMs" in result.methods_text()


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("partial", ["both", "data"])
def test_the_ceiling_of_partial_correlations_is_that_of_what_the_controls_leave(method, partial, data, rng):
    control = rng.normal(size=15)
    result = timecourse(data[0, 0], stacked(data), method=method, controls=control, partial=partial, n_bootstrap=0)
    transformed = rankdata if method == "spearman" else np.asarray
    for t in range(4):
        rest = [reference_compare.residual(transformed(x), transformed(control)[None]) for x in data[:, t]]
        expected = noise_ceiling(np.stack(rest), method="cosine", n_bootstrap=0)
        assert np.allclose(result.lower_per_subject[:, t], expected.lower_per_subject, rtol=0, atol=1e-12)
        assert np.allclose(result.upper_per_subject[:, t], expected.upper_per_subject, rtol=0, atol=1e-12)


def test_the_ceiling_of_data_that_the_controls_leave_alone_is_that_of_the_data(data, rng):
    control = rng.normal(size=15)
    result = timecourse(data[0, 0], stacked(data), controls=control, partial="models", n_bootstrap=0)
    assert np.array_equal(result.upper, timecourse(data[0, 0], stacked(data), n_bootstrap=0).upper)


@pytest.mark.parametrize("method", ["spearman", "pearson", "whitened-cosine"])
def test_models_with_a_time_axis_meet_every_time(method, data, models):
    timed = RDM(np.stack([models, models[::-1]]), dims=["model", "time"], coords={"time": [0.0, 0.5, 1.0]})
    result = timecourse(timed, stacked(data), method=method, n_bootstrap=20, rng=0)
    assert result.dims == ("model", "subject", "model_time", "time")
    assert result.similarity.shape == (2, 4, 3, 4)
    assert result.mean.shape == (2, 3, 4)
    assert result.interval.shape == (2, 2, 3, 4)
    assert result.model_times.tolist() == [0, 0.5, 1]
    for u in range(3):
        static = timecourse(RDM(timed.values[:, u], dims=["model"]), stacked(data), method=method, n_bootstrap=0)
        assert np.allclose(result.similarity[:, :, u], static.similarity, rtol=0, atol=1e-14)


@pytest.mark.parametrize("sigma_k", [[1.0, 2, 1, 1, 3, 1], np.eye(6) + 0.3])
def test_whitening_by_given_errors(sigma_k, data, models):
    result = timecourse(models[0], stacked(data), method="whitened-pearson", sigma_k=sigma_k, n_bootstrap=0)
    for t in range(4):
        here = RDM(data[:, t], dims=["subject"])
        expected = compare(models[0], here, method="whitened-pearson", sigma_k=sigma_k).values
        assert np.allclose(result.similarity[0, :, t], expected, rtol=0, atol=1e-13)
        bound = noise_ceiling(here, method="whitened-pearson", sigma_k=sigma_k, n_bootstrap=0).upper
        assert result.upper[t] == pytest.approx(bound, abs=1e-13)


def test_errors_of_items_follow_their_labels(data, models):
    sigma_k = np.array([1.0, 2, 1, 1, 3, 1])
    fewer = RDM(models[0], labels=LABELS).select(["owl", "cat", "hat", "dog"])
    options = {"method": "whitened-cosine", "on_mismatch": "intersect", "n_bootstrap": 0}
    result = timecourse(fewer, stacked(data, labels=LABELS), sigma_k=sigma_k, **options)
    expected = timecourse(
        fewer,
        stacked(data, labels=LABELS),
        sigma_k=np.diag(sigma_k),
        **options,
    )
    assert np.allclose(result.similarity, expected.similarity, rtol=0, atol=1e-12)
    kept = [0, 1, 4, 5]
    direct = timecourse(fewer, RDM(data[0], labels=LABELS).take(kept), sigma_k=sigma_k[kept], **options)
    assert np.allclose(result.similarity[:, 0], direct.similarity[:, 0], rtol=0, atol=1e-12)


# ---- hand cases ------------------------------------------------------------------------------------------------------


def test_three_items_and_two_participants_by_hand():
    # three pairs: ranks 1 2 3 against 1 3 2 have r = 1 - 6 * 2 / 24 = 0.5
    x = np.array([[[1.0, 2, 3]], [[1.0, 3, 2]]])
    result = timecourse([0.0, 1, 2], stacked(x))
    assert result.similarity[0, :, 0].tolist() == [1.0, 0.5]
    assert result.mean[0, 0] == 0.75
    assert result.lower[0] == 0.5
    # mean ranks 1, 2.5, 2.5: r with 1 2 3 is 1.5 / sqrt(2 * 1.5)
    assert result.upper[0] == pytest.approx(1.5 / np.sqrt(3), abs=1e-15)
    assert np.isnan(result.interval).all()
    assert result.n_bootstrap == 0
    assert "two participants" in result.note


def test_one_participant_has_no_ceiling_and_no_interval(data, models, recwarn):
    result = timecourse(models, stacked(data[:1]))
    assert np.isnan(result.lower).all()
    assert np.isnan(result.upper).all()
    assert np.isnan(result.interval).all()
    assert "nobody to compare with" in repr(result)
    assert result.subjects == ("subject",)
    assert np.array_equal(result.mean, result.similarity[:, 0])
    assert not recwarn.list


def test_the_model_itself_reaches_one_and_its_opposite_minus_one(data):
    result = timecourse({"same": data[0, 1], "opposite": -data[0, 1]}, data[0], n_bootstrap=0)
    assert result.similarity[:, 0, 1].tolist() == [1.0, -1.0]


@given(st.integers(0, 2**32 - 1))
def test_neither_order_of_items_nor_monotone_scale_matters(seed):
    rng = np.random.default_rng(seed)
    x, model = movie(rng, 3, 5, 2), movie(rng, 1, 5, 1)[0, 0]
    plain = timecourse(RDM(model, labels=LABELS[:5]), stacked(x, labels=LABELS[:5]), n_bootstrap=0)
    shuffled = stacked(x, labels=LABELS[:5]).take(rng.permutation(5))
    other = timecourse(RDM(np.exp(model / 100), labels=LABELS[:5]), shuffled, n_bootstrap=0)
    assert np.allclose(plain.similarity, other.similarity, rtol=0, atol=1e-14)
    assert np.allclose(plain.upper, other.upper, rtol=0, atol=1e-14)


# ---- published figures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pooling", "lower", "upper"),
    [("rank", 0.45253, 0.54219), ("normalized-rank", 0.45865, 0.54889), ("raw", 0.44856, 0.53459)],
)
def test_ceilings_of_real_data_by_every_definition(pooling, lower, upper, shared_data):
    people = RDM.load(shared_data("rsa92", "92images_fmri_IT_RDMs.npz"))
    data = RDM(people.values[:, None], dims=["subject", "time"], coords={"time": [0.0]})
    result = timecourse(people.values.mean(axis=0), data, pooling=pooling, n_bootstrap=0)
    assert result.lower[0] == pytest.approx(lower, abs=5e-6)
    assert result.upper[0] == pytest.approx(upper, abs=5e-6)
    assert result.n_subjects == 15


def test_ceilings_equal_rsatoolbox_at_each_time(rng):
    toolbox = pytest.importorskip("rsatoolbox")
    x = movie(rng, 5)
    for method, name in (("spearman", "spearman"), ("pearson", "corr"), ("cosine", "cosine")):
        result = timecourse(x[0, 0], stacked(x), method=method, n_bootstrap=0)
        for t in range(4):
            rdms = toolbox.rdm.RDMs(x[:, t])
            expected = toolbox.inference.noise_ceiling.boot_noise_ceiling(rdms, method=name)
            assert [result.lower[t], result.upper[t]] == pytest.approx(list(expected), abs=1e-12)


# ---- missing and undefined -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["spearman", "pearson", "whitened-cosine", "bures"])
def test_nan_at_one_time_changes_no_other(method, data, models):
    broken = data.copy()
    broken[1, 2, 3] = np.nan
    clean = timecourse(models[0], stacked(data), method=method, n_bootstrap=0)
    with pytest.warns(RuntimeWarning, match=r"the data hold NaN .* for: 'subject 2 at 0.2 s'\. The values") as caught:
        result = timecourse(models[0], stacked(broken), method=method, n_bootstrap=0)
    assert len(caught) == 1
    assert np.isnan(result.similarity[0, 1, 2])
    assert np.isnan(result.similarity).sum() == 1
    same = np.ones((4, 4), dtype=bool)
    same[1, 2] = False
    assert np.allclose(result.similarity[0][same], clean.similarity[0][same], rtol=0, atol=1e-14)
    assert np.isnan(result.mean[0]).tolist() == [False, False, True, False]
    if method != "bures":
        assert np.isnan(result.lower).tolist() == [False, False, True, False]
        assert np.allclose(np.delete(result.upper, 2), np.delete(clean.upper, 2), rtol=0, atol=1e-14)


@pytest.mark.parametrize("method", ["spearman", "pearson", "kendall-tau-a", "whitened-cosine"])
def test_missing_pairs_are_left_out_of_that_comparison_alone(method, data, models):
    broken, model = data.copy(), models[:2].copy()
    broken[1, 2, 3] = broken[2, 2, 7] = broken[2, 1, 0] = np.nan
    model[1, 5] = np.nan
    result = timecourse(RDM(model, dims=["model"]), stacked(broken), method=method, nan_policy="omit", n_bootstrap=0)
    for t in range(4):
        here = RDM(broken[:, t], dims=["subject"])
        expected = compare(RDM(model, dims=["model"]), here, method=method, nan_policy="omit")
        assert np.allclose(result.similarity[..., t], expected.values, rtol=0, atol=1e-13)
        bound = noise_ceiling(here, method=method, nan_policy="omit", n_bootstrap=0)
        assert np.allclose(result.lower_per_subject[:, t], bound.lower_per_subject, rtol=0, atol=1e-13)
        assert np.allclose(result.upper_per_subject[:, t], bound.upper_per_subject, rtol=0, atol=1e-13)
    assert result.n_pairs == 13
    assert "at least 13 item pairs" in result.methods_text()


@pytest.mark.parametrize("pooling", ["rank", "normalized-rank"])
@pytest.mark.parametrize("partial", ["both", "models"])
def test_missing_pairs_and_controls(pooling, partial, data, models, rng):
    broken, control = data.copy(), rng.normal(size=15)
    broken[1, 2, 3] = np.nan
    control[9] = np.nan
    options = {"partial": partial, "pooling": pooling, "n_bootstrap": 0}
    result = timecourse(models[0], stacked(broken), controls=control, nan_policy="omit", **options)
    for t in range(4):
        left = np.setdiff1d(np.arange(15), [3, 9] if t == 2 else [9])
        for s in range(4):
            own = np.setdiff1d(np.arange(15), [3, 9] if (s, t) == (1, 2) else [9])
            side = {"both": "both", "models": "first"}[partial]
            expected = reference_compare.partial(models[0][own], data[s, t][own], control[None, own], "spearman", side)
            assert result.similarity[0, s, t] == pytest.approx(expected, abs=1e-12)
        rows = rankdata(data[:, t][:, left], axis=1)
        if partial == "both":
            rows = np.stack([reference_compare.residual(row, rankdata(control[left])[None]) for row in rows])
            _, upper = reference.noise_ceiling(rows, "cosine")
            assert result.upper_per_subject[:, t] == pytest.approx(upper, abs=1e-12)
    if partial == "models":
        return
    with pytest.warns(RuntimeWarning, match=r"controls hold NaN .*: 'control'"):
        assert np.isnan(timecourse(models[0], stacked(broken), controls=control, **options).similarity).all()


def test_a_constant_rdm_is_nan_at_its_time_with_one_warning(data, models):
    flat = data.copy()
    flat[0, 1] = 0.3
    flat[3, 2] = 0.1
    with pytest.warns(RuntimeWarning) as caught:
        result = timecourse(RDM(models, dims=["model"]), stacked(flat))
    assert [str(one.message) for one in caught] == [
        "spearman is undefined for RDMs whose values are all equal: 'subject 1 at 0.1 s', 'subject 4 at 0.2 s'. "
        "The values that depend on them are NaN: mend them, or leave them out."
    ]
    assert np.argwhere(np.isnan(result.similarity[0])).tolist() == [[0, 1], [3, 2]]
    assert np.isnan(result.upper).tolist() == [False, True, True, False]
    assert np.isnan(result.interval[0, 0]).tolist() == [False, True, True, False]


def test_models_that_cannot_be_compared_are_named(data, models):
    broken = models.copy()
    broken[1, 0] = np.nan
    broken[2] = 1.0
    named = dict(zip("abc", broken, strict=True))
    with pytest.warns(RuntimeWarning) as caught:
        result = timecourse(named, stacked(data), n_bootstrap=0)
    message = str(caught[0].message)
    assert len(caught) == 1
    assert "models hold NaN" in message
    assert "'b'; spearman is undefined for models whose values are all equal: 'c'." in message
    assert np.isnan(result.similarity).all(axis=(1, 2)).tolist() == [False, True, True]
    assert "b: NaN" in repr(result)
    assert np.isfinite(result.lower).all()


def test_models_that_the_controls_explain_are_named(data, models):
    with pytest.warns(RuntimeWarning, match="the controls leave nothing of the models: 'a'"):
        result = timecourse({"a": models[0], "b": models[1]}, stacked(data), controls=models[0], n_bootstrap=0)
    assert np.isnan(result.similarity[0]).all()
    assert np.isfinite(result.similarity[1]).all()


def test_data_that_the_controls_explain_are_named(data, models):
    with pytest.warns(RuntimeWarning, match="the controls leave nothing of, or .*: 'subject 3 at 0 s'"):
        result = timecourse(models[0], stacked(data), controls=data[2, 0], n_bootstrap=0)
    assert np.isnan(result.similarity).sum() == 1


def test_too_few_pairs_are_named(models):
    x = np.array([[[1.0, np.nan, np.nan], [1.0, 2, 3]]])
    with pytest.warns(RuntimeWarning, match="fewer than two item pairs are without NaN for: 'subject at 0 s'"):
        result = timecourse([1.0, 2, 4], stacked(x), nan_policy="omit", n_bootstrap=0)
    assert np.isnan(result.similarity[0, 0, 0])
    assert result.similarity[0, 0, 1] == 1


def test_raise_names_the_first(data, models):
    broken = data.copy()
    broken[1, 2, 3] = np.nan
    with pytest.raises(ValueError, match=r"the data hold NaN .*'subject 2 at 0\.2 s'"):
        timecourse(models[0], stacked(broken), nan_policy="raise")
    assert np.isfinite(timecourse(models[0], stacked(data), nan_policy="raise").mean).all()


def test_bures_has_no_ceiling_and_names_what_is_not_euclidean(models):
    x = np.array([[[1.0, 1, 1], [1.0, 10, 1]]])
    with pytest.warns(RuntimeWarning, match="negative eigenvalues .*: subject at 0.1 s|'subject at 0.1 s'"):
        result = timecourse([1.0, 1, 2], stacked(x), method="bures")
    assert "no ceiling" in result.note
    assert result.pooling == ""
    assert np.isnan(result.upper).all()
    assert "ceiling" not in timecourse([1.0, 1, 2], stacked(x[:, :1]), method="bures", ceiling=False).note.replace(
        "no ceiling is defined", ""
    )


def test_a_distance_is_called_so(data, models):
    result = timecourse(models[0], stacked(data), method="bures-metric", n_bootstrap=0)
    assert result.quantity == "distance"
    assert "distance" in result.to_dataframe().columns
    assert "lowest mean" in repr(result)


# ---- bootstrap -------------------------------------------------------------------------------------------------------


def test_intervals_are_those_of_means_of_drawn_participants(rng):
    x = movie(rng, 12)
    result = timecourse(x[0, 0], stacked(x), n_bootstrap=4000, confidence=0.9, rng=1)
    draws = np.random.default_rng(2).integers(12, size=(4000, 12))
    means = result.similarity[0][draws].mean(axis=1)
    tail = norm.cdf(-np.sqrt(12 / 11) * student.isf(0.05, 11))
    assert np.allclose(result.interval[:, 0], np.quantile(means, [tail, 1 - tail], axis=0), atol=0.02)
    again = timecourse(x[0, 0], stacked(x), n_bootstrap=4000, confidence=0.9, rng=1)
    assert np.array_equal(again.interval, result.interval)
    assert result.n_bootstrap == 4000


def test_no_resamples_no_interval(data, models):
    result = timecourse(models[0], stacked(data), n_bootstrap=0)
    assert np.isnan(result.interval).all()
    assert "bootstrap" not in result.methods_text()


# ---- ways of giving the same -----------------------------------------------------------------------------------------


def test_stores_counts_paths_lists_and_stacks_are_the_same(tmp_path, rng, models):
    counts = rng.integers(0, 25, size=(3, 4, 15))
    x = counts / 24
    for s in range(3):
        given = {"labels": LABELS, "times": TIMES, "metric": "decoding", "n_decisions": 12}
        with RDMStore.create(tmp_path / f"p{s}.zarr", **given) as store:
            store.write(0, x[s])
    RDM(x, LABELS, dims=["subject", "time"], coords={"time": TIMES}, metric="decoding").save(tmp_path / "all.npz")
    model = RDM(models[0], LABELS)
    paths = [tmp_path / f"p{s}.zarr" for s in range(3)]
    expected = timecourse(model, stacked(x, labels=LABELS, times=TIMES), n_bootstrap=0)
    for data in (paths, [str(path) for path in paths], [RDMStore.open(path) for path in paths], tmp_path / "all.npz"):
        result = timecourse(model, data, n_bootstrap=0)
        assert np.array_equal(result.similarity, expected.similarity)
        assert np.array_equal(result.upper, expected.upper)
        assert result.times.tolist() == TIMES
        assert result.metric == "decoding"
    result = timecourse(model, paths, n_bootstrap=0)
    assert result.subjects == ("p0", "p1", "p2")
    raw = timecourse(model, paths, pooling="raw", method="pearson", n_bootstrap=0)
    other = timecourse(model, stacked(x, labels=LABELS), pooling="raw", method="pearson", n_bootstrap=0)
    assert np.allclose(raw.lower, other.lower, rtol=0, atol=1e-13)
    named = timecourse(model, {"ann": paths[0], "bob": paths[1]}, n_bootstrap=0)
    assert named.subjects == ("ann", "bob")


def test_fusion_is_a_one_liner(data, models):
    fmri = RDM(models, LABELS, dims=["roi"], coords={"roi": ["EVC", "LO", "IT"]})
    result = timecourse(fmri, stacked(data, labels=LABELS), n_bootstrap=0)
    assert result.models == ("EVC", "LO", "IT")
    assert result.aligned_by == "label"


def test_items_are_matched_by_label(data, models, rng):
    expected = timecourse(RDM(models[0], LABELS), stacked(data, labels=LABELS), n_bootstrap=0)
    order = rng.permutation(6)
    one = stacked(data[:1], labels=LABELS)
    others = stacked(data[1:], labels=LABELS).take(order)
    people = [one.isel(subject=0), *(others.isel(subject=k) for k in range(3))]
    result = timecourse(RDM(models[0], LABELS).take(order[::-1]), people, n_bootstrap=0)
    assert np.allclose(result.similarity, expected.similarity, rtol=0, atol=1e-15)
    assert np.allclose(result.upper, expected.upper, rtol=0, atol=1e-15)
    with pytest.raises(ValueError, match=r"only in data\[0\]: 'owl'; only in data\[1\]: 'zoo'"):
        timecourse(RDM(models[0], LABELS), [RDM(data[0], LABELS), RDM(data[1], [*LABELS[:-1], "zoo"])])
    with pytest.raises(ValueError, match=r"'owl'.*'zoo'"):
        timecourse(RDM(models[0], [*LABELS[:-1], "zoo"]), stacked(data, labels=LABELS))


@pytest.mark.parametrize("method", ["spearman", "pearson", "cosine", "whitened-pearson", "kendall-tau-b", "bures"])
def test_threads_change_no_bit_and_memory_none_that_counts(method, rng, monkeypatch):
    monkeypatch.setattr("alignkit.meg._over_time._BLOCK", 4 * 190 * 3)
    monkeypatch.setattr("alignkit.meg._timecourse._MODEL_BYTES", 2000)
    x, y = movie(rng, 4, 20, 11), movie(rng, 1, 20, 5)[0]
    found = {}
    for threads, memory in ((1, "1 GB"), (2, "1 GB"), (2, "1 MB"), (1, "1 MB")):
        with threadpool_limits(threads):
            result = timecourse(RDM(y, dims=["model"]), stacked(x), method=method, memory=memory, rng=0)
        found[threads, memory] = np.concatenate(
            [result.similarity, result.lower_per_subject[None], result.interval[0, :, None]], axis=None
        )
    for memory in ("1 GB", "1 MB"):
        assert np.array_equal(found[1, memory], found[2, memory], equal_nan=True)
    assert np.allclose(found[1, "1 GB"], found[1, "1 MB"], rtol=0, atol=1e-14, equal_nan=True)
    if method in ("spearman", "kendall-tau-b"):
        assert np.array_equal(found[1, "1 GB"], found[1, "1 MB"])


def test_more_than_the_memory_is_refused(rng):
    x = movie(rng, 3, 200, 1)
    with pytest.raises(ValueError, match=r"200 items of 3 participant\(s\) take .* raise memory by"):
        timecourse(x[0, 0], stacked(x), memory="1 MB")


# ---- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "tau"}, "^method must be one of 'spearman'"),
        ({"pooling": "mean"}, "^pooling must be one of 'rank', 'raw', 'rsatoolbox', 'normalized-rank'"),
        ({"pooling": "normalized-rank", "method": "pearson"}, "pooling='normalized-rank' is for method='spearman'"),
        ({"partial": "first"}, "^partial must be one of 'both', 'models', 'data'"),
        ({"partial": "models"}, "give controls"),
        ({"controls": np.arange(15.0), "method": "cosine"}, "controls are for the methods"),
        ({"controls": np.arange(15.0), "pooling": "raw"}, "averages the data as they are"),
        ({"nan_policy": "ignore"}, "^nan_policy must be one of"),
        ({"on_mismatch": "drop"}, "^on_mismatch must be one of"),
        ({"tolerance": -1.0}, "^tolerance must be a finite number of at least 0"),
        ({"n_bootstrap": -1}, "^n_bootstrap must be at least 0"),
        ({"confidence": 1.0}, "^confidence must lie between 0 and 1"),
        ({"memory": "much"}, "^memory must be a number of bytes"),
        ({"rng": -1}, "^rng must be"),
        ({"sigma_k": np.ones(6)}, "sigma_k is for the methods"),
        ({"sigma_k": np.ones(5), "method": "whitened-cosine"}, "sigma_k must hold one variance per item"),
        ({"controls": RDM(np.ones((2, 15)), dims=["time"])}, "controls must be the same at all times"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message, data, models):
    with pytest.raises(ValueError, match=message):
        timecourse(models[0], stacked(data), **options)


def test_reference_loops_agree(data, models):
    # the exact loop of the reference, in fractions
    result = timecourse(models[0], stacked(data), n_bootstrap=0)
    lower, upper = reference.noise_ceiling(data[:, 0], "spearman", "rank")
    assert result.lower_per_subject[:, 0] == pytest.approx(lower, abs=1e-14)
    assert result.upper_per_subject[:, 0] == pytest.approx(upper, abs=1e-14)
    assert result.similarity[0, 0, 0] == pytest.approx(reference.spearman(models[0], data[0, 0]), abs=1e-15)
