"""What an evaluation says of too little data, of values that are missing or equal, and of anything at all."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from reference import evaluation as reference
from reference.evaluation import few as fast
from reference.evaluation import lab
from scipy import stats

from alignkit.rsa import RDM, evaluate, squareform

WAYS = ("subjects", "items", "both")


# --- honesty


def test_four_subjects_reach_no_level():
    rng = np.random.default_rng(1)
    models, data = lab(rng, n_subjects=4, n_models=2)
    result = fast(models, data)
    assert np.isnan(result.p_zero).all()
    assert np.isnan(result.p_zero_max).all()
    reason = "4 subjects have 16 sign patterns, so that p cannot be below 0.0625 (1/16): a test at 0.05 is impossible"
    assert result.why_zero == (reason, reason)
    assert "two-sided p cannot be below 0.125 (2/16)" in result.why_pairwise[0][1]
    assert result.why_pairwise[0][0] == ""
    assert f"No test against zero: {reason}." in result.note
    assert result.to_dataframe().why_zero.tolist() == [reason, reason]
    assert "0.125" in result.pairs().why_pairwise[0]
    assert fast(models, data, alpha=0.0625).p_zero.tolist() == [0.0625, 0.0625]
    assert np.isfinite(fast(models, data, test="t").p_pairwise[0, 1])


@pytest.mark.parametrize("way", WAYS)
def test_one_subject(rng, way):
    models, data = lab(rng, n_subjects=1)
    result = fast(models, data, generalize=way)
    assert np.isfinite(result.score).all()
    assert np.isnan([result.ceiling_lower, result.ceiling_upper]).all()
    assert np.isnan(result.p_ceiling).all()
    assert set(result.why_ceiling) == {"one subject: there is no ceiling"}
    if way == "items":
        assert np.isfinite(result.se).all()
        assert np.isfinite(result.p_zero).all()
        assert np.isfinite(result.interval).all()
    else:
        assert np.isnan(result.se).all()
        assert np.isnan(result.p_zero).all()
        assert np.isnan(result.p_pairwise).all()
        assert np.isnan(result.interval).all()
        assert "No test against zero: one subject" in result.note


def test_two_subjects_by_hand():
    # equal intervals of ranks: the scores are 1 and 0.5
    model = [1.0, 2, 3]
    result = evaluate(model, [[1.0, 2, 3], [1.0, 3, 2]], test="t", n_bootstrap=0)
    assert_allclose(result.per_subject, [[1.0, 0.5]])
    assert result.score[0] == 0.75
    assert result.se[0] == pytest.approx(0.25)
    assert result.p_zero[0] == pytest.approx(stats.t.sf(3.0, 1))
    assert result.dof == 1
    reach = stats.t.ppf(0.975, 1) * 0.25
    assert_allclose(result.interval[:, 0], [0.75 - reach, 0.75 + reach])
    assert "two subjects" in result.why_ceiling[0]
    flipped = evaluate(model, [[1.0, 2, 3], [1.0, 3, 2]], n_bootstrap=0, alpha=0.25)
    assert flipped.p_zero[0] == 0.25


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("interval", ["t", "percentile", "bca"])
def test_two_subjects_and_three_items_run(way, interval):
    result = fast([[1.0, 2, 3], [3.0, 2, 1]], [[1.0, 2, 3], [1.0, 3, 2]], generalize=way, interval=interval)
    assert_allclose(result.score, [0.75, -0.75])
    if way != "subjects":
        assert "3 items are too few" in result.note
        assert np.isnan(result.p_zero).all()
        assert all(result.why_zero)


def test_permutations_that_leave_a_model_as_it_is_reach_no_level(rng):
    # two groups of two items: 8 of 24 permutations change nothing
    model = RDM([0.0, 1, 1, 1, 1, 0])
    result = fast(model, rng.random((5, 6)), generalize="items", n_permutations=100)
    assert "4 items have 24 permutations" in result.why_zero[0]
    assert "p cannot be below 0.3333" in result.why_zero[0]
    untied = fast(rng.random((1, 6)), rng.random((5, 6)), generalize="items", n_permutations=100)
    assert untied.why_zero == ("",)


def test_too_few_random_draws_reach_no_level(rng):
    models, data = lab(rng)
    result = fast(models, data, generalize="items", n_permutations=10)
    assert set(result.why_zero) == {"with n_permutations=10 p cannot be below 0.09091: a test at 0.05 is impossible"}
    models, data = lab(rng, n_subjects=22)
    result = fast(models, data, n_permutations=10)
    assert "n_permutations=10" in result.why_zero[0]


def test_without_resamples_the_ceiling_is_not_tested(rng):
    models, data = lab(rng)
    result = fast(models, data, n_bootstrap=0)
    assert "n_bootstrap=0" in result.why_ceiling[0]
    assert np.isfinite(result.p_zero).all()
    assert np.isfinite(fast(models, data, n_bootstrap=0, fixed_ceiling=True).p_ceiling).all()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("test", ["auto", "t"])
def test_duplicates_do_not_differ(rng, way, test):
    models, data = lab(rng, n_models=2)
    result = fast([models[0], 2 * models[0] + 1, models[1]], data, generalize=way, method="pearson", test=test)
    assert result.difference[0, 1] == 0.0
    assert np.isnan(result.p_pairwise[0, 1])
    assert "no variance to judge by" in result.why_pairwise[0][1]
    assert np.isfinite(result.p_pairwise[0, 2])
    assert result.p_pairwise[0, 2] == pytest.approx(result.p_pairwise[1, 2], rel=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_a_constant_model_is_nan_alone(rng, way):
    models, data = lab(rng)
    models[1] = 3.0
    with pytest.warns(RuntimeWarning, match="all equal; among the models: 'model model 1'") as caught:
        result = fast(models, data, generalize=way, interval="percentile")
    assert caught[0].filename == reference.few.__code__.co_filename
    assert np.isnan(result.score).tolist() == [False, True, False]
    rest = fast(models[[0, 2]], data, generalize=way, interval="percentile")
    for name in ("score", "se", "p_zero", "p_zero_fdr", "p_zero_max", "p_ceiling"):
        assert_allclose(getattr(result, name)[[0, 2]], getattr(rest, name), rtol=1e-12, err_msg=name)
    assert_allclose(result.interval[:, [0, 2]], rest.interval, rtol=1e-12)
    assert result.p_pairwise[0, 2] == pytest.approx(rest.p_pairwise[0, 1])
    assert "undefined" in result.why_zero[1]
    assert "undefined" in result.why_pairwise[0][1]


def test_a_constant_subject_leaves_nothing(rng):
    models, data = lab(rng)
    data[2] = 0.5
    with pytest.warns(RuntimeWarning, match="all equal; in the data: 'subject 2'"):
        result = fast(models, data, generalize="both")
    assert np.isnan(result.score).all()
    assert np.isnan(result.p_zero).all()
    assert result.n_bootstrap == 0


def test_subjects_who_cancel_out_have_no_ceiling(rng):
    models, data = lab(rng, n_subjects=3, noise=0.0)
    opposed = np.concatenate([data[:1], 1 - data[:1], rng.random((1, 36))])
    result = fast(models, opposed, method="pearson", generalize="items")
    assert np.isnan(result.ceiling_lower)
    assert set(result.why_ceiling) == {"the ceiling is undefined"}
    assert np.isfinite(result.p_zero).all()


def test_ties_in_the_scores_count(rng):
    # every subject the same: no variance over subjects, but over items
    models, data = lab(rng)
    equal = np.repeat(data[:1], 6, axis=0)
    result = fast(models, equal)
    assert np.isnan(result.p_zero).all()
    assert "score alike" in result.why_zero[0]
    assert (result.se == 0).all()
    assert np.isfinite(fast(models, equal, generalize="items").p_zero).all()


# --- missing values


def test_nan_policies(rng):
    models, data = lab(rng)
    data[1, 4] = np.nan
    with pytest.warns(RuntimeWarning, match="the data hold NaN"):
        assert np.isnan(fast(models, data).score).all()
    with pytest.raises(ValueError, match="the data hold NaN"):
        fast(models, data, nan_policy="raise")
    kept = np.arange(36) != 4
    for way in WAYS:
        result = fast(models, data, nan_policy="omit", generalize=way)
        assert_allclose(result.score, reference.scores(models[:, kept], data[:, kept], "spearman").mean(axis=1))
        assert (result.n_items, result.n_pairs, result.n_dropped) == (9, 35, 0)
        assert np.isfinite(result.p_zero).all()
    models[0, 7] = np.nan
    with pytest.warns(RuntimeWarning, match="a model holds NaN"):
        one = fast(models, np.nan_to_num(data), generalize="both")
    assert np.isnan(one.score).tolist() == [True, False, False]
    assert np.isfinite(one.p_zero[1:]).all()


def test_items_without_values_leave(rng):
    models, data = lab(rng, n_items=8)
    square = RDM(data, list("abcdefgh"), dims=["subject"]).squareform()
    square[:, 2] = square[:, :, 2] = np.nan
    square[:, 2, 2] = 0
    people = RDM(square, list("abcdefgh"), dims=["subject"])
    result = fast(RDM(models, list("abcdefgh"), dims=["model"]), people, nan_policy="omit", generalize="both")
    keep = [0, 1, 3, 4, 5, 6, 7]
    expected = fast(
        RDM(models, list("abcdefgh"), dims=["model"]).take(keep),
        RDM(data, list("abcdefgh"), dims=["subject"]).take(keep),
        generalize="both",
    )
    assert (result.n_items, result.n_dropped) == (7, 1)
    assert_array_equal(result.se, expected.se)
    assert_array_equal(result.p_zero, expected.p_zero)


# --- anything


@given(
    n_subjects=st.integers(1, 6),
    n_items=st.integers(3, 7),
    n_models=st.integers(1, 4),
    levels=st.sampled_from([2, 3, 1000]),
    way=st.sampled_from(WAYS),
    interval=st.sampled_from(["t", "percentile", "bca"]),
    test=st.sampled_from(["auto", "t"]),
    method=st.sampled_from(["spearman", "pearson", "cosine", "rho-a", "whitened-cosine", "kendall-tau-b"]),
    alternative=st.sampled_from(["greater", "less", "two-sided"]),
    seed=st.integers(0, 10**6),
)
def test_whatever_comes_every_number_is_one_or_has_a_reason(
    n_subjects, n_items, n_models, levels, way, interval, test, method, alternative, seed
):
    draw = np.random.default_rng(seed)
    rows = draw.integers(levels, size=(n_subjects + n_models, n_items * (n_items - 1) // 2)).astype(float)
    options = {"generalize": way, "interval": interval, "test": test, "method": method, "alternative": alternative}
    with warnings.catch_warnings():
        # constant RDMs, which say so
        warnings.filterwarnings("ignore", message=".*is undefined for RDMs whose values")
        # squares: three condensed RDMs of three items could be one
        models, data = squareform(rows[n_subjects:]), squareform(rows[:n_subjects])
        result = evaluate(models, data, n_bootstrap=12, n_permutations=30, rng=0, **options)
    rows, columns = np.triu_indices(n_models, k=1)
    why_pairwise = [result.why_pairwise[i][j] for i, j in zip(rows, columns, strict=True)]
    families = {
        "zero": (slice(None), result.why_zero),
        "ceiling": (slice(None), result.why_ceiling),
        "pairwise": ((rows, columns), why_pairwise),
    }
    for what, (where, why) in families.items():
        p, corrected, adjusted = (getattr(result, f"p_{what}{suffix}")[where] for suffix in ("", "_max", "_fdr"))
        assert_array_equal(np.isnan(p), [bool(reason) for reason in why])
        assert_array_equal(np.isnan(p), np.isnan(corrected) | np.isnan(adjusted))
        kept = ~np.isnan(p)
        assert ((p[kept] >= 0) & (p[kept] <= 1)).all()
        assert (corrected[kept] >= p[kept]).all()
        assert (adjusted[kept] >= p[kept]).all()
        assert (corrected[kept] <= 1).all()
    lower, upper = result.interval
    drawn = np.isfinite(lower)
    assert (lower[drawn] <= upper[drawn]).all()
    if interval == "t":
        assert_array_equal(drawn, np.isfinite(result.se))
    assert repr(result)
    assert result.methods_text()
    assert len(result.to_dataframe()) == n_models
