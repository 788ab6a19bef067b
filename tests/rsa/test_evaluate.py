from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import evaluation as reference
from reference.evaluation import few as fast
from reference.evaluation import lab
from scipy import stats
from threadpoolctl import threadpool_limits

from alignkit.rsa import RDM, FixedModel, WeightedModel, compare, evaluate, noise_ceiling, permutation_test
from alignkit.rsa._inference import _resampled_scores
from alignkit.rsa._inference._draw_counts import draw_counts

METHODS = ("spearman", "pearson", "cosine")
WAYS = ("subjects", "items", "both")


def same(one, other):
    first, second = one.to_dict(), other.to_dict()
    return first == second


# --- scores


@pytest.mark.parametrize("method", METHODS)
def test_scores_are_means_over_subjects(rng, method):
    models, data = lab(rng)
    result = fast(models, data, method=method)
    expected = reference.scores(models, data, method)
    assert_allclose(result.per_subject, expected, rtol=1e-12)
    assert_allclose(result.score, expected.mean(axis=1), rtol=1e-12)
    ceiling = noise_ceiling(data, method=method, n_bootstrap=0)
    assert (result.ceiling_lower, result.ceiling_upper) == (ceiling.lower, ceiling.upper)
    assert_array_equal(result.lower_per_subject, ceiling.lower_per_subject)
    assert_array_equal(result.ceiling_difference, result.score - ceiling.lower)


def test_models_come_in_any_form_and_in_any_order(rng):
    models, data = lab(rng, n_items=6)
    labels = list("abcdef")
    people = RDM(data, labels, dims=["subject"])
    turned = [RDM(row, labels).take([5, 3, 0, 1, 4, 2]) for row in models]
    expected = fast(models, data)
    for form in (turned, dict(zip("xyz", turned, strict=True)), [FixedModel(one) for one in turned]):
        found = fast(form, people)
        assert_allclose(found.per_subject, expected.per_subject, rtol=1e-14)
        assert found.aligned_by == "label"
    assert fast(dict(zip("xyz", turned, strict=True)), people).models == ("x", "y", "z")
    assert fast(RDM(models, labels, dims=["layer"], coords={"layer": [1, 5, 9]}), people).models == ("1", "5", "9")
    single = fast(FixedModel(turned[0]), people)
    assert single.per_subject.shape == (1, 7)
    assert single.p_pairwise.shape == (1, 1)
    assert np.isnan(single.p_pairwise).all()
    assert_array_equal(single.p_zero_max, single.p_zero)


def test_only_shared_items_where_that_is_asked_for(rng):
    models, data = lab(rng, n_items=6)
    people = RDM(data, list("abcdef"), dims=["subject"])
    model = RDM(models[0], list("fedcbx"))
    with pytest.raises(ValueError, match="do not hold the same items"):
        fast(model, people)
    found = fast(model, people, on_mismatch="intersect")
    assert found.n_items == 5
    expected = compare(model, people, on_mismatch="intersect").values
    assert_allclose(found.per_subject[0], expected, rtol=1e-14)


# --- over subjects


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
def test_t_tests_equal_scipy(rng, alternative):
    models, data = lab(rng)
    result = fast(models, data, test="t", alternative=alternative, fixed_ceiling=True)
    own = result.per_subject
    one = stats.ttest_1samp(own, 0, axis=1, alternative=alternative)
    assert_allclose(result.se, stats.sem(own, axis=1), rtol=1e-14)
    assert_allclose(result.t_zero, one.statistic, rtol=1e-13)
    assert_allclose(result.p_zero, one.pvalue, rtol=1e-12)
    assert_allclose(result.interval, one.confidence_interval(0.95) if alternative == "two-sided" else _two(own))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        pair = stats.ttest_rel(own[i], own[j])
        assert result.t_pairwise[i, j] == pytest.approx(pair.statistic, rel=1e-13)
        assert result.t_pairwise[j, i] == -result.t_pairwise[i, j]
        assert result.p_pairwise[i, j] == result.p_pairwise[j, i] == pytest.approx(pair.pvalue, rel=1e-12)
    known = stats.ttest_1samp(own, result.ceiling_lower, axis=1)
    assert_allclose(result.t_ceiling, known.statistic, rtol=1e-12)
    assert_allclose(result.p_ceiling, known.pvalue, rtol=1e-12)


def _two(own):
    return np.stack(stats.ttest_1samp(own, 0, axis=1).confidence_interval(0.95))


@pytest.mark.parametrize("method", [("corr", "pearson"), ("cosine", "cosine"), ("spearman", "spearman")])
def test_equals_rsatoolbox(rng, method):
    inference = pytest.importorskip("rsatoolbox.inference")
    toolbox_model = pytest.importorskip("rsatoolbox.model")
    rdms = pytest.importorskip("rsatoolbox.rdm")
    models, data = lab(rng)
    fixed = [toolbox_model.ModelFixed(f"m{i}", row) for i, row in enumerate(models)]
    theirs = inference.eval_fixed(fixed, rdms.RDMs(data), method=method[0])
    result = fast(models, data, method=method[1], test="t", fixed_ceiling=True)
    assert_allclose(result.score, theirs.get_means(), rtol=1e-12)
    assert_allclose(result.se, theirs.get_sem(), rtol=1e-12)
    assert_allclose(result.p_zero, theirs.test_zero(), rtol=1e-8, atol=1e-15)
    off = ~np.eye(3, dtype=bool)
    assert_allclose(result.p_pairwise[off], theirs.test_pairwise()[off], rtol=1e-8, atol=1e-15)
    assert_allclose(result.p_ceiling, theirs.test_noise(), rtol=1e-8, atol=1e-15)
    assert_allclose(result.interval, theirs.get_ci(0.95), rtol=1e-12)
    assert_allclose((result.ceiling_lower, result.ceiling_upper), np.ravel(theirs.get_noise_ceil()), rtol=1e-12)


@pytest.mark.parametrize("alternative", ["greater", "two-sided"])
def test_sign_flips_are_all_there_are(rng, alternative):
    models, data = lab(rng, noise=3.0)
    result = fast(models, data, alternative=alternative)
    assert (result.test_zero, result.exact_zero, result.n_permutations) == ("sign-flip", True, 128)
    p, corrected = reference.flip_test(result.per_subject.T, alternative)
    assert_allclose(result.p_zero, p, rtol=1e-14)
    assert_allclose(result.p_zero_max, corrected, rtol=1e-14)
    rows, columns = np.triu_indices(3, k=1)
    p, corrected = reference.flip_test((result.per_subject[rows] - result.per_subject[columns]).T, "two-sided")
    assert_allclose(result.p_pairwise[rows, columns], p, rtol=1e-14)
    assert_allclose(result.p_pairwise_max[rows, columns], corrected, rtol=1e-14)
    assert_allclose(result.p_pairwise_fdr[rows, columns], stats.false_discovery_control(p), rtol=1e-14)
    assert_array_equal(result.p_pairwise, result.p_pairwise.T)


def test_many_subjects_have_random_flips(rng):
    models, data = lab(rng, n_subjects=21, n_models=1)
    result = fast(models, data, n_permutations=199)
    assert (result.exact_zero, result.n_permutations) == (False, 199)
    assert result.p_zero[0] == 1 / 200


@pytest.mark.parametrize("method", METHODS)
def test_the_ceiling_is_as_uncertain_as_its_resamples(rng, method):
    models, data = lab(rng, n_subjects=6, n_items=6)
    result = fast(models, data, method=method, n_bootstrap=40, rng=3)
    counts = draw_counts(6, 40, np.random.default_rng(3).spawn(6)[1])
    apart = []
    for row in counts:
        lower, _ = reference.ceiling(data, row, method) if (row > 0).sum() > 1 else (np.nan, np.nan)
        apart.append([reference.scores(models, data, method)[k] @ row / 6 - lower for k in range(3)])
    variance = np.nanvar(apart, axis=0, ddof=1) * 6 / 5
    assert_allclose(result.se_ceiling_difference, np.sqrt(variance), rtol=1e-10)
    t = result.ceiling_difference / np.sqrt(variance)
    assert_allclose(result.p_ceiling, 2 * stats.t.sf(np.abs(t), 5), rtol=1e-8)


# --- over items


def test_permutations_of_items_are_mantels(rng):
    models, data = lab(rng, n_subjects=3, n_items=5, noise=2.0)
    result = fast(models, data, generalize="items", n_permutations=200)
    assert (result.test_zero, result.test_pairwise, result.exact_zero) == ("permutation", "t", True)
    assert result.n_permutations == 120
    p, corrected = reference.mantel(models, data, 5, "spearman")
    assert_allclose(result.p_zero, p, rtol=1e-14)
    assert_allclose(result.p_zero_max, np.maximum(corrected, p), rtol=1e-14)


@pytest.mark.parametrize("method", ["spearman", "cosine", "whitened-pearson", "kendall-tau-a"])
def test_permutations_of_items_equal_permutation_test(rng, method):
    models, data = lab(rng, noise=3.0)
    result = fast(models, data, generalize="items", method=method, n_bootstrap=20)
    generator = np.random.default_rng(0).spawn(6)[2]
    theirs = permutation_test(
        models,
        RDM(data, dims=["subject"]),
        method=method,
        n_permutations=60,
        alternative="greater",
        average="subject",
        rng=generator,
    )
    assert_allclose(result.p_zero, theirs.p, rtol=1e-14)
    assert_allclose(result.p_zero_max, theirs.p_corrected, rtol=1e-14)


@pytest.mark.parametrize("method", METHODS)
def test_errors_over_items_are_those_of_resamples(rng, method):
    models, data = lab(rng, n_subjects=4, n_items=7)
    result = fast(models, data, generalize="items", method=method, n_bootstrap=30, rng=5)
    counts = draw_counts(7, 30, np.random.default_rng(5).spawn(6)[0])
    found = []
    for row in counts:
        if (row > 0).sum() < 3:
            found.append(np.full(4, np.nan))
            continue
        pairs = reference.item_copies(row, 7)
        lower, _ = reference.ceiling(data[:, pairs], np.ones(4, dtype=int), method)
        found.append([*reference.scores(models[:, pairs], data[:, pairs], method).mean(axis=1), lower])
    samples = np.array(found)
    factor = 7 / 6
    assert_allclose(result.se, np.sqrt(factor * np.nanvar(samples[:, :3], axis=0, ddof=1)), rtol=1e-9)
    apart = np.nanvar(samples[:, 0] - samples[:, 2], ddof=1)
    assert result.se_difference[0, 2] == pytest.approx(np.sqrt(factor * apart), rel=1e-9)
    apart = np.nanvar(samples[:, :3] - samples[:, [3]], axis=0, ddof=1)
    assert_allclose(result.se_ceiling_difference, np.sqrt(factor * apart), rtol=1e-8)
    assert result.dof == 6
    p = 2 * stats.t.sf(abs(result.t_pairwise[0, 2]), 6)
    assert result.p_pairwise[0, 2] == pytest.approx(p, rel=1e-10)
    quantiles = fast(models, data, generalize="items", method=method, n_bootstrap=30, rng=5, interval="percentile")
    assert_allclose(quantiles.interval, np.nanquantile(samples[:, :3], [0.025, 0.975], axis=0), rtol=1e-9)


# --- over both


def test_errors_over_both_combine_three_bootstraps(rng):
    models, data = lab(rng, n_subjects=5, n_items=7)
    result = fast(models, data, generalize="both", method="pearson", n_bootstrap=40, rng=2, interval="percentile")
    items_rng, subjects_rng, *_ = np.random.default_rng(2).spawn(6)
    items, subjects = draw_counts(7, 40, items_rng), draw_counts(5, 40, subjects_rng)
    whole = reference.scores(models, data, "pearson")
    samples = {"items": [], "subjects": [], "both": []}
    for of_items, of_subjects in zip(items, subjects, strict=True):
        pairs = reference.item_copies(of_items, 7)
        if (of_items > 0).sum() < 3:
            samples["items"].append(np.full(3, np.nan)), samples["both"].append(np.full(3, np.nan))
        else:
            own = reference.scores(models[:, pairs], data[:, pairs], "pearson")
            samples["items"].append(own.mean(axis=1)), samples["both"].append(own @ of_subjects / 5)
        samples["subjects"].append(whole @ of_subjects / 5)

    def combined(contrast):
        both, people, things = (
            np.nanvar([contrast(row) for row in samples[key]], axis=0, ddof=1) for key in ("both", "subjects", "items")
        )
        s, n = 5 / 4, 7 / 6
        value = s * people + n * things - s * n * (both - people - things)
        return np.minimum(np.maximum(value, np.maximum(s * people, n * things)), both), both

    variance, both = combined(lambda row: row)
    assert_allclose(result.se, np.sqrt(variance), rtol=1e-9)
    assert result.se_difference[1, 2] == pytest.approx(np.sqrt(combined(lambda row: row[1] - row[2])[0]), rel=1e-9)
    assert result.dof == 4
    assert_allclose(result.p_zero, stats.t.sf(result.score / result.se, 4), rtol=1e-10)
    values = np.array(samples["both"])
    mean = np.nanmean(values, axis=0)
    drawn_in = mean + (values - mean) * np.sqrt(variance / both)
    assert_allclose(result.interval, np.nanquantile(drawn_in, [0.025, 0.975], axis=0), rtol=1e-9)


# --- draws


@pytest.mark.parametrize("way", WAYS)
def test_the_same_bits_for_any_number_of_threads(rng, way):
    models, data = lab(rng, n_subjects=6, n_items=12)
    with threadpool_limits(1):
        one = fast(models, data, generalize=way, interval="bca")
    with threadpool_limits(2):
        assert same(fast(models, data, generalize=way, interval="bca"), one)
    assert not same(fast(models, data, generalize=way, interval="bca", rng=1), one)


@pytest.mark.parametrize("way", WAYS)
def test_neither_the_order_nor_the_scale_of_models_matters(rng, way):
    models, data = lab(rng, n_models=4)
    one = fast(models, data, generalize=way, method="pearson")
    other = fast(5 * models[::-1] + 2, data, generalize=way, method="pearson")
    for name in ("score", "se", "p_zero", "p_ceiling", "p_zero_fdr"):
        assert_allclose(getattr(other, name)[::-1], getattr(one, name), rtol=1e-8, err_msg=name)
    assert_allclose(other.p_pairwise[::-1, ::-1], one.p_pairwise, rtol=1e-7)


def test_whitened_with_variances(rng):
    models, data = lab(rng)
    sigma = rng.random(9) + 0.5
    for way, test in (("subjects", "auto"), ("items", "t"), ("both", "auto")):
        result = fast(models, data, method="whitened-cosine", sigma_k=sigma, generalize=way, test=test)
        expected = compare(models, data, method="whitened-cosine", sigma_k=sigma).values
        assert_allclose(result.per_subject, expected, rtol=1e-12)
        assert result.sigma_k == "variances"
    with pytest.raises(ValueError, match="sigma_k belongs to the items"):
        fast(models, data, method="whitened-cosine", sigma_k=sigma, generalize="items")


def test_family_wise_p_are_between_p_and_bonferroni(rng):
    models, data = lab(rng, n_models=5, noise=2.0)
    for way in WAYS:
        result = evaluate(models, data, generalize=way, test="t", n_bootstrap=80, rng=0)
        assert (result.p_zero_max >= result.p_zero).all()
        assert (result.p_zero_max <= 5 * result.p_zero + 0.02).all()
        rows, columns = np.triu_indices(5, k=1)
        p, corrected = result.p_pairwise[rows, columns], result.p_pairwise_max[rows, columns]
        assert (corrected >= p).all()
        assert (corrected <= 10 * p + 0.02).all()


# --- refusals


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"generalize": "people"}, "generalize must be one of"),
        ({"method": "bures"}, "has no mean RDM"),
        ({"test": "permutation"}, "does not speak of new subjects"),
        ({"generalize": "both", "test": "sign-flip"}, "with generalize='both' test is one of 'auto', 't'"),
        ({"test": "ranksum"}, "test must be one of"),
        ({"interval": "normal"}, "interval must be one of"),
        ({"interval": "bca", "n_bootstrap": 0}, "n_bootstrap must be at least 2"),
        ({"generalize": "items", "n_bootstrap": 1}, "n_bootstrap must be at least 2"),
        ({"n_bootstrap": 1}, "n_bootstrap must be at least 2 where errors or intervals are resampled; got 1"),
        ({"alpha": 1.0}, "alpha must lie between 0 and 1"),
        ({"confidence": 0}, "confidence must lie between 0 and 1"),
        ({"fdr_method": "holm"}, "fdr_method must be one of"),
        ({"alternative": "larger"}, "alternative must be one of"),
        ({"pooling": "mean"}, "pooling must be one of"),
        ({"dim": "session"}, "dim must be one of"),
        ({"sigma_k": np.ones(9)}, "sigma_k is for the methods"),
    ],
)
def test_refusals(rng, options, text):
    models, data = lab(rng)
    with pytest.raises(ValueError, match=text):
        evaluate(models, data, **options)


def test_refused_data(rng):
    models, data = lab(rng)
    with pytest.raises(ValueError, match="further axes 'time'"):
        evaluate(models, RDM(np.stack([data, data], axis=1), dims=["subject", "time"]))
    with pytest.raises(ValueError, match="single RDM; an evaluation needs a leading axis of subjects"):
        evaluate(models, data[0])
    with pytest.raises(ValueError, match="models is empty"):
        evaluate({}, data)
    with pytest.raises(ValueError, match="at least 3 items"):
        evaluate(models, np.full_like(data, np.nan), nan_policy="omit")


def test_nothing_warns_and_nothing_is_written_to(rng, readonly):
    models, data = lab(rng)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for way in WAYS:
            fast(readonly(models), readonly(data), generalize=way, interval="bca")


def test_what_is_no_client(rng):
    with pytest.raises(TypeError, match=r"client must be a dask\.distributed\.Client; got 'tcp://here:8786'"):
        evaluate(rng.random((2, 15)), rng.random((4, 15)), client="tcp://here:8786")


@pytest.mark.parametrize("method", ["pearson", "cosine", "spearman", "rho-a", "whitened-cosine", "kendall-tau-a"])
@pytest.mark.parametrize("generalize", ["items", "both"])
def test_a_device_finds_the_same(method, generalize, device, rng):
    truth = rng.random(66)
    models, people = truth + rng.random((3, 66)), truth + rng.random((5, 66))
    options = {"generalize": generalize, "method": method, "n_bootstrap": 20, "n_permutations": 20, "rng": 1}
    if method == "rho-a":
        options["interval"] = "bca"
    found, expected = evaluate(models, people, device=device, **options), evaluate(models, people, **options)
    for name in ("score", "se", "interval", "se_difference", "se_ceiling_difference", "ceiling_interval", "p_zero"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=0, atol=1e-10)


def test_what_does_not_go_with_a_device(rng):
    pytest.importorskip("torch")
    models, people = rng.random((2, 15)), rng.random((4, 15))
    with pytest.raises(ValueError, match="device is for this process, and the workers of a client compute with numpy"):
        evaluate(models, people, client=object(), device="cpu")
    with pytest.raises(ValueError, match="device 'cuda:99' was asked for, torch sees"):
        evaluate(models, people, device="cuda:99")
    for options in ({"controls": rng.random(15), "method": "pearson"}, {"models": {"w": WeightedModel(models)}}):
        with pytest.raises(ValueError, match="device is for fixed models without controls: what is fitted is computed"):
            evaluate(options.pop("models", models), people, device="cpu", **options)


def test_torch_computes_where_it_is_told_to(rng, monkeypatch):
    pytest.importorskip("torch")
    found = []
    task_of = _resampled_scores.task_of
    monkeypatch.setattr(_resampled_scores, "task_of", lambda *a, **o: found.append(o["device"]) or task_of(*a, **o))
    for device in (None, "cpu"):
        evaluate(rng.random((2, 15)), rng.random((4, 15)), generalize="both", n_bootstrap=5, device=device)
    assert found == [None, "cpu"]


def test_refusals_speak_of_data(rng):
    with pytest.raises(ValueError, match=r"^data holds a single RDM; an evaluation needs"):
        evaluate(rng.random((2, 45)), rng.random(45))


def test_plots_take_axes_alone(rng):
    found = evaluate(rng.random((2, 45)), rng.random((4, 45)), n_bootstrap=0)
    with pytest.raises(
        TypeError, match=r"ax must be matplotlib axes, such as plt.subplots\(\) gives, or None; got 'x'"
    ):
        found.plot("x")
